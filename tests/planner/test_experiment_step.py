"""Stories of releases with an experiment step: begun once, judged by its end, stopped when it is late."""

from dataclasses import replace

import pytest

from rollouts.planner.planner import plan
from rollouts.planner.project import project
from rollouts.planner.trials import Trial
from tests.planner.trial_model import TrialModel, basic, deployed, step, template, updated

MINUTE = step(duration="1m")
WEIGHT = {"setWeight": 40}
JUDGED = step(
    template("canary"),
    analyses=[{"name": "rate", "templateName": "rate", "requiredForCompletion": True}],
)


def first(model: TrialModel) -> str:
    return f"app-{model.hash_of(2)}-2-0"


# --- a good end


def test_the_step_begins_with_pods_of_both_revisions_and_ends_with_the_experiment():
    model = updated(basic(MINUTE, WEIGHT, {"pause": {}}))
    assert (model.named, model.names) == (first(model), [first(model)])
    assert "ExperimentCreated" in model.reasons()
    model.settle()
    assert model.phases == ["Running"]
    assert model.index == 0
    assert model.codes() == ["ExperimentRunning"]
    model.wait(60)
    model.settle()
    assert model.phases == ["Successful"]
    assert (model.index, model.named) == (2, "")
    assert model.sizes == {1: 3, 2: 2}
    message = "Rollout step 1/3 completed (experiment)"
    assert message in [event.message for event in model.events]


def test_a_first_revision_runs_no_experiment():
    model = deployed(basic(MINUTE))
    assert model.phase == ("Healthy", "")
    assert model.names == []


def test_the_release_looks_again_when_the_experiment_is_to_end():
    model = updated(basic(MINUTE))
    model.settle()
    (cause,) = model.plan.why
    assert cause.until == model.plan.wake_at == model.trial.experiment.status.available_at + 60


def test_one_that_ends_with_its_analyses_is_over_when_they_have_succeeded():
    model = updated(basic(JUDGED, {"pause": {}}))
    model.settle()
    assert "until these analyses have succeeded: rate (Pending)" in model.plan.why[0].message
    assert model.plan.wake_at is None
    model.analysis_ends("rate", "Successful")
    model.settle()
    assert model.index == 1


# --- other ends


@pytest.mark.parametrize("phase", ["Failed", "Error"])
def test_a_bad_end_aborts(phase):
    model = updated(basic(WEIGHT, JUDGED))
    model.settle()
    model.analysis_ends("rate", phase, "too few are good")
    model.settle()
    assert model.phase[0] == "Degraded"
    assert model.phase[1].endswith("Experiment analysis phase is error/failed: too few are good")
    assert model.sizes == {1: 5}
    assert model.named == ""


def test_pods_that_never_come_abort():
    model = updated(basic(MINUTE))
    model.broken_templates = {"canary"}
    model.settle()
    assert model.codes() == ["ExperimentPending"]
    assert "canary has 0 of 1 pods" in model.plan.why[0].message
    model.wait(601)
    model.settle()
    assert "exceeded its progressDeadlineSeconds" in model.phase[1]


def test_after_a_retry_the_old_verdict_is_never_read_again():
    model = updated(basic(JUDGED))
    model.settle()
    model.analysis_ends("rate", "Failed")
    model.settle()
    model.retry()
    model.reconcile()
    assert model.named == f"{first(model)}-1"
    model.settle()
    assert model.phases == ["Failed", "Running"]
    assert not model.status.get("abort")
    model.analysis_ends("rate", "Successful")
    model.settle()
    assert model.phase == ("Healthy", "")


def test_a_doubtful_end_pauses_and_going_on_asks_again():
    model = updated(basic(JUDGED))
    model.settle()
    model.analysis_ends("rate", "Inconclusive", "who knows")
    model.settle()
    assert model.phase == ("Paused", "InconclusiveExperiment")
    assert model.codes() == ["InconclusiveExperiment"]
    assert "who knows" in model.plan.why[0].message
    model.promote()
    model.settle()
    assert model.named == f"{first(model)}-1"
    assert model.phases == ["Inconclusive", "Running"]
    assert model.phase[0] == "Progressing"
    assert not model.status.get("controllerPause")


