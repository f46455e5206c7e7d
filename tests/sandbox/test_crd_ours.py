"""Our own five CRDs: they load, accept what works, and each of their rules refuses what cannot."""

import copy
from functools import cache

import pytest

from rollouts.api import crdgen
from rollouts.kube.errors import NotFound
from rollouts.kube.resources import ANALYSIS_RUNS, CRDS, EXPERIMENTS
from rollouts.sandbox.crd import CustomType, load
from tests.sandbox.serverworld import World


@cache
def kinds() -> dict[str, CustomType]:
    return {kind.kind: kind for kind in map(load, crdgen.crds())}


def judge(kind: str, spec, old=None) -> list[str]:
    schema = kinds()[kind].storage

    def whole(part):
        obj = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": kind,
            "metadata": {"name": "x"},
            "spec": copy.deepcopy(part),
        }
        schema.prune(obj)
        schema.default(obj)
        return obj

    before = None if old is None else whole(old)
    return [cause.message for cause in schema.validate(whole(spec), before)]


POD = {
    "metadata": {"labels": {"app": "a"}},
    "spec": {"containers": [{"name": "c", "image": "i:1"}]},
}
SELECTOR = {"matchLabels": {"app": "a"}}


def rollout(strategy, **more):
    return {"selector": SELECTOR, "template": POD, "strategy": strategy, **more}


def without(spec, *fields):
    return {key: value for key, value in spec.items() if key not in fields}


def canary(**fields):
    return rollout({"canary": fields})


def blue_green(**fields):
    return rollout({"blueGreen": {"activeService": "active", **fields}})


def routed(router=None, **more):
    return {"trafficRouting": router or {"nginx": {"stableIngress": "i"}}, **more}


def metrics(*providers):
    return {"metrics": [{"name": f"m{i}", "provider": p} for i, p in enumerate(providers)]}


def templates(*fields):
    common = {"selector": SELECTOR, "template": POD}
    return {"templates": [{"name": f"t{i}", **common, **more} for i, more in enumerate(fields)]}


WORKLOAD = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
PROMETHEUS = {"prometheus": {"address": "http://p", "query": "up"}}
ANTI_AFFINITY = {
    "requiredDuringSchedulingIgnoredDuringExecution": {},
    "preferredDuringSchedulingIgnoredDuringExecution": {"weight": 1},
}
HEADERS = [{"headerName": "h", "headerValue": {"exact": "v"}}]

GOOD = {
    "a canary": ("Rollout", canary(steps=[{"setWeight": 20}, {"pause": {"duration": "1m"}}])),
    "blue-green": ("Rollout", blue_green(previewService="preview")),
    "a workload reference": (
        "Rollout",
        {"workloadRef": WORKLOAD, "strategy": {"canary": {}}},
    ),
    "a routed canary": (
        "Rollout",
        canary(
            canaryService="c",
            stableService="s",
            dynamicStableScale=True,
            steps=[
                {"setCanaryScale": {"weight": 25}},
                {"setHeaderRoute": {"name": "hdr", "match": HEADERS}},
                {"setWeight": 150},
                {"pause": {}},
            ],
            trafficRouting={
                "nginx": {"stableIngress": "i"},
                "maxTrafficWeight": 200,
                "managedRoutes": [{"name": "hdr"}],
            },
        ),
    ),
    "istio, one service": (
        "Rollout",
        canary(**routed({"istio": {"virtualService": {"name": "v"}}})),
    ),
    "alb": ("Rollout", canary(**routed({"alb": {"ingress": "i", "servicePort": 80}}))),
    "ping-pong": (
        "Rollout",
        canary(pingPong={"pingService": "a", "pongService": "b"}, **routed()),
    ),
    "anti-affinity": (
        "Rollout",
        blue_green(antiAffinity={"requiredDuringSchedulingIgnoredDuringExecution": {}}),
    ),
    "percentages": ("Rollout", canary(maxSurge="25%", maxUnavailable=0)),
    "a template": ("AnalysisTemplate", metrics(PROMETHEUS)),
    "a cluster template": (
        "ClusterAnalysisTemplate",
        metrics(PROMETHEUS, {"web": {"url": "http://w"}}),
    ),
    "a run": ("AnalysisRun", metrics(PROMETHEUS)),
    "an experiment": ("Experiment", templates({}, {"minReadySeconds": 5})),
}


