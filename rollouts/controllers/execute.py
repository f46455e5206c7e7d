"""Carrying out a Plan, write by write.

Owns the requests, their preconditions and the record of what was written. Stops at the first
failure and decides nothing: the next reconcile plans again from what is there. Called by the
controllers of Rollouts and of Experiments.
"""

from collections.abc import Callable
from dataclasses import dataclass

from rollouts.api.reasons import EventReason
from rollouts.controllers.podwrites import PodWrites
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import AlreadyExists, ApiError, Conflict, Forbidden, Invalid, NotFound
from rollouts.kube.queue import Key
from rollouts.kube.resources import REPLICA_SETS, ROLLOUTS, Resource
from rollouts.kube.writes import WriteLog
from rollouts.planner.plan import Event, Plan, ScaleWorkload, Timing, Verb, Write

Record = Callable[[Obj, str, str, str], None]
"""Records an event: object, type, reason, message."""
Timed = Callable[[Timing], None]
"""Hears of an update that has ended, once that is stored."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The object a plan was made from; what the plan creates belongs to it."""

    resource: Resource
    raw: Obj

    @property
    def name(self) -> str:
        return str(self.raw["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.raw["metadata"].get("namespace", ""))

    @property
    def uid(self) -> str:
        return str(self.raw["metadata"].get("uid", ""))

    @property
    def version(self) -> str:
        return str(self.raw["metadata"].get("resourceVersion", ""))

    @property
    def key(self) -> Key:
        return Key(self.namespace, self.name)

    def owns(self, obj: Obj) -> bool:
        """Whether it is the controlling owner of ``obj``."""
        owners = obj["metadata"].get("ownerReferences") or []
        return any(each.get("uid") == self.uid and each.get("controller") for each in owners)

    def parent(self) -> Obj | None:
        """As much of its own controlling owner as an event needs."""
        for each in self.raw["metadata"].get("ownerReferences") or []:
            if each.get("controller"):
                meta = {"namespace": self.namespace, "name": each["name"], "uid": each["uid"]}
                return {
                    "apiVersion": each["apiVersion"],
                    "kind": each["kind"],
                    "metadata": meta,
                }
        return None


class Executor:
    """Writes for the owners of one kind through one KubeApi."""

    def __init__(
        self, api: KubeApi, log: WriteLog, record: Record, timed: Timed | None = None
    ) -> None:
        self._api = api
        self._log = log
        self._record = record
        self._timed = timed

    async def execute(self, owner: Owner, plan: Plan) -> None:
        """Carry out the plan's actions in order. Raises the ApiError of the first that fails.

        A plan that begins with the owner itself is refused by the server when it was made from
        an older one; any other is compared with the live owner first, since a precondition on a
        Service or a ReplicaSet says nothing about what was decided from. A stretch of optional
        writes is carried out together.
        """
        if plan.writes and plan.writes[0].resource != owner.resource:
            await self._confirm_decided_from(owner)
        versions: dict[tuple[str, str], tuple[str, str]] = {}
        pods = PodWrites(self._api, self._log, self._record, owner.raw)
        asked: list[Write] = []
        for action in (*plan.actions, None):
            if isinstance(action, Write) and action.optional:
                asked.append(action)
                continue
            await pods.send(asked)
            asked = []
            if isinstance(action, Event):
                self.tell(owner, action)
            elif isinstance(action, Timing):
                if self._timed is not None:
                    self._timed(action)
            elif action is not None:
                await self._try(owner, action, versions)

    def tell(self, owner: Owner, event: Event) -> None:
        """Record an event about ``owner``."""
        parent = owner.parent() if event.upwards else None
        for about in (owner.raw, parent):
            if about is not None:
                self._record(about, event.type, event.reason, event.message)

    async def _try(
        self, owner: Owner, write: Write, versions: dict[tuple[str, str], tuple[str, str]]
    ) -> None:
        """Send one request; where the server will never take it, what the plan has for that."""
        try:
            await self._write(owner, write, versions)
        except (AlreadyExists, Forbidden, Invalid) as error:
            self._refused(owner, write, error)
            other = write.otherwise(error) if write.otherwise is not None else None
            if other is not None:
                await self._write(owner, other, versions)
            if other is not None or isinstance(error, AlreadyExists):
                raise Conflict(f"{error.message}; this is decided anew") from error
            raise

    async def _write(
        self, owner: Owner, write: Write, versions: dict[tuple[str, str], tuple[str, str]]
    ) -> None:
        """Send one request. ``versions``: per object of this plan, the version the plan was made
        from and the version our own last write left behind.
        """
        if write.owner_must_exist:
            await self._confirm_owner(owner)
        if write.verb is Verb.DELETE:
            await self._delete(owner, write)
            return
        target = (write.resource.plural, write.name)
        if write.verb is Verb.CREATE:
            written = await self._create(owner, write)
        else:
            decided, ours = versions.get(target, ("", ""))
            version = ours if ours and decided == write.resource_version else write.resource_version
            body = _with_precondition(write.body, version)
            place = write.namespace or owner.namespace
            written = await self._api.patch(
                write.resource, write.name, body, place, subresource=write.subresource
            )
        left = str(written["metadata"].get("resourceVersion", ""))
        versions[target] = (write.resource_version, left)
        self._log.wrote(owner.key, owner.uid, write.resource, written)

    def _refused(self, owner: Owner, write: Write, error: ApiError) -> None:
        """What is not ours may be withheld from us; everything of the owner itself is done."""
        if isinstance(write.effect, ScaleWorkload):
            message = (
                f"{write.resource.kind} {write.name} stays at {write.effect.old} replicas: "
                f"{error.message}; allow it, or set spec.workloadRef.scaleDown to never"
            )
            self._record(owner.raw, "Warning", EventReason.RECONCILIATION_ERROR, message)
        elif write.resource == REPLICA_SETS and owner.resource == ROLLOUTS:
            if write.verb is not Verb.CREATE or isinstance(error, AlreadyExists):
                return
            message = f'Failed to create new replica set "{write.name}": {error.message}'
            self._record(owner.raw, "Warning", EventReason.REPLICA_SET_CREATE_ERROR, message)

    async def _confirm_owner(self, owner: Owner) -> None:
        """The owner as the server has it, not the cache, must be the one decided for."""
        live = await self._api.get(owner.resource, owner.name, owner.namespace)
        if live["metadata"].get("uid") != owner.uid or live["metadata"].get("deletionTimestamp"):
            raise Conflict(f'{owner.resource.kind} "{owner.name}" is not the one it was any more')

    async def _confirm_decided_from(self, owner: Owner) -> None:
        """The owner must still be, to the letter, the one the plan was made from."""
        live = await self._api.get(owner.resource, owner.name, owner.namespace)
        if live["metadata"].get("resourceVersion", "") != owner.version:
            kind = owner.resource.kind
            raise Conflict(f'{kind} "{owner.name}" has changed since this was decided')

    async def _delete(self, owner: Owner, write: Write) -> None:
        try:
            await self._api.delete(
                write.resource,
                write.name,
                owner.namespace,
                uid=write.uid,
                resource_version=write.resource_version,
            )
        except NotFound:
            return
        gone = {"metadata": {"namespace": owner.namespace, "name": write.name, "uid": write.uid}}
        self._log.deleted(owner.key, owner.uid, write.resource, gone)

    async def _create(self, owner: Owner, write: Write) -> Obj:
        """Create, or find that an earlier attempt has created it already."""
        namespace = write.namespace or owner.namespace
        try:
            return await self._api.create(write.resource, write.body, namespace)
        except AlreadyExists:
            existing = await self._api.get(write.resource, write.name, namespace)
        if owner.owns(existing):
            return existing
        raise AlreadyExists(
            f'{write.resource.kind} "{write.name}" exists and belongs to somebody else'
        )


def _with_precondition(body: Obj, version: str) -> Obj:
    if not version:
        return body
    return {**body, "metadata": {**(body.get("metadata") or {}), "resourceVersion": version}}
