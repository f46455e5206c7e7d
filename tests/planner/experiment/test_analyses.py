"""Analyses of an Experiment: when they begin, what their verdicts do, how they are stopped."""

import pytest

from rollouts.api.labels import INSTANCE_ID, POD_TEMPLATE_HASH
from rollouts.kube.errors import Invalid
from rollouts.planner.plan import Verb
from tests.planner.experiment.model import RATE, Model, analysis, at, experiment, template

REQUIRED = {"requiredForCompletion": True}


def running(*analyses: dict, **spec) -> Model:
    """An Experiment whose pods are there and whose runs have begun."""
    model = Model(experiment(analyses=list(analyses), **spec))
    model.settle()
    for each in analyses:
        model.run(each["name"], "Running")
    model.settle()
    return model


def told(model: Model) -> list[str]:
    return [e.message for e in model.events if e.reason.startswith("AnalysisRun")]


# --- beginning


def test_runs_begin_once_all_pods_are_available():
    model = Model(experiment(analyses=[analysis("x")]))
    model.reconcile()
    assert (model.world.runs, model.phases) == ((), {})
    model.settle()
    assert [run.name for run in model.world.runs] == ["trial-x"]
    assert model.phases == {"x": "Pending"}
    assert model.codes()[0] == "AnalysisRunning"


def test_a_run_is_named_in_the_status_before_it_is_made():
    model = Model(experiment(analyses=[analysis("x")]))
    model.settle()
    order = [
        (str(w.verb), w.resource.plural)
        for w in model.writes
        if w.resource.plural == "analysisruns" or "analysisRuns" in w.body.get("status", {})
    ]
    assert order[:2] == [("patch", "experiments"), ("create", "analysisruns")]


def test_a_run_belongs_to_the_experiment_and_carries_what_was_asked_for():
    extra = {"labels": {"team": "shop"}, "annotations": {"note": "trial"}}
    rule = [{"metricName": "rate"}]
    kept = [{"metricName": "rate", "limit": 3}]
    raw = experiment(
        analyses=[analysis("x")],
        analysisRunMetadata=extra,
        dryRun=rule,
        measurementRetention=kept,
    )
    model = Model(raw)
    model.become("blue")
    model.settle()
    (run,) = model.world.runs
    meta = run.raw["metadata"]
    assert meta["labels"] == {"team": "shop", INSTANCE_ID: "blue"}
    assert POD_TEMPLATE_HASH not in meta["labels"]
    assert meta["annotations"] == {"note": "trial"}
    assert [owner["uid"] for owner in meta["ownerReferences"]] == ["uid-trial"]
    assert run.raw["spec"]["dryRun"] == rule
    assert run.raw["spec"]["measurementRetention"] == kept
    assert run.raw["spec"]["metrics"][0]["name"] == "rate"


def test_a_rule_for_one_analysis_does_not_break_the_other():
    errors = {**RATE, "metadata": {"name": "errors"}}
    metric = {**RATE["spec"]["metrics"][0], "name": "errors"}
    errors["spec"] = {"metrics": [metric]}
    two = [analysis("x"), {"name": "y", "templateName": "errors"}]
    model = Model(experiment(analyses=two, dryRun=[{"metricName": "errors"}]), RATE, errors)
    model.settle()
    specs = {run.name: run.raw["spec"] for run in model.world.runs}
    assert specs["trial-x"]["dryRun"] == []
    assert specs["trial-y"]["dryRun"] == [{"metricName": "errors"}]


def test_arguments_may_speak_of_the_experiments_own_pods_and_times():
    text = (
        "{{templates.a.podTemplateHash}} {{ templates.b.replicaset.name }} "
        "{{experiment.availableAt}} {{experiment.finishedAt}}"
    )
    asked = analysis("x", args=[{"name": "hash", "value": text}])
    model = Model(experiment(analyses=[asked], duration="5m"))
    model.reconcile()
    model.wait(60)
    model.settle()
    (run,) = model.world.runs
    hashed = model.set_of("a")["metadata"]["labels"][POD_TEMPLATE_HASH]
    value = f"{hashed} trial-b {at(60)} {at(360)}"
    assert run.raw["spec"]["args"] == [{"name": "hash", "value": value}]


