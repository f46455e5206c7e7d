"""Users always reach pods, and what protects them never holds a release up for ever."""

import pytest

from tests.planner.walk import ANALYSIS, Walk

SERVICES = {"stableService": "stable", "canaryService": "canary"}


@pytest.mark.parametrize("services", [{"canaryService": "canary"}, SERVICES])
@pytest.mark.parametrize(("replicas", "unavailable"), [(1, 1), (2, 1), (2, 2), (5, "100%")])
def test_without_surge_a_release_finishes_though_services_point_at_the_old_pods(
    services, replicas, unavailable
):
    strategy = {"maxSurge": 0, "maxUnavailable": unavailable, **services}
    walk = Walk({"canary": strategy}, replicas=replicas)
    walk.settle()
    walk.user_image(2)
    walk.finish()
    walk.judge_rest()
    walk.user_image(3)
    walk.reconcile()
    walk.user({"status": {"abort": True}})
    walk.finish()
    walk.judge_rest()


def test_where_there_is_room_for_two_a_service_keeps_its_last_pod_until_the_next_can_take_over():
    walk = Walk({"canary": {"maxSurge": 0, "maxUnavailable": 2, **SERVICES}}, replicas=2)
    walk.settle()
    walk.user_image(2)
    walk.reconcile()
    walk.pods_follow(limit=0)
    walk.reconcile()
    assert walk.sizes == {1: 1, 2: 1}
    assert walk.counts[1] == (1, 1)


def test_a_rollout_may_be_scaled_to_nothing_in_the_middle_of_an_update():
    walk = Walk({"canary": {"steps": [{"setWeight": 50}, {"pause": {}}], **SERVICES}})
    walk.settle()
    walk.user_image(2)
    walk.settle()
    walk.user({"spec": {"replicas": 0}})
    walk.settle()
    assert walk.sizes == {}
    walk.user({"spec": {"replicas": 4}})
    walk.settle()
    assert sum(walk.sizes.values()) == 4


def test_a_canary_service_of_an_overtaken_revision_goes_back_to_stable_before_its_pods_go():
    walk = Walk(
        {"canary": {"steps": [{"setWeight": 50}, {"pause": {}}], "maxSurge": 0, **SERVICES}},
        replicas=2,
    )
    walk.settle()
    walk.user_image(2)
    walk.settle()
    assert walk.selects("canary") == walk.hash_of(2)
    walk.user_image(3)
    walk.reconcile()
    assert walk.selects("canary") == walk.hash_of(1)
    walk.settle()
    assert walk.selects("canary") == walk.hash_of(3)
    assert walk.sizes == {1: 1, 3: 1}


def test_a_step_back_to_nothing_moves_the_canary_service_to_stable_before_the_canary_goes():
    steps = [{"setWeight": 50}, {"pause": {}}, {"setWeight": 0}, {"pause": {}}]
    walk = Walk({"canary": {"steps": steps, **SERVICES}}, replicas=2)
    walk.settle()
    walk.user_image(2)
    walk.settle()
    assert walk.selects("canary") == walk.hash_of(2)
    walk.user_promote()
    walk.settle()
    assert walk.sizes == {1: 2}
    assert walk.selects("canary") == walk.hash_of(1)
    assert walk.status["currentStepIndex"] == 3


def test_a_fast_way_back_with_a_small_preview_never_makes_the_active_revision_smaller():
    strategy = {"activeService": "active", "previewReplicaCount": 1}
    walk = Walk({"blueGreen": strategy}, replicas=3)
    walk.settle()
    walk.wait(5)
    walk.user_image(2)
    walk.settle()
    walk.wait(5)
    walk.user_image(1)
    walk.reconcile()
    assert walk.selects("active") == walk.hash_of(3)
    assert walk.counts[3] == (3, 3)
    assert "Scaled down" not in str([event.message for event in walk.events[-6:]])


def test_going_back_to_stable_while_the_new_revision_is_proving_itself_keeps_all_stable_pods():
    strategy = {
        "activeService": "active",
        "previewReplicaCount": 1,
        "postPromotionAnalysis": ANALYSIS,
    }
    walk = Walk({"blueGreen": {**strategy, "autoPromotionEnabled": False}}, replicas=3)
    walk.settle()
    walk.user_image(2)
    walk.settle()
    walk.user_promote()
    walk.settle()
    assert walk.selects("active") == walk.hash_of(2)
    walk.user_image(1)
    walk.settle()
    assert walk.counts[3] == (3, 3)
    assert walk.selects("active") == walk.hash_of(3)
    assert walk.phase == ("Healthy", "")


def test_after_an_abort_revisions_in_between_go_even_if_post_promotion_analysis_is_configured():
    strategy = {"activeService": "active", "postPromotionAnalysis": ANALYSIS}
    walk = Walk({"blueGreen": strategy}, replicas=2)
    walk.settle()
    walk.user_image(2)
    walk.settle()
    walk.user_image(3)
    walk.reconcile()
    walk.user({"status": {"abort": True}})
    walk.finish()
    walk.judge_rest()
    assert walk.sizes == {1: 2}


def test_a_pause_that_waits_for_pods_again_names_no_time():
    strategy = {"activeService": "active", "autoPromotionSeconds": 60}
    walk = Walk({"blueGreen": strategy}, replicas=2)
    walk.settle()
    walk.user_image(2)
    walk.settle()
    assert walk.plan.why[0].until == walk.plan.wake_at
    walk.pods_die(1, 1)
    walk.reconcile()
    assert walk.codes() == ["BlueGreenPause", "PodsNotAvailable"]
    assert walk.plan.why[0].until is None
    assert walk.plan.wake_at is None


def test_the_step_index_is_seen_at_the_start_before_it_is_seen_further_on():
    walk = Walk({"canary": {"steps": [{"pause": {"duration": 0}}, {"pause": {}}]}}, replicas=1)
    walk.settle()
    walk.user_image(2)
    walk.reconcile()
    seen = [
        write.body["status"].get("currentStepIndex") for write in walk.writes if write.subresource
    ]
    assert [index for index in seen if index is not None][-2:] == [0, 1]
