"""Stories of analysis: which runs are started, and what their verdict does."""

from dataclasses import replace

from rollouts.planner.world import Run
from tests.planner.model import Model, rollout

TEMPLATE = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "AnalysisTemplate",
    "metadata": {"name": "rate", "namespace": "shop"},
    "spec": {
        "args": [{"name": "hash"}],
        "metrics": [
            {
                "name": "rate",
                "count": 1,
                "successCondition": "result[0] > 0.9",
                "provider": {"prometheus": {"address": "http://p", "query": "{{args.hash}}"}},
            }
        ],
    },
}
ARGS = [{"name": "hash", "valueFrom": {"podTemplateHashValue": "Latest"}}]
ANALYSIS = {"templates": [{"templateName": "rate"}], "args": ARGS}


def canary(steps, **fields) -> Model:
    raw = rollout({"canary": {"steps": steps, **fields}})
    model = Model(raw, templates={"rate": TEMPLATE})
    model.settle()
    return model


def blue_green(**fields) -> Model:
    raw = rollout({"blueGreen": {"activeService": "active", **fields}}, replicas=2)
    model = Model(raw, "active", templates={"rate": TEMPLATE})
    model.settle()
    return model


def test_a_step_analysis_runs_with_its_arguments_and_its_success_goes_on():
    model = canary([{"setWeight": 20}, {"analysis": ANALYSIS}])
    model.set_image("app:2")
    model.settle()
    (run,) = model.world.runs
    assert run.name == f"app-{model.hash_of(2)}-2-1"
    assert run.raw["spec"]["args"] == [{"name": "hash", "value": model.hash_of(2)}]
    assert run.labels["rollout-type"] == "Step"
    assert run.labels["step-index"] == "1"
    assert model.codes() == ["StepAnalysisRunning"]
    model.finish_run("Successful")
    model.settle()
    assert model.phase == ("Healthy", "")


def test_a_failed_analysis_aborts_and_says_why():
    model = canary([{"setWeight": 20}, {"analysis": ANALYSIS}])
    model.set_image("app:2")
    model.settle()
    model.finish_run("Failed", 'Metric "rate" assessed Failed due to failed (1) > failureLimit (0)')
    model.settle()
    assert model.sizes == {1: 5}
    cause = "Step-based analysis phase error/failed: "
    metric = 'Metric "rate" assessed Failed due to failed (1) > failureLimit (0)'
    message = f"RolloutAborted: Rollout aborted update to revision 2: {cause}{metric}"
    assert model.phase == ("Degraded", message)


def test_an_inconclusive_analysis_waits_for_a_person_and_is_then_asked_again():
    model = canary([{"setWeight": 20}, {"analysis": ANALYSIS}])
    model.set_image("app:2")
    model.settle()
    first = model.finish_run("Inconclusive")
    model.settle()
    assert model.phase == ("Paused", "InconclusiveAnalysisRun")
    model.promote()
    model.settle()
    assert {run.name for run in model.world.runs} == {first, f"{first}.1"}
    model.finish_run("Successful")
    model.settle()
    assert model.phase == ("Healthy", "")


def test_a_retry_does_not_read_the_old_verdict():
    model = canary([{"setWeight": 20}, {"analysis": ANALYSIS}])
    model.set_image("app:2")
    model.settle()
    first = model.finish_run("Failed")
    model.settle()
    model.retry()
    model.settle()
    assert model.status["canary"]["currentStepAnalysisRunStatus"]["name"] == f"{first}.1"
    assert model.phase[0] == "Progressing"


def test_a_run_stopped_by_hand_has_not_passed():
    model = canary([{"setWeight": 20}, {"analysis": ANALYSIS}])
    model.set_image("app:2")
    model.settle()
    (run,) = model.world.runs
    run.raw["spec"]["terminate"] = True
    model.finish_run("Successful")
    model.settle()
    assert model.phase == ("Paused", "InconclusiveAnalysisRun")