@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        (
            {"value": "{{templates.c.podTemplateHash}}"},
            "args.hash: failed to resolve {{templates.c.podTemplateHash}}",
        ),
        (
            {"value": "{{experiment.finishedAt}}"},
            "args.hash: failed to resolve {{experiment.finishedAt}}",
        ),
        (
            {"valueFrom": {"podTemplateHashValue": "Latest"}},
            "args.hash: an Experiment takes values only, no valueFrom",
        ),
    ],
)
def test_an_argument_that_means_nothing_is_an_error(argument, complaint):
    asked = analysis("x", args=[{"name": "hash", **argument}])
    model = Model(experiment(analyses=[asked], scaleDownDelaySeconds=0))
    model.settle()
    assert model.phase == "Error"
    assert model.status["message"] == f"AnalysisRun trial-x cannot be created: {complaint}"
    assert model.world.runs == ()
    assert model.sizes == {"trial-a": 0, "trial-b": 0}


def test_an_argument_the_template_needs_and_nobody_gives_is_an_error():
    needy = {**RATE, "spec": {**RATE["spec"], "args": [{"name": "hash"}]}}
    model = Model(experiment(analyses=[analysis("x")]), needy)
    model.settle()
    assert model.phase == "Error"
    assert "args.hash was not resolved" in model.status["message"]


def test_a_template_applied_a_moment_later_is_waited_for():
    model = Model(experiment(analyses=[analysis("y", templateName="late")]))
    model.settle()
    assert (model.phase, model.sizes) == ("Pending", {})
    assert model.codes() == ["AnalysisTemplateMissing"]
    assert model.plan.wake_at == model.world.now + 10
    model.wait(9)
    model.know({**RATE, "metadata": {"name": "late"}})
    model.settle()
    assert model.phase == "Running"
    assert model.phases == {"y": "Pending"}


def test_a_template_that_does_not_come_is_an_error_before_there_are_pods():
    model = Model(experiment(analyses=[analysis("y", templateName="late")]))
    model.settle()
    model.wait(10)
    model.settle()
    assert (model.phase, model.sizes) == ("Error", {})
    assert model.status["message"] == (
        "AnalysisTemplate verification failed for analysis 'y': AnalysisTemplate 'late' not found"
    )


def test_a_template_included_by_another_is_looked_up_too():
    outer = {**RATE, "spec": {"templates": [{"templateName": "late"}]}}
    model = Model(experiment(analyses=[analysis("x")]), outer)
    model.wait(10)
    model.settle()
    assert model.phase == "Error"


def test_a_template_of_the_cluster_is_used_when_asked_for():
    model = Model(experiment(analyses=[analysis("x", clusterScope=True)]))
    model.wait(10)
    model.settle()
    assert "ClusterAnalysisTemplate 'rate' not found" in model.status["message"]
    model = Model(experiment(analyses=[analysis("x", clusterScope=True)]))
    model.know(RATE, cluster=True)
    model.settle()
    assert model.phases == {"x": "Pending"}


def test_a_name_that_is_taken_gets_a_number():
    model = Model(experiment(analyses=[analysis("x")]))
    model.foreign_run("trial-x")
    model.settle()
    assert model.analysis("x")["analysisRun"] == "trial-x.1"


def test_a_name_taken_between_naming_and_making_gets_a_number():
    model = Model(experiment(analyses=[analysis("x")]))
    model.reconcile()
    model.pods_follow()
    model.apply_only(1)  # the status names the run, and then the controller is gone
    assert model.analysis("x")["analysisRun"] == "trial-x"
    model.foreign_run("trial-x")
    model.settle()
    assert model.analysis("x")["analysisRun"] == "trial-x.1"
    assert model.phases == {"x": "Pending"}


def test_a_run_the_server_refuses_is_an_error_with_its_words():
    model = Model(experiment(analyses=[analysis("x")]))
    model.reconcile()
    model.pods_follow()
    model.refuse(Invalid("the name is too long"), "AnalysisRun")
    model.settle()
    assert (model.phase, model.phases) == ("Error", {"x": "Error"})
    assert "the name is too long" in model.status["message"]


# --- verdicts


