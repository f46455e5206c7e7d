"""Stories of canaries behind a router: pods before traffic, traffic before pods go.

The model's judge looks at every write of every story.
"""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.api.rollout import Rollout
from rollouts.planner.check import unable
from rollouts.planner.routed import Sizing
from rollouts.traffic.router import Abilities
from tests.planner.model import rollout
from tests.planner.routed_model import FINE, STEPS, RoutedModel, deployed, routed, updating

# --- the way up


def test_the_first_revision_gets_all_traffic_as_the_stable_one():
    model = deployed(routed(STEPS))
    assert model.phase == ("Healthy", "")
    assert model.recorded == (0, 100)
    assert model.selects("canary") == model.selects("stable") == model.hash_of(1)


def test_traffic_follows_when_the_last_pod_for_it_is_ready():
    model = deployed(routed(STEPS))
    model.set_image("app:2")
    model.reconcile()
    assert model.sizes == {1: 10, 2: 2}
    model.pods_follow(limit=1)
    model.reconcile()
    assert (model.weight, model.codes()) == (0, ["PodsNotAvailable"])
    assert model.selects("canary") == model.hash_of(2)
    model.pods_follow(limit=1)
    model.reconcile()
    assert model.recorded == (20, 80)
    assert model.phase == ("Paused", "CanaryPauseStep")
    assert "TrafficWeightUpdated" in model.reasons()


def test_the_stable_revision_keeps_its_size_until_after_the_delay():
    model = updating(routed(STEPS), promotions=2)
    assert model.status["stableRS"] == model.hash_of(2)
    assert model.selects("stable") == model.hash_of(2)
    assert model.recorded == (0, 100)
    assert model.sizes == {1: 10, 2: 10}
    assert model.codes() == ["ScaleDownDelay"]
    model.wait(31)
    model.settle()
    assert model.sizes == {2: 10}
    assert model.phase == ("Healthy", "")
    assert list(dict.fromkeys(model.weights)) == [0, 20, 60, 100]


def test_with_dynamic_stable_scale_the_stable_revision_follows_its_share():
    model = updating(routed(FINE, dynamicStableScale=True))
    assert model.sizes == {1: 8, 2: 2}
    model.promote()
    model.settle_slowly()
    assert model.sizes == {1: 6, 2: 4}
    for _ in range(3):
        model.promote()
        model.settle_slowly()
    assert model.sizes == {2: 10}
    assert model.phase == ("Healthy", "")


def test_no_pod_leaves_before_the_router_is_seen_to_obey():
    model = deployed(routed(STEPS, dynamicStableScale=True), verifying=True)
    model.set_image("app:2")
    for _ in range(5):
        model.reconcile()
        model.pods_follow()
    assert model.recorded == (20, 80)
    assert model.status["canary"]["weights"]["verified"] is False
    assert model.sizes == {1: 10, 2: 2}
    assert model.status["currentStepIndex"] == 0
    assert "WeightNotVerified" in model.codes()
    assert model.plan.wake_at == model.world.now + 10
    model.obey()
    model.settle()
    assert model.status["canary"]["weights"]["verified"] is True
    assert model.sizes == {1: 8, 2: 2}
    assert model.phase == ("Paused", "CanaryPauseStep")


def test_a_promotion_waits_for_the_last_weight_to_be_verified():
    model = deployed(routed([{"setWeight": 50}]), verifying=True)
    model.set_image("app:2")
    for _ in range(4):
        model.settle()
        if model.weight == 50:
            model.obey()
    assert model.weight == 100
    assert model.status["stableRS"] == model.hash_of(1)
    assert "WeightNotVerified" in model.codes()
    model.obey()
    model.settle()
    assert model.status["stableRS"] == model.hash_of(2)


def test_a_lower_weight_comes_before_fewer_pods():
    steps = [{"setWeight": 60}, {"pause": {}}, {"setWeight": 20}, {"pause": {}}]
    model = updating(routed(steps), promotions=1)
    assert model.recorded == (20, 80)
    assert model.sizes == {1: 10, 2: 2}


def test_without_steps_all_traffic_moves_with_the_promotion():
    model = updating(routed([]))
    assert model.status["stableRS"] == model.hash_of(2)
    assert model.selects("stable") == model.hash_of(2)
    assert set(model.weights) == {0}


def test_promoting_in_full_moves_on_without_a_weight_of_its_own():
    model = updating(routed(STEPS))
    model.change({"status": {"promoteFull": True, "pauseConditions": None}})
    model.settle_slowly()
    assert model.status["stableRS"] == model.hash_of(2)
    assert model.recorded == (0, 100)
    assert 60 not in model.weights


