"""Releases under the rights of deploy/, enforced: nothing is refused, and nothing lies unused."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from analysis.times import format_time
from rollouts.controllers.settings import Settings
from rollouts.controllers.wiring import controller_set
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import Forbidden
from rollouts.kube.resources import (
    ANALYSIS_TEMPLATES,
    DEPLOYMENTS,
    EXPERIMENTS,
    JOBS,
    NAMESPACES,
    POD_TEMPLATES,
    ROLLOUTS,
    SECRETS,
    SERVICES,
    Resource,
)
from rollouts.runtime.clock import Clock
from rollouts.sandbox.cluster import Cluster
from rollouts.simulate.loop import run_virtual, virtual_clock
from tests.controllers.test_rbac import INDIRECT, NARROW, WIDE, documents

HOME = "rollouts"
# What the code asks for only in a race: a create that meets its own earlier attempt, a lost answer.
RARE = {
    ("apps", "replicasets", "get"),
    ("batch", "jobs", "get"),
    ("argoproj.io", "analysisruns", "get"),
    ("", "events", "patch"),
    ("", "services", "get"),
    ("argoproj.io", "analysistemplates", "get"),
    ("argoproj.io", "clusteranalysistemplates", "get"),
}


class Enforced:
    """A KubeApi that lets through what the roles allow, as an API server would."""

    def __init__(self, api: KubeApi, path: Path) -> None:
        self._api = api
        self.used: set[tuple[str, str, str]] = set()
        self.refused: list[str] = []
        self._everywhere, self._at_home = rights(path)

    def _check(self, verb: str, resource: Resource, namespace: str | None, sub: str = "") -> None:
        name = f"{resource.plural}/{sub}" if sub else resource.plural
        right = (resource.group, name, verb)
        self.used.add(right)
        if right not in self._everywhere and not (namespace == HOME and right in self._at_home):
            self.refused.append(f"{verb} {name} in {namespace}")
            raise Forbidden(f"{name} is forbidden: cannot {verb}")

    def __getattr__(self, verb: str) -> Any:
        call = getattr(self._api, verb)

        def checked(resource: Resource, *given: Any, **more: Any) -> Any:
            places = {"list": 0, "watch": 0, "update": 1, "create": 1, "get": 1, "delete": 1}
            place = places.get(verb, 2)
            namespace = given[place] if len(given) > place else more.get("namespace")
            self._check(verb, resource, namespace, more.get("subresource", ""))
            return call(resource, *given, **more)

        return checked


def rights(path: Path) -> tuple[set[tuple[str, str, str]], set[tuple[str, str, str]]]:
    """Rights of the controller's ServiceAccount: everywhere, and in its own namespace."""
    found: dict[str, set[tuple[str, str, str]]] = {"ClusterRole": set(), "Role": set()}
    for one in documents(path):
        if one["kind"] in found and "aggregate" not in one["metadata"]["name"]:
            found[one["kind"]] |= {
                (group, name, verb)
                for rule in one["rules"]
                for group in rule["apiGroups"]
                for name in rule["resources"]
                for verb in rule["verbs"]
            }
    return found["ClusterRole"], found["Role"]


def template(image: str) -> Obj:
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": image}]},
    }


def rollout(name: str, strategy: Obj) -> Obj:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name},
        "spec": {
            "replicas": 2,
            "revisionHistoryLimit": 0,
            "analysis": {"successfulRunHistoryLimit": 0, "unsuccessfulRunHistoryLimit": 0},
            "selector": {"matchLabels": {"app": "web"}},
            "template": template("web:1"),
            "strategy": strategy,
        },
    }


TRIED = {"name": "one", "specRef": "canary"}
CANARY = {
    "stableMetadata": {"labels": {"role": "stable"}},
    "steps": [
        {"setWeight": 50},
        {"analysis": {"templates": [{"templateName": "check"}]}},
        {"experiment": {"templates": [TRIED], "duration": "10s", "scaleDownDelaySeconds": 0}},
    ],
}
BLUE_GREEN = {"activeService": "active", "scaleDownDelaySeconds": 5}
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "eA=="}}


def check() -> Obj:
    pod = {"restartPolicy": "Never", "containers": [{"name": "probe", "image": "probe"}]}
    job = {"spec": {"backoffLimit": 0, "template": {"spec": pod}}}
    argument = {"name": "token", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    metrics = [{"name": "probe", "count": 3, "interval": "5s", "provider": {"job": job}}]
    retention = [{"metricName": "probe", "limit": 1}]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": "check"},
        "spec": {"args": [argument], "metrics": metrics, "measurementRetention": retention},
    }