@pytest.mark.parametrize("phase", ["Failed", "Error", "Inconclusive"])
def test_a_bad_verdict_ends_everything_with_the_same_phase(phase):
    model = running(analysis("x"), analysis("y"), duration="1h", scaleDownDelaySeconds=0)
    model.run("x", phase, "it is bad")
    model.settle()
    assert (model.phase, model.status["message"]) == (phase, "it is bad")
    assert model.states == {"a": "Successful", "b": "Successful"}
    assert model.stopping() == ["trial-y"]
    assert model.sizes == {"trial-a": 0, "trial-b": 0}


def test_the_worst_verdict_counts():
    model = running(analysis("x"), analysis("y"), analysis("z"))
    model.run("x", "Inconclusive", "who knows")
    model.run("y", "Error", "away")
    model.run("z", "Failed", "too slow")
    model.settle()
    assert (model.phase, model.status["message"]) == ("Failed", "too slow")


def test_a_failed_template_wins_over_a_bad_verdict():
    model = running(analysis("x"), progressDeadlineSeconds=30)
    model.broken = {"a"}
    model.lose("a")
    model.reconcile()
    model.wait(30)
    model.run("x", "Inconclusive", "who knows")
    model.settle()
    assert model.phase == "Failed"
    assert "progressDeadlineSeconds" in model.status["message"]


def test_a_good_verdict_of_an_optional_analysis_changes_nothing():
    model = running(analysis("x"), duration="1m")
    model.run("x", "Successful")
    model.settle()
    assert (model.phase, model.phases) == ("Running", {"x": "Successful"})


def test_when_its_time_is_up_optional_analyses_are_stopped():
    model = running(analysis("x"), duration="1m")
    model.wait(60)
    model.settle()
    assert (model.phase, model.stopping()) == ("Successful", ["trial-x"])
    assert model.phases == {"x": "Running"}  # as last seen
    model.runs_stop()
    assert model.reconcile().writes == ()


def test_required_analyses_end_it_when_all_of_them_are_successful():
    model = running(analysis("x", **REQUIRED), analysis("y", **REQUIRED))
    model.run("x", "Successful")
    model.settle()
    assert model.phase == "Running"
    model.run("y", "Successful")
    model.settle()
    assert model.phase == "Successful"
    assert model.status["message"] == "Required AnalysisRuns completed"
    assert model.states == {"a": "Successful", "b": "Successful"}


def test_an_optional_run_that_still_measures_is_stopped_and_does_not_hold_the_end_up():
    model = running(analysis("x", **REQUIRED), analysis("y"))
    model.run("x", "Successful")
    model.settle()
    assert (model.phase, model.stopping()) == ("Running", ["trial-y"])
    model.runs_stop()
    model.settle()
    assert (model.phase, model.phases) == (
        "Successful",
        {"x": "Successful", "y": "Successful"},
    )


def test_a_required_analysis_keeps_its_pods_beyond_the_duration():
    model = running(analysis("x", **REQUIRED), duration="1m", scaleDownDelaySeconds=0)
    model.wait(600)
    model.settle()
    assert (model.phase, model.sizes) == ("Running", {"trial-a": 1, "trial-b": 1})
    assert model.codes() == ["AnalysisRunning"]
    model.run("x", "Successful")
    model.settle()
    assert (model.phase, model.sizes) == ("Successful", {"trial-a": 0, "trial-b": 0})


# --- stopping


def test_terminated_with_an_unfinished_required_analysis_it_is_inconclusive():
    model = running(analysis("x", **REQUIRED), scaleDownDelaySeconds=0)
    model.terminate()
    model.settle()
    assert (model.phase, model.stopping()) == ("Running", ["trial-x"])
    assert "AnalysisRunning" in model.codes()
    model.runs_stop()
    model.settle()
    assert (model.phase, model.phases) == ("Inconclusive", {"x": "Inconclusive"})
    assert "stopped before it came to a verdict" in model.status["message"]
    assert model.sizes == {"trial-a": 0, "trial-b": 0}


def test_terminated_before_a_required_analysis_began_it_is_inconclusive():
    model = Model(experiment(analyses=[analysis("x", **REQUIRED)]))
    model.reconcile()
    model.terminate()
    model.settle()
    assert model.phase == "Inconclusive"
    assert "before the required analysis 'x' had begun" in model.status["message"]
    assert model.world.runs == ()