@pytest.mark.parametrize("case", GOOD)
def test_what_works_is_accepted(case):
    kind, spec = GOOD[case]
    assert judge(kind, spec) == []


ONE_STEP = (
    "a step must have exactly one of setWeight, pause, experiment, analysis, setCanaryScale,"
    " setHeaderRoute, setMirrorRoute, plugin"
)
ONE_PROVIDER = (
    "a metric needs exactly one provider: prometheus, kayenta, web, datadog, wavefront, newRelic,"
    " job, cloudWatch, graphite, influxdb, skywalking, sequential, judge, plugin"
)
CANARY = rollout({"canary": {}})

# Every rule's message, and a spec of that kind which breaks it.
BAD = {
    ("Rollout", "spec.selector is required unless spec.workloadRef is set"): without(
        CANARY, "selector"
    ),
    ("Rollout", "spec.template is required unless spec.workloadRef is set"): without(
        CANARY, "template"
    ),
    ("Rollout", "spec.template and spec.workloadRef exclude each other"): {
        **CANARY,
        "workloadRef": WORKLOAD,
    },
    ("Rollout", "spec.strategy is required: set either canary or blueGreen"): without(
        CANARY, "strategy"
    ),
    (
        "Rollout",
        "spec.progressDeadlineSeconds (600 if unset) must be greater than spec.minReadySeconds",
    ): {**CANARY, "minReadySeconds": 600},
    ("Rollout", "exactly one of canary and blueGreen must be set"): rollout(
        {"canary": {}, "blueGreen": {"activeService": "a"}}
    ),
    ("Rollout", "activeService must name a Service"): blue_green(activeService=""),
    ("Rollout", "activeService and previewService must be two different Services"): blue_green(
        previewService="active"
    ),
    ("Rollout", "exactly one anti-affinity rule must be set"): canary(antiAffinity=ANTI_AFFINITY),
    ("Rollout", "canaryService and stableService must be two different Services"): canary(
        canaryService="s", stableService="s"
    ),
    ("Rollout", "maxSurge and maxUnavailable must not both be zero"): canary(
        maxSurge="0%", maxUnavailable=0
    ),
    ("Rollout", "scaleDownDelaySeconds needs trafficRouting"): canary(scaleDownDelaySeconds=5),
    ("Rollout", "dynamicStableScale needs trafficRouting"): canary(dynamicStableScale=True),
    ("Rollout", "dynamicStableScale and scaleDownDelaySeconds exclude each other"): canary(
        dynamicStableScale=True, scaleDownDelaySeconds=5, **routed()
    ),
    ("Rollout", "setWeight must be between 0 and 100 (or trafficRouting.maxTrafficWeight)"): canary(
        steps=[{"setWeight": 101}]
    ),
    ("Rollout", "setCanaryScale needs trafficRouting"): canary(
        steps=[{"setCanaryScale": {"weight": 5}}]
    ),
    (
        "Rollout",
        "setHeaderRoute and setMirrorRoute need trafficRouting.managedRoutes",
    ): canary(steps=[{"setHeaderRoute": {"name": "x", "match": HEADERS}}], **routed()),
    ("Rollout", ONE_STEP): canary(steps=[{"setWeight": 5, "pause": {}}]),
    ("Rollout", "pause.duration must not be negative"): canary(steps=[{"pause": {"duration": -1}}]),
    ("Rollout", "maxTrafficWeight works with nginx and plugins only"): canary(
        **routed({"istio": {"virtualService": {"name": "v"}}, "maxTrafficWeight": 200})
    ),
    ("Rollout", "exactly one of virtualService and virtualServices must be set"): canary(
        **routed({"istio": {}})
    ),
    ("Rollout", "exactly one of stableIngress and stableIngresses must be set"): canary(
        **routed({"nginx": {"stableIngress": "a", "stableIngresses": ["b"]}})
    ),
    ("Rollout", "exactly one of ingress and ingresses must be set"): canary(
        **routed({"alb": {"ingresses": [], "servicePort": 80}})
    ),
    ("Rollout", "pingService and pongService must be two different Services"): canary(
        pingPong={"pingService": "a", "pongService": "a"}, **routed()
    ),
    ("AnalysisRun", ONE_PROVIDER): metrics({}),
    ("AnalysisTemplate", ONE_PROVIDER): metrics({**PROMETHEUS, "web": {"url": "http://w"}}),
    ("ClusterAnalysisTemplate", ONE_PROVIDER): metrics(PROMETHEUS, {}),
    ("Experiment", "names of templates must be unique"): templates({"name": "a"}, {"name": "a"}),
    (
        "Experiment",
        "minReadySeconds must not exceed progressDeadlineSeconds (600 if unset)",
    ): templates({"minReadySeconds": 601}),
    ("Experiment", "a template needs a name"): templates({"name": ""}),
}


