"""Taking over Rollouts with a router, and those whose template is a workload's: they go on."""

from dataclasses import replace

import pytest

from analysis.times import parse_time
from rollouts.kube.patches import apply_merge
from rollouts.kube.resources import DEPLOYMENTS, EXPERIMENTS
from rollouts.planner.experiment.planner import plan as plan_experiment
from rollouts.planner.experiment.world import World as ExperimentWorld
from rollouts.planner.handover import REST_SECONDS
from rollouts.planner.plan import Verb
from rollouts.planner.world import Run
from tests.planner.taken import NOW, Taken, objects


def revisions(model: Taken) -> tuple[str, str]:
    """(stable, wanted) hashes as another controller left them."""
    return model.status["stableRS"], model.status["currentPodHash"]


def nothing_was_made_anew(model: Taken) -> bool:
    return all(write.verb is not Verb.CREATE for write in model.writes)


# --- behind a router


def test_a_routed_canary_is_promoted_from_the_weight_it_had():
    model = Taken("routed-paused")
    old, new = revisions(model)
    model.promote()
    model.settle()
    assert model.status["currentStepIndex"] == 3
    assert model.split == (60, 40)
    assert model.by_hash == {old: 5, new: 3}
    model.wait(3601)
    model.settle()
    assert model.status["stableRS"] == new
    assert model.split == (0, 100)
    assert model.selects("shop-stable") == model.selects("shop-canary") == new
    assert model.by_hash == {old: 5, new: 5}
    model.wait(31)
    model.settle()
    assert model.by_hash == {new: 5}
    assert model.phase == ("Healthy", "")
    assert nothing_was_made_anew(model)


def test_the_sum_of_pods_an_autoscaler_was_told_stands_until_the_next_change():
    model = Taken("routed-paused")
    model.settle()
    assert model.status["HPAReplicas"] == 6
    model.promote()
    model.settle()
    assert model.status["HPAReplicas"] == 5


def test_a_routed_canary_is_aborted_and_keeps_its_pods_for_a_while():
    model = Taken("routed-paused")
    old, new = revisions(model)
    model.abort()
    model.settle()
    assert model.split == (0, 100)
    assert model.selects("shop-canary") == old
    assert model.by_hash == {old: 5, new: 1}
    model.wait(31)
    model.settle()
    assert model.by_hash == {old: 5}
    assert model.phase[0] == "Degraded"


def test_a_dynamic_stable_size_goes_back_step_by_step():
    model = Taken("routed-dynamic-paused")
    old, _ = revisions(model)
    model.abort()
    model.reconcile()
    assert model.split[0] > 0
    model.settle()
    assert model.split == (0, 100)
    assert model.by_hash == {old: 5}
    assert nothing_was_made_anew(model)


def test_a_dynamic_stable_size_follows_a_new_size_of_the_rollout():
    model = Taken("routed-dynamic-paused")
    old, new = revisions(model)
    model.change({"spec": {"replicas": 10}})
    model.settle()
    assert model.by_hash == {old: 4, new: 6}
    assert model.split == (60, 40)
    assert model.status["currentStepIndex"] == 3


def test_an_aborted_routed_canary_is_retried_with_the_pods_it_kept():
    model = Taken("routed-aborted")
    old, new = revisions(model)
    model.retry()
    model.settle()
    assert model.split == (20, 80)
    assert model.by_hash == {old: 5, new: 1}
    assert model.selects("shop-canary") == new
    kept = next(rs for rs in model.world.replica_sets if rs.hash == new)
    assert kept.deadline == ""
    assert model.phase == ("Paused", "CanaryPauseStep")


def test_an_aborted_routed_canary_goes_back_to_its_old_image():
    model = Taken("routed-aborted")
    old, _ = revisions(model)
    model.set_image("shop:1.4")
    model.settle()
    assert model.phase == ("Healthy", "")
    assert model.status["currentPodHash"] == old
    assert nothing_was_made_anew(model)


# --- with a workload


