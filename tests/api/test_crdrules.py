"""What the API server refuses by our CRDs, and what it must not refuse."""

import copy
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from rollouts.api.crdgen import KINDS, crd
from rollouts.kube.errors import Invalid
from rollouts.kube.resources import ANALYSIS_TEMPLATES, EXPERIMENTS, ROLLOUTS, Resource
from rollouts.sandbox.cluster import Cluster
from rollouts.sandbox.options import Options
from tests.api.samples import blue_green, canary, rollout
from tests.cli.cluster import FixedClock

# --- what Kubernetes demands of the rules ---------------------------------------------------------


def rules(node: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for rule in node.get("x-kubernetes-validations", ()):
        yield rule["rule"], node
    for child in (
        *node.get("properties", {}).values(),
        node.get("items"),
        node.get("additionalProperties"),
    ):
        if child:
            yield from rules(child)


def all_rules() -> list[tuple[str, dict[str, Any]]]:
    return [
        found
        for kind in KINDS
        for found in rules(crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    ]


@pytest.mark.parametrize(("rule", "node"), all_rules(), ids=lambda value: str(value)[:60])
def test_a_rule_sees_only_declared_and_typed_fields(rule, node):
    variables = {"self": node, "oldSelf": node}
    for source, _, variable in re.findall(r"(self(\.\w+)+)\.(?:all|exists|exists_one)\((\w)", rule):
        variables[variable] = found_at(variables, source)["items"]
    for path in re.findall(r"\b((?:self|oldSelf|[a-z])(?:\.\w+)+)\b(?!\()", rule):
        found_at(variables, path)


def found_at(variables: dict[str, Any], path: str) -> dict[str, Any]:
    head, *names = path.split(".")
    if head not in variables:
        return {}
    node: dict[str, Any] = variables[head]
    for name in names:
        node = node["properties"][name]
        values = node.get("additionalProperties")
        assert "type" in node or "x-kubernetes-int-or-string" in node, f"{path}: no type"
        assert values is None or "type" in values, f"{path}: values without a type are invisible"
    return node


@pytest.mark.parametrize(("rule", "node"), all_rules(), ids=lambda value: str(value)[:60])
def test_a_list_that_a_rule_walks_has_a_bound(rule, node):
    for path, _ in re.findall(r"(self(\.\w+)+)\.(?:all|exists|exists_one)\(", rule):
        assert "maxItems" in found_at({"self": node}, path)


# --- what users meet ------------------------------------------------------------------------------

SERVER = Cluster(FixedClock(), random.Random(1)).server


def refusal(obj: dict[str, Any], resource: Resource = ROLLOUTS) -> str:
    """Why the API server refuses ``obj``; empty where it takes it."""
    info = SERVER.info(resource.group, resource.version, resource.plural)
    body = {**obj, "apiVersion": resource.api_version, "kind": resource.kind}
    try:
        SERVER.create(info, "default", _renamed(body), Options(dry_run=True))
    except Invalid as error:
        return error.message
    return ""


def _renamed(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "metadata": {"name": "shop"}}


BOTH = {"canaryService": "c", "stableService": "s"}
ROUTES = {"istio": {"virtualService": {"name": "v"}}, "managedRoutes": [{"name": "r"}]}
HEADER = {
    "setHeaderRoute": {"name": "r", "match": [{"headerName": "h", "headerValue": {"exact": "1"}}]}
}
REF = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}


def referring(**template: Any) -> dict[str, Any]:
    return rollout(workloadRef=REF, selector=None, template=template or None)


def without_nulls(obj: dict[str, Any]) -> dict[str, Any]:
    obj = copy.deepcopy(obj)
    obj["spec"] = {key: value for key, value in obj["spec"].items() if value is not None}
    return obj


@pytest.mark.parametrize(
    "obj",
    [
        rollout(),
        blue_green(),
        blue_green(previewService="other", autoPromotionEnabled=False, maxUnavailable="10%"),
        canary(),
        canary(canaryService="", stableService=""),
        canary(maxSurge=0, maxUnavailable=1),
        canary(maxSurge="0%", maxUnavailable="1%"),
        canary(steps=[{"pause": {"duration": "10m"}}, {"pause": {"duration": 0}}]),
        canary(**BOTH, trafficRouting=ROUTES, steps=[HEADER, {"setCanaryScale": {"weight": 5}}]),
        canary(
            **BOTH,
            trafficRouting={"plugins": {"a/b": {"any": [1]}}, "maxTrafficWeight": 1000},
            steps=[{"setWeight": 1000}, {"plugin": {"name": "x", "config": {"a": [1, "b"]}}}],
        ),
        canary(**BOTH, trafficRouting={**ROUTES, "plugins": {"a/b": {}}, "maxTrafficWeight": 50}),
        canary(**BOTH, trafficRouting={"nginx": {"stableIngress": "i"}}, dynamicStableScale=True),
        canary(**BOTH, trafficRouting={"nginx": {"stableIngresses": ["i", "j"]}}),
        referring(),
        referring(metadata={"creationTimestamp": "2026-01-01T00:00:00Z"}, spec={"containers": []}),
        rollout(minReadySeconds=30),
    ],
)
def test_what_works_is_taken(obj):
    assert refusal(without_nulls(obj)) == ""


@pytest.mark.parametrize(
    ("obj", "words"),
    [
        (rollout(selector=None), "spec.selector is required unless spec.workloadRef is set"),
        (rollout(template=None), "spec.template is required unless spec.workloadRef is set"),
        (rollout(strategy=None), "spec.strategy is required: set either canary or blueGreen"),
        (rollout(strategy={}), "exactly one of canary and blueGreen must be set"),
        (
            rollout(strategy={"canary": {}, "blueGreen": {"activeService": "a"}}),
            "exactly one of canary and blueGreen must be set",
        ),
        (rollout(workloadRef=REF), "spec.template and spec.workloadRef exclude each other"),
        (rollout(replicas=-1), "spec.replicas"),
        (rollout(replicas="5"), "spec.replicas"),
        (rollout(minReadySeconds=600), "must be greater than spec.minReadySeconds"),
        (blue_green(activeService=""), "activeService must name a Service"),
        (blue_green(previewService="shop"), "must be two different Services"),
        (blue_green(antiAffinity={}), "exactly one anti-affinity rule must be set"),
        (canary(canaryService="a", stableService="a"), "must be two different Services"),
        (canary(maxSurge="0%", maxUnavailable=0), "must not both be zero"),
        (canary(scaleDownDelaySeconds=1), "scaleDownDelaySeconds needs trafficRouting"),
        (canary(dynamicStableScale=True), "dynamicStableScale needs trafficRouting"),
        (canary(steps=[{"setWeight": 101}]), "setWeight must be between 0 and 100"),
        (canary(steps=[{"setWeight": -1}]), "setWeight must be between 0 and 100"),
        (canary(steps=[{}]), "a step must have exactly one of"),
        (canary(steps=[{"setWeight": 1, "pause": {}}]), "a step must have exactly one of"),
        (canary(steps=[{"pause": {"duration": -1}}]), "pause.duration must not be negative"),
        (
            canary(steps=[{"setCanaryScale": {"replicas": 1}}]),
            "setCanaryScale needs trafficRouting",
        ),
        (canary(steps=[HEADER]), "setMirrorRoute need trafficRouting.managedRoutes"),
        (
            canary(**BOTH, trafficRouting={**ROUTES, "maxTrafficWeight": 5}),
            "maxTrafficWeight works with nginx and plugins only",
        ),
        (
            canary(**BOTH, trafficRouting={"nginx": {}}),
            "exactly one of stableIngress and stableIngresses must be set",
        ),
        (
            canary(
                **BOTH,
                trafficRouting={"alb": {"ingress": "a", "ingresses": ["b"], "servicePort": 1}},
            ),
            "exactly one of ingress and ingresses must be set",
        ),
        (
            canary(**BOTH, trafficRouting={"istio": {}}),
            "exactly one of virtualService and virtualServices must be set",
        ),
        (
            canary(pingPong={"pingService": "a", "pongService": "a"}),
            "pingService and pongService must be two different Services",
        ),
    ],
)
def test_what_could_never_work_is_refused_in_words(obj, words):
    assert words in refusal(without_nulls(obj))


def test_the_selector_never_changes():
    info = SERVER.info(ROLLOUTS.group, ROLLOUTS.version, ROLLOUTS.plural)
    first = SERVER.create(info, "default", rollout() | {"metadata": {"name": "fixed"}}, Options())
    changed = copy.deepcopy(first)
    changed["spec"]["selector"]["matchLabels"]["app"] = "other"
    with pytest.raises(Invalid, match="immutable"):
        SERVER.update(info, "default", "fixed", changed, Options())


def template(**provider: Any) -> dict[str, Any]:
    return {"spec": {"metrics": [{"name": "m", "provider": provider}]}}


@pytest.mark.parametrize(
    "provider",
    [{"prometheus": {"query": "up"}}, {"plugin": {"a/b": {"x": 1}}}, {"web": {"url": "http://a"}}],
)
def test_a_metric_with_one_provider_is_taken(provider):
    assert refusal(template(**provider), ANALYSIS_TEMPLATES) == ""


@pytest.mark.parametrize("provider", [{}, {"prometheus": {"query": "up"}, "web": {"url": "a"}}])
def test_a_metric_needs_one_provider(provider):
    assert "a metric needs exactly one provider" in refusal(
        template(**provider), ANALYSIS_TEMPLATES
    )


def experiment(*names: str, **fields: Any) -> dict[str, Any]:
    pods = {"selector": {"matchLabels": {"a": "b"}}, "template": {}}
    return {"spec": {"templates": [{"name": name, **pods, **fields} for name in names]}}


def test_templates_of_an_experiment_have_different_names():
    assert refusal(experiment("a", "b"), EXPERIMENTS) == ""
    assert "names of templates must be unique" in refusal(experiment("a", "a"), EXPERIMENTS)


def test_an_experiment_must_be_able_to_become_available_in_time():
    assert "must not exceed" in refusal(experiment("a", minReadySeconds=601), EXPERIMENTS)
