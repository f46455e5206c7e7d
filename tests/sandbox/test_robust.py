"""Whatever a client sends, the API server answers with an API error, and its store stays sound."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollouts.kube.api import Obj, PatchType
from rollouts.kube.errors import ApiError
from rollouts.kube.resources import (
    CONFIG_MAPS,
    CRDS,
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICES,
    Resource,
)
from rollouts.sandbox.builtins import HPAS, HPAS_V1, POD_DISRUPTION_BUDGETS, ROLE_BINDINGS
from rollouts.sandbox.options import Options
from tests.sandbox.serverworld import World, config_map, deployment, pod, replica_set, service
from tests.sandbox.test_definitions import definition


def sample(resource: Resource, name: str, **fields: Any) -> Obj:
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name},
    } | fields


TARGET = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 3}
SAMPLES: list[tuple[Resource, Obj]] = [
    (CONFIG_MAPS, config_map("a", {"l": "v"}, x="1")),
    (CRDS, definition()),
    (DEPLOYMENTS, deployment("a")),
    (EVENTS, sample(EVENTS, "a", involvedObject={"kind": "Pod", "name": "p"})),
    (HPAS, sample(HPAS, "a", spec=TARGET)),
    (HPAS_V1, sample(HPAS_V1, "a", spec=TARGET | {"targetCPUUtilizationPercentage": 5})),
    (JOBS, sample(JOBS, "a", spec={"template": {"spec": pod("x", restartPolicy="Never")["spec"]}})),
    (NAMESPACES, sample(NAMESPACES, "a")),
    (
        PODS,
        pod(
            "a",
            volumes=[{"name": "v", "secret": {"secretName": "s"}}],
            containers=[
                {
                    "name": "c",
                    "image": "x",
                    "ports": [{"containerPort": 1}],
                    "env": [{"name": "E", "valueFrom": {"fieldRef": {"fieldPath": "f"}}}],
                    "readinessProbe": {"httpGet": {"port": 1}},
                    "resources": {"limits": {"cpu": "1"}},
                    "volumeMounts": [{"name": "v", "mountPath": "/v"}],
                }
            ],
        ),
    ),
    (
        POD_DISRUPTION_BUDGETS,
        sample(POD_DISRUPTION_BUDGETS, "a", spec={"minAvailable": 1, "selector": {}}),
    ),
    (REPLICA_SETS, replica_set("a")),
    (
        ROLE_BINDINGS,
        sample(ROLE_BINDINGS, "a", roleRef={"kind": "Role", "name": "r"}, subjects=[]),
    ),
    (SECRETS, sample(SECRETS, "a", data={"k": "YQ=="}, stringData={"l": "b"})),
    (SERVICES, service("a", type="NodePort")),
]
WEIRD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=4),
    st.lists(st.one_of(st.integers(), st.text(max_size=2), st.none()), max_size=2),
    st.dictionaries(st.text(max_size=3), st.one_of(st.none(), st.integers()), max_size=2),
)


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """The path of every value inside another."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    found = [path] if path else []
    for key, item in inner:
        found += places(item, (*path, key))
    return found


def replaced(value: Any, path: tuple, new: Any) -> Any:
    if not path:
        return new
    head, *rest = path
    if isinstance(value, dict):
        return {**value, head: replaced(value[head], tuple(rest), new)}
    return [replaced(item, tuple(rest), new) if i == head else item for i, item in enumerate(value)]


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[Resource, Obj, Obj]:
    resource, good = draw(st.sampled_from(SAMPLES))
    path = draw(st.sampled_from(places(good)))
    return resource, good, replaced(good, path, draw(WEIRD))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=spoiled(), validation=st.sampled_from(["Ignore", "Strict"]))
def test_a_spoiled_object_is_taken_or_refused_properly(case, validation):
    resource, good, bad = case
    world = World()
    info, options = world.info(resource), Options(field_validation=validation)
    scope = "default" if resource.namespaced else None
    name = good["metadata"]["name"]
    for write in (
        lambda: world.server.create(info, scope, bad, options),
        lambda: world.create(resource, good),
        lambda: world.server.update(info, scope, name, bad, options),
    ):
        try:
            made = write()
        except ApiError:
            continue
        assert int(made["metadata"]["resourceVersion"]) <= world.server.store.revision
    assert name in world.names(resource)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=spoiled(), kind=st.sampled_from([PatchType.MERGE, PatchType.STRATEGIC]))
def test_a_spoiled_patch_is_taken_or_refused_properly(case, kind):
    resource, good, bad = case
    world = World()
    before = world.create(resource, good)
    name = good["metadata"]["name"]
    try:
        after = world.patch(resource, name, bad, kind)
    except ApiError:
        assert world.get(resource, name) == before
    else:
        assert after == world.get(resource, name)
        assert after["metadata"]["uid"] == before["metadata"]["uid"]


@pytest.mark.parametrize(("resource", "good"), SAMPLES, ids=[one.plural for one, _ in SAMPLES])
def test_a_sample_is_stored_and_written_back_without_a_change(resource, good):
    world = World()
    world.create(resource, good)
    name = good["metadata"]["name"]
    stored = world.get(resource, name)
    revision = world.server.store.revision
    assert world.update(resource, stored) == stored
    assert world.patch(resource, name, stored) == stored
    assert world.patch(resource, name, stored, PatchType.STRATEGIC) == stored
    assert world.server.store.revision == revision
