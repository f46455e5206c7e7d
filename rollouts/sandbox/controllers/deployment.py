"""The Deployment controller: from a pod template to ReplicaSets of the right sizes.

Owns which ReplicaSet exists and how large it is; what is allowed comes from ``rolling``, what is
reported from ``deploystatus``. One pass takes one step and waits to see it: it never scales from a
cache that lacks its own last write. Looks again by itself only at the progress deadline.
"""

from collections.abc import Sequence

from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import AlreadyExists
from rollouts.kube.events import EventRecorder
from rollouts.kube.queue import Key
from rollouts.kube.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from rollouts.kube.store import Change
from rollouts.runtime.clock import Clock
from rollouts.sandbox.controllers import rolling
from rollouts.sandbox.controllers.adoption import Adopter, selector_of
from rollouts.sandbox.controllers.deploystatus import (
    Family,
    Reason,
    complete,
    counts,
    deadline,
    deploy_condition,
    deployment_status,
    pause_conditions,
)
from rollouts.sandbox.controllers.informers import Informers
from rollouts.sandbox.controllers.objects import (
    annotations,
    condition,
    controller_of,
    controller_uid,
    created_at,
    deleting,
    finished,
    key_of,
    labels,
    meta,
    spec,
    status,
    subset_differs,
    uid,
)
from rollouts.sandbox.controllers.revisions import (
    DESIRED,
    MAXIMUM,
    REVISION,
    inherited,
    newest,
    next_revision,
    replica_set_for,
    revision_of,
    same_template,
    surplus_history,
    wanted_replicas,
)
from rollouts.sandbox.controllers.worker import STALE_RETRY, Gate, Worker


