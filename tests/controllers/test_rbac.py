"""The rights in deploy/ are what the code uses: no more, no less."""

import ast
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollouts.kube import resources
from rollouts.kube.resources import (
    ANALYSIS_RUNS,
    CLUSTER_ANALYSIS_TEMPLATES,
    DEPLOYMENTS,
    EVENTS,
    EXPERIMENTS,
    JOBS,
    LEASES,
    POD_TEMPLATES,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    SECRETS,
    SERVICES,
    Resource,
)
from rollouts.runtime.clock import SystemClock
from rollouts.sandbox.apiserver import ApiServer
from rollouts.sandbox.options import Options

ROOT = Path(__file__).parents[2]
WIDE, NARROW = ROOT / "deploy/install.yaml", ROOT / "deploy/namespaced/install.yaml"
INSTALLS = pytest.mark.parametrize("path", [WIDE, NARROW], ids=["cluster", "namespaced"])
# The rooms that run in the controller's process; ``explain`` answers ``rollouts why`` for a user.
ROOMS = ("rollouts/controllers", "rollouts/planner", "rollouts/traffic", "rollouts/kube")
FOR_USERS = {"explain.py", "explain_experiment.py"}
READ = {"get", "list", "watch"}
# Rights that no request of ours asks for; each is checked by an admission plug-in instead.
INDIRECT = {"rollouts/finalizers", "analysisruns/finalizers", "experiments/finalizers"}
# The router that only remembers is for tests and the sandbox: no cluster has to let it write.
UNGRANTED = {"configmaps"}


def documents(path: Path) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(path.read_text()) if one]


def rules(path: Path) -> list[dict[str, Any]]:
    """The rules of the controller's own roles, not those offered to users."""
    return [
        rule
        for one in documents(path)
        if one["kind"] in ("ClusterRole", "Role") and "aggregate" not in one["metadata"]["name"]
        for rule in one["rules"]
    ]


def granted(path: Path) -> dict[tuple[str, str], set[str]]:
    """Verbs by group and resource (``rollouts/status`` is a resource)."""
    found: dict[tuple[str, str], set[str]] = {}
    for rule in rules(path):
        for group in rule["apiGroups"]:
            for name in rule["resources"]:
                found.setdefault((group, name), set()).update(rule["verbs"])
    return found


def used() -> set[Resource]:
    """The resource constants the controller's code works with."""
    found = set()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            if path.name in FOR_USERS or path.name == "resources.py":
                continue
            found |= {getattr(resources, name) for name in imported(path)}
    return found


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "rollouts.kube.resources":
            yield from (alias.name for alias in node.names if alias.name.isupper())


@INSTALLS
def test_every_right_is_for_a_resource_the_code_uses(path: Path) -> None:
    wanted = {(one.group, one.plural) for one in used()}
    for group, name in granted(path):
        assert name in INDIRECT or (group, name.split("/")[0]) in wanted, (group, name)


@INSTALLS
def test_every_resource_the_code_uses_is_granted(path: Path) -> None:
    allowed = granted(path)
    for one in sorted(used(), key=lambda found: found.group_resource):
        if (path == NARROW and not one.namespaced) or one.plural in UNGRANTED:
            continue
        assert allowed.get((one.group, one.plural)), one.group_resource


@INSTALLS
@pytest.mark.parametrize(
    ("resource", "subresource", "verbs"),
    [
        (ROLLOUTS, "", READ | {"patch"}),
        (ROLLOUTS, "status", {"patch"}),
        (ANALYSIS_RUNS, "", READ | {"create", "patch", "delete"}),
        (REPLICA_SETS, "", READ | {"create", "patch", "delete"}),
        (EXPERIMENTS, "", READ | {"create", "patch", "delete"}),
        (SERVICES, "", READ | {"create", "patch", "delete"}),
        (DEPLOYMENTS, "", {"list", "watch"}),
        (DEPLOYMENTS, "scale", {"patch"}),
        (POD_TEMPLATES, "", {"list", "watch"}),
        (PODS, "", {"list", "watch", "patch"}),
        (PODS, "eviction", {"create"}),
        (SECRETS, "", {"get"}),
        (JOBS, "", {"get", "list", "create", "delete"}),
        (LEASES, "", {"get", "create", "update"}),
        (EVENTS, "", {"create", "patch"}),
    ],
    ids=lambda value: value.plural if isinstance(value, Resource) else None,
)
def test_the_verbs_are_these(
    path: Path, resource: Resource, subresource: str, verbs: set[str]
) -> None:
    name = f"{resource.plural}/{subresource}" if subresource else resource.plural
    assert granted(path)[resource.group, name] == verbs


