"""The router that only remembers, and how routers are found."""

import pytest

from rollouts.api.rollout import Rollout
from rollouts.api.steps import SetHeaderRoute
from rollouts.kube.patches import apply_merge
from rollouts.traffic.memory import MemoryRouter
from rollouts.traffic.registry import routers
from rollouts.traffic.router import Destination, RoutingError, Split

ROUTER = MemoryRouter("shop", "split", "spec.x.configMap")
EMPTY = {ROUTER.ref: {"kind": "ConfigMap", "metadata": {"name": "split"}}}
TWENTY = Split(Destination("canary", "two", 20), Destination("stable", "one", 80))


def told(split, routes=(), objects=EMPTY):
    """The objects after every change that is asked for."""
    changed = dict(objects)
    for change in ROUTER.desired(split, routes, objects):
        changed[change.ref] = apply_merge(changed[change.ref], change.body)
    return changed


def rollout(routing: dict) -> Rollout:
    spec = {"strategy": {"canary": {"trafficRouting": routing}}}
    return Rollout.decode({"metadata": {"name": "app", "namespace": "shop"}, "spec": spec})


def test_a_split_can_be_read_in_the_config_map():
    objects = told(TWENTY)
    assert objects[ROUTER.ref]["data"] == {
        "canary.weight": "20",
        "canary.service": "canary",
        "canary.hash": "two",
        "stable.weight": "80",
        "stable.service": "stable",
        "stable.hash": "one",
    }
    assert ROUTER.weight(objects) == 20


SHARED = Split(
    Destination("canary", "two", 20),
    Destination("stable", "one", 65),
    (Destination("trial-a", "three", 5), Destination("trial-b", "four", 10)),
)


def test_further_destinations_come_and_go():
    objects = told(SHARED)
    assert objects[ROUTER.ref]["data"]["additional"] == "trial-a=5,trial-b=10"
    assert ROUTER.additional(objects) == {"trial-a": 5, "trial-b": 10}
    assert ROUTER.additional(EMPTY) == {}
    assert ROUTER.additional(told(TWENTY, (), objects)) == {}


@pytest.mark.parametrize(
    ("split", "obeyed", "verified"),
    [
        (SHARED, "trial-a=5,trial-b=10", True),
        (SHARED, "", False),
        (TWENTY, "", True),
        (TWENTY, "trial-a=5,trial-b=10", False),
    ],
)
def test_what_further_destinations_get_is_verified_where_the_data_plane_tells(
    split, obeyed, verified
):
    objects = told(split)
    patch = {"data": {"inEffect": "20", "inEffect.additional": obeyed}}
    objects = {ROUTER.ref: apply_merge(objects[ROUTER.ref], patch)}
    assert ROUTER.verify(split, objects) is verified


def test_a_split_that_is_there_already_asks_for_nothing():
    assert ROUTER.desired(TWENTY, (), told(TWENTY)) == ()


def test_nothing_written_is_no_weight():
    assert ROUTER.weight(EMPTY) is None
    assert ROUTER.weight({ROUTER.ref: {"data": {"canary.weight": "much"}}}) is None


def test_managed_routes_come_and_go_and_foreign_keys_stay():
    header = SetHeaderRoute.model_validate(
        {"name": "qa", "match": [{"headerName": "x", "headerValue": {"exact": "1"}}]}
    )
    mine = {ROUTER.ref: {**EMPTY[ROUTER.ref], "data": {"note": "keep"}}}
    with_route = told(TWENTY, (header,), mine)
    assert '"name":"qa"' in with_route[ROUTER.ref]["data"]["routes"]
    without = told(TWENTY, (), with_route)
    assert "routes" not in without[ROUTER.ref]["data"]
    assert without[ROUTER.ref]["data"]["note"] == "keep"


@pytest.mark.parametrize(
    ("in_effect", "verified"), [(None, None), ("20", True), ("0", False), ("?", False)]
)
def test_a_split_is_verified_by_what_the_data_plane_obeys(in_effect, verified):
    objects = told(TWENTY)
    if in_effect is not None:
        patch = {"data": {"inEffect": in_effect}}
        objects = {ROUTER.ref: apply_merge(objects[ROUTER.ref], patch)}
    assert ROUTER.verify(TWENTY, objects) is verified


def test_a_config_map_that_cannot_be_changed_is_told():
    frozen = {ROUTER.ref: {**EMPTY[ROUTER.ref], "immutable": True}}
    with pytest.raises(RoutingError, match="immutable"):
        ROUTER.desired(TWENTY, (), frozen)


def test_a_rollouts_routers_are_found_by_name_and_the_others_are_named():
    found = routers(rollout({"istio": {}, "plugins": {"rollouts/memory": {"configMap": "split"}}}))
    assert [router.name for router in found.known] == ["rollouts/memory"]
    assert found.unknown == ("istio",)
    assert found.refs == (ROUTER.ref,)


@pytest.mark.parametrize("settings", [None, 3, {}, {"configMap": 3}])
def test_settings_without_a_config_map_are_an_error_at_their_path(settings):
    (router,) = routers(rollout({"plugins": {"rollouts/memory": settings}})).known
    path = "spec.strategy.canary.trafficRouting.plugins[rollouts/memory].configMap"
    assert str(router.check({})).startswith(f"{path}: Required value")
    assert router.refs == ()


def test_a_config_map_that_is_not_there_is_an_error():
    error = ROUTER.check({})
    assert error is not None
    assert 'ConfigMap "split" not found' in str(error)
    assert ROUTER.check(EMPTY) is None