def test_retrying_the_doubtful_one_itself_ends_the_pause():
    model = updated(basic(JUDGED))
    model.settle()
    model.analysis_ends("rate", "Inconclusive")
    model.settle()
    model.change_trial({"status": None})
    model.settle()
    assert model.phases == ["Running"]
    assert (model.phase[0], model.named) == ("Progressing", first(model))
    model.analysis_ends("rate", "Successful")
    model.settle()
    assert model.phase == ("Healthy", "")


def test_both_what_an_experiment_and_what_an_analysis_could_not_tell_are_asked_again():
    background = {"templates": [{"templateName": "rate"}]}
    model = updated(basic(JUDGED, analysis=background))
    model.settle()
    model.analysis_ends("rate", "Inconclusive")
    model.settle()
    model.finish_run("Inconclusive")
    model.settle()
    assert len(model.status["pauseConditions"]) == 2
    model.promote()
    model.settle()
    assert model.phases == ["Inconclusive", "Running"]
    assert [run.phase for run in model.world.runs] == ["Inconclusive", ""]
    assert not model.status.get("pauseConditions")


# --- stopped


def test_one_that_was_stopped_before_its_time_has_not_passed():
    model = updated(basic(MINUTE))
    model.settle()
    model.terminate()
    model.settle()
    assert model.phases == ["Successful"]
    assert model.phase == ("Paused", "InconclusiveExperiment")
    assert "was stopped before its time" in model.plan.why[0].message


def test_one_that_was_asked_to_stop_after_its_time_has_passed():
    model = updated(basic(MINUTE, {"pause": {}}))
    model.settle()
    model.wait(60)
    model.experiments_follow()
    model.terminate()
    model.settle()
    assert model.index == 1


def test_one_without_an_end_of_its_own_ends_when_a_person_ends_it():
    model = updated(basic(step(), {"pause": {}}))
    model.settle()
    assert "until somebody terminates it" in model.plan.why[0].message
    model.terminate()
    model.settle()
    assert model.index == 1


def test_a_required_analysis_that_was_stopped_has_not_passed():
    model = updated(basic(JUDGED))
    model.settle()
    model.terminate()
    model.settle()
    assert model.phases == ["Inconclusive"]
    assert model.phase == ("Paused", "InconclusiveExperiment")


def test_an_abort_stops_it_and_a_retry_begins_another():
    model = updated(basic(MINUTE))
    model.settle()
    model.abort()
    model.settle()
    assert model.stopping == [first(model)]
    assert model.named == ""
    model.retry()
    model.settle()
    assert (model.named, model.phases) == (f"{first(model)}-1", ["Successful", "Running"])


def test_promoting_in_full_stops_it():
    model = updated(basic(MINUTE))
    model.settle()
    model.change({"status": {"promoteFull": True}})
    model.settle()
    assert model.phase == ("Healthy", "")
    assert model.stopping == [first(model)]


def test_skipping_its_step_stops_it_and_the_next_one_has_its_own():
    model = updated(basic(MINUTE, MINUTE))
    model.settle()
    model.change({"status": {"currentStepIndex": 1}})
    model.settle()
    assert model.stopping == [first(model)]
    assert model.named == f"app-{model.hash_of(2)}-2-1"
    assert model.phases == ["Successful", "Running"]


def test_another_template_stops_it_and_begins_one_of_its_own():
    model = updated(basic(MINUTE))
    model.settle()
    model.set_image("app:3")
    model.settle()
    assert model.named == f"app-{model.hash_of(3)}-3-0"
    assert [each.terminating for each in model.trials] == [True, False]


def test_another_strategy_stops_it():
    model = updated(basic(MINUTE))
    model.settle()
    blue_green = {"activeService": "stable", "autoPromotionEnabled": False}
    model.change({"spec": {"strategy": {"canary": None, "blueGreen": blue_green}}})
    model.settle()
    assert model.stopping == [first(model)]