def referring(kind: str, api_version: str) -> Obj:
    """A Rollout named after the kind of workload it refers to."""
    found = rollout(kind.lower(), {"canary": {}})
    ref = {"apiVersion": api_version, "kind": kind, "name": "old", "scaleDown": "onsuccess"}
    found["spec"] |= {"workloadRef": ref}
    del found["spec"]["template"]
    return found


async def workloads(api: KubeApi, namespace: str) -> None:
    """A Deployment and a PodTemplate, and Rollouts that refer to them."""
    named = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "old"}}
    deployment = {"selector": {"matchLabels": {"app": "web"}}, "template": template("web:1")}
    kind = {"apiVersion": "apps/v1", "kind": "Deployment"}
    await api.create(DEPLOYMENTS, {**named, **kind, "spec": deployment}, namespace)
    await api.create(POD_TEMPLATES, {**named, "template": template("web:1")}, namespace)
    for resource in (DEPLOYMENTS, POD_TEMPLATES):
        refers = referring(resource.kind, resource.api_version)
        await api.create(ROLLOUTS, refers, namespace)


def experiment() -> Obj:
    """One template with a Service, watched by the analysis, for a while."""
    pods = template("trial:1")
    pods["spec"]["containers"][0]["ports"] = [{"containerPort": 80}]
    selector = {"matchLabels": {"app": "web"}}
    tried = {"name": "one", "selector": selector, "template": pods, "service": {}}
    analysis = {"name": "check", "templateName": "check", "requiredForCompletion": True}
    spec = {"templates": [tried], "analyses": [analysis], "scaleDownDelaySeconds": 5}
    kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Experiment"}
    return {**kind, "metadata": {"name": "trial"}, "spec": spec}


def service() -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "active"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    }


async def release(enforced: Enforced, cluster: Cluster, namespace: str, clock: Clock) -> None:
    """Two versions of a canary with analysis, and of a blue-green, from start to clean-up."""
    api = cluster.api
    await api.create(SECRETS, SECRET, namespace)
    await api.create(ANALYSIS_TEMPLATES, check(), namespace)
    await api.create(SERVICES, service(), namespace)
    await api.create(ROLLOUTS, rollout("canary", {"canary": CANARY}), namespace)
    await api.create(ROLLOUTS, rollout("blue", {"blueGreen": BLUE_GREEN}), namespace)
    await workloads(api, namespace)
    await api.create(EXPERIMENTS, experiment(), namespace)
    await asyncio.sleep(60)
    for number in (2, 3):
        for name in ("canary", "blue"):
            patch = {"spec": {"template": template(f"web:{number}")}}
            await api.patch(ROLLOUTS, name, patch, namespace)
        await asyncio.sleep(300)
    for name in ("canary", "blue", "deployment", "podtemplate"):
        found = await api.get(ROLLOUTS, name, namespace)
        assert found["status"]["phase"] == "Healthy", found["status"]
    assert (await api.get(EXPERIMENTS, "trial", namespace))["status"]["phase"] == "Successful"
    await api.delete(EXPERIMENTS, "trial", namespace)
    await asyncio.sleep(60)
    assert not (await api.list(JOBS, namespace))["items"]
    patch = {"spec": {"restartAt": format_time(clock.wall())}}
    await api.patch(ROLLOUTS, "canary", patch, namespace)
    await asyncio.sleep(60)
    assert "restartedAt" in (await api.get(ROLLOUTS, "canary", namespace))["status"]
    await api.delete(ROLLOUTS, "blue", namespace)
    await asyncio.sleep(10)
    assert enforced.refused == []


@pytest.mark.parametrize(
    ("path", "namespaced", "namespace"),
    [(WIDE, False, "default"), (NARROW, True, HOME)],
    ids=["cluster", "namespaced"],
)
def test_releases_run_under_exactly_these_rights(
    path: Path, namespaced: bool, namespace: str
) -> None:
    async def main() -> None:
        clock, rng = virtual_clock(), random.Random(3)
        cluster = Cluster(clock, rng, pods="fast")
        await cluster.start()
        home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}}
        await cluster.api.create(NAMESPACES, home)
        enforced = Enforced(cluster.api, path)
        settings = Settings(namespace=HOME, namespaced=namespaced)
        managers = controller_set(enforced, clock, rng, settings=settings)  # type: ignore[arg-type]
        tasks = [asyncio.ensure_future(manager.run()) for manager in managers]
        await release(enforced, cluster, namespace, clock)
        for manager in managers:
            manager.stop()
        await asyncio.gather(*tasks)
        await cluster.stop()

        everywhere, at_home = rights(path)
        unused = {
            right
            for right in everywhere | at_home
            if right[1] not in INDIRECT and right not in enforced.used | RARE
        }
        assert unused == set()

    run_virtual(main())