def test_a_background_analysis_begins_at_its_step_and_ends_with_the_update():
    model = canary(
        [{"setWeight": 20}, {"setWeight": 40}, {"pause": {}}],
        analysis={**ANALYSIS, "startingStep": 2},
    )
    model.set_image("app:2")
    model.reconcile()
    assert model.world.runs == ()
    model.settle()
    (run,) = model.world.runs
    assert run.name == f"app-{model.hash_of(2)}-2"
    model.promote()
    model.settle()
    assert model.world.runs[0].terminating
    assert model.phase == ("Healthy", "")


def test_a_failing_background_analysis_aborts_at_any_step():
    model = canary([{"setWeight": 20}, {"pause": {}}], analysis=ANALYSIS)
    model.set_image("app:2")
    model.settle()
    model.finish_run("Error", "no answer")
    model.settle()
    assert model.sizes == {1: 5}
    assert "Background analysis phase error/failed: no answer" in model.phase[1]


def test_the_switch_waits_for_pre_promotion_analysis():
    model = blue_green(prePromotionAnalysis=ANALYSIS)
    model.set_image("app:2")
    model.settle()
    assert model.selects("active") == model.hash_of(1)
    assert model.finish_run("Successful").endswith("-2-pre")
    model.settle()
    assert model.selects("active") == model.hash_of(2)
    assert model.phase == ("Healthy", "")


def test_a_failed_pre_promotion_analysis_never_switches():
    model = blue_green(prePromotionAnalysis=ANALYSIS)
    model.set_image("app:2")
    model.settle()
    model.finish_run("Failed")
    model.settle()
    assert model.selects("active") == model.hash_of(1)
    assert model.phase[0] == "Degraded"


def test_a_failed_post_promotion_analysis_switches_back():
    model = blue_green(postPromotionAnalysis=ANALYSIS)
    model.set_image("app:2")
    model.settle()
    assert model.selects("active") == model.hash_of(2)
    assert model.status["stableRS"] == model.hash_of(1)
    model.finish_run("Failed")
    model.settle()
    assert model.selects("active") == model.hash_of(1)
    model.wait(31)
    model.settle()
    assert model.sizes == {1: 2}


def test_a_missing_template_is_named_and_heals_when_it_appears():
    model = canary([{"setWeight": 20}, {"analysis": ANALYSIS}])
    model.world.templates.clear()
    model.set_image("app:2")
    model.settle()
    assert model.sizes == {1: 5}
    assert "AnalysisTemplate 'rate' not found" in model.phase[1]
    model.world.templates["rate"] = TEMPLATE
    model.settle()
    assert model.codes() == ["StepAnalysisRunning"]


def test_a_namesake_of_somebody_else_is_left_alone():
    model = canary([{"setWeight": 20}, {"pause": {}}, {"analysis": ANALYSIS}])
    model.set_image("app:2")
    model.settle()
    foreign = {
        "metadata": {"name": f"app-{model.hash_of(2)}-2-2", "namespace": "shop"},
        "spec": {},
        "status": {"phase": "Successful"},
    }
    model.world = replace(model.world, runs=(Run.of(foreign, "uid-app"),))
    model.promote()
    model.settle()
    assert model.status["canary"]["currentStepAnalysisRunStatus"]["name"].endswith("-2-2.1")


def test_a_long_analysis_around_the_switch_is_no_lack_of_progress():
    strategy = {"blueGreen": {"activeService": "active", "prePromotionAnalysis": ANALYSIS}}
    raw = rollout(strategy, replicas=2, progressDeadlineSeconds=60, progressDeadlineAbort=True)
    model = Model(raw, "active", templates={"rate": TEMPLATE})
    model.settle()
    model.set_image("app:2")
    model.settle()
    model.wait(600)
    model.settle()
    assert model.phase[0] == "Progressing"
    model.finish_run("Successful")
    model.settle()
    assert model.selects("active") == model.hash_of(2)