def test_a_workload_that_is_to_keep_its_pods_does_through_a_whole_release():
    model = Taken("workload-never")
    known = model.hashes
    model.set_image("shop:2.0")
    model.settle()
    new = model.added(known)
    assert model.phase == ("Paused", "CanaryPauseStep")
    assert model.by_hash[new] == 1
    model.promote()
    model.settle()
    model.wait(3601)
    model.settle()
    assert model.phase == ("Healthy", "")
    assert model.workload_size == 5


@pytest.mark.parametrize("name", ["workload-onsuccess", "workload-progressively"])
def test_a_canary_of_a_workload_is_promoted_from_where_it_stood(name):
    model = Taken(name)
    _, new = revisions(model)
    model.promote()
    model.settle()
    assert model.status["currentStepIndex"] == 3
    model.wait(3601)
    model.settle()
    assert model.by_hash == {new: 5}
    assert model.phase == ("Healthy", "")
    assert model.workload_size == 0
    assert nothing_was_made_anew(model)


def test_a_workload_left_with_pods_goes_down_some_time_after_the_first_change():
    model = Taken("workload-onsuccess")
    model.rest(hours=2)
    assert (model.workload_size, model.codes()) == (
        5,
        ["CanaryPauseStep", "WorkloadScaledUpAgain"],
    )
    model.promote()
    model.settle()
    assert model.workload_size == 5
    assert model.plan.wake_at == model.world.now + REST_SECONDS
    model.wait(REST_SECONDS)
    model.settle()
    assert model.workload_size == 0


def test_a_workload_that_gave_up_its_pods_never_gets_them_back_for_a_later_revision():
    model = Taken("workload-progressively")
    model.abort()
    model.settle()
    model.lose(3)
    model.reconcile()
    assert model.workload_size == 0
    assert not [write for write in model.writes if write.resource == DEPLOYMENTS]


def test_a_scale_of_the_workload_is_observed_and_changes_no_step():
    model = Taken("workload-progressively")
    model.edit({"spec": {"replicas": 0}, "metadata": {"labels": {"team": "web"}}})
    model.settle()
    assert model.status["workloadObservedGeneration"] == "10"
    assert model.status["currentStepIndex"] == 1
    annotations = model.world.rollout.metadata.annotations
    assert annotations["rollout.argoproj.io/workload-generation"] == "10"


# --- in an experiment step


def experiment_world(model: Taken) -> ExperimentWorld:
    """The Experiment as its own controller finds it."""
    found = objects("canary-experiment")
    (trial,) = model.world.experiments
    runs = (Run.of(o, trial.experiment.metadata.uid) for o in found if o["kind"] == "AnalysisRun")
    return ExperimentWorld(
        now=NOW,
        experiment=trial.experiment,
        replica_sets=trial.replica_sets,
        runs=tuple(runs),
        templates={o["metadata"]["name"]: o for o in found if o["kind"] == "AnalysisTemplate"},
    )


def test_a_running_experiment_is_left_running_until_its_time_is_up():
    world = experiment_world(Taken("canary-experiment"))
    decided = plan_experiment(world)
    assert decided.actions == ()
    assert decided.why
    assert decided.wake_at == parse_time("2026-03-02T09:20:40Z")


def test_a_canary_goes_on_once_the_experiment_it_was_found_in_has_passed():
    model = Taken("canary-experiment")
    old, new = revisions(model)
    (trial,) = model.world.experiments
    over = {"status": {"phase": "Successful", "message": ""}}
    ended = trial.followed_by(apply_merge(trial.raw, over), model.world.rollout.metadata.uid)
    model.world = replace(model.world, experiments=(ended,))
    model.settle()
    assert model.status["currentStepIndex"] == 3
    assert model.by_hash == {old: 2, new: 3}
    assert nothing_was_made_anew(model)


def test_an_abort_stops_the_experiment_it_finds():
    model = Taken("canary-experiment")
    model.abort()
    model.settle()
    (stopped,) = [write for write in model.writes if write.resource == EXPERIMENTS]
    assert stopped.body["spec"] == {"terminate": True}
