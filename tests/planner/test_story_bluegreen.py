"""Blue-green in full, paragraph by paragraph: sizes, pauses, the switch, delays and ways back."""

import pytest

from tests.planner.walk import ANALYSIS, Walk


def released(replicas: int = 3, **fields) -> Walk:
    """Revision 1 serves, and revision 2 has been asked for."""
    strategy = {"activeService": "active", "previewService": "preview", **fields}
    spec = {name: strategy.pop(name) for name in ("rollbackWindow",) if name in strategy}
    walk = Walk({"blueGreen": strategy}, replicas=replicas, **spec)
    walk.settle()
    walk.wait(5)
    walk.user_image(2)
    walk.settle()
    return walk


def later(walk: Walk, seconds: float) -> None:
    walk.wait(seconds)
    walk.settle()


# --- preview


def test_the_preview_service_follows_at_once_whether_pods_are_there_or_not():
    walk = Walk({"blueGreen": {"activeService": "active", "previewService": "preview"}})
    walk.settle()
    walk.user_image(2)
    walk.reconcile()
    assert walk.selects("preview") == walk.hash_of(2)
    assert walk.selects("active") == walk.hash_of(1)


def test_a_small_preview_is_paused_small_and_grows_after_promotion_before_the_switch():
    walk = released(autoPromotionEnabled=False, previewReplicaCount=1)
    assert walk.sizes == {1: 3, 2: 1}
    assert walk.phase == ("Paused", "BlueGreenPause")
    walk.user_promote()
    walk.reconcile()
    assert walk.status["blueGreen"]["scaleUpPreviewCheckPoint"] is True
    assert walk.sizes == {1: 3, 2: 3}
    assert walk.selects("active") == walk.hash_of(1)
    walk.settle()
    assert walk.selects("active") == walk.hash_of(2)
    assert "scaleUpPreviewCheckPoint" not in walk.status["blueGreen"]


def test_promote_full_takes_the_preview_to_full_size_and_skips_pause_and_analysis():
    walk = released(
        autoPromotionEnabled=False, previewReplicaCount=1, prePromotionAnalysis=ANALYSIS
    )
    assert walk.codes()[0] == "PrePromotionAnalysisRunning"
    walk.user_promote_full()
    walk.settle()
    assert walk.selects("active") == walk.hash_of(2)
    assert walk.phase == ("Healthy", "")
    assert all(run.terminating for run in walk.world.runs)


# --- the pause


def test_pre_promotion_analysis_comes_before_the_pause_and_the_seconds_count_from_its_success():
    walk = released(autoPromotionSeconds=60, prePromotionAnalysis=ANALYSIS)
    later(walk, 300)
    assert walk.selects("active") == walk.hash_of(1)
    walk.run_ends(0, "Successful")
    walk.settle()
    assert walk.phase == ("Paused", "BlueGreenPause")
    later(walk, 59)
    assert walk.selects("active") == walk.hash_of(1)
    later(walk, 1)
    assert walk.selects("active") == walk.hash_of(2)


def test_auto_promotion_seconds_mean_nothing_when_a_person_has_to_promote():
    walk = released(autoPromotionEnabled=False, autoPromotionSeconds=10)
    later(walk, 1000)
    assert walk.selects("active") == walk.hash_of(1)
    assert walk.plan.why[0].until is None


def test_a_person_may_promote_before_the_seconds_have_passed():
    walk = released(autoPromotionSeconds=600)
    walk.user_promote()
    walk.settle()
    assert walk.selects("active") == walk.hash_of(2)


def test_nothing_moves_while_a_person_holds_it_and_then_it_goes_on():
    walk = Walk({"blueGreen": {"activeService": "active", "previewService": "preview"}}, replicas=2)
    walk.settle()
    walk.user({"spec": {"paused": True}})
    walk.user_image(2)
    walk.settle()
    assert walk.sizes == {1: 2}
    assert walk.selects("preview") == walk.hash_of(1)
    walk.user({"spec": {"paused": False}})
    walk.settle()
    assert walk.selects("active") == walk.selects("preview") == walk.hash_of(2)


# --- the switch and what follows


