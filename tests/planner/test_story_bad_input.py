"""Whatever is stored in the cluster: it works or is said to be wrong, and never breaks anything."""

import copy
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.api import labels as keys
from rollouts.api.rollout import Rollout
from rollouts.planner.plan import Plan
from rollouts.planner.planner import plan
from rollouts.planner.project import project
from rollouts.planner.world import ReplicaSet
from tests.planner.model import Model, rollout
from tests.planner.walk import ANALYSIS, Walk

STEPS = [{"setWeight": 20}, {"pause": {}}, {"analysis": ANALYSIS}, {"pause": {"duration": 10}}]


def annotate(model: Model, revision: int, **annotations: str) -> None:
    """Somebody edits the annotations of a ReplicaSet."""
    named = {getattr(keys, name): value for name, value in annotations.items()}
    sets = []
    for rs in model.world.replica_sets:
        raw = copy.deepcopy(rs.raw)
        if rs.revision == revision:
            raw["metadata"]["annotations"].update(named)
        sets.append(ReplicaSet.of(raw))
    model.world = replace(model.world, replica_sets=tuple(sets))


def updated(strategy: dict, **spec) -> Walk:
    walk = Walk(strategy, **spec)
    walk.settle()
    walk.wait(5)
    walk.user_image(2)
    walk.settle()
    return walk


# --- annotations


@pytest.mark.parametrize("text", ["", "two", "-1", "1.5", "9" * 30, "9" * 5000, "\u0662"])
def test_a_revision_nobody_can_read_is_replaced_and_told(text):
    walk = updated({"canary": {"steps": STEPS}})
    annotate(walk, 2, REVISION=text)
    walk.events.clear()
    walk.settle()
    assert sorted(walk.sizes) == [1, 2]
    assert walk.phase == ("Paused", "CanaryPauseStep")
    (event,) = [event for event in walk.events if event.reason == "MalformedAnnotation"]
    assert keys.REVISION in event.message
    assert event.type == "Warning"
    walk.finish()
    walk.judge_rest()


@pytest.mark.parametrize("text", ["", "many", "-5", "9" * 5000])
def test_a_desired_size_nobody_can_read_is_replaced_and_told(text):
    walk = updated({"canary": {"steps": STEPS}})
    annotate(walk, 1, DESIRED_REPLICAS=text)
    walk.events.clear()
    walk.settle()
    assert walk.sizes == {1: 4, 2: 1}
    assert walk.world.replica_sets[0].desired_annotation == 5
    assert walk.reasons() == ["MalformedAnnotation"]


@pytest.mark.parametrize("text", ["soon", "2026-13-01T00:00:00Z", "99999-01-01T00:00:00Z", "0"])
def test_a_deadline_nobody_can_read_has_passed_and_that_is_told(text):
    walk = updated({"blueGreen": {"activeService": "active"}}, replicas=2)
    assert walk.sizes == {1: 2, 2: 2}
    annotate(walk, 1, SCALE_DOWN_DEADLINE=text)
    walk.events.clear()
    walk.settle()
    assert walk.sizes == {2: 2}
    assert walk.reasons() == ["MalformedAnnotation", "ScalingReplicaSet"]


def test_an_old_revision_nobody_can_read_is_told_once_though_nothing_is_written():
    walk = updated({"canary": {}}, replicas=2)
    assert walk.phase == ("Healthy", "")
    annotate(walk, 1, REVISION="first")
    walk.events.clear()
    walk.writes.clear()
    walk.settle()
    walk.settle()
    assert walk.reasons() == ["MalformedAnnotation"]
    assert walk.writes == []
    annotate(walk, 0, REVISION="1")
    walk.settle()
    annotate(walk, 1, REVISION="again")
    walk.settle()
    assert walk.reasons() == ["MalformedAnnotation", "MalformedAnnotation"]


# --- sizes


