"""Every reason a release can stand still for has a story that comes to it; the first one is the cause."""

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

import rollouts.planner
from rollouts.api.reasons import PauseReason, RunType
from rollouts.api.rollout import Rollout
from rollouts.planner import bluegreen
from rollouts.planner import routed as routed_rules
from rollouts.planner.world import ReplicaSet, Run
from tests.planner import trial_model
from tests.planner.model import Model, rollout
from tests.planner.routed_model import RoutedModel, routed
from tests.planner.walk import ANALYSIS, Walk

SERVICES = {"stableService": "stable", "canaryService": "canary"}
PAUSE = [{"setWeight": 20}, {"pause": {}}]
STORIES: dict[str, Callable[[], Model]] = {}


def story(code: str):
    """The story whose end is explained first of all by ``code``."""

    def keep(tell: Callable[[], Model]) -> Callable[[], Model]:
        STORIES[code] = tell
        return tell

    return keep


def updated(strategy: dict, **spec) -> Walk:
    walk = Walk(strategy, **spec)
    walk.settle()
    walk.wait(5)
    walk.user_image(2)
    walk.reconcile()
    return walk


def canary(steps=None, **fields) -> dict:
    return {"canary": {**({"steps": steps} if steps else {}), **fields}}


def blue_green(**fields) -> dict:
    return {"blueGreen": {"activeService": "active", **fields}}


@story("Healthy")
def nothing_is_left_to_do() -> Walk:
    walk = updated(canary())
    walk.settle()
    return walk


@story("PodsNotAvailable")
def new_pods_are_awaited() -> Walk:
    return updated(canary(PAUSE))


@story("PodsNotGone")
def old_pods_are_slow_to_go() -> Walk:
    walk = updated(canary(), replicas=1)
    walk.set_follows(1, 1)
    walk.reconcile()
    return walk


@story("ReplicasNotSettled")
def stable_pods_are_available_before_they_are_counted() -> Walk:
    """A step is done once the stable pods are counted; nobody has reported that yet."""
    walk = updated(canary([{"setWeight": 50}]), replicas=2)
    walk.set_follows(1, 1)
    _forget_to_count(walk, revision=1)
    walk.reconcile()
    return walk


def _forget_to_count(walk: Walk, revision: int) -> None:
    """The ReplicaSet's status says what is available, and not yet how many pods there are."""
    sets = []
    for rs in walk.world.replica_sets:
        kept = {**rs.raw["status"], "replicas": 0, "availableReplicas": rs.spec}
        raw = {**rs.raw, "status": kept} if rs.revision == revision else rs.raw
        sets.append(ReplicaSet.of(raw))
    walk.world = replace(walk.world, replica_sets=tuple(sets))


@story("CanaryPauseStep")
def a_step_waits_for_a_person() -> Walk:
    walk = updated(canary(PAUSE))
    walk.settle()
    return walk


@story("BlueGreenPause")
def the_switch_waits_for_a_person() -> Walk:
    walk = updated(blue_green(autoPromotionEnabled=False))
    walk.settle()
    return walk


@story("InconclusiveAnalysisRun")
def an_analysis_cannot_tell() -> Walk:
    walk = updated(canary([{"analysis": ANALYSIS}]))
    walk.run_ends(0, "Inconclusive")
    walk.settle()
    return walk


@story("ManualPause")
def a_person_holds_everything() -> Walk:
    walk = updated(canary(PAUSE))
    walk.user({"spec": {"paused": True}})
    walk.settle()
    return walk


@story("Aborted")
def a_person_has_given_up_the_update() -> Walk:
    walk = updated(canary(PAUSE))
    walk.settle()
    walk.user({"status": {"abort": True}})
    walk.settle()
    return walk


@story("ProgressDeadlineExceeded")
def pods_never_came() -> Walk:
    walk = updated(canary(PAUSE))
    walk.wait(700)
    walk.reconcile()
    return walk


@story("StepAnalysisRunning")
def a_step_measures() -> Walk:
    walk = updated(canary([{"analysis": ANALYSIS}]))
    walk.settle()
    return walk


@story("ExperimentPending")
def the_pods_of_an_experiment_are_awaited() -> Model:
    model = trial_model.updated(trial_model.basic(trial_model.step(duration="1m")))
    model.broken_templates = {"canary"}
    model.settle()
    return model


@story("ExperimentRunning")
def an_experiment_takes_its_time() -> Model:
    model = trial_model.updated(trial_model.basic(trial_model.step(duration="1m")))
    model.settle()
    return model


@story("InconclusiveExperiment")
def an_experiment_cannot_tell() -> Model:
    model = an_experiment_takes_its_time()
    model.play("Inconclusive")
    model.settle()
    return model


@story("AnalysisPodsLost")
def what_is_measured_has_gone() -> Walk:
    walk = updated(canary([{"setWeight": 20}, {"analysis": ANALYSIS}]))
    walk.settle()
    walk.pods_die(-1, 5)
    walk.reconcile()
    return walk


@story("BackgroundAnalysisRunning")
def the_analysis_of_a_whole_update_began() -> Walk:
    walk = updated(canary([{"setWeight": 20}], analysis=ANALYSIS))
    walk.reconcile()
    return walk


@story("PrePromotionAnalysisRunning")
def the_switch_waits_for_an_analysis() -> Walk:
    walk = updated(blue_green(prePromotionAnalysis=ANALYSIS))
    walk.settle()
    return walk