def test_terminated_between_naming_and_making_a_required_run_it_is_inconclusive():
    model = Model(experiment(analyses=[analysis("x", **REQUIRED)]))
    model.reconcile()
    model.pods_follow()
    model.apply_only(1)
    model.terminate()
    model.settle()
    assert (model.phase, model.phases) == ("Inconclusive", {"x": "Inconclusive"})
    assert model.world.runs == ()


def test_terminated_with_optional_analyses_it_is_successful():
    model = running(analysis("x"))
    model.terminate()
    model.settle()
    assert (model.phase, model.stopping()) == ("Successful", ["trial-x"])


def test_a_verdict_that_comes_while_it_stops_is_still_read():
    model = running(analysis("x", **REQUIRED))
    model.terminate()
    model.settle()
    model.run("x", "Failed", "too slow")
    model.settle()
    assert (model.phase, model.status["message"]) == ("Failed", "too slow")


def test_a_stop_is_refused_when_the_run_has_moved_on():
    model = running(analysis("x"))
    model.versions("77")
    model.terminate()
    model.reconcile()
    (stop,) = [w for w in model.writes if w.body.get("spec", {}).get("terminate")]
    assert (stop.verb, stop.resource_version) == (Verb.PATCH, "77")


def test_a_run_that_disappears_is_an_error():
    model = running(analysis("x"))
    model.remove_run("x")
    model.settle()
    assert model.phase == "Error"
    assert model.status["message"] == "AnalysisRun trial-x does not exist any more"


def test_a_finished_run_may_be_cleaned_away():
    model = running(analysis("x"))
    model.run("x", "Successful")
    model.settle()
    model.remove_run("x")
    assert model.reconcile().writes == ()
    assert model.phase == "Running"


def test_an_analysis_taken_out_of_the_spec_is_stopped():
    model = running(analysis("x"), analysis("y"))
    model.change({"spec": {"analyses": [analysis("x")]}})
    model.settle()
    assert model.stopping() == ["trial-y"]


def test_retried_it_asks_again_under_another_name():
    model = running(analysis("x", **REQUIRED))
    model.run("x", "Failed", "too slow")
    model.settle()
    assert model.phase == "Failed"
    model.retry()
    model.settle()
    assert (model.phase, model.analysis("x")["analysisRun"]) == ("Running", "trial-x.1")


def test_retried_while_an_old_run_still_measures_that_one_stops():
    model = running(analysis("x"))
    model.retry()
    model.settle()
    assert model.analysis("x")["analysisRun"] == "trial-x.1"
    assert model.stopping() == ["trial-x"]


# --- telling


def test_transitions_are_told_to_the_rollout_above_as_well():
    model = running(analysis("x"))
    model.run("x", "Failed", "too slow")
    model.settle()
    assert told(model) == [
        "AnalysisRun 'x' transitioned from  -> Pending",
        "AnalysisRun 'x' transitioned from Pending -> Running",
        "AnalysisRun 'x' transitioned from Running -> Failed",
    ]
    runs = [e for e in model.events if e.reason.startswith("AnalysisRun")]
    assert all(event.upwards for event in runs)
    assert [event.type for event in runs] == ["Normal", "Normal", "Warning"]


def test_an_experiment_without_pods_is_its_analyses():
    raw = experiment(analyses=[analysis("x", **REQUIRED)])
    raw["spec"]["templates"] = []
    model = Model(raw)
    model.settle()
    assert (model.phase, model.phases) == ("Running", {"x": "Pending"})
    model.run("x", "Successful")
    model.settle()
    assert model.phase == "Successful"


def test_terminating_runs_is_told():
    model = running(analysis("x"))
    model.terminate()
    model.settle()
    assert "Terminating AnalysisRun 'trial-x'" in [e.message for e in model.events]


def test_a_template_with_pods_of_many_kinds_keeps_the_rest_of_its_selector():
    rule = {"key": "tier", "operator": "Exists"}
    tried = template("a")
    tried["selector"]["matchExpressions"] = [rule]
    model = Model(experiment(tried))
    model.settle()
    assert model.set_of("a")["spec"]["selector"]["matchExpressions"] == [rule]
