"""Canaries without a router, paragraph by paragraph: sizes, steps, pauses, ways back, deadlines."""

import pytest

from tests.planner.model import START, at
from tests.planner.walk import ANALYSIS, Walk

STEPS = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {"duration": 30}}]


def updated(steps=STEPS, *, replicas: int = 5, spec: dict | None = None, **fields) -> Walk:
    """Revision 1 is stable, and revision 2 has gone as far as it can."""
    walk = Walk({"canary": {"steps": steps, **fields}}, replicas=replicas, **(spec or {}))
    walk.settle()
    walk.wait(5)
    walk.user_image(2)
    walk.settle()
    return walk


def later(walk: Walk, seconds: float) -> None:
    walk.wait(seconds)
    walk.settle()


def bring_up(walk: Walk, number: int) -> None:
    walk.user_image(number)
    walk.settle()
    walk.finish()


def progressing(walk: Walk) -> tuple[str, str]:
    found = next(c for c in walk.status["conditions"] if c["type"] == "Progressing")
    return found["status"], found["reason"]


# --- what makes it look again, and what a new size does


@pytest.mark.parametrize("size", [0, 1, 2, 3, 10, 12])
def test_a_new_size_at_a_pause_keeps_the_step_the_pause_and_the_share(size):
    walk = updated()
    before = walk.status
    walk.user({"spec": {"replicas": size}})
    walk.settle()
    for field in ("currentStepIndex", "pauseConditions", "stableRS", "phase"):
        assert walk.status[field] == before[field], field
    total = sum(walk.sizes.values())
    assert size <= total <= size + 1
    assert all(rs.desired_annotation == size for rs in walk.world.replica_sets)


def test_a_new_size_while_a_person_holds_everything_waits_too():
    walk = updated()
    walk.user({"spec": {"paused": True}})
    walk.user({"spec": {"replicas": 10}})
    walk.settle()
    assert walk.sizes == {1: 4, 2: 1}
    walk.user({"spec": {"paused": False}})
    walk.settle()
    assert walk.sizes == {1: 8, 2: 2}


def test_the_number_an_autoscaler_reads_is_that_of_all_pods():
    walk = updated()
    assert walk.status["HPAReplicas"] == walk.status["replicas"] == 5
    assert walk.status["selector"] == "app=app"


def test_without_a_size_one_is_written_for_the_autoscaler():
    walk = updated()
    walk.user({"spec": {"replicas": None}})
    walk.settle()
    assert walk.world.rollout.spec.replicas == 1


# --- sizes


@pytest.mark.parametrize(
    ("weight", "unavailable", "surge", "first"),
    [
        (10, 1, 1, {1: 9, 2: 1}),
        (30, 0, 3, {1: 10, 2: 3}),
        (30, 5, 0, {1: 7, 2: 3}),
        (5, 1, 1, {1: 10, 2: 1}),
    ],
)
def test_the_first_move_of_ten_pods(weight, unavailable, surge, first):
    walk = Walk(
        {
            "canary": {
                "steps": [{"setWeight": weight}],
                "maxSurge": surge,
                "maxUnavailable": unavailable,
            }
        },
        replicas=10,
    )
    walk.settle()
    walk.user_image(2)
    walk.reconcile()
    assert walk.sizes == first


def test_a_third_revision_grows_only_as_the_second_makes_room():
    walk = updated([{"setWeight": 60}, {"pause": {}}], maxSurge=0, maxUnavailable=1)
    assert walk.sizes == {1: 2, 2: 3}
    walk.user_image(3)
    seen = []
    for _ in range(12):
        walk.reconcile()
        seen.append(walk.sizes)
        walk.pods_follow()
    assert seen[0] == {1: 2, 2: 2, 3: 1}
    assert seen[-1] == {1: 2, 3: 3}
    assert all(sum(sizes.values()) <= 5 for sizes in seen)


def test_pods_of_an_overtaken_revision_that_never_came_go_first():
    walk = updated([{"setWeight": 60}, {"pause": {}}])
    walk.pods_die(1, 2)
    walk.user_image(3)
    walk.reconcile()
    assert walk.sizes[2] <= 1


# --- steps and pauses


def test_one_step_is_told_of_at_a_time_and_in_order():
    walk = updated([{"setWeight": 20}, {"pause": {"duration": 10}}, {"setWeight": 40}])
    later(walk, 11)
    told = [e.message for e in walk.events if e.reason == "RolloutStepCompleted"]
    assert told == [
        "Rollout step 1/3 completed (setWeight: 20)",
        "Rollout step 2/3 completed (pause: 10s)",
        "Rollout step 3/3 completed (setWeight: 40)",
    ]


def test_a_pause_begins_when_sizes_are_set_and_does_not_look_at_readiness():
    walk = Walk({"canary": {"steps": [{"pause": {"duration": 60}}, {"setWeight": 50}]}})
    walk.settle()
    walk.user_image(2)
    walk.reconcile()
    assert walk.phase == ("Paused", "CanaryPauseStep")
    assert walk.status["pauseConditions"][0]["startTime"] == at(0)


