"""When the server does not take a new ReplicaSet: what is stored about it, and what is said.

Owns the way out of a taken name, the condition of one that is refused (Argo Rollouts' behaviour),
and the blocker as long as it is. Pure; asked by ``planner.revision`` and ``planner.planner``.
"""

from collections.abc import Callable
from typing import Final

from rollouts.api.conditions import Condition, Truth, get, replace
from rollouts.api.reasons import ConditionType, Reason
from rollouts.api.status import RolloutStatus
from rollouts.kube.errors import AlreadyExists, ApiError
from rollouts.kube.resources import REPLICA_SETS, ROLLOUTS
from rollouts.planner.plan import Action, Blocker, Obj, Verb, Write
from rollouts.planner.world import World

_PROGRESSING: Final = ConditionType.PROGRESSING


def otherwise(world: World, name: str) -> Callable[[ApiError], Write | None]:
    """What to store instead of creating the ReplicaSet ``name``; nothing when it is stored."""

    def stored(error: ApiError) -> Write | None:
        status = world.rollout.status
        if isinstance(error, AlreadyExists):  # counted, which changes the hash and so the next name
            return _patch(world, {"collisionCount": (status.collision_count or 0) + 1})
        message = f'Failed to create new replica set "{name}": {error.message}'
        failed = Condition.at(
            world.now, _PROGRESSING, Truth.FALSE, Reason.REPLICA_SET_CREATE_ERROR, message
        )
        before = get(status.conditions, _PROGRESSING)
        if before is not None and (before.reason, before.message) == (failed.reason, message):
            return None
        return _patch(world, _conditions(status, failed))

    return stored


def blockers(world: World, actions: list[Action]) -> tuple[Blocker, ...]:
    """What stands in the way of a plan that creates a ReplicaSet, if it was refused before."""
    condition = get(world.rollout.status.conditions, _PROGRESSING)
    if condition is None or condition.reason != Reason.REPLICA_SET_CREATE_ERROR:
        return ()
    writes = (each for each in actions if isinstance(each, Write))
    if not any(each.verb is Verb.CREATE and each.resource == REPLICA_SETS for each in writes):
        return ()
    name = world.rollout.metadata.name
    return (
        Blocker(
            "ReplicaSetCreateError",
            condition.message,
            object=f"Rollout/{name}",
            field="spec.template",
            since=condition.last_transition_time,
            then="it is tried again and again",
            command=f"kubectl get events -n {world.rollout.metadata.namespace}",
        ),
    )


def _conditions(status: RolloutStatus, changed: Condition) -> Obj:
    after = status.model_copy(update={"conditions": replace(status.conditions, changed)})
    return {"conditions": after.to_wire({"conditions"})["conditions"]}


def _patch(world: World, status: Obj) -> Write:
    meta = world.rollout.metadata
    return Write(
        Verb.PATCH,
        ROLLOUTS,
        meta.name,
        {"status": status},
        subresource="status",
        resource_version=meta.resource_version,
    )
