"""What ``why`` says of time: every ``until`` is a moment at which something really happens."""

from tests.planner.model import START, Model, rollout
from tests.planner.walk import ANALYSIS, Walk

STEPS = [{"setWeight": 20}, {"pause": {"duration": 90}}]


def updated(strategy: dict, **spec) -> Walk:
    walk = Walk(strategy, **spec)
    walk.settle()
    walk.wait(5)
    walk.user_image(2)
    return walk


def test_while_pods_are_awaited_the_progress_deadline_is_named_and_kept():
    walk = updated({"canary": {"steps": STEPS}}, progressDeadlineSeconds=60)
    walk.ready = False
    walk.settle()
    (blocker,) = walk.plan.why
    assert blocker.code == "PodsNotAvailable"
    assert blocker.then == "the progress deadline is exceeded"
    assert blocker.until == walk.plan.wake_at == START + 5 + 60 + 1
    walk.wait(61)
    walk.reconcile()
    assert walk.phase[1].startswith("ProgressDeadlineExceeded")


def test_pods_that_do_not_go_are_timed_too():
    walk = updated({"canary": {}}, replicas=1)
    walk.reconcile()
    walk.set_follows(1, 1)
    walk.reconcile()
    (blocker,) = walk.plan.why
    assert blocker.code == "PodsNotGone"
    assert blocker.until == walk.plan.wake_at


def test_an_analysis_before_the_switch_is_timed():
    strategy = {"activeService": "active", "prePromotionAnalysis": ANALYSIS}
    walk = updated({"blueGreen": strategy}, replicas=1)
    walk.settle()
    (blocker,) = walk.plan.why
    assert blocker.code == "PrePromotionAnalysisRunning"
    assert blocker.until == walk.plan.wake_at


def test_a_timed_pause_does_not_end_by_itself_while_a_person_holds_everything():
    walk = updated({"canary": {"steps": STEPS}})
    walk.settle()
    assert walk.plan.why[0].until == walk.plan.wake_at == START + 5 + 90
    walk.user({"spec": {"paused": True}})
    walk.settle()
    assert walk.codes() == ["ManualPause", "CanaryPauseStep"]
    assert [blocker.until for blocker in walk.plan.why] == [None, None]
    assert walk.plan.wake_at is None
    walk.wait(1000)
    walk.user({"spec": {"paused": False}})
    walk.settle()
    assert walk.phase == ("Healthy", "")


def test_a_scale_down_delay_does_not_end_while_a_person_holds_everything():
    model = Model(rollout({"blueGreen": {"activeService": "active"}}, replicas=2), "active")
    model.settle()
    model.set_image("app:2")
    model.settle()
    assert model.plan.why[0].code == "ScaleDownDelay"
    assert model.plan.why[0].until == model.plan.wake_at == START + 30
    model.change({"spec": {"paused": True}})
    model.settle()
    assert model.codes() == ["ManualPause", "ScaleDownDelay"]
    assert [blocker.until for blocker in model.plan.why] == [None, None]
    model.wait(31)
    model.settle()
    assert model.sizes == {1: 2, 2: 2}
    model.change({"spec": {"paused": None}})
    model.settle()
    assert model.sizes == {2: 2}