@pytest.mark.parametrize(
    "steps",
    [
        [{"setWeight": 20}] * 200,
        [{"pause": {"duration": 0}}] * 200,
        [{"setWeight": number // 2} for number in range(200)],
    ],
    ids=["same weight", "pauses of no length", "every weight"],
)
def test_two_hundred_steps_are_gone_through_one_by_one(steps):
    walk = updated({"canary": {"steps": steps}}, replicas=4)
    assert walk.phase == ("Healthy", "")
    told = [e for e in walk.events if e.reason == "RolloutStepCompleted"]
    assert len(told) == len(steps)


def test_no_replicas_at_all():
    walk = Walk({"canary": {"steps": [{"setWeight": 20}, {"pause": {"duration": 10}}]}}, replicas=0)
    walk.settle()
    assert walk.phase == ("Healthy", "")
    walk.user_image(2)
    walk.finish()
    walk.judge_rest()
    walk.judge_quiet()


def test_a_rollout_of_a_megabyte_and_a_half_is_planned_within_a_second():
    raw = rollout({"canary": {"steps": STEPS}})
    raw["spec"]["strategy"]["canary"]["steps"] = STEPS[:2]
    container = raw["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": f"V{n}", "value": "x" * 100} for n in range(12_000)]
    model = Model(raw)
    model.settle()
    model.change({"spec": {"template": {"metadata": {"annotations": {"changed": "yes"}}}}})
    before = time.process_time()
    made = plan(model.world)
    assert time.process_time() - before < 1
    assert made.writes
    model.settle()
    assert model.phase == ("Paused", "CanaryPauseStep")


# --- somebody else's objects


def test_a_replica_set_without_a_hash_is_nobodys_revision_and_is_not_touched():
    walk = updated({"canary": {"steps": STEPS}})
    foreign = ReplicaSet.of(
        {
            "metadata": {
                "name": "legacy",
                "namespace": "shop",
                "uid": "x",
                "labels": {"app": "app"},
            },
            "spec": {"replicas": 3, "template": {"metadata": {"labels": {"app": "app"}}}},
            "status": {"replicas": 3, "availableReplicas": 3},
        }
    )
    before = walk.world.replica_sets
    walk.world = replace(walk.world, replica_sets=(*before, foreign))
    for write in plan(walk.world).writes:
        assert write.verb != "delete"


# --- shapes

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.sampled_from([0, 1, -1, 2**31 - 1, 2**63]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["", "1", "-1", "25%", "abc", "5m", "2026-01-01T00:00:00Z", "\u0000", "\U0001f600"]
    ),
)
json = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["name", "type", "reason", "pause", "labels", "x"]), inner, max_size=3
        ),
    ),
    max_leaves=6,
)


def paths(value, at=()):
    """Every place in a JSON value."""
    yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*at, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from paths(inner, (*at, number))


def with_value(value, path, new):
    if not path:
        return new
    changed = list(value) if isinstance(value, list) else dict(value)
    changed[path[0]] = with_value(changed[path[0]], path[1:], new)
    return changed


BLUE_GREEN = {
    "activeService": "active",
    "previewService": "preview",
    "previewReplicaCount": 1,
    "autoPromotionSeconds": 30,
    "prePromotionAnalysis": ANALYSIS,
    "scaleDownDelaySeconds": 30,
}
CANARY = {
    "steps": STEPS,
    "maxSurge": 1,
    "maxUnavailable": "25%",
    "analysis": ANALYSIS,
    "stableService": "stable",
    "canaryService": "canary",
}
EXTRAS = {
    "progressDeadlineSeconds": 100,
    "revisionHistoryLimit": 2,
    "minReadySeconds": 1,
    "rollbackWindow": {"revisions": 1},
    "restartAt": "2027-01-01T00:00:00Z",
    "paused": False,
}
SEEDS = {
    "canary": updated({"canary": CANARY}, **EXTRAS).world,
    "blueGreen": updated({"blueGreen": BLUE_GREEN}, **EXTRAS).world,
}
# The API server sees to the shape of metadata.
PLACES = {
    name: [path for path in paths(world.rollout.raw) if path and path[0] in ("spec", "status")]
    for name, world in SEEDS.items()
}


@settings(max_examples=120, deadline=None)
@given(st.data(), st.sampled_from(sorted(SEEDS)), st.integers(1, 4))
def test_wrong_shapes_anywhere_in_a_rollout_break_nothing(data, seed, count):
    world = SEEDS[seed]
    raw = world.rollout.raw
    for _ in range(count):
        places = [path for path in paths(raw) if path and path[0] in ("spec", "status")]
        if not places:
            break
        raw = with_value(raw, data.draw(st.sampled_from(places)), data.draw(json))
    world = replace(world, rollout=Rollout.decode(raw))
    made = plan(world)
    assert isinstance(made, Plan)
    again = plan(project(world, made.writes))
    assert again.writes == ()
    assert again.why


@settings(max_examples=40, deadline=None)
@given(json, json)
def test_a_rollout_that_is_nothing_like_one_breaks_nothing(spec, status):
    world = SEEDS["canary"]
    raw = {**world.rollout.raw, "spec": spec, "status": status}
    world = replace(world, rollout=Rollout.decode(raw))
    made = plan(world)
    assert plan(project(world, made.writes)).writes == ()
    assert made.why