def test_promoting_in_full_with_dynamic_stable_scale_follows_the_pods():
    model = updating(routed(STEPS, dynamicStableScale=True))
    model.change({"status": {"promoteFull": True, "pauseConditions": None}})
    model.settle_slowly()
    assert model.sizes == {2: 10}
    assert {30, 40, 50, 60, 70, 80, 90, 100} <= set(model.weights)


# --- sizes of their own


def test_a_canary_scale_of_its_own_holds_until_the_weight_is_followed_again():
    steps = [
        {"setCanaryScale": {"replicas": 3}},
        {"pause": {}},
        {"setWeight": 20},
        {"pause": {}},
        {"setCanaryScale": {"matchTrafficWeight": True}},
        {"pause": {}},
    ]
    model = updating(routed(steps))
    assert (model.sizes, model.weight) == ({1: 10, 2: 3}, 0)
    model.promote()
    model.settle_slowly()
    assert (model.sizes, model.weight) == ({1: 10, 2: 3}, 20)
    model.promote()
    model.settle_slowly()
    assert (model.sizes, model.weight) == ({1: 10, 2: 2}, 20)


def test_a_replica_set_with_traffic_has_at_least_so_many_pods():
    model = updating(routed([{"setWeight": 1}, {"pause": {}}], minPodsPerReplicaSet=3))
    assert (model.sizes, model.weight) == ({1: 10, 2: 3}, 1)


def test_the_release_goes_on_when_enough_pods_are_there():
    threshold = {"type": "Percent", "value": 50}
    model = deployed(routed(STEPS, replicaProgressThreshold=threshold), replicas=20)
    model.set_image("app:2")
    model.reconcile()
    model.pods_follow(limit=1)
    model.reconcile()
    assert model.recorded == (0, 100)
    model.pods_follow(limit=1)
    model.reconcile()
    assert model.counts[2] == (4, 2)
    assert model.recorded == (20, 80)


def test_the_traffic_may_have_its_own_measure():
    model = updating(
        routed([{"setWeight": 500}, {"pause": {}}], routing={"maxTrafficWeight": 1000})
    )
    assert model.sizes == {1: 10, 2: 5}
    assert model.recorded == (500, 500)


# --- what cannot be done


def test_a_dead_canary_loses_its_traffic():
    model = updating(routed(STEPS), promotions=1)
    model.ready = False
    model.lose(2, 6)
    model.reconcile()
    assert model.recorded == (0, 100)


def test_with_too_few_stable_pods_traffic_stays_where_it_is_served():
    model = updating(routed(STEPS), promotions=1)
    model.lose(1, 6)
    model.abort()
    model.reconcile()
    assert model.weight == 60
    assert "WeightWaitsForCapacity" in model.codes()
    model.settle_slowly()
    assert model.recorded == (0, 100)


def test_a_broken_stable_revision_does_not_stop_a_good_canary():
    model = updating(routed(STEPS))
    model.lose(1, 6)
    model.broken.add(1)
    model.promote()
    model.settle_slowly()
    assert model.recorded == (60, 40)


def test_a_weight_that_somebody_else_changed_is_put_back():
    model = updating(routed(STEPS))
    model.set_data({"canary.weight": "100", "stable.weight": "0"})
    model.reconcile()
    assert model.weight == 20


def test_a_router_that_cannot_be_told_is_a_reason():
    model = deployed(routed(STEPS))
    model.set_image("app:2")
    model.change_split({"immutable": True})
    model.settle()
    assert "TrafficRoutingError" in model.codes()
    assert model.recorded == (0, 100)
    model.change_split({"immutable": None})
    model.settle()
    assert model.recorded == (20, 80)


def test_unknown_routers_are_named_and_nothing_is_touched():
    model = RoutedModel(rollout(routed(STEPS, routing={"smi": {}})))
    model.reconcile()
    assert "routers not supported yet: smi" in model.phase[1]
    assert model.sizes == {}


def test_a_split_that_has_nowhere_to_be_kept_is_an_invalid_spec():
    model = RoutedModel(rollout(routed(STEPS)))
    model.forget_split()
    model.reconcile()
    assert 'ConfigMap "split" not found' in model.phase[1]


class Plain:
    """A router that can split traffic, and nothing else."""

    abilities = Abilities()


