"""plan(World) -> Plan: the one place where decisions come together.

Owns the loop that makes a plan complete: decide one pass, imagine its writes made, decide again,
until nothing is left to do. So planning again right after applying a plan finds nothing, and a
crash between two writes leaves a world from which the same end is reached. Refuses to do anything.
Pure; called by the controller, the simulator, the tests and ``why``.
"""

from dataclasses import dataclass, replace
from typing import Final

from rollouts.api import labels as keys
from rollouts.api.status import RolloutStatus
from rollouts.kube.patches import apply_merge
from rollouts.kube.resources import ROLLOUTS
from rollouts.planner import (
    affinity,
    bluegreen,
    canary,
    creation,
    handover,
    malformed,
    metadata,
    restart,
    revision,
    safety,
    why,
    workload,
)
from rollouts.planner import status as statuses
from rollouts.planner.adoption import adopt
from rollouts.planner.check import check
from rollouts.planner.draft import Draft
from rollouts.planner.plan import Action, Blocker, Event, Plan, Timing, Verb, Write
from rollouts.planner.project import project
from rollouts.planner.world import World

_MAX_PASSES: Final = 64
_PASSES_PER_STEP: Final = 4  # steps that have nothing to wait for are all taken in one plan
_INVALID_RETRY_SECONDS: Final = 20.0  # what heals it may be something nobody tells us of


@dataclass(frozen=True, slots=True)
class _Pass:
    """What one pass decided; ``writes`` end with the status patch, if there is one.

    ``why`` is left to the pass without writes.
    """

    writes: tuple[Write, ...] = ()
    events: tuple[Event | Timing, ...] = ()
    why: tuple[Blocker, ...] = ()
    wakes: tuple[float, ...] = ()


def plan(world: World) -> Plan:
    """Everything to do now, and what to wait for then.

    Raises RuntimeError when deciding does not come to rest, which is a defect of the planner; no
    write is made in that case.
    """
    if world.rollout.metadata.deletion_timestamp is not None:
        return Plan(why=(Blocker("Deleted", "the Rollout is being deleted"),))
    actions: list[Action] = []
    current = world
    canary = world.rollout.spec.canary
    step_count = len(canary.steps) if canary else 0
    for _ in range(_MAX_PASSES + _PASSES_PER_STEP * step_count):
        decided = _one_pass(current)
        if not decided.writes:
            return Plan(
                actions=_condense(world.rollout.status, actions),
                why=(*creation.blockers(world, actions), *decided.why),
                wake_at=min(decided.wakes, default=None),
                status=current.rollout.raw.get("status"),
                remarks=malformed.remarks(world),
            )
        actions += decided.writes
        actions += (event for event in decided.events if event not in actions)
        current = project(current, decided.writes)
    meta = world.rollout.metadata
    raise RuntimeError(
        f"planning {meta.namespace}/{meta.name} does not come to rest: {actions[-3:]}"
    )


def _one_pass(world: World) -> _Pass:
    world = workload.resolve(world)
    problem = check(world)
    if problem is not None:
        status, events = statuses.invalid(world, problem)
        write = statuses.write(world.rollout, status)
        wakes = (world.now + _INVALID_RETRY_SECONDS,)
        return _Pass((write,) if write else (), events, (why.invalid(world, problem),), wakes)
    if world.rollout.spec.replicas is None:
        body = {"spec": {"replicas": world.rollout.spec.replicas_or_default}}
        version = world.rollout.metadata.resource_version
        name = world.rollout.metadata.name
        return _Pass((Write(Verb.PATCH, ROLLOUTS, name, body, resource_version=version),))
    noted = workload.note_generation(world)
    if noted is not None:
        return _Pass((noted,))
    adopted = adopt(world)
    if adopted:
        return _Pass(adopted)
    found = revision.sort_out(world)
    if found.new is None:
        write, created = revision.create(world, found)
        return _Pass((write,), created)
    draft = Draft(world, found.new, found.stable, found.others, world.rollout.status)
    spec = world.rollout.spec
    if spec.canary is not None:
        canary.run_pass(draft, spec.canary)
    elif spec.blue_green is not None:
        bluegreen.run_pass(draft, spec.blue_green)
    safety.restrain(draft)
    affinity.refresh(draft)
    metadata.run(draft)
    restart.run(draft)
    statuses.finish(draft)
    patch = statuses.write(world.rollout, draft.status)
    if patch is None and not draft.writes:
        handover.follow(draft)
        safety.restrain(draft)
        handover.note(draft)
        patch = statuses.write(world.rollout, draft.status)
    if patch is None and not draft.writes:
        why.explain(draft)
    return _Pass(
        (*draft.writes, *((patch,) if patch else ())),
        (*draft.events, *draft.timings),
        tuple(draft.blockers),
        tuple(wake for wake in draft.wakes if wake > world.now),
    )


def _condense(before: RolloutStatus, actions: list[Action]) -> tuple[Action, ...]:
    """The same in fewer requests.

    What is patched right after being created is created that way, unless its pods take the place
    of others that must go first. Two status patches with no other
    write between them become one, unless the step index would be seen to jump.
    """
    condensed: list[Action] = []
    open_status: int | None = None  # where the status patch stands that may still take in another
    index = before.current_step_index or 0  # the step index as stored before that patch
    for action in actions:
        if not isinstance(action, Write):
            condensed.append(action)
            continue
        made = _creation_of(condensed, action)
        if made is not None:
            condensed[made] = _with_body(condensed[made], action)
            continue
        last = None if open_status is None else condensed[open_status]
        if open_status is not None and _joinable(last, action, index):
            condensed[open_status] = _with_body(condensed[open_status], action)
            continue
        if isinstance(last, Write):
            index = _index_in(last, index)
        open_status = len(condensed) if action.subresource == "status" else None
        condensed.append(action)
    return tuple(condensed)


def _creation_of(actions: list[Action], patch: Write) -> int | None:
    if patch.verb is not Verb.PATCH or patch.subresource:
        return None
    same = (patch.resource, patch.name)
    for at, made in enumerate(actions):
        if not isinstance(made, Write) or made.verb is not Verb.CREATE:
            continue
        if (made.resource, made.name) == same:
            between = (each for each in actions[at + 1 :] if isinstance(each, Write))
            moved = patch.effect is not None and any(each.effect for each in between)
            return None if moved else at
    return None


def _joinable(last: Action | None, write: Write, index: int) -> bool:
    if not isinstance(last, Write) or write.subresource != "status":
        return False
    first = _index_in(last, index)
    second = _index_in(write, first)
    return first in (index, second)


def _index_in(write: Write, otherwise: int) -> int:
    found = write.body["status"].get("currentStepIndex", otherwise)
    return found if isinstance(found, int) else 0


def _with_body(first: Action, second: Write) -> Write:
    """One request with the effect of both."""
    assert isinstance(first, Write)  # noqa: S101 - the callers found it by being one
    merged = _merged(first.body, second.body) if first.verb is Verb.PATCH else None
    body = apply_merge(first.body, second.body) if merged is None else merged
    return replace(first, body=body)


def _merged(first: dict[str, object], second: dict[str, object]) -> dict[str, object]:
    """One merge patch with the effect of two: nulls are kept, since they delete."""
    result = dict(first)
    for key, value in second.items():
        old = result.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        result[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return result


def is_managed(world: World) -> bool:
    """Whether the Rollout belongs to this controller instance."""
    label = world.rollout.metadata.labels.get(keys.INSTANCE_ID, "")
    return label == world.instance_id
