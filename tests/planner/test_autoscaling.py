"""The number an autoscaler reads: no step of an update changes it, missing pods do."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.planner.planner import plan
from tests.planner.model import Model, rollout
from tests.planner.routed_model import RoutedModel, deployed, routed, updating
from tests.planner.walk import Walk


def told(model: Model) -> int:
    return model.status.get("HPAReplicas", 0)


def follow_in_turns(model: Model) -> set[int]:
    """Until nothing moves, one ReplicaSet's controller at a time; returns every number told."""
    seen = set()
    for _ in range(60):
        before = (len(model.writes), model.counts)
        for revision in {rs.revision for rs in model.world.replica_sets}:
            model.reconcile()
            seen.add(told(model))
            if isinstance(model, RoutedModel):
                model.pods_follow(limit=1)
                model.obey()
            else:
                model.pods_follow(limit=1, of=revision)
        model.reconcile()
        seen.add(told(model))
        if (len(model.writes), model.counts) == before:
            return seen
    raise AssertionError("does not settle")


def whole_life(model: Model) -> set[int]:
    """An update that pauses, is aborted, tried again and promoted; returns every number told."""
    model.wait(5)
    model.set_image("app:2")
    seen = follow_in_turns(model)
    model.abort()
    seen |= follow_in_turns(model)
    model.retry()
    seen |= follow_in_turns(model)
    for _ in range(3):
        model.promote()
        seen |= follow_in_turns(model)
    model.wait(60)
    seen |= follow_in_turns(model)
    assert model.phase == ("Healthy", "")
    return seen


budgets = st.tuples(st.integers(0, 3), st.integers(0, 3)).filter(any)
weights = st.lists(st.integers(0, 100), min_size=3, max_size=3)


def steps(of: list[int]) -> list[dict]:
    return [each for weight in of for each in ({"setWeight": weight}, {"pause": {}})]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), weights, budgets)
def test_weights_alone_never_change_it(replicas, chosen, budget):
    strategy = {"steps": steps(chosen), "maxSurge": budget[0], "maxUnavailable": budget[1]}
    model = Model(rollout({"canary": strategy}, replicas=replicas))
    model.settle()
    assert whole_life(model) == {replicas}


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), weights, st.booleans(), st.booleans())
def test_weights_of_a_router_alone_never_change_it(replicas, chosen, dynamic, verifying):
    strategy = routed(steps(chosen), dynamicStableScale=dynamic)
    assert whole_life(deployed(strategy, replicas=replicas, verifying=verifying)) == {replicas}


def test_nor_do_the_two_full_sizes_of_a_blue_green_release():
    model = Model(
        rollout({"blueGreen": {"activeService": "active", "autoPromotionEnabled": False}}), "active"
    )
    model.settle()
    model.set_image("app:2")
    seen = follow_in_turns(model)
    assert model.sizes == {1: 5, 2: 5}
    assert model.status["selector"].endswith(model.hash_of(1))
    model.promote()
    seen |= follow_in_turns(model)
    assert model.status["selector"].endswith(model.hash_of(2))
    assert seen == {5}


def test_without_an_active_revision_both_sizes_are_still_one():
    model = Walk({"blueGreen": {"activeService": "active", "autoPromotionEnabled": False}})
    model.settle()
    model.wait(5)
    model.user_image(2)
    model.settle()
    service = model.world.services["active"]
    service["spec"]["selector"].pop("rollouts-pod-template-hash")
    model.reconcile()
    assert told(model) == 5


@pytest.mark.parametrize(
    "make",
    [
        lambda: Walk({"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}}),
        lambda: deployed(routed([{"setWeight": 20}, {"pause": {}}]), replicas=5),
    ],
    ids=["by pods", "by a router"],
)
class TestSizesOfThePersonOrTheAutoscaler:
    """In the middle of an update."""

    def at_the_pause(self, make) -> Model:
        model = make()
        model.settle()
        model.wait(5)
        model.set_image("app:2")
        model.settle()
        assert told(model) == 5
        return model

    def test_growing_is_told_as_pods_come(self, make):
        model = self.at_the_pause(make)
        model.change({"spec": {"replicas": 20}})
        model.reconcile()
        assert 5 <= told(model) < 10
        model.settle()
        assert told(model) == 20

    def test_shrinking_is_told_at_once(self, make):
        model = self.at_the_pause(make)
        model.change({"spec": {"replicas": 3}})
        model.reconcile()
        assert told(model) == 3
        model.settle()
        assert told(model) == 3

    def test_none_at_all(self, make):
        model = self.at_the_pause(make)
        model.change({"spec": {"replicas": 0}})
        model.reconcile()
        assert told(model) == 0
        model.change({"spec": {"replicas": 2}})
        model.settle()
        assert told(model) == 2


def test_a_first_release_is_told_as_pods_come():
    model = Model(rollout({"canary": {"maxUnavailable": 0}}))
    seen = []
    for _ in range(3):
        model.reconcile()
        seen.append(told(model))
        model.pods_follow(limit=1)
    assert seen == [0, 5, 5]


def test_pods_that_cannot_be_made_are_not_told():
    """A quota allows four of five."""
    model = updating(routed([{"setWeight": 20}, {"pause": {}}]), replicas=5)
    model.change({"spec": {"replicas": 10}})
    model.reconcile()
    model.reconcile()
    assert model.status["replicas"] == 6
    assert told(model) == 6


def recorded_by_argo(pods: int) -> RoutedModel:
    """At a pause, with the number Argo Rollouts would have stored."""
    model = updating(routed([{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}]))
    model.change({"status": {"HPAReplicas": pods}})
    return model


def test_a_number_of_all_pods_stands_while_nothing_happens():
    model = recorded_by_argo(12)
    assert model.status["replicas"] == 12
    assert plan(model.world).actions == ()


def test_and_is_mended_along_with_the_next_change():
    model = recorded_by_argo(12)
    model.promote()
    model.settle_slowly()
    assert model.status["replicas"] == 16
    assert told(model) == 10


def test_any_other_number_is_mended_at_once():
    model = recorded_by_argo(9)
    model.reconcile()
    assert told(model) == 10