def test_it_is_promoted_only_after_post_promotion_analysis_and_keeps_the_old_pods_till_then():
    walk = released(postPromotionAnalysis=ANALYSIS)
    assert walk.selects("active") == walk.hash_of(2)
    assert walk.status["stableRS"] == walk.hash_of(1)
    assert walk.phase == ("Progressing", "waiting for analysis to complete")
    later(walk, 500)
    assert walk.sizes == {1: 3, 2: 3}
    walk.run_ends(0, "Successful")
    walk.settle()
    assert walk.status["stableRS"] == walk.hash_of(2)
    assert walk.sizes == {1: 3, 2: 3}
    later(walk, 30)
    assert walk.sizes == {2: 3}


def test_old_revisions_beyond_the_limit_do_not_wait_for_their_delay():
    walk = released(scaleDownDelayRevisionLimit=1, scaleDownDelaySeconds=100)
    later(walk, 5)
    walk.user_image(3)
    walk.settle()
    assert walk.sizes == {2: 3, 3: 3}
    later(walk, 100)
    assert walk.sizes == {3: 3}


def test_without_a_limit_every_old_revision_waits_for_its_own_deadline():
    walk = released(scaleDownDelaySeconds=100)
    later(walk, 50)
    walk.user_image(3)
    walk.settle()
    assert walk.sizes == {1: 3, 2: 3, 3: 3}
    later(walk, 51)
    assert walk.sizes == {2: 3, 3: 3}
    later(walk, 50)
    assert walk.sizes == {3: 3}


def test_a_delay_that_is_changed_later_does_not_move_a_deadline_that_is_set():
    walk = released(scaleDownDelaySeconds=100)
    walk.user({"spec": {"strategy": {"blueGreen": {"scaleDownDelaySeconds": 10}}}})
    walk.settle()
    later(walk, 50)
    assert walk.sizes == {1: 3, 2: 3}
    later(walk, 50)
    assert walk.sizes == {2: 3}


def test_no_delay_at_all_means_at_once_even_for_pods_that_wait_already():
    walk = released(scaleDownDelaySeconds=100)
    walk.user({"spec": {"strategy": {"blueGreen": {"scaleDownDelaySeconds": 0}}}})
    walk.settle()
    assert walk.sizes == {2: 3}


def test_a_deadline_goes_when_the_revision_serves_again():
    walk = released(scaleDownDelaySeconds=100, autoPromotionEnabled=False)
    walk.user_promote()
    walk.settle()
    later(walk, 10)
    walk.user_image(1)
    walk.settle()
    assert walk.selects("active") == walk.hash_of(3)
    assert [bool(rs.deadline) for rs in walk.world.replica_sets] == [False, True]
    later(walk, 100)
    assert walk.sizes == {3: 3}


# --- ways back


def test_going_back_after_the_delay_is_a_release_like_any_other():
    walk = released(scaleDownDelaySeconds=30, autoPromotionEnabled=False)
    walk.user_promote()
    walk.settle()
    later(walk, 31)
    walk.user_image(1)
    walk.settle()
    assert walk.selects("active") == walk.hash_of(2)
    assert walk.phase == ("Paused", "BlueGreenPause")


def test_going_back_inside_the_rollback_window_skips_pause_and_analysis():
    walk = released(
        autoPromotionEnabled=False, prePromotionAnalysis=ANALYSIS, rollbackWindow={"revisions": 1}
    )
    walk.run_ends(0, "Successful")
    walk.settle()
    walk.user_promote()
    walk.settle()
    later(walk, 1000)
    assert walk.sizes == {2: 3}
    walk.user_image(1)
    walk.settle()
    assert walk.selects("active") == walk.hash_of(3)
    assert walk.phase == ("Healthy", "")


@pytest.mark.parametrize(("delay", "left"), [(None, {1: 3}), (10, {1: 3}), (0, {1: 3, 2: 3})])
def test_an_abort_before_the_switch_keeps_the_preview_for_its_delay_and_for_ever_with_zero(
    delay, left
):
    fields = {} if delay is None else {"abortScaleDownDelaySeconds": delay}
    walk = released(autoPromotionEnabled=False, **fields)
    walk.user({"status": {"abort": True}})
    walk.settle()
    assert walk.phase[0] == "Degraded"
    assert walk.sizes == {1: 3, 2: 3}
    later(walk, 31)
    assert walk.sizes == left
    assert walk.selects("active") == walk.hash_of(1)


