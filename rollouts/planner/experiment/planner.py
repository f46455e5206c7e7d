"""plan(World) -> Plan for an Experiment: the one place where decisions come together.

Owns the loop that makes a plan complete, and one rule: the status is stored first; pods, Services
and runs follow what is stored. So a crash between two writes leaves a world from which the same end
is reached, and planning again right after applying a plan finds nothing. Refuses to do anything.
Pure; called by the controller, ``why``, the simulator and the tests.
"""

from dataclasses import dataclass, replace
from typing import Final

from rollouts.api.experimentvalidation import first_problem
from rollouts.kube.resources import EXPERIMENTS
from rollouts.planner.experiment import analyses, runs, services, sets, status, templates, why
from rollouts.planner.experiment.draft import Draft, status_write
from rollouts.planner.experiment.project import project
from rollouts.planner.experiment.world import World
from rollouts.planner.plan import Action, Blocker, Event, Plan, Verb, Write

_MAX_PASSES: Final = 64


@dataclass(frozen=True, slots=True)
class _Pass:
    """What one pass decided. ``why`` is left to the pass without writes."""

    writes: tuple[Write, ...] = ()
    events: tuple[Event, ...] = ()
    why: tuple[Blocker, ...] = ()
    wakes: tuple[float, ...] = ()


def plan(world: World) -> Plan:
    """Everything to do now, and what to wait for then.

    Raises RuntimeError when deciding does not come to rest, which is a defect of the planner; no
    write is made in that case.
    """
    if world.experiment.metadata.deletion_timestamp is not None:
        return Plan(why=(Blocker("Deleted", "the Experiment is being deleted"),))
    actions: list[Action] = []
    current = world
    for _ in range(_MAX_PASSES):
        decided = _one_pass(current)
        if not decided.writes:
            return Plan(
                actions=_condense(actions),
                why=decided.why,
                wake_at=min(decided.wakes, default=None),
                status=current.experiment.status.to_wire(),
            )
        actions += decided.writes
        actions += (event for event in decided.events if event not in actions)
        current = project(current, decided.writes)
    meta = world.experiment.metadata
    raise RuntimeError(
        f"planning {meta.namespace}/{meta.name} does not come to rest: {actions[-3:]}"
    )


def _one_pass(world: World) -> _Pass:
    draft = Draft(world, world.experiment.status)
    leaving = draft.completed or (draft.spec.terminate and draft.status.phase)
    problem = None if leaving else first_problem(world.experiment)
    if problem is not None:
        status.invalid(draft, problem)
    else:
        analyses.follow(draft)
        templates.follow(draft)
        status.finish(draft)
    write = status_write(world.experiment, draft.status)
    if write is not None:
        draft.writes.append(write)
    elif problem is None:
        runs.follow(draft)  # first: a run must not go on measuring pods that are taken away
        sets.follow(draft)
        services.follow(draft)
    if not draft.writes:
        why.explain(draft, problem)
    wakes = tuple(wake for wake in draft.wakes if wake > world.now)
    return _Pass(tuple(draft.writes), tuple(draft.events), tuple(draft.blockers), wakes)


def _condense(actions: list[Action]) -> tuple[Action, ...]:
    """The same in fewer requests: statuses with no other write between them are stored at once."""
    condensed: list[Action] = []
    at: int | None = None
    for action in actions:
        if not isinstance(action, Write):
            condensed.append(action)
            continue
        is_status = action.verb is Verb.PATCH and action.resource == EXPERIMENTS
        if is_status and at is not None:
            earlier = condensed[at]
            assert isinstance(earlier, Write)  # noqa: S101 - it was put there as one
            together = {**earlier.body["status"], **action.body["status"]}
            condensed[at] = replace(earlier, body={"status": together})
            continue
        at = len(condensed) if is_status else None
        condensed.append(action)
    return tuple(condensed)
