"""Whatever users, pods and analyses do, in any order: the rules hold and the release comes to rest."""

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.planner.walk import ANALYSIS, Walk

EXAMPLES = 50

budget = st.one_of(
    st.none(), st.integers(0, 4), st.sampled_from(["0%", "10%", "25%", "34%", "100%"])
)
seconds = st.sampled_from([0, 1, 30, 90])
step = st.one_of(
    st.builds(lambda w: {"setWeight": w}, st.sampled_from([0, 1, 20, 50, 99, 100])),
    st.just({"pause": {}}),
    st.builds(lambda s: {"pause": {"duration": s}}, seconds),
    st.just({"analysis": ANALYSIS}),
)
step_lists = st.lists(step, max_size=4)


def without_none(**fields):
    return {name: value for name, value in fields.items() if value is not None}


@st.composite
def canaries(draw):
    services = draw(st.sampled_from([{}, {"stableService": "stable", "canaryService": "canary"}]))
    background = draw(st.sampled_from([None, ANALYSIS, {**ANALYSIS, "startingStep": 1}]))
    surge, unavailable = draw(budget), draw(budget)
    if surge in (0, "0%") and unavailable in (0, "0%"):
        unavailable = 1
    return {
        "canary": without_none(
            steps=draw(step_lists) or None,
            maxSurge=surge,
            maxUnavailable=unavailable,
            analysis=background,
            **services,
        )
    }


@st.composite
def blue_greens(draw):
    maybe = st.one_of(st.none(), seconds)
    return {
        "blueGreen": without_none(
            activeService="active",
            previewService=draw(st.sampled_from([None, "preview"])),
            previewReplicaCount=draw(st.sampled_from([None, None, 0, 1, 2, 20])),
            autoPromotionEnabled=draw(st.sampled_from([None, True, False])),
            autoPromotionSeconds=draw(maybe),
            scaleDownDelaySeconds=draw(maybe),
            scaleDownDelayRevisionLimit=draw(st.sampled_from([None, None, 0, 1])),
            abortScaleDownDelaySeconds=draw(maybe),
            prePromotionAnalysis=draw(st.sampled_from([None, ANALYSIS])),
            postPromotionAnalysis=draw(st.sampled_from([None, ANALYSIS])),
        )
    }


specs = st.fixed_dictionaries(
    {},
    optional={
        "progressDeadlineSeconds": st.sampled_from([10, 60]),
        "progressDeadlineAbort": st.booleans(),
        "revisionHistoryLimit": st.integers(1, 3),
        "rollbackWindow": st.builds(lambda n: {"revisions": n}, st.integers(1, 2)),
    },
)
at = st.integers(0, 3)
moves = st.one_of(
    st.tuples(st.just("set_follows"), at, st.integers(0, 12)),
    st.tuples(st.just("set_follows"), at, st.integers(0, 2)),
    st.tuples(st.just("pods_die"), at, st.integers(1, 12)),
    st.just(("settle",)),
    st.just(("reconcile",)),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 1, 29, 31, 61, 700])),
    st.tuples(
        st.just("run_ends"), at, st.sampled_from(["Successful", "Failed", "Error", "Inconclusive"])
    ),
    st.just(("user_promote",)),
    st.just(("user_promote_full",)),
    st.just(("user", {"status": {"abort": True}})),
    st.just(("user", {"status": {"abort": False}})),
    st.tuples(st.just("user_image"), st.integers(1, 4)),
    st.tuples(st.just("user"), st.builds(lambda n: {"spec": {"replicas": n}}, st.integers(0, 12))),
    st.tuples(st.just("user"), st.builds(lambda p: {"spec": {"paused": p}}, st.booleans())),
)
step_changes = st.builds(
    lambda steps: ("user", {"spec": {"strategy": {"canary": {"steps": steps}}}}), step_lists
)


def play(walk: Walk, journey) -> None:
    for move, plans in journey:
        note(f"{move} {'plan' if plans else ''}")
        getattr(walk, move[0])(*move[1:])
        if plans:
            walk.reconcile()
            note(f"   {walk.counts} {walk.phase} {walk.codes()}")


def journeys(*kinds):
    planned = st.sampled_from([True, True, True, False])
    return st.lists(st.tuples(st.one_of(*kinds), planned), min_size=1, max_size=14)


relaxed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def judge(strategy, replicas, spec, journey) -> None:
    walk = Walk(strategy, replicas=replicas, **spec)
    play(walk, journey)
    note("the end")
    walk.finish()
    walk.judge_rest()
    walk.judge_quiet()


@relaxed
@given(canaries(), st.integers(0, 12), specs, journeys(moves, moves, step_changes))
def test_a_canary_keeps_the_rules_and_comes_to_rest(strategy, replicas, spec, journey):
    judge(strategy, replicas, spec, journey)


@relaxed
@given(blue_greens(), st.integers(0, 12), specs, journeys(moves))
def test_a_blue_green_release_keeps_the_rules_and_comes_to_rest(strategy, replicas, spec, journey):
    judge(strategy, replicas, spec, journey)


@relaxed
@given(canaries(), st.integers(1, 12), specs, journeys(moves))
def test_a_canary_of_a_healthy_release_keeps_the_rules(strategy, replicas, spec, journey):
    walk = Walk(strategy, replicas=replicas, **spec)
    walk.settle()
    walk.wait(5)
    walk.user_image(2)
    play(walk, journey)
    walk.finish()
    walk.judge_rest()


@relaxed
@given(blue_greens(), st.integers(1, 12), specs, journeys(moves))
def test_a_blue_green_of_a_healthy_release_keeps_the_rules(strategy, replicas, spec, journey):
    walk = Walk(strategy, replicas=replicas, **spec)
    walk.settle()
    walk.wait(5)
    walk.user_image(2)
    play(walk, journey)
    walk.finish()
    walk.judge_rest()


@pytest.mark.parametrize("replicas", range(13))
def test_every_size_of_a_plain_canary_is_reached(replicas):
    walk = Walk({"canary": {"steps": [{"setWeight": 30}]}}, replicas=replicas)
    walk.settle()
    walk.user_image(2)
    walk.finish()
    walk.judge_rest()