@pytest.mark.parametrize(
    ("steps", "routing", "path"),
    [
        ([{"setHeaderRoute": {"name": "a"}}], {}, "steps[0].setHeaderRoute"),
        ([{"pause": {}}, {"setMirrorRoute": {"name": "a"}}], {}, "steps[1].setMirrorRoute"),
        ([], {"maxTrafficWeight": 1000}, "trafficRouting.maxTrafficWeight"),
    ],
)
def test_what_no_router_can_do_is_refused_where_it_is_asked_for(steps, routing, path):
    strategy = Rollout.decode(rollout(routed(steps, routing=routing))).spec.canary
    assert unable(strategy, [Plain()]).path == f"spec.strategy.canary.{path}"
    able = replace(Abilities(), header_routes=True, mirror_routes=True, max_weight=True)
    everything = Plain()
    everything.abilities = able
    assert unable(strategy, [everything]) is None


# --- routes


def test_header_routes_come_with_their_step_and_go_with_the_release():
    match = [{"headerName": "x-qa", "headerValue": {"exact": "1"}}]
    steps = [
        {"setCanaryScale": {"replicas": 1}},
        {"setHeaderRoute": {"name": "qa", "match": match}},
        {"pause": {}},
        {"setHeaderRoute": {"name": "qa"}},
        {"pause": {}},
    ]
    routing = {"managedRoutes": [{"name": "qa"}]}
    model = updating(routed(steps, routing=routing))
    assert '"x-qa"' in model.data["routes"]
    model.promote()
    model.settle_slowly()
    assert "routes" not in model.data
    again = updating(routed(steps, routing=routing))
    again.abort()
    again.settle_slowly()
    assert "routes" not in again.data


# --- arithmetic


@given(
    replicas=st.integers(0, 12),
    weight=st.integers(0, 100),
    recorded=st.none() | st.integers(0, 100),
    least=st.integers(0, 5),
    dynamic=st.booleans(),
    aborted=st.booleans(),
)
@settings(max_examples=500)
def test_counts_carry_what_is_wanted_and_what_is_in_force(
    replicas, weight, recorded, least, dynamic, aborted
):
    in_force = None if recorded is None else (recorded, 100 - recorded)
    sizing = Sizing(replicas, 100, weight, None, least, dynamic, in_force, aborted)
    canary, stable = sizing.counts()
    assert canary * 100 >= weight * replicas
    assert 0 <= canary <= replicas
    assert (canary == 0) == (weight == 0 or replicas == 0) or (dynamic and aborted)
    if dynamic:
        assert (
            stable * 100
            >= max(100 - weight, 100 - (recorded if recorded is not None else 100)) * replicas
        )
        assert stable <= replicas
        if aborted and recorded is not None:
            assert canary * 100 >= recorded * replicas
    else:
        assert stable == replicas
    for count in (canary, stable):
        assert count == 0 or count >= min(least, replicas)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("replicas", range(1, 13))
def test_any_weight_of_any_size_is_reached_and_left(replicas, dynamic):
    for weight in (1, 50, 67, 100):
        steps = [{"setWeight": weight}, {"pause": {}}]
        model = deployed(routed(steps, dynamicStableScale=dynamic), replicas=replicas)
        model.set_image("app:2")
        model.settle()
        canary = -(-weight * replicas // 100)
        stable = -(-(100 - weight) * replicas // 100) if dynamic else replicas
        assert model.sizes == {1: max(1, stable), 2: canary}
        assert model.recorded == (weight, 100 - weight)
        model.abort()
        model.settle_slowly()
        assert model.recorded == (0, 100)
        assert model.sizes[1] == replicas


EVENTS = [
    "pods",
    "pods",
    "pods",
    "obey",
    "obey",
    "promote",
    "promote",
    "abort",
    "retry",
    "full",
    "image",
    "scale",
    "wait",
]


@given(
    dynamic=st.booleans(),
    verifying=st.booleans(),
    replicas=st.integers(1, 12),
    events=st.lists(st.sampled_from(EVENTS), max_size=40),
)
@settings(max_examples=40, deadline=None)
def test_whatever_happens_no_write_sends_traffic_where_there_are_no_pods(
    dynamic, verifying, replicas, events
):
    strategy = routed(FINE, dynamicStableScale=dynamic)
    model = deployed(strategy, replicas=replicas, verifying=verifying)
    model.set_image("app:2")
    image = 2
    for event in events:
        model.reconcile()
        match event:
            case "pods":
                model.pods_follow(limit=1)
            case "obey":
                model.obey()
            case "promote":
                model.promote()
            case "abort":
                model.abort()
            case "retry":
                model.retry()
            case "full":
                model.change({"status": {"promoteFull": True}})
            case "image":
                image = image % 3 + 1
                model.set_image(f"app:{image}")
            case "scale":
                model.change({"spec": {"replicas": 1 + (7 * len(model.writes)) % 12}})
            case _:
                model.wait(31)
    model.settle_slowly()
    assert model.plan.why
