"""Whatever becomes of Experiments, in any order: the rules hold and the release comes to rest."""

from hypothesis import given, note
from hypothesis import strategies as st

from tests.planner.test_properties import journeys, moves, play, relaxed, specs, step
from tests.planner.trial_model import step as experiment
from tests.planner.trial_walk import TrialWalk

PHASES = ["Pending", "Running", "Successful", "Failed", "Error", "Inconclusive"]
steps = st.lists(
    st.one_of(step, st.sampled_from([experiment(), experiment(duration="1m")])), max_size=4
)
at = st.integers(0, 3)
trial_moves = st.one_of(
    st.tuples(st.just("trial_gets"), at, st.sampled_from(PHASES)),
    st.tuples(st.just("trial_gets"), at, st.sampled_from(PHASES)),
    st.tuples(st.just("trial_retried"), at),
    st.tuples(st.just("trial_lost"), at),
)
canaries = st.builds(lambda found: {"canary": {"steps": found}}, steps)


@relaxed
@given(canaries, st.integers(1, 6), specs, journeys(moves, trial_moves, trial_moves))
def test_a_release_with_experiments_keeps_the_rules_and_comes_to_rest(
    strategy, replicas, spec, journey
):
    walk = TrialWalk(strategy, replicas=replicas, **spec)
    play(walk, journey)
    note("the end")
    walk.finish()
    walk.judge_rest()
    walk.judge_quiet()
