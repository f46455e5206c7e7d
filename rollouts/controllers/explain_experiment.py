"""Why an Experiment waits, asked from outside the controller.

Owns reading one Experiment's world straight from the API server and putting the planner's own
question to it, so the answer is the controller's. Writes nothing. Called by the command line.
"""

from analysis.decode import decode
from analysis.spec import TemplateSpec
from rollouts.api import labels as keys
from rollouts.api.experiment import Experiment
from rollouts.controllers.experiment_world import (
    above,
    experiment_world,
    is_controlled_by,
    references,
)
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
from rollouts.planner.experiment.planner import plan
from rollouts.planner.experiment.world import World, controller_uid, service_name, set_name
from rollouts.planner.plan import Blocker


async def explain_experiment(
    api: KubeApi, namespace: str, name: str, now: float
) -> tuple[str, str, tuple[Blocker, ...]]:
    """(phase, message, blockers) of an Experiment at ``now``. Raises NotFound."""
    answer = plan(await observe_experiment(api, namespace, name, now))
    status = answer.status or {}
    return str(status.get("phase", "")), str(status.get("message", "")), answer.why


async def observe_experiment(api: KubeApi, namespace: str, name: str, now: float) -> World:
    """The World around an Experiment, read live."""
    experiment = Experiment.decode(await api.get(EXPERIMENTS, name, namespace))
    templates = experiment.spec.templates
    sets = {set_name(experiment, each) for each in templates}
    services = {service_name(experiment, each) for each in templates} - {""}
    local, cluster = await _templates(api, namespace, experiment)
    return experiment_world(
        experiment,
        now=now,
        replica_sets=await _ours(api, REPLICA_SETS, experiment, sets),
        services=await _ours(api, SERVICES, experiment, services),
        runs=[
            run
            for run in await _items(api, ANALYSIS_RUNS, namespace)
            if run["metadata"]["name"].startswith(f"{name}-")
        ],
        template=local.get,
        cluster_template=cluster.get,
        pods=await _items(api, PODS, namespace, labels=keys.POD_TEMPLATE_HASH),
        instance_id=experiment.metadata.labels.get(keys.INSTANCE_ID, ""),
        rollout=await _rollout_above(api, experiment),
    )


async def _rollout_above(api: KubeApi, experiment: Experiment) -> Obj | None:
    for key in above(experiment.raw):
        try:
            rollout = await api.get(ROLLOUTS, key.name, key.namespace)
        except NotFound:
            return None
        return rollout if is_controlled_by(experiment.raw, rollout) else None
    return None


async def _ours(
    api: KubeApi, resource: Resource, experiment: Experiment, names: set[str]
) -> list[Obj]:
    """What it owns, and what has a name it would use."""
    found = await _items(api, resource, experiment.metadata.namespace)
    uid = experiment.metadata.uid
    return [o for o in found if controller_uid(o) == uid or o["metadata"]["name"] in names]


async def _templates(
    api: KubeApi, namespace: str, experiment: Experiment
) -> tuple[dict[str, Obj], dict[str, Obj]]:
    """The analysis templates it names and those they include."""
    local: dict[str, Obj] = {}
    cluster: dict[str, Obj] = {}
    pending = references(experiment)
    while pending:
        ref = pending.pop()
        known = cluster if ref.cluster_scope else local
        if ref.template_name in known:
            continue
        resource = CLUSTER_ANALYSIS_TEMPLATES if ref.cluster_scope else ANALYSIS_TEMPLATES
        try:
            found = await api.get(
                resource, ref.template_name, None if ref.cluster_scope else namespace
            )
        except NotFound:
            continue
        known[ref.template_name] = found
        pending += decode(TemplateSpec, found.get("spec"))[0].templates
    return local, cluster


async def _items(
    api: KubeApi, resource: Resource, namespace: str, *, labels: str = ""
) -> list[Obj]:
    page = await api.list(resource, namespace, labels=labels)
    kind = {"apiVersion": resource.api_version, "kind": resource.kind}
    return [{**kind, **item} for item in page.get("items") or []]
