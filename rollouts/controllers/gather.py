"""From caches to one World.

Owns which objects a decision about a Rollout is given. Refuses to interpret them. The rollout
controller gathers from its caches, ``controllers.explain`` from live reads; both through
``world_of``, so that ``why`` sees what the controller sees.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from analysis.decode import decode
from analysis.spec import TemplateRef, TemplateSpec
from rollouts.api.references import analyses, services
from rollouts.api.rollout import Rollout
from rollouts.controllers.reading import RolloutReader
from rollouts.controllers.routing import with_router_objects
from rollouts.controllers.trials import trials
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.queue import Key
from rollouts.kube.resources import Resource
from rollouts.kube.store import Store, by_owner
from rollouts.planner.trials import Trial
from rollouts.planner.workload import reference, usable
from rollouts.planner.world import ReplicaSet, Run, World

Find = Callable[[str], Obj | None]
BY_OWNER = "owner"
BY_PREFIX = "prefix"
ORPHANS = "orphans"
BY_WORKLOAD = "workload"


def by_name_prefix(obj: Obj) -> Iterator[str]:
    """Indexer: ``namespace/name`` cut before each dash, to find all names a Rollout might use."""
    meta = obj["metadata"]
    name, namespace = meta["name"], meta.get("namespace", "")
    for at, char in enumerate(name):
        if char == "-":
            yield f"{namespace}/{name[:at]}"


def by_orphanage(obj: Obj) -> Iterator[str]:
    """Indexer: the namespace, for objects without a controlling owner."""
    meta = obj["metadata"]
    if not any(owner.get("controller") for owner in meta.get("ownerReferences") or ()):
        yield meta.get("namespace", "")


def by_workload(rollout: Obj) -> Iterator[str]:
    """Indexer of Rollouts: ``Kind/namespace/name`` of the workload they refer to."""
    found = reference(rollout)
    if found is not None:
        resource, name = found
        yield f"{resource.kind}/{rollout['metadata'].get('namespace', '')}/{name}"


RUN_INDEXES = {BY_OWNER: by_owner, BY_PREFIX: by_name_prefix}
POD_INDEXES = {BY_OWNER: by_owner}
SET_INDEXES = {BY_OWNER: by_owner, ORPHANS: by_orphanage}
SERVICE_INDEXES = {BY_OWNER: by_owner}


@dataclass(frozen=True, slots=True)
class Caches:
    """The stores decisions are made from."""

    rollouts: Store
    replica_sets: Store
    services: Store
    pods: Store
    runs: Store
    templates: Store
    cluster_templates: Store | None
    experiments: Store
    workloads: Mapping[Resource, Store]
    """What a ``workloadRef`` may name; filled from the moment a Rollout names one of the kind."""
    reader: RolloutReader


def world_of(
    rollout: Rollout,
    *,
    now: float,
    replica_sets: Iterable[Obj],
    runs: Iterable[Obj],
    service: Find,
    template: Find,
    cluster_template: Find,
    workload: Obj | None = None,
    workload_withheld: str = "",
    rivals: Iterable[Obj] = (),
    orphans: Iterable[Obj] = (),
    pods: Iterable[Obj] = (),
    experiments: tuple[Trial, ...] = (),
    instance_id: str = "",
    witness: Rollout | None = None,
) -> World:
    """A World with what the Rollout refers to; ``now`` in seconds since the epoch."""
    uid = rollout.metadata.uid
    named = {use.name for use in services(rollout)}
    found = {name: obj for name in sorted(named) if (obj := service(name)) is not None}
    refs = [ref for use in analyses(rollout) for _, ref in use.templates]
    local, cluster = templates_of(refs, template, cluster_template)
    return World(
        now=now,
        rollout=rollout,
        replica_sets=tuple(ReplicaSet.of(raw) for raw in replica_sets),
        services=found,
        runs=tuple(Run.of(raw, uid) for raw in runs),
        experiments=experiments,
        workload=usable(workload),
        workload_withheld=workload_withheld,
        rivals=tuple(each for each in rivals if each["metadata"].get("uid") != uid),
        orphans=tuple(orphans),
        templates=local,
        cluster_templates=cluster,
        pods=tuple(pods),
        instance_id=instance_id,
        witness=witness,
    )


def templates_of(
    refs: Iterable[TemplateRef], template: Find, cluster_template: Find
) -> tuple[dict[str, Obj], dict[str, Obj]]:
    """The templates referred to and those they include, by name: the namespace's, the cluster's."""
    local: dict[str, Obj] = {}
    cluster: dict[str, Obj] = {}
    pending = list(refs)
    while pending:
        ref = pending.pop()
        known, find = (cluster, cluster_template) if ref.cluster_scope else (local, template)
        found = None if ref.template_name in known else find(ref.template_name)
        if found is not None:
            known[ref.template_name] = found
            pending += decode(TemplateSpec, found.get("spec"))[0].templates
    return local, cluster


class Gatherer:
    """Gathers Worlds from caches, and what is not cached through ``api``."""

    def __init__(self, api: KubeApi, caches: Caches, instance_id: str = "") -> None:
        self._api = api
        self.caches = caches
        self._instance_id = instance_id

    def gather(self, key: Key, now: float) -> World | None:
        """The World around one Rollout, or None when it is gone."""
        raw = self.caches.rollouts.get(key.namespace, key.name)
        if raw is None:
            self.caches.reader.forget(key)
            return None
        rollout = self.caches.reader.read(raw)
        uid, namespace = rollout.metadata.uid, key.namespace
        clusters = self.caches.cluster_templates
        sets = self.caches.replica_sets.by_index(BY_OWNER, uid)
        named = self.caches.runs.by_index(BY_PREFIX, f"{namespace}/{key.name}")
        return world_of(
            rollout,
            now=now,
            replica_sets=sets,
            runs=named,
            experiments=self._experiments(key, uid),
            workload=self._workload(raw),
            workload_withheld=self._withheld(raw),
            rivals=self._rivals(raw),
            pods=[
                pod
                for rs in sets
                for pod in self.caches.pods.by_index(BY_OWNER, rs["metadata"]["uid"])
            ],
            orphans=self.caches.replica_sets.by_index(ORPHANS, namespace),
            service=lambda name: self.caches.services.get(namespace, name),
            template=lambda name: self.caches.templates.get(namespace, name),
            cluster_template=lambda name: clusters.get("", name) if clusters else None,
            instance_id=self._instance_id,
            witness=self.caches.reader.witness(key),
        )

    async def with_router_objects(self, world: World) -> World:
        """``world`` with what its routers work on. Raises ApiError."""
        return await with_router_objects(self._api, world)

    def knows_workload(self, world: World) -> bool:
        """Whether the cache that would hold the Rollout's workload has been filled, or never will
        be as things are.
        """
        found = reference(world.rollout.raw)
        return (
            found is None or self.caches.workloads[found[0]].synced or bool(world.workload_withheld)
        )

    def _rivals(self, rollout: Obj) -> list[Obj]:
        """Rollouts that refer to the same workload as ``rollout``, itself included."""
        return [
            other
            for value in by_workload(rollout)
            for other in self.caches.rollouts.by_index(BY_WORKLOAD, value)
        ]

    def _withheld(self, rollout: Obj) -> str:
        found = reference(rollout)
        return "" if found is None else self.caches.workloads[found[0]].withheld

    def _experiments(self, key: Key, uid: str) -> tuple[Trial, ...]:
        caches = self.caches
        named = caches.experiments.by_index(BY_PREFIX, f"{key.namespace}/{key.name}")
        return trials(named, uid, caches.replica_sets, caches.services, BY_OWNER)

    def _workload(self, rollout: Obj) -> Obj | None:
        found = reference(rollout)
        if found is None:
            return None
        resource, name = found
        return self.caches.workloads[resource].get(rollout["metadata"]["namespace"], name)
