"""Stories of Experiments that get a share of the traffic: pods first, and last."""

from unittest.mock import patch

import pytest

from rollouts.planner import shares
from rollouts.planner.check import unable
from rollouts.planner.planner import plan
from rollouts.traffic.router import Abilities, Destination
from tests.planner.routed_model import routed
from tests.planner.trial_model import TrialModel, step, template, updated

SHARED = step(
    template("baseline", "stable", weight=5),
    template("canary", weight=10),
    duration="1m",
)
TWENTY, PAUSE = {"setWeight": 20}, {"pause": {}}


def started(*steps: dict, **fields) -> TrialModel:
    """With the experiment of the second step running, and its shares told."""
    model = updated(routed([TWENTY, *(steps or (SHARED, PAUSE))]), **fields)
    model.settle_slowly()
    return model


def services(model: TrialModel) -> tuple[str, str]:
    return f"{model.named}-baseline", f"{model.named}-canary"


def test_shares_come_with_the_pods_and_from_the_stable_revision():
    model = started()
    baseline, canary = services(model)
    assert model.additional == {baseline: 5, canary: 10}
    assert model.recorded == (20, 65)
    recorded = model.status["canary"]["weights"]["additional"]
    assert [(each["serviceName"], each["weight"]) for each in recorded] == [
        (baseline, 5),
        (canary, 10),
    ]
    assert all(each["podTemplateHash"] for each in recorded)
    told = f"Traffic weight updated from 20 to 20, additional: {baseline}: 5, {canary}: 10"
    assert told in [event.message for event in model.events]


def test_no_share_before_the_pods_are_there():
    model = updated(routed([TWENTY, SHARED]))
    model.broken_templates = {"canary"}
    model.settle_slowly()
    assert model.phases == ["Pending"]
    assert model.additional == {}
    assert model.recorded == (20, 80)
    model.broken_templates = set()
    model.settle_slowly()
    assert sum(model.additional.values()) == 15


def test_shares_go_when_the_experiment_ends_and_before_its_pods():
    model = started()
    model.wait(60)
    model.settle_slowly()
    assert model.phases == ["Successful"]
    assert model.additional == {}
    assert model.recorded == (20, 80)
    assert set(model.backends.values()) == {1}
    model.wait(31)
    model.settle_slowly()
    assert set(model.backends.values()) <= {0}


@pytest.mark.parametrize("verifying", [False, True])
@pytest.mark.parametrize("delay", [0, None])
def test_even_without_a_delay_no_pod_goes_while_the_router_knows_it(delay, verifying):
    """The model's judge looks at every write of both planners."""
    shared = {"experiment": {**SHARED["experiment"], "duration": "5s"}}
    if delay is not None:
        shared["experiment"]["scaleDownDelaySeconds"] = delay
    model = started(shared, PAUSE, verifying=verifying)
    model.wait(6)
    for _ in range(3):
        model.experiments_follow()
    if delay == 0:
        assert model.running[model.named].codes()[0] == "PodsKeptForTraffic"
    model.settle_slowly()
    assert model.phases == ["Successful"]
    assert model.additional == {}


def test_while_the_rollout_cannot_be_acted_upon_pods_with_traffic_stay():
    at_once = {"experiment": {**SHARED["experiment"], "scaleDownDelaySeconds": 0}}
    model = started(at_once, PAUSE)
    model.change({"spec": {"progressDeadlineSeconds": -1}})
    model.settle_slowly()
    assert model.codes()[0] == "InvalidSpec"
    model.wait(3600)
    model.settle_slowly()
    assert model.phases == ["Successful"]
    assert sum(model.additional.values()) == 15
    assert set(model.backends.values()) == {1}
    model.change({"spec": {"progressDeadlineSeconds": None}})
    model.settle_slowly()
    assert model.additional == {}
    assert set(model.backends.values()) <= {0}