def test_a_pause_by_a_person_keeps_it_from_beginning():
    model = deployed(basic(MINUTE))
    model.change({"spec": {"paused": True}})
    model.set_image("app:2")
    model.settle()
    assert model.names == []
    assert model.codes()[0] == "ManualPause"
    model.change({"spec": {"paused": None}})
    model.settle()
    assert model.phases == ["Running"]


# --- crashes, and others


def test_a_crash_after_any_write_leads_to_the_same_one_experiment():
    model = deployed(basic(MINUTE))
    model.set_image("app:2")
    whole = project(model.world, plan(model.world).writes)
    for count in range(len(plan(model.world).writes)):
        again = deployed(basic(MINUTE))
        again.set_image("app:2")
        again.world = project(again.world, plan(again.world).writes[:count])
        again.reconcile()
        assert again.names == [each.name for each in whole.experiments]


def test_a_name_that_somebody_else_has_is_left_alone():
    model = deployed(basic(MINUTE))
    model.set_image("app:2")
    before = model.world
    model.reconcile()
    name = model.named
    other = {"metadata": {"name": name, "uid": "other"}, "spec": {"templates": []}}
    model.world = replace(before, experiments=(Trial.of(other, "uid-app", (), ()),))
    model.reconcile()
    assert model.named == f"{name}-1"
    assert model.names == [name, f"{name}-1"]


def test_a_name_that_somebody_took_after_it_was_chosen_is_given_up():
    model = updated(basic(MINUTE))
    name = model.named
    other = {"metadata": {"name": name, "uid": "other"}, "spec": {"templates": []}}
    model.world = replace(model.world, experiments=(Trial.of(other, "uid-app", (), ()),))
    model.reconcile()
    assert model.names == [name, f"{name}-1"]


def test_only_so_many_are_kept():
    limits = {"successfulRunHistoryLimit": 1, "unsuccessfulRunHistoryLimit": 1}
    model = updated(basic(JUDGED), analysis=limits)
    for _ in range(3):
        model.settle()
        model.analysis_ends("rate", "Failed")
        model.settle()
        model.retry()
        model.wait(10)
        model.settle()
    assert model.names == [f"{first(model)}-{number}" for number in (2, 3)]
    assert model.phases == ["Failed", "Running"]


def test_those_of_a_revision_that_is_gone_go_with_it():
    model = updated(basic(MINUTE), revisionHistoryLimit=0)
    model.settle()
    model.wait(60)
    model.settle()
    assert model.names == [first(model)]
    for number in (3, 4):
        model.set_image(f"app:{number}")
        model.settle()
        model.wait(60)
        model.settle()
    assert [name.split("-")[1] for name in model.names] == [model.hash_of(4)]


def test_a_stable_revision_that_is_gone_cannot_be_experimented_with():
    model = updated(basic(MINUTE))
    model.world = replace(
        model.world,
        experiments=(),
        replica_sets=tuple(rs for rs in model.world.replica_sets if rs.revision == 2),
    )
    model.reconcile()
    assert "ExperimentWithoutStable" in model.codes()
    assert model.names == []


def test_an_argument_that_has_no_value_is_told_and_nothing_is_made():
    args = [{"name": "x", "valueFrom": {"fieldRef": {"fieldPath": "spec.nowhere"}}}]
    analysis = {"name": "rate", "templateName": "rate", "args": args}
    model = updated(basic(step(analyses=[analysis])))
    assert model.names == []
    assert model.codes()[0] == "InvalidSpec"
    assert "cannot be created: fieldRef spec.nowhere" in model.plan.why[0].message


def test_one_whose_spec_is_refused_says_so():
    model = updated(basic(MINUTE))
    twice = [each.to_wire() for each in model.trial.experiment.spec.templates] * 2
    model.change_trial({"spec": {"templates": twice}})
    model.settle()
    assert model.codes() == ["ExperimentPending"]
    assert "repeated template name 'baseline'" in model.plan.why[0].message


def test_one_that_is_not_there_yet_is_waited_for():
    model = updated(basic(MINUTE))
    model.world = replace(model.world, experiments=())
    model.change({"spec": {"paused": True}})
    model.reconcile()
    assert model.codes() == ["ManualPause", "ExperimentPending"]
    assert "not created yet" in model.plan.why[1].message
