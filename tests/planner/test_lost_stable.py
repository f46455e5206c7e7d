"""Somebody deletes the stable ReplicaSet in the middle of an update: nothing is left to go back to.

Users get what there is at once, but nothing is called stable that has not passed its update.
"""

from dataclasses import replace

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from tests.planner.model import Model
from tests.planner.routed_model import routed, updating
from tests.planner.test_properties import (
    blue_greens,
    canaries,
    journeys,
    moves,
    play,
    relaxed,
    specs,
)
from tests.planner.walk import ANALYSIS, Walk

STEPS = [{"setWeight": 20}, {"pause": {}}, {"analysis": ANALYSIS}, {"setWeight": 60}]
SERVICES = {"stableService": "stable", "canaryService": "canary"}


def updated(strategy: dict) -> Walk:
    walk = Walk(strategy)
    walk.settle()
    walk.wait(5)
    walk.user_image(2)
    walk.settle()
    return walk


def lose_stable(model: Model) -> None:
    """With its pods, as the garbage collector has it."""
    lost = model.status["stableRS"]
    left = tuple(rs for rs in model.world.replica_sets if rs.hash != lost)
    model.world = replace(model.world, replica_sets=left)
    model.settle()


def test_a_canary_gets_all_the_pods_and_still_takes_its_steps():
    walk = updated({"canary": {"steps": STEPS, **SERVICES}})
    old, new = walk.hash_of(1), walk.hash_of(2)
    lose_stable(walk)
    assert walk.sizes == {2: 5}
    assert walk.selects("stable") == new
    assert walk.status["stableRS"] == old
    assert walk.phase == ("Paused", "CanaryPauseStep")
    assert "StableRevisionLost" in walk.codes()
    walk.user_promote()
    walk.settle()
    assert walk.status["stableRS"] == old
    walk.run_ends(0, "Successful")
    walk.settle()
    assert walk.phase == ("Healthy", "")
    assert walk.status["stableRS"] == new


def test_a_verdict_still_counts_and_keeps_the_only_pods_there_are():
    walk = updated({"canary": {"steps": STEPS, **SERVICES}})
    old = walk.hash_of(1)
    lose_stable(walk)
    walk.user_promote()
    walk.settle()
    walk.run_ends(0, "Failed")
    walk.settle()
    walk.wait(1000)
    walk.settle()
    assert walk.phase[0] == "Degraded"
    assert walk.status["stableRS"] == old
    assert walk.sizes == {2: 5}


def test_an_aborted_canary_is_neither_made_stable_nor_bigger_by_it():
    walk = updated({"canary": {"steps": STEPS}})
    old = walk.hash_of(1)
    walk.user({"status": {"abort": True}})
    walk.settle()
    lose_stable(walk)
    assert walk.phase[0] == "Degraded"
    assert walk.status["stableRS"] == old
    assert walk.sizes == {}
    assert walk.codes() == ["Aborted", "StableRevisionLost"]
    walk.user_image(3)
    walk.settle()
    assert walk.phase == ("Paused", "CanaryPauseStep")
    walk.finish()
    assert walk.sizes == {3: 5}


def test_going_back_to_the_template_that_was_lost_makes_it_anew_and_is_done():
    walk = updated({"canary": {"steps": STEPS, **SERVICES}})
    old = walk.hash_of(1)
    lose_stable(walk)
    walk.user_image(1)
    walk.settle()
    assert walk.phase == ("Healthy", "")
    assert walk.status["stableRS"] == old == walk.status["currentPodHash"]
    assert walk.selects("stable") == walk.selects("canary") == old


@pytest.mark.parametrize("dynamic", [False, True])
def test_behind_a_router_all_traffic_goes_where_pods_are(dynamic):
    steps = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}]
    model = updating(routed(steps, dynamicStableScale=dynamic))
    lose_stable(model)
    new = model.hash_of(2)
    assert model.selects("stable") == new
    assert model.sizes == {2: 10}
    assert model.phase == ("Paused", "CanaryPauseStep")
    for _ in range(2):
        model.promote()
        model.settle()
    assert model.phase == ("Healthy", "")
    assert model.status["stableRS"] == new
    assert model.recorded == (0, 100)


BLUE_GREEN = {
    "activeService": "active",
    "previewService": "preview",
    "autoPromotionEnabled": False,
    "prePromotionAnalysis": ANALYSIS,
    "postPromotionAnalysis": ANALYSIS,
}


def test_users_whose_blue_green_revision_is_gone_get_the_preview():
    walk = updated({"blueGreen": BLUE_GREEN})
    old, new = walk.hash_of(1), walk.hash_of(2)
    lose_stable(walk)
    assert walk.selects("active") == new
    assert walk.status["stableRS"] == old
    post = walk.status["blueGreen"]["postPromotionAnalysisRunStatus"]["name"]
    assert post.endswith("-post")
    for _ in walk.world.runs:
        walk.run_ends(0, "Successful")
    walk.settle()
    assert walk.phase == ("Healthy", "")
    assert walk.status["stableRS"] == new


def test_after_the_switch_the_analysis_goes_on_and_its_verdict_counts():
    walk = updated({"blueGreen": {**BLUE_GREEN, "autoPromotionEnabled": True}})
    walk.run_ends(0, "Successful")
    walk.settle()
    old, new = walk.hash_of(1), walk.hash_of(2)
    assert walk.selects("active") == new
    lose_stable(walk)
    assert walk.status["stableRS"] == old
    walk.run_ends(0, "Failed")
    walk.settle()
    walk.wait(1000)
    walk.settle()
    assert walk.phase[0] == "Degraded"
    assert walk.status["stableRS"] == old
    assert walk.selects("active") == new
    assert walk.sizes == {2: 5}


def test_at_rest_it_is_made_again():
    walk = updated({"canary": {"steps": STEPS, **SERVICES}})
    walk.finish()
    new = walk.status["stableRS"]
    lose_stable(walk)
    assert walk.phase == ("Healthy", "")
    assert walk.status["stableRS"] == new
    assert walk.selects("stable") == new


@relaxed
@given(
    st.one_of(canaries(), blue_greens()),
    st.integers(0, 12),
    specs,
    journeys(moves),
    journeys(moves),
)
def test_whatever_else_happens_it_comes_to_rest(strategy, replicas, spec, before, after):
    walk = Walk(strategy, replicas=replicas, **spec)
    walk.settle()
    walk.wait(5)
    walk.user_image(2)
    play(walk, before)
    lost = walk.status["stableRS"]
    left = tuple(rs for rs in walk.world.replica_sets if rs.hash != lost)
    walk.world = replace(walk.world, replica_sets=left)
    walk.touched = True
    note("the stable ReplicaSet is deleted")
    play(walk, after)
    walk.finish()
    if walk.status.get("abort"):
        assert walk.phase[0] == "Degraded"
        walk.user({"status": {"abort": False}})
        walk.finish()
    walk.judge_rest()