@story("PostPromotionAnalysisRunning")
def the_end_waits_for_an_analysis() -> Walk:
    walk = updated(blue_green(postPromotionAnalysis=ANALYSIS))
    walk.settle()
    return walk


@story("ScaleDownDelay")
def old_pods_are_kept_for_a_way_back() -> Walk:
    walk = updated(blue_green())
    walk.settle()
    return walk


@story("InvalidSpec")
def the_spec_contradicts_itself() -> Walk:
    walk = updated(canary(PAUSE))
    walk.user({"spec": {"strategy": {"canary": {"steps": [{"setWeight": 120}]}}}})
    walk.reconcile()
    return walk


@story("SwitchWaitsForCapacity")
def users_stay_where_the_pods_are() -> Walk:
    """An abort that cannot go back: the stable revision has lost pods the new one still has."""
    walk = updated(blue_green(postPromotionAnalysis=ANALYSIS), replicas=2)
    walk.settle()
    walk.pods_die(0, 1)
    walk.user({"status": {"abort": True}})
    walk.reconcile()
    return walk


@story("ScaleDownWaitsForSwitch")
def a_rule_gone_wrong_would_empty_what_users_reach() -> Walk:
    walk = Walk(blue_green())
    walk.settle()
    with patch.object(bluegreen, "preview_size", lambda *_: 0):
        walk.reconcile()
    assert walk.sizes == {1: 5}
    return walk


@story("ScaleDownWaitsForTraffic")
def a_rule_gone_wrong_would_take_pods_the_router_still_needs() -> Model:
    model = RoutedModel(rollout(routed([{"setWeight": 20}, {"pause": {}}])))
    model.settle()
    with patch.object(routed_rules, "resize", lambda draft, _: draft.scale(draft.stable, 1)):
        model.reconcile()
    assert model.sizes == {1: 5}
    return model


@story("Observing")
def pods_are_available_before_they_are_counted() -> Walk:
    walk = updated(canary())
    walk.settle()
    _forget_to_count(walk, revision=2)
    walk.reconcile()
    assert walk.plan.why[0].message == "more replicas need to be updated"
    return walk


@story("Deleted")
def it_is_being_deleted() -> Walk:
    walk = updated(canary(PAUSE))
    raw = walk.world.rollout.raw
    going = {**raw, "metadata": {**raw["metadata"], "deletionTimestamp": "2027-01-15T08:00:00Z"}}
    walk.world = replace(walk.world, rollout=Rollout.decode(going))
    walk.reconcile()
    return walk


def codes_in_the_source() -> set[str]:
    """What stands first in every ``Blocker(...)`` and ``.block(...)`` of the planner."""
    found: set[str] = set()
    for path in Path(rollouts.planner.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args and _makes_a_blocker(node.func):
                found |= _codes(node.args[0])
    return found


def _makes_a_blocker(called: ast.expr) -> bool:
    name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
    return name in ("Blocker", "block")


def _codes(code: ast.expr) -> set[str]:
    match code:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.JoinedStr():
            return {f"{kind}AnalysisRunning" for kind in RunType}
        case ast.IfExp(body=one, orelse=other):
            return _codes(one) | _codes(other)
        case ast.Attribute(attr="reason"):
            return {str(reason) for reason in PauseReason}
        case _:
            return set()


def test_every_code_has_a_story_here_or_is_told_by_name_beside_its_own_part():
    beside = "".join(
        path.read_text()
        for path in Path(__file__).parent.glob("test_*.py")
        if path.name != Path(__file__).name
    )
    untold = codes_in_the_source() - set(STORIES)
    assert [code for code in sorted(untold) if f'"{code}"' not in beside] == []


def test_no_story_is_told_of_a_code_that_is_gone():
    assert set(STORIES) <= codes_in_the_source()


@pytest.mark.parametrize("code", sorted(STORIES))
def test_the_first_reason_given_is_the_cause(code):
    walk = STORIES[code]()
    assert walk.codes()[0] == code, walk.plan.why
    cause = walk.plan.why[0]
    assert cause.message
    if code != "Deleted":
        kind, _, name = cause.object.partition("/")
        assert kind in ("Rollout", "ReplicaSet", "Service", "AnalysisRun", "Experiment")
        assert name


@pytest.mark.parametrize(
    ("phase", "code", "said"),
    [
        ("Failed", "Aborted", "rate Failed: result[0] >= 0.95 is false: result = [0.81]"),
        ("Error", "Aborted", "rate Error: result[0] >= 0.95 is false: result = [0.81]"),
        ("Inconclusive", "InconclusiveAnalysisRun", "rate Inconclusive: result[0] >= 0.95"),
        ("Running", "StepAnalysisRunning", "rate Running (result[0] >= 0.95 is false: result"),
    ],
)
def test_what_was_measured_is_part_of_the_reason(phase, code, said):
    walk = updated(canary([{"analysis": ANALYSIS}]))
    walk.settle()
    (run,) = walk.world.runs
    reason = "result[0] >= 0.95 is false: result = [0.81]"
    measurement = {"phase": phase, "value": "[0.81]", "metadata": {"reason": reason}}
    results = [{"name": "rate", "phase": phase, "measurements": [measurement]}]
    raw = {**run.raw, "status": {"phase": phase, "metricResults": results}}
    walk.world = replace(walk.world, runs=(Run.of(raw, "uid-app"),))
    walk.settle()
    assert walk.codes()[0] == code
    assert said in walk.plan.why[0].message
    assert run.name in walk.plan.why[0].message
