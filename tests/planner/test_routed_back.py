"""Stories of canaries behind a router that go back, or are overtaken by a third revision."""

import pytest

from tests.planner.routed_model import FINE, STEPS, routed, updating


@pytest.mark.parametrize("verifying", [False, True])
@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("promotions", range(4))
def test_an_abort_at_any_step_ends_with_the_stable_revision_whole(promotions, dynamic, verifying):
    strategy = routed(FINE, dynamicStableScale=dynamic)
    model = updating(strategy, promotions=promotions, verifying=verifying)
    assert model.weight == 20 * (promotions + 1)
    model.abort()
    model.settle_slowly()
    model.wait(31)
    model.settle_slowly()
    assert model.recorded == (0, 100)
    assert model.sizes == {1: 10}
    assert model.selects("canary") == model.hash_of(1)
    assert model.codes() == ["Aborted"]


def test_an_abort_takes_the_traffic_away_at_once_and_the_pods_after_the_delay():
    model = updating(routed(STEPS), promotions=1)
    model.abort()
    model.reconcile()
    assert model.recorded == (0, 100)
    assert model.sizes == {1: 10, 2: 6}
    assert model.codes() == ["Aborted", "ScaleDownDelay"]
    model.wait(31)
    model.settle()
    assert model.sizes == {1: 10}


def test_an_aborted_canary_stays_up_for_ever_without_a_delay():
    model = updating(routed(STEPS, abortScaleDownDelaySeconds=0))
    model.abort()
    model.settle()
    model.wait(100_000)
    model.settle()
    assert model.sizes == {1: 10, 2: 2}
    assert model.recorded == (0, 100)


def test_the_delay_after_an_abort_begins_when_no_traffic_is_left():
    model = updating(routed(STEPS), verifying=True)
    model.abort()
    model.settle()
    assert "ScaleDownDelay" not in model.codes()
    model.wait(100)
    model.obey()
    model.settle()
    assert "ScaleDownDelay" in model.codes()
    assert model.sizes == {1: 10, 2: 2}


def test_with_dynamic_stable_scale_an_abort_steps_back_as_stable_pods_return():
    model = updating(routed(FINE, dynamicStableScale=True), promotions=3)
    assert model.sizes == {1: 2, 2: 8}
    before = len(model.weights)
    model.abort()
    model.reconcile()
    assert model.weight == 80
    assert model.sizes == {1: 4, 2: 8}
    model.settle_slowly()
    back = model.weights[before:]
    assert back[:3] == [60, 40, 20]
    assert back == sorted(back, reverse=True)
    assert model.sizes == {1: 10}


def test_a_canary_going_back_never_grows_even_when_the_record_is_behind_the_router():
    model = updating(routed(FINE, dynamicStableScale=True), promotions=3)
    recorded = model.status["canary"]["weights"]
    model.abort()
    while model.sizes[2] == 8:
        model.reconcile()
        model.pods_follow(limit=1)
    left = model.sizes[2]
    model.change({"status": {"canary": {"weights": recorded}}})
    model.reconcile()
    assert model.sizes.get(2, 0) <= left


def test_with_a_delay_of_its_own_the_canary_waits_whole_beside_the_returning_stable_one():
    strategy = routed(FINE, dynamicStableScale=True, abortScaleDownDelaySeconds=60)
    model = updating(strategy, promotions=3)
    model.abort()
    model.settle_slowly()
    assert model.sizes == {1: 10, 2: 8}
    assert model.recorded == (0, 100)
    model.wait(61)
    model.settle()
    assert model.sizes == {1: 10}


def test_a_retry_goes_up_again():
    model = updating(routed(STEPS), promotions=1)
    model.abort()
    model.settle_slowly()
    model.retry()
    model.settle_slowly()
    assert model.recorded == (20, 80)
    assert model.selects("canary") == model.hash_of(2)
    assert model.phase == ("Paused", "CanaryPauseStep")


@pytest.mark.parametrize("dynamic", [False, True])
def test_going_back_to_the_stable_template_brings_the_traffic_home(dynamic):
    model = updating(routed(FINE, dynamicStableScale=dynamic), promotions=3)
    model.set_image("app:1")
    model.settle_slowly()
    assert model.recorded == (0, 100)
    assert model.selects("canary") == model.selects("stable") == model.status["stableRS"]
    model.wait(31)
    model.settle_slowly()
    assert model.phase == ("Healthy", "")
    assert sum(model.sizes.values()) == 10


# --- a third revision


@pytest.mark.parametrize("verifying", [False, True])
@pytest.mark.parametrize("dynamic", [False, True])
def test_a_third_revision_takes_nothing_over_until_the_second_has_no_traffic(dynamic, verifying):
    strategy = routed(FINE, dynamicStableScale=dynamic)
    model = updating(strategy, promotions=2, verifying=verifying)
    model.set_image("app:3")
    model.reconcile()
    assert model.selects("canary") == model.hash_of(2 if dynamic else 1)
    assert model.sizes.get(2, 0) == (6 if dynamic or verifying else 0)
    model.settle_slowly()
    assert model.recorded == (20, 80)
    assert model.selects("canary") == model.hash_of(3)
    assert model.sizes == ({1: 8, 3: 2} if dynamic else {1: 10, 3: 2})


def test_the_second_revision_loses_its_traffic_even_if_the_third_never_gets_ready():
    model = updating(routed(FINE, dynamicStableScale=True, maxUnavailable=0), promotions=2)
    model.set_image("app:3")
    model.broken.add(3)
    model.settle_slowly()
    assert model.recorded == (0, 100)
    assert model.sizes == {1: 10, 3: 2}


def test_going_back_to_the_stable_template_steps_back_as_its_pods_return():
    model = updating(routed(FINE, dynamicStableScale=True, maxUnavailable=0), promotions=3)
    before = len(model.weights)
    model.set_image("app:1")
    model.settle_slowly()
    assert model.weights[before:][:3] == [60, 40, 20]


# --- a step that takes everything back


def test_a_later_step_without_traffic_takes_the_canary_away_and_its_service_back():
    model = updating(routed([{"setWeight": 20}, {"pause": {}}, {"setWeight": 0}, {"pause": {}}]))
    assert model.selects("canary") == model.hash_of(2)
    model.promote()
    model.settle_slowly()
    assert model.recorded == (0, 100)
    assert model.selects("canary") == model.hash_of(1)
    assert model.sizes == {1: 10}
    assert model.phase == ("Paused", "CanaryPauseStep")