@pytest.mark.parametrize(("kind", "message"), BAD, ids=[f"{k}: {m[:50]}" for k, m in BAD])
def test_each_rule_refuses_what_it_names(kind, message):
    found = judge(kind, BAD[kind, message])
    assert any(problem.endswith(f": {message}") for problem in found), found


def test_the_selector_is_immutable():
    changed = {**CANARY, "selector": {"matchLabels": {"app": "b"}}}
    assert judge("Rollout", CANARY, CANARY) == []
    assert judge("Rollout", changed, CANARY) == ["Invalid value: .spec.selector is immutable"]


def _messages(node) -> set[str]:
    own = {rule["message"] for rule in node.raw.get("x-kubernetes-validations") or ()}
    return own.union(*(_messages(child) for child in node.children))


def test_no_rule_is_without_a_bad_example():
    stated = {(k, m) for k, kind in kinds().items() for m in _messages(kind.storage.node)}
    assert stated - set(BAD) == {("Rollout", ".spec.selector is immutable")}
    assert set(BAD) <= stated


def test_names_scopes_and_subresources_are_the_reference_ones():
    rollouts = kinds()["Rollout"]
    assert (rollouts.plural, rollouts.short_names) == ("rollouts", ("ro",))
    assert rollouts.storage.status
    assert rollouts.storage.scale is not None
    assert rollouts.storage.scale.spec_replicas == ".spec.replicas"
    assert rollouts.storage.scale.label_selector == ".status.selector"
    assert {k.kind for k in kinds().values() if not k.namespaced} == {"ClusterAnalysisTemplate"}


@pytest.mark.parametrize(
    "resource", [ANALYSIS_RUNS, EXPERIMENTS], ids=lambda resource: resource.kind
)
def test_runs_and_experiments_have_no_door_for_their_status(resource):
    """As with the reference: a status is written with the rest, and is a new generation."""
    world = World()
    for crd in crdgen.crds():
        world.create(CRDS, crd)
    body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": "one"}}
    spec = {"metrics": []} if resource is ANALYSIS_RUNS else {"templates": []}
    made = world.create(resource, {**body, "spec": spec, "status": {"phase": "Pending"}})
    assert (made["status"], made["metadata"]["generation"]) == ({"phase": "Pending"}, 1)
    changed = world.patch(resource, "one", {"status": {"phase": "Running"}})
    assert (changed["status"], changed["metadata"]["generation"]) == ({"phase": "Running"}, 2)
    with pytest.raises(NotFound):
        world.patch(resource, "one", {"status": {"phase": "Forged"}}, subresource="status")


def test_the_pod_template_survives_pruning_whole():
    obj = {"metadata": {"name": "x"}, "spec": copy.deepcopy(CANARY)}
    obj["spec"]["template"]["spec"]["anyField"] = {"of": ["any", "version"]}
    before = copy.deepcopy(obj)
    assert kinds()["Rollout"].storage.prune(obj) == []
    assert obj == before


def test_a_rollout_of_the_wrong_kinds_is_refused_field_by_field():
    assert judge("Rollout", {**CANARY, "replicas": "three"})[0] == (
        'Invalid value: "string": spec.replicas in body must be of type integer: "string"'
    )
    assert judge("Rollout", {**CANARY, "replicas": -1}) == [
        "Invalid value: -1: spec.replicas in body should be greater than or equal to 0"
    ]