@pytest.mark.parametrize("verifying", [False, True])
def test_an_abort_takes_the_shares_before_the_experiment_is_stopped(verifying):
    model = started(verifying=verifying)
    model.abort()
    model.reconcile()
    assert model.additional == {}
    assert bool(model.stopping) is not verifying
    if verifying:
        assert "ExperimentKeepsTraffic" in model.codes()
    model.settle_slowly()
    assert len(model.stopping) == 1
    assert model.recorded == (0, 100)


@pytest.mark.parametrize(
    "change",
    [
        {"status": {"promoteFull": True}},
        {"status": {"currentStepIndex": 2}},
        {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "app:3"}]}}}},
    ],
)
def test_whatever_ends_the_step_takes_the_shares_first(change):
    model = started()
    name = model.named
    model.change(change)
    model.settle_slowly()
    assert name in model.stopping
    assert not [each for each in model.additional if each.startswith(f"{name}-")]


def test_pods_that_are_lost_lose_their_share():
    model = started()
    model.broken_templates = {"canary"}
    model.experiments_follow()
    model.reconcile()
    assert model.additional == {}
    assert model.recorded == (20, 80)


def test_with_dynamic_stable_scale_the_stable_revision_can_take_every_share_back():
    model = updated(
        routed([{"setWeight": 50}, SHARED, PAUSE], dynamicStableScale=True), replicas=10
    )
    model.settle_slowly()
    assert sum(model.additional.values()) == 15
    assert model.sizes == {1: 5, 2: 5}


def test_no_more_is_asked_of_an_experiment_than_the_pods_it_was_given():
    """Five percent of forty replicas are two pods; the step asks for one."""
    model = started(replicas=40)
    assert sum(model.additional.values()) == 15


def test_an_experiment_whose_pods_declare_no_port_gets_nothing_and_says_so():
    model = updated(routed([SHARED]))
    plain = [{"name": "app", "image": "app:3"}]
    model.change({"spec": {"template": {"spec": {"containers": plain}}}})
    model.settle_slowly()
    assert model.phases[-1] == "Running"
    assert model.additional == {}
    assert model.codes() == ["ExperimentRunning", "ExperimentWithoutTraffic"]
    assert "template canary" in model.plan.why[1].message


def test_a_share_given_by_mistake_is_held_back():
    """The last word is the safety room's, whatever the rules above decide."""
    model = updated(routed([TWENTY, SHARED]))
    model.broken_templates = {"baseline", "canary"}
    model.settle_slowly()
    given = (Destination(f"{model.named}-canary", "x", 10),)
    with patch.object(shares, "due", lambda *_: given):
        decided = plan(model.world)
    assert decided.writes == ()
    assert decided.why[0].code == "WeightWaitsForCapacity"


def test_a_router_that_was_told_and_crashed_before_it_was_noted_is_believed():
    """The status does not know of the shares, the router does."""
    model = started(verifying=True)
    weights = {**model.status["canary"]["weights"], "additional": None}
    model.change({"status": {"canary": {"weights": weights}}})
    model.abort()
    model.reconcile()
    assert model.stopping == []
    assert model.additional == {}
    model.settle_slowly()
    assert len(model.stopping) == 1


def test_a_router_without_further_destinations_is_refused():
    (canary,) = [started().world.rollout.spec.canary]
    able, unable_ = Abilities(additional=True), Abilities()

    class Fake:
        def __init__(self, abilities):
            self.abilities = abilities

    assert unable(canary, [Fake(able)]) is None
    error = unable(canary, [Fake(able), Fake(unable_)])
    assert error is not None
    assert error.path == "spec.strategy.canary.steps[1].experiment.templates[0].weight"


def test_shares_that_do_not_fit_are_refused():
    much = step(template("canary", weight=90))
    model = updated(routed([TWENTY, much]))
    assert model.codes()[0] == "InvalidSpec"
    assert "with setWeight 20" in model.plan.why[0].message


def test_a_template_is_of_the_canary_or_of_the_stable_revision():
    model = updated(routed([step(template("x", "latest"))]))
    assert model.codes()[0] == "InvalidSpec"
    assert "specRef" in model.plan.why[0].message
