"""A verdict counts only for pods that were there: what happens when they go while they are judged."""

import copy
from dataclasses import replace

import pytest

from rollouts.planner.world import ReplicaSet
from tests.planner.walk import ANALYSIS, Walk

STEPS = [{"setWeight": 20}, {"analysis": ANALYSIS}, {"pause": {}}]
NEW = -1


def at_the_analysis(steps=None, **spec) -> Walk:
    walk = Walk({"canary": {"steps": steps or STEPS}}, **spec)
    walk.settle()
    walk.wait(5)
    walk.user_image(2)
    walk.settle()
    assert walk.codes() == ["StepAnalysisRunning"]
    return walk


def before_the_switch(**fields) -> Walk:
    walk = Walk({"blueGreen": {"activeService": "active", **fields}}, replicas=2)
    walk.settle()
    walk.wait(5)
    walk.user_image(2)
    walk.settle()
    return walk


def names(walk: Walk) -> list[str]:
    return sorted(run.name.split("-2-")[-1] for run in walk.world.runs)


def replaced(walk: Walk) -> None:
    """Somebody deletes the ReplicaSet; another one of the same name and template comes."""
    sets = list(walk.world.replica_sets)
    raw = copy.deepcopy(sets[NEW].raw)
    raw["metadata"]["uid"] = "uid-another"
    sets[NEW] = ReplicaSet.of(raw)
    walk.world = replace(walk.world, replica_sets=tuple(sets))


def test_a_success_over_pods_that_were_gone_for_a_while_is_asked_again():
    walk = at_the_analysis()
    walk.pods_die(NEW, 5)
    walk.reconcile()
    walk.settle()  # the pod is back before the run has ended
    walk.run_ends(0, "Successful")
    walk.settle()
    assert walk.status["currentStepIndex"] == 1
    assert names(walk) == ["1", "1.1"]
    walk.run_ends(0, "Successful")
    walk.settle()
    assert walk.status["currentStepIndex"] == 2
    assert walk.phase == ("Paused", "CanaryPauseStep")
    assert walk.reasons().count("AnalysisRunPodsLost") == 1


def test_pods_that_go_together_with_the_verdict_make_it_worthless():
    walk = at_the_analysis()
    walk.pods_die(NEW, 5)
    walk.run_ends(0, "Successful")
    walk.reconcile()
    assert walk.status["currentStepIndex"] == 1
    assert "AnalysisPodsLost" in walk.codes()
    assert names(walk) == ["1"], "nothing to ask again about yet"
    walk.settle()
    assert names(walk) == ["1", "1.1"]


def test_a_replaced_replica_set_is_judged_anew():
    walk = at_the_analysis()
    replaced(walk)
    walk.run_ends(0, "Successful")
    walk.settle()
    assert walk.status["currentStepIndex"] == 1
    assert names(walk) == ["1", "1.1"]


@pytest.mark.parametrize("phase", ["Failed", "Error"])
def test_a_failure_counts_with_or_without_pods(phase):
    walk = at_the_analysis()
    walk.pods_die(NEW, 5)
    walk.reconcile()
    walk.run_ends(0, phase)
    walk.settle()
    assert walk.phase[0] == "Degraded"


def test_losing_some_of_the_pods_is_no_loss():
    walk = at_the_analysis([{"setWeight": 60}, {"analysis": ANALYSIS}, {"pause": {}}])
    walk.pods_die(NEW, 2)
    walk.reconcile()
    walk.run_ends(0, "Successful")
    walk.settle()
    assert names(walk) == ["1"]
    assert walk.status["currentStepIndex"] == 2


def test_an_analysis_before_there_are_pods_judges_something_else_and_passes():
    walk = Walk({"canary": {"steps": [{"setWeight": 0}, {"analysis": ANALYSIS}, {"pause": {}}]}})
    walk.settle()
    walk.wait(5)
    walk.user_image(2)
    walk.settle()
    walk.run_ends(0, "Successful")
    walk.settle()
    assert walk.status["currentStepIndex"] == 2


def test_a_verdict_that_was_read_stays_read_when_pods_go_later():
    walk = before_the_switch(prePromotionAnalysis=ANALYSIS, autoPromotionEnabled=False)
    walk.run_ends(0, "Successful")
    walk.settle()
    assert walk.phase == ("Paused", "BlueGreenPause")
    walk.pods_die(NEW, 2)
    walk.reconcile()
    walk.settle()
    assert names(walk) == ["pre"]
    walk.user_promote()
    walk.settle()
    assert walk.phase == ("Healthy", "")


@pytest.mark.parametrize("kind", ["pre", "post"])
def test_no_blue_green_release_passes_over_pods_that_went(kind):
    walk = before_the_switch(**{f"{kind}PromotionAnalysis": ANALYSIS})
    walk.pods_die(NEW, 2)
    walk.run_ends(0, "Successful")
    walk.reconcile()
    assert walk.status["stableRS"] == walk.hash_of(1)
    walk.settle()
    assert names(walk) == [kind, f"{kind}.1"]
    walk.finish()
    walk.judge_rest()


def test_a_rollout_scaled_to_nothing_does_not_wait_for_pods_that_will_not_come():
    walk = at_the_analysis()
    walk.user({"spec": {"replicas": 0}})
    walk.settle()
    walk.run_ends(0, "Successful")
    walk.settle()
    assert names(walk) == ["1", "1.1"]
    walk.finish()
    walk.judge_rest()
