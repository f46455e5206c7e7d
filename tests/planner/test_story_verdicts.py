"""Verdicts of analyses meet what people ask for: nothing passes by accident, nothing is asked twice."""

import pytest

from tests.planner.walk import ANALYSIS, Walk


def updated(steps: list[dict], **fields) -> Walk:
    walk = Walk({"canary": {"steps": steps, **fields}})
    walk.settle()
    walk.user_image(2)
    walk.settle()
    return walk


@pytest.mark.parametrize("phase", ["Inconclusive", "Successful", "Running"])
def test_skipping_an_analysis_step_never_lets_its_run_answer_for_the_next_one(phase):
    walk = updated([{"analysis": ANALYSIS}, {"analysis": ANALYSIS}, {"pause": {}}])
    first = walk.world.runs[0].name
    assert first.endswith("-2-0")
    walk.run_ends(0, phase)
    if phase == "Inconclusive":
        walk.settle()
        assert walk.phase == ("Paused", "InconclusiveAnalysisRun")
    walk.user_promote()
    walk.settle()
    assert walk.status["currentStepIndex"] == 1
    second = walk.status["canary"]["currentStepAnalysisRunStatus"]["name"]
    assert second.endswith("-2-1")
    assert walk.phase[0] == "Progressing"
    assert walk.codes() == ["StepAnalysisRunning"]


def test_one_promote_ends_a_pause_and_an_inconclusive_background_analysis_that_came_with_it():
    walk = updated(
        [{"setWeight": 20}, {"pause": {}}, {"setWeight": 40}, {"pause": {}}], analysis=ANALYSIS
    )
    assert walk.phase == ("Paused", "CanaryPauseStep")
    walk.run_ends(0, "Inconclusive")
    walk.settle()
    assert [c["reason"] for c in walk.status["pauseConditions"]] == [
        "CanaryPauseStep",
        "InconclusiveAnalysisRun",
    ]
    walk.user_promote()
    walk.settle()
    assert walk.status["currentStepIndex"] == 3
    assert [c["reason"] for c in walk.status["pauseConditions"]] == ["CanaryPauseStep"]
    assert [run.name[-2:] for run in walk.world.runs if not run.completed] == [".1"]


def test_a_timed_pause_runs_out_but_nothing_moves_while_the_background_analysis_is_inconclusive():
    walk = updated(
        [{"setWeight": 20}, {"pause": {"duration": 30}}, {"pause": {}}], analysis=ANALYSIS
    )
    walk.run_ends(0, "Inconclusive")
    walk.settle()
    walk.wait(100)
    walk.settle()
    assert walk.status["currentStepIndex"] == 1
    assert [blocker.until for blocker in walk.plan.why] == [None, None]


def test_resuming_an_inconclusive_analysis_does_not_skip_the_pause_that_comes_later():
    walk = updated([{"analysis": ANALYSIS}, {"pause": {}}])
    walk.run_ends(0, "Inconclusive")
    walk.settle()
    walk.user({"status": {"pauseConditions": None}})
    walk.settle()
    walk.run_ends(0, "Successful")
    walk.settle()
    assert walk.phase == ("Paused", "CanaryPauseStep")


@pytest.mark.parametrize(
    "strategy", [{}, {"autoPromotionEnabled": False}, {"autoPromotionSeconds": 9}]
)
def test_resuming_an_inconclusive_analysis_before_the_switch_asks_it_again(strategy):
    fields = {"activeService": "active", "prePromotionAnalysis": ANALYSIS, **strategy}
    walk = Walk({"blueGreen": fields}, replicas=2)
    walk.settle()
    walk.user_image(2)
    walk.settle()
    walk.run_ends(0, "Inconclusive")
    walk.settle()
    assert walk.phase == ("Paused", "InconclusiveAnalysisRun")
    walk.user_promote()
    walk.settle()
    assert walk.codes() == ["PrePromotionAnalysisRunning"]
    assert "controllerPause" not in walk.status
    assert walk.selects("active") == walk.hash_of(1)
    walk.finish()
    walk.judge_rest()


@pytest.mark.parametrize("kind", ["prePromotionAnalysis", "postPromotionAnalysis"])
def test_a_run_is_stopped_when_its_blue_green_release_is_given_up(kind):
    walk = Walk({"blueGreen": {"activeService": "active", kind: ANALYSIS}}, replicas=2)
    walk.settle()
    walk.user_image(2)
    walk.settle()
    walk.user({"status": {"abort": True}})
    walk.settle()
    assert [run.terminating for run in walk.world.runs] == [True]


def test_an_abort_inside_the_rollback_window_goes_back_to_stable():
    walk = Walk(
        {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}}, rollbackWindow={"revisions": 3}
    )
    walk.settle()
    walk.wait(5)
    walk.user_image(2)
    walk.settle()
    walk.user_promote()
    walk.settle()
    walk.wait(5)
    walk.ready = False
    walk.user_image(1)
    walk.settle()
    assert walk.phase[0] == "Progressing"
    walk.user({"status": {"abort": True}})
    walk.ready = True
    walk.settle()
    assert walk.phase[0] == "Degraded"
    assert walk.sizes == {2: 5}
    walk.user({"status": {"abort": False}})
    walk.settle()
    assert walk.phase == ("Healthy", "")
    assert walk.sizes == {3: 5}