@INSTALLS
def test_nothing_is_granted_wholesale(path: Path) -> None:
    for rule in rules(path):
        for field in ("apiGroups", "resources", "verbs"):
            assert "*" not in rule[field]
        assert "escalate" not in rule["verbs"]


def test_the_namespaced_install_needs_nothing_of_the_cluster() -> None:
    kinds = {one["kind"] for one in documents(NARROW)}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding"}
    assert (CLUSTER_ANALYSIS_TEMPLATES.group, CLUSTER_ANALYSIS_TEMPLATES.plural) not in granted(
        NARROW
    )


@INSTALLS
def test_an_api_server_takes_the_manifests_as_they_are(path: Path) -> None:
    server = ApiServer(SystemClock(), random.Random(1))
    by_kind = {(i.resource.api_version, i.resource.kind): i for i in server.registry.all()}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "rollouts"}}
    server.create(server.info("", "v1", "namespaces"), None, body, Options())
    for one in documents(path):
        assert "namespace" not in one["metadata"]
        info = by_kind[one["apiVersion"], one["kind"]]
        options = Options(field_validation="Strict")
        namespace = "rollouts" if info.resource.namespaced else None
        made = server.create(info, namespace, one, options)
        assert made["metadata"]["uid"]
        assert options.warnings == []


@INSTALLS
def test_bindings_lead_from_the_controller_to_roles_that_exist(path: Path) -> None:
    everything = documents(path)
    accounts = {one["metadata"]["name"] for one in everything if one["kind"] == "ServiceAccount"}
    roles = {(one["kind"], one["metadata"]["name"]) for one in everything}
    bindings = [one for one in everything if one["kind"].endswith("Binding")]
    assert bindings
    for one in bindings:
        assert (one["roleRef"]["kind"], one["roleRef"]["name"]) in roles
        assert {subject["name"] for subject in one["subjects"]} <= accounts


@INSTALLS
def test_the_pod_is_confined(path: Path) -> None:
    (deployment,) = (one for one in documents(path) if one["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {
        container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")
    } == {
        "/healthz",
        "/readyz",
    }
    assert container["resources"]["requests"]
    assert container["resources"]["limits"]["memory"]
    assert ("--namespaced" in container["args"]) == (path == NARROW)


def test_the_metrics_service_reaches_the_pod() -> None:
    for path in (WIDE, NARROW):
        by_kind = {one["kind"]: one for one in documents(path)}
        template = by_kind["Deployment"]["spec"]["template"]
        service = by_kind["Service"]["spec"]
        assert service["selector"].items() <= template["metadata"]["labels"].items()
        names = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["ports"]} <= names


def test_users_roles_cover_all_our_kinds_and_view_only_reads() -> None:
    offered = {
        one["metadata"]["name"].rpartition("-")[2]: one["rules"]
        for one in documents(WIDE)
        if "aggregate" in one["metadata"]["name"]
    }
    assert offered.keys() == {"view", "edit", "admin"}
    kinds = {
        value.plural
        for value in vars(resources).values()
        if isinstance(value, Resource) and value.group == ROLLOUTS.group
    }
    for level, given in offered.items():
        for rule in given:
            assert kinds <= set(rule["resources"])
            assert (set(rule["verbs"]) == READ) == (level == "view")
