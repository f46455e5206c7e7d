"""Whatever happens in whatever order: plans are complete, ends are kept, and a crash changes nothing.

The Model checks at every plan that planning again writes nothing and says why.
"""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.planner.experiment.planner import plan
from rollouts.planner.experiment.project import project
from tests.planner.experiment.model import Model, analysis, experiment, template

ENDS = ("Successful", "Failed", "Error", "Inconclusive")
NAMES = ("x", "y")
SERVICE = {
    "template": {
        "metadata": {"labels": {"app": "shop", "variant": "b"}},
        "spec": {"containers": [{"name": "main", "image": "b", "ports": [{"containerPort": 80}]}]},
    },
    "service": {},
}


def specs() -> st.SearchStrategy[dict]:
    analyses = st.lists(
        st.builds(
            lambda name, required: analysis(name, requiredForCompletion=required),
            st.sampled_from(NAMES),
            st.booleans(),
        ),
        unique_by=lambda each: each["name"],
    )
    return st.builds(
        lambda duration, analyses, delay, replicas: experiment(
            template("a", replicas=replicas),
            {**template("b"), **SERVICE},
            analyses=analyses,
            progressDeadlineSeconds=30,
            scaleDownDelaySeconds=delay,
            **({"duration": duration} if duration else {}),
        ),
        st.sampled_from(["", "0s", "20s", "5m"]),
        analyses,
        st.sampled_from([0, 20]),
        st.integers(0, 3),
    )


def moves() -> st.SearchStrategy[list]:
    phase = st.sampled_from(["Pending", "Running", "Successful", "Successful", *ENDS])
    return st.lists(
        st.one_of(
            st.tuples(st.just("follow")),
            st.tuples(st.just("follow")),
            st.tuples(st.just("reconcile")),
            st.tuples(st.just("wait"), st.sampled_from([1, 10, 25, 60])),
            st.tuples(st.just("lose"), st.sampled_from(["a", "b"])),
            st.tuples(st.just("break"), st.sampled_from(["a", "b"])),
            st.tuples(st.just("mend")),
            st.tuples(st.just("run"), st.sampled_from(NAMES), phase),
            st.tuples(st.just("stop")),
            st.tuples(st.just("gone"), st.sampled_from(NAMES)),
            st.tuples(st.just("terminate")),
            st.tuples(st.just("retry")),
            st.tuples(st.just("lose_set"), st.sampled_from(["a", "b"])),
        ),
        max_size=25,
    )


def move(model: Model, what: str, *args) -> None:
    known = [each["name"] for each in model.status.get("analysisRuns") or []]
    match what:
        case "follow":
            model.pods_follow()
        case "wait":
            model.wait(args[0])
        case "lose":
            model.lose(args[0])
        case "break":
            model.broken.add(args[0])
        case "mend":
            model.broken.clear()
        case "run" if args[0] in known:
            model.run(args[0], args[1])
        case "stop":
            model.runs_stop()
        case "gone" if args[0] in known:
            model.remove_run(args[0])
        case "terminate":
            model.terminate()
        case "retry":
            model.retry()
        case "lose_set":
            model.lose_set(args[0])
        case _:
            pass


@given(raw=specs(), walk=moves())
@settings(max_examples=150, deadline=None)
def test_an_end_is_kept_until_somebody_retries(raw, walk):
    model = Model(raw)
    for what in walk:
        before = model.phase
        move(model, *what)
        model.reconcile()
        if before in ENDS and what[0] != "retry":
            assert model.phase == before


@given(raw=specs(), walk=moves())
@settings(max_examples=150, deadline=None)
def test_in_the_end_only_what_runs_has_pods_and_runs(raw, walk):
    model = Model(raw)
    for what in walk:
        move(model, *what)
        model.reconcile()
    model.broken.clear()
    for _ in range(4):
        model.settle()
        model.runs_stop()
        model.wait(400)
    model.settle()
    if model.phase in ENDS:
        assert set(model.sizes.values()) <= {0}
        assert model.services == []
        assert all(run.completed for run in model.world.runs)
    else:
        assert model.phase == "Running"
    assert model.reconcile().writes == ()


@given(raw=specs(), walk=moves(), data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_crash_between_two_writes_leads_to_the_same_end(raw, walk, data):
    model = Model(raw)
    for what in walk:
        move(model, *what)
        whole = plan(model.world)
        died = data.draw(st.integers(0, len(whole.writes)))
        broken = project(model.world, whole.writes[:died])
        mended = project(broken, plan(broken).writes)
        assert plan(mended).writes == ()
        expected = project(model.world, whole.writes)
        assert facts(mended) == facts(expected)
        model.world = expected


def facts(world) -> object:
    """What the end is, without what may differ: the order in which things were made."""
    sets = {rs.name: rs.raw for rs in world.replica_sets}
    runs = {run.name: run.raw for run in world.runs}
    services = {each["metadata"]["name"]: each for each in world.services}
    return replace(world.experiment, problems=()).raw["status"], sets, runs, services
