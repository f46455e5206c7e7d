"""Stories of blue-green releases."""

import pytest

from tests.planner.model import Model, rollout


def deployed(**fields) -> Model:
    strategy = {"activeService": "active", "previewService": "preview", **fields}
    model = Model(rollout({"blueGreen": strategy}, replicas=3), "active", "preview")
    model.settle()
    return model


def test_the_first_revision_gets_both_services_once_it_is_available():
    model = Model(
        rollout({"blueGreen": {"activeService": "active", "previewService": "preview"}}),
        "active",
        "preview",
    )
    model.ready = False
    model.settle()
    assert model.selects("preview") == model.hash_of(1)
    assert model.selects("active") == ""
    model.ready = True
    model.settle()
    assert model.selects("active") == model.hash_of(1)
    assert model.phase == ("Healthy", "")


def test_the_tutorial_walk():
    model = deployed(autoPromotionEnabled=False)
    model.set_image("app:2")
    model.settle()
    assert model.selects("preview") == model.hash_of(2)
    assert model.selects("active") == model.hash_of(1)
    assert model.sizes == {1: 3, 2: 3}
    assert model.phase == ("Paused", "BlueGreenPause")
    model.promote()
    model.settle()
    assert model.selects("active") == model.hash_of(2)
    assert model.sizes == {1: 3, 2: 3}
    model.wait(31)
    model.settle()
    assert model.sizes == {2: 3}
    assert model.phase == ("Healthy", "")


def test_by_default_the_switch_needs_nobody():
    model = deployed()
    model.set_image("app:2")
    model.settle()
    assert model.selects("active") == model.hash_of(2)
    assert model.status["stableRS"] == model.hash_of(2)


def test_auto_promotion_seconds_count_from_when_the_preview_was_ready():
    model = deployed(autoPromotionSeconds=60)
    model.set_image("app:2")
    model.ready = False
    model.settle()
    model.wait(300)
    model.ready = True
    model.settle()
    assert model.selects("active") == model.hash_of(1)
    assert model.codes() == ["BlueGreenPause"]
    model.wait(61)
    model.settle()
    assert model.selects("active") == model.hash_of(2)


def test_an_abort_before_the_switch_leaves_users_alone_and_removes_the_preview_later():
    model = deployed(autoPromotionEnabled=False)
    model.set_image("app:2")
    model.settle()
    model.abort()
    model.settle()
    assert model.selects("active") == model.hash_of(1)
    assert model.sizes == {1: 3, 2: 3}
    model.wait(31)
    model.settle()
    assert model.sizes == {1: 3}
    assert model.phase[0] == "Degraded"


def test_a_retry_brings_the_preview_back():
    model = deployed(autoPromotionEnabled=False)
    model.set_image("app:2")
    model.settle()
    model.abort()
    model.settle()
    model.wait(31)
    model.settle()
    model.retry()
    model.settle()
    assert model.sizes == {1: 3, 2: 3}
    assert model.phase == ("Paused", "BlueGreenPause")


@pytest.mark.parametrize("between", [0, 5])  # within one second only numbers tell what is older
def test_going_back_within_the_delay_switches_at_once(between):
    model = deployed(autoPromotionEnabled=False)
    model.wait(between)
    model.set_image("app:2")
    model.settle()
    model.promote()
    model.settle()
    model.wait(5)
    model.set_image("app:1")
    model.settle()
    first = next(rs for rs in model.world.replica_sets if rs.revision == 3)
    assert model.selects("active") == first.hash
    assert model.status["stableRS"] == first.hash


def test_a_small_preview_grows_before_the_switch():
    model = deployed(autoPromotionEnabled=False, previewReplicaCount=1)
    model.set_image("app:2")
    model.settle()
    assert model.sizes == {1: 3, 2: 1}
    model.promote()
    for _ in range(20):
        model.reconcile()
        if model.selects("active") == model.hash_of(2):
            assert model.counts[2] == (3, 3)
        model.pods_follow(limit=1)
    assert model.selects("active") == model.hash_of(2)
    assert model.sizes == {1: 3, 2: 3}


def test_zero_delay_removes_the_old_pods_at_once():
    model = deployed(scaleDownDelaySeconds=0)
    model.set_image("app:2")
    model.settle()
    assert model.sizes == {2: 3}


def test_the_active_service_never_reaches_nothing():
    model = deployed()
    model.set_image("app:2")
    for _ in range(40):
        model.reconcile()
        model.pods_follow(limit=1)
        behind = [rs for rs in model.world.replica_sets if rs.hash == model.selects("active")]
        assert sum(rs.available for rs in behind) >= 3
    assert model.selects("active") == model.hash_of(2)