def test_a_timed_pause_ends_at_its_second_and_not_before():
    walk = updated([{"setWeight": 20}, {"pause": {"duration": 30}}, {"pause": {}}])
    later(walk, 29)
    assert walk.status["currentStepIndex"] == 1
    later(walk, 1)
    assert walk.status["currentStepIndex"] == 2


def test_a_resumed_pause_is_not_entered_again():
    walk = updated([{"pause": {}}, {"pause": {}}])
    assert walk.status["currentStepIndex"] == 0
    walk.user_promote()
    walk.reconcile()
    assert walk.status["currentStepIndex"] == 1
    assert walk.phase == ("Paused", "CanaryPauseStep")
    walk.user_promote()
    walk.settle()
    assert walk.phase == ("Healthy", "")


def test_promoting_while_pods_are_awaited_skips_that_step():
    walk = updated()
    walk.ready = False
    walk.user_promote()
    walk.reconcile()
    assert walk.status["currentStepIndex"] == 2
    walk.user_promote()
    walk.reconcile()
    assert walk.status["currentStepIndex"] == 3
    assert walk.phase == ("Paused", "CanaryPauseStep")


def test_new_steps_in_the_middle_start_at_the_first_and_at_rest_start_nothing():
    walk = updated()
    walk.user({"spec": {"strategy": {"canary": {"steps": [{"setWeight": 40}, {"pause": {}}]}}}})
    walk.settle()
    assert walk.status["currentStepIndex"] == 1
    assert walk.sizes == {1: 3, 2: 2}
    walk.finish()
    count = len(walk.scales())
    walk.user({"spec": {"strategy": {"canary": {"steps": STEPS}}}})
    walk.settle()
    assert walk.status["currentStepIndex"] == 4
    assert walk.phase == ("Healthy", "")
    assert len(walk.scales()) == count


def test_steps_that_are_taken_away_leave_a_rolling_update():
    walk = updated()
    walk.user({"spec": {"strategy": {"canary": {"steps": None}}}})
    walk.settle()
    assert "currentStepIndex" not in walk.status
    assert walk.phase == ("Healthy", "")
    assert walk.sizes == {2: 5}


# --- abort and retry


def test_an_abort_clears_pauses_and_says_since_when():
    walk = updated()
    walk.user({"status": {"abort": True}})
    walk.settle()
    assert walk.status["abortedAt"] == at(5)
    assert "controllerPause" not in walk.status
    assert progressing(walk) == ("False", "RolloutAborted")
    assert walk.phase == ("Degraded", "RolloutAborted: Rollout aborted update to revision 2")


def test_a_basic_canary_goes_at_once_on_abort_whatever_the_delay_says():
    walk = updated(abortScaleDownDelaySeconds=1000)
    walk.user({"status": {"abort": True}})
    walk.settle()
    assert walk.sizes == {1: 5}


def test_a_retry_tells_so_and_goes_through_every_step_again():
    walk = updated()
    walk.user_promote()
    walk.settle()
    walk.user({"status": {"abort": True}})
    walk.settle()
    walk.events.clear()
    walk.user({"status": {"abort": False}})
    walk.reconcile()
    assert "RolloutRetry" in walk.reasons()
    assert walk.status["currentStepIndex"] == 0
    walk.settle()
    assert walk.status["currentStepIndex"] == 1


def test_a_new_template_ends_an_abort():
    walk = updated()
    walk.user({"status": {"abort": True}})
    walk.settle()
    walk.user_image(3)
    walk.settle()
    assert "abort" not in walk.status
    assert walk.phase == ("Paused", "CanaryPauseStep")


def test_promoting_in_full_after_an_abort_means_the_new_revision():
    walk = updated()
    walk.user({"status": {"abort": True}})
    walk.settle()
    walk.user_promote_full()
    walk.settle()
    assert walk.phase == ("Healthy", "")
    assert walk.sizes == {2: 5}


# --- promotion and ways back


@pytest.mark.parametrize(
    ("steps", "reason"),
    [(None, "Completed all 0 canary steps"), ([{"setWeight": 50}], "Completed all 1 canary steps")],
)
def test_why_it_was_promoted_is_told(steps, reason):
    walk = Walk({"canary": {"steps": steps} if steps else {}})
    walk.settle()
    first = next(e.message for e in walk.events if e.reason == "RolloutCompleted")
    assert first == f"Rollout completed update to revision 1 ({walk.hash_of(1)}): Initial deploy"
    walk.user_image(2)
    walk.settle()
    last = [e.message for e in walk.events if e.reason == "RolloutCompleted"][-1]
    assert last.endswith(f"({walk.hash_of(2)}): {reason}")


def test_the_way_back_to_an_old_revision_outside_the_window_takes_every_step():
    walk = updated([{"setWeight": 20}, {"pause": {}}])
    walk.finish()
    walk.wait(5)
    walk.user_image(1)
    walk.settle()
    assert walk.phase == ("Paused", "CanaryPauseStep")


