"""Taking over a cluster another controller has run: nothing is written, and releases go on."""

import copy
from dataclasses import replace

import pytest

from rollouts.planner.plan import Verb
from rollouts.planner.planner import plan
from rollouts.planner.world import ReplicaSet
from tests.planner.taken import NAMES, Taken

WAITING = {
    "canary-timed-pause": 2401,
    "bluegreen-scale-down-delay": 301,
    "routed-dynamic-paused": 2401,
    "routed-aborted": 301,
}
"""Those in which something is due by itself, and when (seconds)."""


@pytest.mark.parametrize("name", NAMES)
def test_the_first_look_writes_nothing(name):
    decided = plan(Taken(name).world)
    assert decided.actions == ()
    assert decided.why


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WAITING])
def test_a_day_at_rest_writes_nothing(name):
    model = Taken(name)
    model.ready = False  # pods that are not available yet do not become so
    model.rest(hours=24)
    assert model.writes == []
    assert model.events == []


@pytest.mark.parametrize(("name", "due"), WAITING.items())
def test_what_is_due_happens_when_it_is_due_and_then_nothing_more(name, due):
    model = Taken(name)
    model.wait(due - 2)
    model.settle()
    assert model.writes == []
    model.wait(2)
    model.settle()
    assert model.writes != []
    model.writes.clear()
    model.rest(hours=24)
    assert model.writes == []
    assert model.phase[0] == ("Degraded" if name == "routed-aborted" else "Healthy")


def test_every_kind_of_state_is_there():
    phases = {Taken(name).status["phase"] for name in NAMES}
    assert phases == {"Healthy", "Paused", "Degraded", "Progressing"}


def no_new_sets(model: Taken) -> bool:
    return all(write.verb is not Verb.CREATE for write in model.writes)


def test_a_paused_canary_is_promoted_from_where_it_stood():
    model = Taken("canary-paused")
    model.promote()
    model.settle()
    assert model.status["currentStepIndex"] == 3
    assert model.by_hash == {"66597877b7": 2, "5f7d9c8b64": 3}
    model.wait(3601)
    model.settle()
    assert model.by_hash == {"5f7d9c8b64": 5}
    assert model.selects("shop-stable") == model.selects("shop-canary") == "5f7d9c8b64"
    assert model.status["stableRS"] == "5f7d9c8b64"
    assert model.phase == ("Healthy", "")
    assert no_new_sets(model)
    assert model.status["duration"]["completionStatus"] == "Promoted"


def test_a_paused_canary_is_aborted_to_its_stable_revision():
    model = Taken("canary-paused")
    model.abort()
    model.settle()
    assert model.by_hash == {"66597877b7": 5}
    assert model.selects("shop-canary") == "66597877b7"
    assert model.phase == (
        "Degraded",
        "RolloutAborted: Rollout aborted update to revision 2",
    )


def test_a_paused_canary_gets_a_third_image():
    model = Taken("canary-paused")
    known = model.hashes
    model.set_image("nginx:1.21-alpine")
    model.settle()
    third = model.added(known)
    assert model.by_hash == {"66597877b7": 4, third: 1}
    assert model.status["currentStepIndex"] == 1
    assert model.hash_of(3) == third


def test_a_timed_pause_ends_when_it_would_have():
    model = Taken("canary-timed-pause")
    model.wait(2398)
    model.settle()
    assert model.phase == ("Paused", "CanaryPauseStep")
    model.wait(3)
    model.settle()
    assert model.phase == ("Healthy", "")
    assert model.sizes == {3: 5}


def test_scaling_a_canary_in_its_pause_keeps_the_step():
    model = Taken("canary-timed-pause")
    model.change({"spec": {"replicas": 10}})
    model.settle()
    assert model.sizes == {2: 4, 3: 6}
    assert model.status["currentStepIndex"] == 3


def test_an_aborted_canary_is_retried_with_its_own_replica_set():
    model = Taken("canary-aborted")
    model.retry()
    model.settle()
    assert model.by_hash == {"6bd8c8f5b4": 4, "9f6d47d59": 1}
    assert model.phase == ("Paused", "CanaryPauseStep")
    assert no_new_sets(model)


def test_an_aborted_canary_goes_back_to_its_old_image_and_is_healthy():
    model = Taken("canary-aborted")
    model.set_image("shop:1.4")
    model.settle()
    assert model.by_hash == {"6bd8c8f5b4": 5}
    assert model.phase == ("Healthy", "")
    assert no_new_sets(model)


