"""Whatever becomes of Experiments, in any order: the rules hold and the release comes to rest."""

from hypothesis import given, note
from hypothesis import strategies as st

from tests.planner.routed_model import routed
from tests.planner.test_properties import journeys, moves, play, relaxed, specs, step
from tests.planner.trial_model import step as experiment
from tests.planner.trial_model import template, updated
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


SHARED = experiment(
    template("baseline", "stable", weight=5), template("canary", weight=10), duration="30s"
)
AT_ONCE = {"experiment": {**SHARED["experiment"], "scaleDownDelaySeconds": 0}}
routed_moves = st.one_of(
    st.just(("reconcile",)),
    st.just(("experiments_follow",)),
    st.just(("obey",)),
    st.just(("pods_follow",)),
    st.tuples(st.just("wait"), st.sampled_from([1, 31])),
    st.just(("break_templates",)),
    st.tuples(st.just("change"), st.sampled_from([{"status": {"promoteFull": True}}])),
    st.just(("abort",)),
    st.just(("retry",)),
    st.just(("promote",)),
    st.tuples(st.just("set_image"), st.sampled_from(["app:3", "app:4"])),
)


@relaxed
@given(
    st.sampled_from([SHARED, AT_ONCE]),
    st.booleans(),
    st.booleans(),
    st.lists(routed_moves, max_size=20),
)
def test_no_share_is_ever_without_its_pods(shared, verifying, dynamic, journey):
    """The judge of the model looks at every write of both planners."""
    plan = [{"setWeight": 20}, shared, {"setWeight": 50}, shared]
    fields = {"dynamicStableScale": True} if dynamic else {}
    model = updated(routed(plan, **fields), verifying=verifying)
    for name, *arguments in journey:
        note(f"{name} {arguments}")
        getattr(model, name)(*arguments)
        note(f"   {model.additional} {model.backends} {model.phases}")
    model.broken_templates = set()
    for _ in range(10):
        model.settle_slowly()
        model.wait(40)
    assert model.phase[0] in ("Healthy", "Degraded")
    assert model.additional == {}
    assert set(model.backends.values()) <= {0}