def test_the_way_back_inside_the_window_takes_none_and_measures_nothing():
    spec = {"rollbackWindow": {"revisions": 1}}
    walk = updated([{"setWeight": 20}, {"pause": {}}], spec=spec, analysis=ANALYSIS)
    walk.finish()
    runs = len(walk.world.runs)
    walk.wait(5)
    walk.user_image(1)
    walk.settle()
    assert walk.phase == ("Healthy", "")
    assert walk.status["currentStepIndex"] == 2
    assert len(walk.world.runs) == runs
    told = [e.message for e in walk.events if e.reason == "RolloutCompleted"]
    assert told[-1].endswith("Rollback within window")


def test_the_window_counts_the_revisions_made_in_between():
    walk = updated([{"setWeight": 20}, {"pause": {}}], spec={"rollbackWindow": {"revisions": 1}})
    walk.finish()
    walk.wait(5)
    bring_up(walk, 3)
    walk.wait(5)
    walk.user_image(1)
    walk.settle()
    assert walk.phase == ("Paused", "CanaryPauseStep")


# --- the progress deadline


def test_progress_starts_the_deadline_anew():
    walk = updated([{"setWeight": 60}], spec={"progressDeadlineSeconds": 60}, replicas=5)
    walk.finish()
    walk.ready = False
    walk.user_image(3)
    walk.reconcile()
    walk.wait(50)
    walk.set_follows(2, 1)
    walk.reconcile()
    walk.wait(50)
    walk.reconcile()
    assert walk.phase[0] == "Progressing"
    walk.wait(11)
    walk.reconcile()
    assert walk.phase[1].startswith("ProgressDeadlineExceeded")
    assert progressing(walk) == ("False", "ProgressDeadlineExceeded")


def test_a_release_that_was_late_is_no_longer_once_it_moves():
    walk = updated(spec={"progressDeadlineSeconds": 60})
    walk.ready = False
    walk.user_promote()
    walk.settle()
    later(walk, 61)
    assert walk.phase[0] == "Degraded"
    walk.ready = True
    walk.settle()
    assert walk.phase == ("Paused", "CanaryPauseStep")


@pytest.mark.parametrize("step", [{"pause": {}}, {"analysis": ANALYSIS}])
def test_waiting_for_a_person_or_a_measurement_is_never_late(step):
    walk = updated([step], spec={"progressDeadlineSeconds": 60, "progressDeadlineAbort": True})
    later(walk, 10_000)
    assert walk.phase[0] in ("Paused", "Progressing")


def test_a_finished_release_that_loses_pods_is_late_but_never_aborted():
    walk = updated([], spec={"progressDeadlineSeconds": 60, "progressDeadlineAbort": True})
    walk.pods_die(1, 3)
    walk.reconcile()
    assert progressing(walk) == ("True", "ReplicaSetNotAvailable")
    walk.wait(61)
    walk.reconcile()
    assert walk.phase[1].startswith("ProgressDeadlineExceeded")
    assert "abort" not in walk.status
    walk.settle()
    assert walk.phase == ("Healthy", "")


# --- history


def test_only_empty_revisions_beyond_the_limit_are_deleted_oldest_first():
    walk = updated([], spec={"revisionHistoryLimit": 1})
    for number in (3, 4):
        bring_up(walk, number)
    assert sorted(rs.revision for rs in walk.world.replica_sets) == [3, 4]


def test_no_history_at_all_keeps_what_runs():
    walk = updated(spec={"revisionHistoryLimit": 0})
    walk.user_image(3)
    walk.settle()
    assert sorted(rs.revision for rs in walk.world.replica_sets) == [1, 3]
    walk.finish()
    assert sorted(rs.revision for rs in walk.world.replica_sets) == [3]


def test_a_deleted_revision_takes_its_runs_along():
    walk = updated([{"analysis": ANALYSIS}], spec={"revisionHistoryLimit": 0})
    walk.finish()
    assert len(walk.world.runs) == 1
    walk.user_image(3)
    walk.settle()
    walk.finish()
    assert [run.labels["rollouts-pod-template-hash"] for run in walk.world.runs] == [
        walk.hash_of(3)
    ]


# --- Services of a canary


def test_a_service_nobody_manages_is_taken_over_only_when_every_pod_is_there():
    strategy = {"steps": STEPS, "stableService": "stable", "canaryService": "canary"}
    walk = Walk({"canary": strategy}, replicas=3)
    walk.reconcile()
    walk.set_follows(0, 2)
    walk.reconcile()
    assert walk.selects("stable") == ""
    walk.set_follows(0, 1)
    walk.reconcile()
    assert walk.selects("stable") == walk.selects("canary") == walk.hash_of(1)
    managed = walk.world.services["stable"]["metadata"]["annotations"]
    assert managed == {"argo-rollouts.argoproj.io/managed-by-rollouts": "app"}


def test_after_a_release_nothing_is_written_for_a_day():
    walk = updated(stableService="stable", canaryService="canary", analysis=ANALYSIS)
    walk.finish()
    walk.judge_rest()
    walk.judge_quiet()
    assert walk.world.now > START + 86_400
