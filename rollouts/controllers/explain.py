"""Why a Rollout waits, asked from outside the controller.

Owns reading one Rollout's world straight from the API server and putting the planner's own question
to it, so the answer is the controller's. Writes nothing. Called by ``rollouts why``.
"""

from analysis.decode import decode
from analysis.spec import TemplateRef, TemplateSpec
from rollouts.api import labels as keys
from rollouts.api.experiment import Experiment
from rollouts.api.reasons import Phase
from rollouts.api.references import analyses, services
from rollouts.api.rollout import Rollout
from rollouts.controllers.gather import by_orphanage, world_of
from rollouts.controllers.routing import with_router_objects
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import NotFound
from rollouts.kube.resources import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    CLUSTER_ANALYSIS_TEMPLATES,
    EXPERIMENTS,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
    Resource,
)
from rollouts.planner.experiment.world import service_name
from rollouts.planner.plan import Blocker
from rollouts.planner.planner import plan
from rollouts.planner.trials import Trial
from rollouts.planner.workload import reference
from rollouts.planner.world import World


async def explain(
    api: KubeApi, namespace: str, name: str, now: float
) -> tuple[Phase, str, tuple[Blocker, ...]]:
    """(phase, message, blockers) of a Rollout at ``now``; raises NotFound when there is none."""
    world = await observe(api, namespace, name, now)
    answer = plan(world)
    status = answer.status or {}
    phase = Phase(status.get("phase") or Phase.PROGRESSING)
    return phase, str(status.get("message", "")), answer.why


async def observe(api: KubeApi, namespace: str, name: str, now: float) -> World:
    """The World around a Rollout, read live."""
    rollout = Rollout.decode(await api.get(ROLLOUTS, name, namespace))
    uid = rollout.metadata.uid
    sets = await _items(api, REPLICA_SETS, namespace, labels=keys.POD_TEMPLATE_HASH)
    pods = await _items(api, PODS, namespace, labels=keys.POD_TEMPLATE_HASH)
    runs = await _items(api, ANALYSIS_RUNS, namespace)
    named: dict[str, Obj] = {}
    for use in services(rollout):
        await _read(api, SERVICES, namespace, use.name, named)
    workload: dict[str, Obj] = {}
    rivals: list[Obj] = []
    if (referred := reference(rollout.raw)) is not None:
        await _read(api, referred[0], namespace, referred[1], workload)
        others = await _items(api, ROLLOUTS, namespace)
        rivals = [each for each in others if reference(each) == referred]
    local: dict[str, Obj] = {}
    cluster: dict[str, Obj] = {}
    pending: list[TemplateRef] = [ref for use in analyses(rollout) for _, ref in use.templates]
    while pending:
        ref = pending.pop()
        known = cluster if ref.cluster_scope else local
        if ref.template_name in known:
            continue
        resource = CLUSTER_ANALYSIS_TEMPLATES if ref.cluster_scope else ANALYSIS_TEMPLATES
        scope = None if ref.cluster_scope else namespace
        await _read(api, resource, scope, ref.template_name, known)
        found = known.get(ref.template_name)
        if found is not None:
            pending += decode(TemplateSpec, found.get("spec"))[0].templates
    world = world_of(
        rollout,
        now=now,
        replica_sets=[obj for obj in sets if _owned(obj, uid)],
        workload=next(iter(workload.values()), None),
        rivals=rivals,
        orphans=[obj for obj in sets if next(by_orphanage(obj), None) is not None],
        experiments=await _experiments(api, namespace, rollout, sets),
        runs=[obj for obj in runs if obj["metadata"]["name"].startswith(f"{name}-")],
        service=named.get,
        template=local.get,
        cluster_template=cluster.get,
        pods=pods,
        instance_id=rollout.metadata.labels.get(keys.INSTANCE_ID, ""),
    )
    return await with_router_objects(api, world)


async def _experiments(
    api: KubeApi, namespace: str, rollout: Rollout, sets: list[Obj]
) -> tuple[Trial, ...]:
    found: list[Trial] = []
    for raw in await _items(api, EXPERIMENTS, namespace):
        if not raw["metadata"]["name"].startswith(f"{rollout.metadata.name}-"):
            continue
        experiment, named = Experiment.decode(raw), dict[str, Obj]()
        for template in experiment.spec.templates:
            if name := service_name(experiment, template):
                await _read(api, SERVICES, namespace, name, named)
        found.append(Trial.of(raw, rollout.metadata.uid, sets, named.values()))
    return tuple(found)


def _owned(obj: Obj, uid: str) -> bool:
    owners = obj["metadata"].get("ownerReferences") or []
    return any(owner.get("uid") == uid for owner in owners)


async def _items(
    api: KubeApi, resource: Resource, namespace: str, *, labels: str = ""
) -> list[Obj]:
    page = await api.list(resource, namespace, labels=labels)
    items: list[Obj] = page.get("items") or []
    return items


async def _read(
    api: KubeApi, resource: Resource, namespace: str | None, name: str, into: dict[str, Obj]
) -> None:
    try:
        into[name] = await api.get(resource, name, namespace)
    except NotFound:
        return
