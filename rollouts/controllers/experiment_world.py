"""From caches, or from live reads, to the World of one Experiment.

Owns which objects a decision about an Experiment is given, and whose changes are worth a look at
it. Refuses to interpret them. Used by the experiment controller and by ``controllers.explain``.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from analysis.spec import TemplateRef
from analysis.templates import TemplateMissing, collect
from rollouts.api.experiment import Experiment
from rollouts.api.labels import INSTANCE_ID
from rollouts.controllers.gather import (
    BY_OWNER,
    BY_PREFIX,
    RUN_INDEXES,
    Caches,
    Find,
    templates_of,
)
from rollouts.controllers.manager import KeyMapper, WhenChanged, own_key, owner_key
from rollouts.controllers.runnews import of_run
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import NotFound
from rollouts.kube.queue import Key
from rollouts.kube.resources import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    CLUSTER_ANALYSIS_TEMPLATES,
    EXPERIMENTS,
    ROLLOUTS,
    Resource,
)
from rollouts.kube.store import Store
from rollouts.planner.experiment.draft import COMPLETED
from rollouts.planner.experiment.runspec import lookup, reference
from rollouts.planner.experiment.world import (
    World,
    controller_uid,
    in_traffic,
    service_name,
    set_name,
)
from rollouts.planner.world import ReplicaSet, Run

_TEMPLATE: Final = "template"
_CLUSTER_TEMPLATE: Final = "cluster-template"
above: Final = owner_key(ROLLOUTS.kind, ROLLOUTS.group)
"""The Rollout that an Experiment names as its controller."""


def by_template(experiment: Obj) -> Iterator[str]:
    """Indexer of Experiments: ``namespace/name`` of the templates they name."""
    namespace = experiment["metadata"].get("namespace", "")
    for ref in references(Experiment.decode(experiment)):
        if not ref.cluster_scope:
            yield f"{namespace}/{ref.template_name}"


def by_cluster_template(experiment: Obj) -> Iterator[str]:
    """Indexer of Experiments: the cluster's templates they name."""
    for ref in references(Experiment.decode(experiment)):
        if ref.cluster_scope:
            yield ref.template_name


EXPERIMENT_INDEXES: Final = {
    **RUN_INDEXES,
    _TEMPLATE: by_template,
    _CLUSTER_TEMPLATE: by_cluster_template,
}


def sources(caches: Caches) -> list[tuple[Store, KeyMapper]]:
    """Which changes make which Experiments worth a look."""

    def users(template: Obj) -> Iterator[Key]:
        meta = template["metadata"]
        value = f"{meta.get('namespace', '')}/{meta['name']}"
        for experiment in caches.experiments.by_index(_TEMPLATE, value):
            yield from own_key(experiment)

    def users_anywhere(template: Obj) -> Iterator[Key]:
        name = template["metadata"]["name"]
        for experiment in caches.experiments.by_index(_CLUSTER_TEMPLATE, name):
            yield from own_key(experiment)

    def given_traffic(rollout: Obj) -> Iterator[Key]:
        weights = ((rollout.get("status") or {}).get("canary") or {}).get("weights")
        mine = caches.experiments.by_index(BY_OWNER, rollout["metadata"]["uid"])
        for experiment in mine if weights else ():
            yield from own_key(experiment)

    by_owner = owner_key(EXPERIMENTS.kind, EXPERIMENTS.group)
    found: list[tuple[Store, KeyMapper]] = [
        (caches.experiments, own_key),
        (caches.replica_sets, by_owner),
        (caches.services, by_owner),
        (caches.runs, WhenChanged(by_owner, of_run)),
        (caches.templates, users),
        (caches.rollouts, given_traffic),
    ]
    if caches.cluster_templates is not None:
        found.append((caches.cluster_templates, users_anywhere))
    return found


def experiment_world(
    experiment: Experiment,
    *,
    now: float,
    replica_sets: Iterable[Obj],
    services: Iterable[Obj],
    runs: Iterable[Obj],
    template: Find,
    cluster_template: Find,
    pods: Iterable[Obj] = (),
    instance_id: str = "",
    rollout: Obj | None = None,
) -> World:
    """A World; ``now`` in seconds since the epoch. ``replica_sets`` and ``services``: those it owns
    and those with a name of its own, once each. ``rollout``: the one above, where there is one.
    """
    local, cluster = templates_of(references(experiment), template, cluster_template)
    return World(
        now=now,
        experiment=experiment,
        replica_sets=tuple(ReplicaSet.of(raw) for raw in replica_sets),
        services=tuple(services),
        runs=tuple(Run.of(raw, experiment.metadata.uid) for raw in runs),
        templates=local,
        cluster_templates=cluster,
        pods=tuple(pods),
        instance_id=instance_id,
        in_traffic=in_traffic(experiment, rollout),
    )


