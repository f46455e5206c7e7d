"""Carrying out a Plan, write by write.

Owns the requests, their preconditions and the record of what was written. Stops at the first
failure and decides nothing: the next reconcile plans again from what is there. Called by the
rollout controller.
"""

from collections.abc import Callable
from typing import Final

from rollouts.api.reasons import EventReason
from rollouts.controllers.podwrites import PodWrites
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import AlreadyExists, ApiError, Conflict, Forbidden, Invalid, NotFound
from rollouts.kube.queue import Key
from rollouts.kube.resources import REPLICA_SETS, ROLLOUTS
from rollouts.kube.writes import WriteLog
from rollouts.planner.plan import Event, Plan, ScaleWorkload, Timing, Verb, Write
from rollouts.planner.world import World

Record = Callable[[Obj, str, str, str], None]
"""Records an event: object, type, reason, message."""
Timed = Callable[[Timing], None]
"""Hears of an update that has ended, once that is stored."""
_FIELD_OF_COLLISIONS: Final = "collisionCount"


class Executor:
    """Writes for Rollouts through one KubeApi."""

    def __init__(
        self, api: KubeApi, log: WriteLog, record: Record, timed: Timed | None = None
    ) -> None:
        self._api = api
        self._log = log
        self._record = record
        self._timed = timed

    async def execute(self, world: World, plan: Plan) -> None:
        """Carry out the plan's actions in order. Raises the ApiError of the first that fails.

        A plan that begins with the Rollout itself is refused by the server when it was made from
        an older one; any other is compared with the live Rollout first, since a precondition on a
        Service or a ReplicaSet says nothing about what was decided from. A stretch of optional
        writes is carried out together.
        """
        if plan.writes and plan.writes[0].resource != ROLLOUTS:
            await self._confirm_decided_from(world)
        versions: dict[tuple[str, str], tuple[str, str]] = {}
        pods = PodWrites(self._api, self._log, self._record, world)
        asked: list[Write] = []
        for action in (*plan.actions, None):
            if isinstance(action, Write) and action.optional:
                asked.append(action)
                continue
            await pods.send(asked)
            asked = []
            if isinstance(action, Event):
                self._record(world.rollout.raw, action.type, action.reason, action.message)
            elif isinstance(action, Timing):
                if self._timed is not None:
                    self._timed(action)
            elif action is not None:
                try:
                    await self._write(world, action, versions)
                except (Forbidden, Invalid) as error:
                    self._refused(world, action, error)
                    raise

    async def _write(
        self, world: World, write: Write, versions: dict[tuple[str, str], tuple[str, str]]
    ) -> None:
        """Send one request. ``versions``: per object of this plan, the version the plan was made
        from and the version our own last write left behind.
        """
        namespace = world.rollout.metadata.namespace
        owner = Key(namespace, world.rollout.metadata.name)
        uid = world.rollout.metadata.uid
        if write.owner_must_exist:
            await self._confirm_owner(world)
        if write.verb is Verb.DELETE:
            await self._delete(world, write)
            return
        target = (write.resource.plural, write.name)
        if write.verb is Verb.CREATE:
            written = await self._create(world, write)
        else:
            decided, ours = versions.get(target, ("", ""))
            version = ours if ours and decided == write.resource_version else write.resource_version
            body = _with_precondition(write.body, version)
            place = write.namespace or namespace
            written = await self._api.patch(
                write.resource, write.name, body, place, subresource=write.subresource
            )
        left = str(written["metadata"].get("resourceVersion", ""))
        versions[target] = (write.resource_version, left)
        self._log.wrote(owner, uid, write.resource, written)

    def _refused(self, world: World, write: Write, error: ApiError) -> None:
        """What is not ours may be withheld from us; everything of the Rollout itself is done."""
        if isinstance(write.effect, ScaleWorkload):
            message = (
                f"{write.resource.kind} {write.name} stays at {write.effect.old} replicas: "
                f"{error.message}; allow it, or set spec.workloadRef.scaleDown to never"
            )
            self._record(world.rollout.raw, "Warning", EventReason.RECONCILIATION_ERROR, message)

    async def _confirm_owner(self, world: World) -> None:
        """The Rollout as the server has it, not the cache, must be the one decided for."""
        meta = world.rollout.metadata
        live = await self._api.get(ROLLOUTS, meta.name, meta.namespace)
        if live["metadata"].get("uid") != meta.uid or live["metadata"].get("deletionTimestamp"):
            raise Conflict(f'rollout "{meta.name}" is not the one it was any more')

    async def _confirm_decided_from(self, world: World) -> None:
        """The Rollout must still be, to the letter, the one the plan was made from."""
        meta = world.rollout.metadata
        live = await self._api.get(ROLLOUTS, meta.name, meta.namespace)
        if live["metadata"].get("resourceVersion", "") != meta.resource_version:
            raise Conflict(f'rollout "{meta.name}" has changed since this was decided')

    async def _delete(self, world: World, write: Write) -> None:
        namespace = world.rollout.metadata.namespace
        try:
            await self._api.delete(
                write.resource,
                write.name,
                namespace,
                uid=write.uid,
                resource_version=write.resource_version,
            )
        except NotFound:
            return
        gone = {"metadata": {"namespace": namespace, "name": write.name, "uid": write.uid}}
        owner = Key(namespace, world.rollout.metadata.name)
        self._log.deleted(owner, world.rollout.metadata.uid, write.resource, gone)

    async def _create(self, world: World, write: Write) -> Obj:
        """Create, or find that an earlier attempt has created it already."""
        namespace = write.namespace or world.rollout.metadata.namespace
        try:
            return await self._api.create(write.resource, write.body, namespace)
        except AlreadyExists:
            existing = await self._api.get(write.resource, write.name, namespace)
        owners = existing["metadata"].get("ownerReferences") or []
        if any(o.get("uid") == world.rollout.metadata.uid and o.get("controller") for o in owners):
            return existing
        if write.resource == REPLICA_SETS:
            await self._avoid_name(world)
        raise Conflict(
            f'{write.resource.kind} "{write.name}" exists and belongs to somebody else; '
            "another name is chosen"
        )

    async def _avoid_name(self, world: World) -> None:
        """Count the collision, which changes the hash and so the next name."""
        meta = world.rollout.metadata
        count = (world.rollout.status.collision_count or 0) + 1
        body = {"status": {_FIELD_OF_COLLISIONS: count}}
        await self._api.patch(
            ROLLOUTS,
            meta.name,
            _with_precondition(body, meta.resource_version),
            meta.namespace,
            subresource="status",
        )


def _with_precondition(body: Obj, version: str) -> Obj:
    if not version:
        return body
    return {**body, "metadata": {**(body.get("metadata") or {}), "resourceVersion": version}}