def test_an_abort_after_the_switch_switches_back_and_then_removes_the_failed_revision():
    walk = released(postPromotionAnalysis=ANALYSIS)
    walk.user({"status": {"abort": True}})
    walk.settle()
    assert walk.selects("active") == walk.hash_of(1)
    assert walk.phase[0] == "Degraded"
    later(walk, 31)
    assert walk.sizes == {1: 3}


def test_an_abort_after_promotion_changes_nothing():
    walk = released()
    count = len(walk.scales())
    walk.user({"status": {"abort": True}})
    walk.settle()
    assert walk.phase == ("Healthy", "")
    assert "abort" not in walk.status
    assert len(walk.scales()) == count


def test_a_retry_asks_the_analysis_again_and_does_not_switch_before_its_answer():
    walk = released(prePromotionAnalysis=ANALYSIS)
    walk.run_ends(0, "Failed")
    walk.settle()
    assert "pre-promotion analysis phase error/failed" in walk.phase[1]
    walk.user({"status": {"abort": False}})
    walk.settle()
    assert walk.selects("active") == walk.hash_of(1)
    assert walk.codes() == ["PrePromotionAnalysisRunning"]
    walk.run_ends(0, "Successful")
    walk.settle()
    assert walk.selects("active") == walk.hash_of(2)


def test_pods_of_an_aborted_revision_go_at_their_time_though_the_next_one_is_still_measured():
    walk = released(postPromotionAnalysis=ANALYSIS)
    walk.user({"status": {"abort": True}})
    walk.settle()
    walk.user_image(3)
    walk.settle()
    assert walk.sizes == {1: 3, 2: 3, 3: 3}
    assert walk.codes() == ["PostPromotionAnalysisRunning", "ScaleDownDelay"]
    assert walk.plan.why[1].until == walk.plan.wake_at
    later(walk, 31)
    assert walk.sizes == {1: 3, 3: 3}


# --- sizes at any moment


@pytest.mark.parametrize("size", [0, 1, 5])
def test_a_new_size_while_the_switch_waits_is_the_size_of_both(size):
    walk = released(autoPromotionEnabled=False)
    walk.user({"spec": {"replicas": size}})
    walk.settle()
    assert walk.sizes == ({1: size, 2: size} if size else {})
    assert walk.phase == ("Paused", "BlueGreenPause")


def test_the_autoscaler_sees_the_active_revision_only():
    walk = released(autoPromotionEnabled=False)
    assert walk.status["replicas"] == 6
    assert walk.status["HPAReplicas"] == 3
    assert walk.hash_of(1) in walk.status["selector"]


def test_a_new_size_during_post_promotion_analysis_of_an_overtaken_revision_reaches_its_users():
    """Revision 3 is asked for while users are on 2 and 1 is stable: users on 2 are not left behind."""
    walk = released(postPromotionAnalysis=ANALYSIS, autoPromotionEnabled=False)
    walk.user_promote()
    walk.settle()
    walk.user_image(3)
    walk.settle()
    assert walk.selects("active") == walk.hash_of(2)
    walk.user({"spec": {"replicas": 6}})
    walk.settle()
    assert walk.sizes == {1: 6, 2: 6, 3: 6}


def test_a_way_back_within_the_delay_measures_nothing_and_names_no_run():
    strategy = {"activeService": "active", "postPromotionAnalysis": ANALYSIS}
    walk = Walk({"blueGreen": strategy}, replicas=2)
    walk.settle()
    walk.wait(5)
    walk.user_image(2)
    walk.settle()
    walk.run_ends(0, "Successful")
    walk.settle()
    runs = len(walk.world.runs)
    walk.user_image(1)
    walk.settle()
    assert walk.selects("active") == walk.status["stableRS"] == walk.hash_of(3)
    assert len(walk.world.runs) == runs
    assert "postPromotionAnalysisRunStatus" not in walk.status["blueGreen"]
    assert walk.codes() == ["ScaleDownDelay"]