def references(experiment: Experiment) -> list[TemplateRef]:
    """The analysis templates an Experiment names."""
    return [reference(analysis) for analysis in experiment.spec.analyses]


def gather(caches: Caches, key: Key, now: float, instance_id: str) -> World | None:
    """The World around one Experiment, or None when it is gone."""
    raw = caches.experiments.get(key.namespace, key.name)
    if raw is None:
        return None
    experiment = Experiment.decode(raw)
    namespace, clusters = key.namespace, caches.cluster_templates
    sets = caches.replica_sets.by_index(BY_OWNER, experiment.metadata.uid)
    services = caches.services.by_index(BY_OWNER, experiment.metadata.uid)
    for template in experiment.spec.templates:
        sets = _with(sets, caches.replica_sets.get(namespace, set_name(experiment, template)))
        named = service_name(experiment, template)
        services = _with(services, caches.services.get(namespace, named) if named else None)
    return experiment_world(
        experiment,
        now=now,
        replica_sets=sets,
        services=services,
        runs=caches.runs.by_index(BY_PREFIX, f"{namespace}/{key.name}"),
        template=lambda name: caches.templates.get(namespace, name),
        cluster_template=lambda name: clusters.get("", name) if clusters else None,
        pods=[
            pod
            for rs in sets
            for pod in caches.pods.by_index(BY_OWNER, rs["metadata"].get("uid", ""))
        ],
        instance_id=instance_id,
        rollout=_rollout_above(caches, raw),
    )


def _rollout_above(caches: Caches, experiment: Obj) -> Obj | None:
    for key in above(experiment):
        rollout = caches.rollouts.get(key.namespace, key.name)
        if rollout is not None and is_controlled_by(experiment, rollout):
            return rollout
    return None


def is_controlled_by(experiment: Obj, rollout: Obj) -> bool:
    """Whether ``rollout`` is the very one that made ``experiment``."""
    return bool(rollout["metadata"].get("uid") == controller_uid(experiment))


async def with_traffic(api: KubeApi, world: World) -> World:
    """``world`` with the shares of the traffic that the Rollout above has on record just now.

    Pods are never taken away from traffic because a cache is late. Raises ApiError when the server
    does not answer.
    """
    experiment = world.experiment
    for key in above(experiment.raw):
        rollout = await _live(api, ROLLOUTS, key.name, key.namespace)
        if rollout is not None and is_controlled_by(experiment.raw, rollout):
            return replace(world, in_traffic=in_traffic(experiment, rollout))
    return world


async def confirmed(api: KubeApi, caches: Caches, world: World) -> World:
    """``world`` with what only seems to be missing, because a cache is late.

    A template or a run that is not there ends an Experiment for good, so that is never said from a
    cache alone. Raises ApiError when the server does not answer.
    """
    experiment = world.experiment
    if experiment.status.phase in COMPLETED:
        return world
    namespace = experiment.metadata.namespace
    for entry in experiment.status.analysis_runs:
        seen = entry.phase and entry.phase not in COMPLETED
        if seen and world.run_named(entry.analysis_run) is None:
            run = await _live(api, ANALYSIS_RUNS, entry.analysis_run, namespace)
            if run is not None:
                found = Run.of(run, experiment.metadata.uid)
                world = replace(world, runs=(*world.runs, found))
    while (ref := _missing(world)) is not None:
        template = await _live_template(api, caches, world, ref)
        if template is None:
            break
        field = "cluster_templates" if ref.cluster_scope else "templates"
        known: Any = {**getattr(world, field), ref.template_name: template}
        world = replace(world, **{field: known})
    return world


def _missing(world: World) -> TemplateRef | None:
    """The first template that is referred to and not known."""
    try:
        collect(references(world.experiment), lambda ref: lookup(world, ref))
    except TemplateMissing as error:
        return error.ref
    return None


async def _live_template(
    api: KubeApi, caches: Caches, world: World, ref: TemplateRef
) -> Obj | None:
    """A template as the server has it, if it is one this controller may see."""
    if ref.cluster_scope and caches.cluster_templates is None:
        return None
    resource = CLUSTER_ANALYSIS_TEMPLATES if ref.cluster_scope else ANALYSIS_TEMPLATES
    namespace = None if ref.cluster_scope else world.experiment.metadata.namespace
    found = await _live(api, resource, ref.template_name, namespace)
    labels = (found or {}).get("metadata", {}).get("labels") or {}
    return found if labels.get(INSTANCE_ID, "") == world.instance_id else None


async def _live(api: KubeApi, resource: Resource, name: str, namespace: str | None) -> Obj | None:
    try:
        return await api.get(resource, name, namespace) if name else None
    except NotFound:
        return None


def _with(objects: list[Obj], other: Obj | None) -> list[Obj]:
    """``objects``, and ``other`` where it exists and is not among them."""
    if other is None or any(each is other for each in objects):
        return objects
    return [*objects, other]