def test_a_background_analysis_is_listened_to():
    model = Taken("canary-background-analysis")
    name = model.finish_run("Failed", "the success rate fell")
    model.settle()
    assert model.sizes == {3: 5}
    assert model.status["abort"]
    assert name.endswith("-4")


def test_a_background_analysis_ends_with_its_canary():
    model = Taken("canary-background-analysis")
    model.promote()
    model.settle()
    assert model.sizes == {4: 5}
    (run,) = model.world.runs
    assert run.terminating
    assert "currentBackgroundAnalysisRunStatus" not in model.status["canary"]


def test_a_blue_green_preview_is_promoted():
    model = Taken("bluegreen-paused")
    new = model.status["currentPodHash"]
    model.promote()
    model.settle()
    assert model.selects("shop-active") == new
    assert model.by_hash == {"6bd8c8f5b4": 3, new: 3}
    model.wait(31)
    model.settle()
    assert model.by_hash == {new: 3}
    assert model.phase == ("Healthy", "")
    assert no_new_sets(model)


def test_a_blue_green_preview_is_aborted():
    model = Taken("bluegreen-paused")
    model.abort()
    model.settle()
    model.wait(31)
    model.settle()
    assert model.selects("shop-active") == "6bd8c8f5b4"
    assert model.by_hash == {"6bd8c8f5b4": 3}


def test_within_the_scale_down_delay_the_way_back_is_instant():
    model = Taken("bluegreen-scale-down-delay")
    model.set_image("shop:1.4")
    model.settle()
    assert model.selects("shop-active") == "6bd8c8f5b4"
    assert model.status["stableRS"] == "6bd8c8f5b4"
    assert no_new_sets(model)


@pytest.mark.parametrize("name", ["canary-healthy", "bluegreen-healthy", "canary-history"])
def test_a_release_at_rest_gets_a_new_image(name):
    model = Taken(name)
    known, number = model.hashes, max(rs.revision for rs in model.world.replica_sets)
    model.set_image("shop:2.0")
    model.reconcile()
    new = model.added(known)
    assert model.hash_of(number + 1) == new
    assert model.status["currentPodHash"] == new
    assert model.status["duration"].keys() == {"rolloutStartedAt"}


def test_a_template_from_the_history_finds_its_replica_set_again():
    model = Taken("canary-history")
    model.set_image("shop:1.3")
    model.reconcile()
    found = next(rs for rs in model.world.replica_sets if rs.hash == "7c9d6b5f68")
    assert found.revision == 6
    assert found.raw["metadata"]["annotations"]["rollout.argoproj.io/revision-history"] == "3"
    assert no_new_sets(model)


def test_the_deadline_of_a_canary_that_is_late_stays_exceeded_until_pods_come():
    model = Taken("canary-timed-out")
    assert model.phase[1].startswith("ProgressDeadlineExceeded")
    model.settle()
    assert model.phase == ("Paused", "CanaryPauseStep")


FOREIGN = {"status": {"currentStepHash": "5c6d8f9b7b"}}


def seen_before(name: str) -> Taken:
    """A cluster with a foreign hash, looked at once."""
    model = Taken(name)
    model.change(FOREIGN)
    model.world = replace(model.world, witness=model.world.rollout)
    assert plan(model.world).actions == ()
    return model