class DeploymentController(Worker):
    """Reconciles apps/v1 Deployments."""

    name = "deployment"
    reads = (DEPLOYMENTS, REPLICA_SETS, PODS)

    def __init__(
        self, api: KubeApi, informers: Informers, clock: Clock, events: EventRecorder
    ) -> None:
        super().__init__(api, informers, clock)
        self._deployments = informers.store(DEPLOYMENTS)
        self._sets = informers.store(REPLICA_SETS)
        self._pods = informers.store(PODS)
        self._gate, self._events = Gate(informers, clock, *self.reads), events
        self._adopter = Adopter(api, self._gate, DEPLOYMENTS, REPLICA_SETS, self._sets)
        self._deployments.subscribe(self._deployment_changed)
        self._sets.subscribe(self._set_changed)
        self._pods.subscribe(self._pod_gone)

    def _deployment_changed(self, change: Change) -> None:
        if change.new is None:
            self._gate.forget(change.object)
        self.queue.add(key_of(change.object))

    def _set_changed(self, change: Change) -> None:
        for found in filter(None, (change.old, change.new)):
            owner = controller_of(found)
            namespace = meta(found)["namespace"]
            if owner is not None:
                if owner.get("kind") == DEPLOYMENTS.kind:
                    self.queue.add(Key(namespace, owner["name"]))
                continue
            for deployment in self._deployments.list(namespace):
                if selector_of(deployment).matches(labels(found)):
                    self.queue.add(key_of(deployment))

    def _pod_gone(self, change: Change) -> None:
        """Recreate waits for the last old pod to be gone, which no ReplicaSet status tells."""
        if change.new is not None or change.old is None:
            return
        owner = controller_of(change.old) or {}
        found = self._sets.get(meta(change.old)["namespace"], owner.get("name", ""))
        if found is not None and (controller_of(found) or {}).get("kind") == DEPLOYMENTS.kind:
            self.queue.add(Key(meta(found)["namespace"], (controller_of(found) or {})["name"]))

    async def reconcile(self, key: Key) -> float | None:
        deployment = self._deployments.get(*key)
        if deployment is None:
            return None
        if self._gate.behind(deployment):
            return STALE_RETRY
        sets = await self._adopter.claim(deployment, selector_of(deployment))
        new = newest(deployment, sets)
        old = sorted(
            (one for one in sets if one is not new),
            key=lambda found: (created_at(found), meta(found)["name"]),
        )
        family = Family(deployment, new, old, self.clock.wall())
        conditions = status(deployment).get("conditions") or []
        if not deleting(deployment):
            conditions = pause_conditions(deployment, conditions, family.now)
            conditions = await self._progress(family, conditions)
        await self._write_status(family, conditions)
        due = deadline(deployment)
        return None if due is None or due <= family.now else due - family.now

    async def _progress(self, family: Family, conditions: list[Obj]) -> list[Obj]:
        """One step towards the wanted state; returns the conditions as the step changed them."""
        if spec(family.deployment).get("paused") or _was_scaled(family):
            await self._scale_in_place(family)
            return conditions
        if family.new is None:
            return await self._create(family, conditions)
        await self._mark(family, family.new)
        if condition(family.deployment, "Progressing") is None:
            message = f'Found new replica set "{meta(family.new)["name"]}"'
            conditions = deploy_condition(
                conditions, "Progressing", "True", Reason.FOUND, message, now=family.now
            )
        if family.recreates:
            await self._recreate(family, family.new)
        else:
            await self._roll(family, family.new)
        if complete(family, counts(family)):
            await self._clean_up(family)
        return conditions

    async def _create(self, family: Family, conditions: list[Obj]) -> list[Obj]:
        if family.recreates and not await self._old_are_gone(family):
            return conditions
        deployment, total = family.deployment, sum(wanted_replicas(one) for one in family.old)
        size = rolling.scale_up(family.replicas, rolling.Size(0), total, family.limits)
        if family.recreates:
            size = family.replicas
        body = replica_set_for(
            deployment, size, next_revision(family.old), family.replicas + family.limits.surge
        )
        name, namespace = meta(body)["name"], meta(body)["namespace"]
        try:
            made = await self.api.create(REPLICA_SETS, body, namespace)
        except AlreadyExists:
            await self._collided(deployment, name)
            return conditions
        self._gate.wrote(deployment, REPLICA_SETS, made)
        self._say(deployment, f"Scaled up replica set {name} from 0 to {size}")
        await self._mark(family, made)
        message = f'Created new replica set "{name}"'
        return deploy_condition(
            conditions, "Progressing", "True", Reason.CREATED, message, now=family.now
        )

    async def _collided(self, deployment: Obj, name: str) -> None:
        """The name is taken: by ourselves, not seen yet, or by a stranger with the same hash."""
        namespace = meta(deployment)["namespace"]
        live = await self.api.get(REPLICA_SETS, name, namespace)
        ours = controller_uid(live) == uid(deployment)
        if ours and same_template(spec(live)["template"], spec(deployment)["template"]):
            self._gate.wrote(deployment, REPLICA_SETS, live)
            self.queue.add_after(key_of(deployment), STALE_RETRY)
            return
        collisions = int(status(deployment).get("collisionCount") or 0) + 1
        patch = {"metadata": {"uid": uid(deployment)}, "status": {"collisionCount": collisions}}
        made = await self.api.patch(
            DEPLOYMENTS, meta(deployment)["name"], patch, namespace, subresource="status"
        )
        self._gate.wrote(deployment, DEPLOYMENTS, made)

    async def _mark(self, family: Family, new: Obj) -> None:
        """Keep the revision number and the inherited annotations on the present ReplicaSet."""
        deployment = family.deployment
        revision = max(next_revision(family.old), revision_of(new))
        wanted = {**inherited(deployment), REVISION: str(revision)}
        min_ready = int(spec(deployment).get("minReadySeconds") or 0)
        stale = int(spec(new).get("minReadySeconds") or 0) != min_ready
        if stale or subset_differs(annotations(new), wanted):
            patch = {
                "metadata": {"annotations": wanted},
                "spec": {"minReadySeconds": min_ready},
            }
            await self._patch_set(deployment, new, patch)
        if annotations(deployment).get(REVISION) != str(revision):
            patch = {"metadata": {"annotations": {REVISION: str(revision)}}}
            name, namespace = meta(deployment)["name"], meta(deployment)["namespace"]
            made = await self.api.patch(DEPLOYMENTS, name, patch, namespace)
            self._gate.wrote(deployment, DEPLOYMENTS, made)

    async def _roll(self, family: Family, new: Obj) -> None:
        sizes = [_size(one) for one in family.old]
        total = sum(size.wanted for size in sizes) + wanted_replicas(new)
        target = rolling.scale_up(family.replicas, _size(new), total, family.limits)
        if target != wanted_replicas(new):
            await self._resize(family, new, target)
            return
        if any(
            int(status(one).get("observedGeneration") or 0) < _generation(one)
            for one in family.everyone
        ):
            return  # a ReplicaSet that has not acted on its last size reports an old truth
        targets = rolling.scale_down(family.replicas, _size(new), sizes, family.limits)
        for one, size in zip(family.old, targets, strict=True):
            await self._resize(family, one, size)

    async def _recreate(self, family: Family, new: Obj) -> None:
        if await self._old_are_gone(family):
            await self._resize(family, new, family.replicas)

    async def _old_are_gone(self, family: Family) -> bool:
        """Scales the old ReplicaSets to zero; True once none of their pods runs any more."""
        for one in family.old:
            await self._resize(family, one, 0)
        return all(
            finished(pod)
            for one in family.old
            for pod in self._pods.by_index("controller", uid(one))
        )

    async def _scale_in_place(self, family: Family) -> None:
        """Spread a changed replica count over what is there, without going on with the update."""
        active = [one for one in family.everyone if wanted_replicas(one) > 0]
        if len(active) <= 1:
            latest = family.new or (family.old[-1] if family.old else None)
            only = active[0] if active else latest
            if only is not None:
                await self._resize(family, only, family.replicas)
            return
        if family.new is not None and _saturated(family, family.new):
            for one in family.old:
                await self._resize(family, one, 0)
            return
        if family.recreates:
            return
        ordered = sorted(active, key=lambda one: (-wanted_replicas(one), created_at(one)))
        room = family.replicas + family.limits.surge if family.replicas else 0
        sizes = rolling.proportional([wanted_replicas(one) for one in ordered], room)
        for one, size in zip(ordered, sizes, strict=True):
            await self._resize(family, one, size)

    async def _resize(self, family: Family, one: Obj, size: int) -> None:
        """Set a ReplicaSet's size and what it was meant to be part of; silent where both hold."""
        marks = {
            DESIRED: str(family.replicas),
            MAXIMUM: str(family.replicas + family.limits.surge),
        }
        before = wanted_replicas(one)
        idle = before == size == 0
        if before == size and (idle or not subset_differs(annotations(one), marks)):
            return
        patch: Obj = {"metadata": {"annotations": marks}, "spec": {"replicas": size}}
        await self._patch_set(family.deployment, one, patch)
        if before != size:
            way = "up" if size > before else "down"
            name = meta(one)["name"]
            self._say(family.deployment, f"Scaled {way} replica set {name} from {before} to {size}")

    async def _patch_set(self, deployment: Obj, one: Obj, patch: Obj) -> None:
        head = {"uid": uid(one), **(patch.get("metadata") or {})}
        name, namespace = meta(one)["name"], meta(one)["namespace"]
        made = await self.api.patch(REPLICA_SETS, name, {**patch, "metadata": head}, namespace)
        self._gate.wrote(deployment, REPLICA_SETS, made)

    async def _clean_up(self, family: Family) -> None:
        for one in surplus_history(family.deployment, family.old):
            await self.api.delete(
                REPLICA_SETS, meta(one)["name"], meta(one)["namespace"], uid=uid(one)
            )
            self._gate.deleted(family.deployment, REPLICA_SETS, one)

    async def _write_status(self, family: Family, conditions: Sequence[Obj]) -> None:
        deployment = family.deployment
        wanted = deployment_status(family, list(conditions))
        zeros: Obj = dict.fromkeys(wanted, 0) | {"conditions": []}
        if not subset_differs({**zeros, **status(deployment)}, wanted):
            return
        name, namespace = meta(deployment)["name"], meta(deployment)["namespace"]
        patch = {"metadata": {"uid": uid(deployment)}, "status": wanted}
        made = await self.api.patch(DEPLOYMENTS, name, patch, namespace, subresource="status")
        self._gate.wrote(deployment, DEPLOYMENTS, made)

    def _say(self, deployment: Obj, message: str) -> None:
        self._events.record(deployment, "Normal", "ScalingReplicaSet", message)


def _size(one: Obj) -> rolling.Size:
    seen = status(one)
    return rolling.Size(
        wanted_replicas(one),
        int(seen.get("replicas") or 0),
        int(seen.get("availableReplicas") or 0),
    )


def _generation(one: Obj) -> int:
    return int(meta(one).get("generation") or 0)


def _was_scaled(family: Family) -> bool:
    """Whether ``spec.replicas`` changed since the ReplicaSets were last sized."""
    return any(
        annotations(one).get(DESIRED, str(family.replicas)) != str(family.replicas)
        for one in family.everyone
        if wanted_replicas(one) > 0
    )


def _saturated(family: Family, new: Obj) -> bool:
    return bool(
        wanted_replicas(new)
        == family.replicas
        == int(status(new).get("availableReplicas") or 0)
        == int(annotations(new).get(DESIRED, -1))
    )