class TestStepHashNobodyCanCompute:
    """The steps are the same; only the way of hashing them was another."""

    def test_it_is_kept_while_nothing_happens(self):
        model = Taken("canary-paused")
        model.change(FOREIGN)
        model.rest(hours=24)
        assert model.writes == []

    def test_the_canary_goes_on_and_ours_is_stored_along_the_way(self):
        ours = Taken("canary-paused").status["currentStepHash"]
        model = Taken("canary-paused")
        model.change(FOREIGN)
        model.promote()
        model.settle()
        assert model.status["currentStepIndex"] == 3
        assert model.status["currentStepHash"] == ours

    @pytest.mark.parametrize(
        "doubt",
        [
            {"status": {"observedGeneration": "2"}},
            {"status": {"currentStepIndex": 9}},
            {"status": {"currentStepHash": ""}},
            {"status": {"conditions": [{"type": "InvalidSpec", "status": "True"}]}},
        ],
        ids=["generation not seen", "index out of range", "no hash", "spec was invalid"],
    )
    def test_in_doubt_the_canary_starts_again(self, doubt):
        model = Taken("canary-paused")
        model.change({"status": {**FOREIGN["status"], "currentStepIndex": 3}})
        model.change(doubt)
        model.reconcile()
        assert model.status["currentStepIndex"] < 2

    @pytest.mark.parametrize(
        "change", [{"replicas": 10}, {"paused": True}, {"minReadySeconds": 3}], ids=str
    )
    def test_a_change_of_anything_else_is_no_doubt_for_whoever_has_seen_what_was_before(
        self, change
    ):
        ours = Taken("canary-timed-pause").status["currentStepHash"]
        model = seen_before("canary-timed-pause")
        model.change({"spec": change})
        model.settle()
        assert model.status["currentStepIndex"] == 3
        assert model.status["currentStepHash"] == ours
        assert model.status["observedGeneration"] == str(model.world.rollout.metadata.generation)

    @pytest.mark.parametrize(
        "change",
        [
            {"spec": {"strategy": {"canary": {"steps": [{"setWeight": 30}, {"pause": {}}]}}}},
            {"status": {"currentStepHash": "anotherone"}, "spec": {"replicas": 10}},
        ],
        ids=["other steps", "another hash"],
    )
    def test_what_was_seen_before_proves_nothing_about_something_else(self, change):
        model = seen_before("canary-timed-pause")
        model.change(change)
        model.reconcile()
        assert model.status["currentStepIndex"] < 2

    def test_a_rollout_made_anew_under_the_same_name_has_no_past(self):
        model = seen_before("canary-timed-pause")
        model.change({"metadata": {"uid": "another"}, "spec": {"replicas": 10}})
        model.reconcile()
        assert model.status["currentStepIndex"] < 2

    def test_changed_steps_start_again(self):
        model = Taken("canary-timed-pause")
        model.change(
            {"spec": {"strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}}}}
        )
        model.settle()
        assert model.sizes == {2: 4, 3: 1}
        assert model.status["currentStepIndex"] == 1


def test_of_two_revisions_with_the_same_template_the_current_one_stays():
    model = Taken("canary-paused")
    new = next(rs for rs in model.world.replica_sets if rs.hash == "5f7d9c8b64")
    twin = copy.deepcopy(new.raw)
    twin["metadata"] |= {"name": "shop-twin", "uid": "twin"}
    twin["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    twin["metadata"]["labels"]["rollouts-pod-template-hash"] = "twin"
    twin["metadata"]["annotations"]["rollout.argoproj.io/revision"] = "0"
    twin["spec"]["replicas"] = twin["status"]["replicas"] = 0
    twin["status"] |= {"availableReplicas": 0, "readyReplicas": 0}
    model.world = replace(
        model.world, replica_sets=(ReplicaSet.of(twin), *model.world.replica_sets)
    )
    assert plan(model.world).writes == ()


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("canary-healthy", {"rolloutStartedAt": "2026-02-01T08:00:00Z"}),
        ("canary-paused", {"manualPauseStartedAt": None}),
        ("canary-timed-pause", {"manualPauseStartedAt": "2026-03-02T08:40:00Z"}),
        ("canary-aborted", {"finishedAt": None, "completionStatus": None}),
    ],
    ids=["healthy", "paused", "in a timed pause", "aborted"],
)
def test_a_record_of_times_that_we_would_have_kept_otherwise_waits_for_a_change(name, record):
    model = Taken(name)
    model.change({"status": {"duration": record}})
    assert plan(model.world).writes == ()


def test_an_analysis_after_the_switch_is_listened_to():
    model = Taken("bluegreen-post-analysis")
    old, new = model.status["stableRS"], model.status["currentPodHash"]
    model.finish_run("Successful")
    model.settle()
    assert model.phase == ("Healthy", "")
    assert model.status["stableRS"] == new
    model.wait(31)
    model.settle()
    assert model.by_hash == {new: 5}
    assert old not in model.by_hash
    assert no_new_sets(model)


def test_a_bad_verdict_after_the_switch_switches_back():
    model = Taken("bluegreen-post-analysis")
    old = model.status["stableRS"]
    model.finish_run("Failed", "the success rate fell")
    model.settle()
    assert model.selects("shop-active") == old
    assert model.phase[0] == "Degraded"
    assert model.status["stableRS"] == old
