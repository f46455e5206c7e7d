"""The workload a Rollout takes its pod template from.

Owns reading ``spec.workloadRef``: which Deployment, ReplicaSet or PodTemplate of the same namespace
is meant, and its template and selector. Refuses to store them: a resolved Rollout lives for one
pass, and every write to a Rollout is a patch that does not name them. How many pods the workload
keeps is ``planner.handover``'s business. Pure; called by ``planner.planner``, and by whoever has to
fetch workloads.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from analysis.decode import decode
from rollouts.api import labels as keys
from rollouts.api.fielderror import FieldError
from rollouts.api.meta import LabelSelector
from rollouts.kube.resources import DEPLOYMENTS, POD_TEMPLATES, REPLICA_SETS, ROLLOUTS, Resource
from rollouts.planner.plan import Obj, Verb, Write
from rollouts.planner.world import World

KINDS: Final[Mapping[tuple[str, str], Resource]] = MappingProxyType(
    {(one.api_version, one.kind): one for one in (DEPLOYMENTS, REPLICA_SETS, POD_TEMPLATES)}
)
"""What can be referred to, by API version and kind."""
ON_SUCCESS: Final = "onsuccess"
PROGRESSIVELY: Final = "progressively"
SCALING: Final = (ON_SUCCESS, PROGRESSIVELY)
"""Values of ``scaleDown`` that take pods away from a Deployment."""
_AT: Final = "spec.workloadRef"


def reference(rollout: Obj) -> tuple[Resource, str] | None:
    """What a Rollout object refers to, or None where that is nothing or nothing supported."""
    spec: Any = rollout.get("spec")
    ref = spec.get("workloadRef") if isinstance(spec, dict) else None
    if not isinstance(ref, dict):
        return None
    api_version, kind, name = ref.get("apiVersion"), ref.get("kind"), ref.get("name")
    if not all(isinstance(part, str) and part for part in (api_version, kind, name)):
        return None
    resource = KINDS.get((str(api_version), str(kind)))
    return None if resource is None else (resource, str(name))


def usable(workload: Obj | None) -> Obj | None:
    """``workload`` unless it is a ReplicaSet of some Rollout: that would feed on itself."""
    labels = (workload or {}).get("metadata", {}).get("labels") or {}
    return None if keys.POD_TEMPLATE_HASH in labels else workload


def template_path(resource: Resource) -> tuple[str, ...]:
    """Where objects of a type keep their pod template."""
    return ("template",) if resource == POD_TEMPLATES else ("spec", "template")


def template_of(workload: Obj) -> Obj:
    """The pod template of a workload; empty where it has none."""
    holder = workload if workload.get("kind") == POD_TEMPLATES.kind else workload.get("spec") or {}
    template: Obj = holder.get("template") or {}
    return template


def resolve(world: World) -> World:
    """The World with template and selector filled in; unchanged where nothing can be."""
    rollout, workload = world.rollout, world.workload
    if rollout.spec.workload_ref is None or workload is None or _has_template(world):
        return world
    spec: dict[str, Any] = {"template": template_of(workload)}
    raw = dict(spec)
    selector = (workload.get("spec") or {}).get("selector")
    if rollout.spec.selector is None and selector:
        raw["selector"] = selector
        spec["selector"] = decode(LabelSelector, selector)[0]
    resolved = replace(
        rollout,
        spec=rollout.spec.model_copy(update=spec),
        raw={**rollout.raw, "spec": {**rollout.raw["spec"], **raw}},
        verdicts={},
    )
    return replace(world, rollout=resolved)


def _has_template(world: World) -> bool:
    meta = world.rollout.spec.template.get("metadata") or {}
    return bool(meta.get("labels") or meta.get("annotations"))


def is_resolved(world: World) -> bool:
    """Whether the template of ``world``'s Rollout is the workload's."""
    workload = world.workload
    return workload is not None and world.rollout.spec.template == template_of(workload)


def problem(world: World) -> FieldError | None:
    """Why the reference of a World that went through ``resolve`` gives no template."""
    ref, raw = world.rollout.spec.workload_ref, world.rollout.raw
    if ref is None:
        return None
    found = reference(raw)
    value = {"apiVersion": ref.api_version, "kind": ref.kind, "name": ref.name}
    if found is None:
        text = "name a Deployment or a ReplicaSet of apps/v1, or a PodTemplate of v1"
        return FieldError.invalid(_AT, value, text)
    if world.workload is None and world.workload_withheld:
        text = f"{world.workload_withheld}; allow the controller to get, list and watch it"
        return FieldError.invalid(_AT, value, text)
    if world.workload is None:
        where = f'{found[0].group_resource} "{ref.name}" not found in namespace '
        text = f'{where}"{world.rollout.metadata.namespace}": create it, or name one that exists'
        if found[0] == REPLICA_SETS:
            text += " and belongs to no Rollout"
        return FieldError.invalid(_AT, value, text)
    if world.rollout.spec.selector is None:
        text = f"a {ref.kind} has no selector: add one that matches the labels of its template"
        return FieldError.required("spec.selector", text)
    if (elder := _elder(world)) is not None:
        text = (
            f'Rollout "{elder}" takes its template from the same {ref.kind}, and not both can '
            "decide over its size: name another one, or set scaleDown to never in both"
        )
        return FieldError.invalid(_AT, value, text)
    return None


def _elder(world: World) -> str | None:
    """The oldest Rollout this one would fight with over the size of a Deployment."""
    mine = world.rollout.raw
    rivals = [each for each in world.rivals if not each["metadata"].get("deletionTimestamp")]
    if not any(_scales(each) for each in (mine, *rivals)):
        return None
    first = min((mine, *rivals), key=_age)
    return None if first is mine else str(first["metadata"]["name"])


def _age(rollout: Obj) -> tuple[str, str]:
    meta = rollout["metadata"]
    return str(meta.get("creationTimestamp") or ""), str(meta["name"])


def _scales(rollout: Obj) -> bool:
    """Whether a Rollout asks for its Deployment to be scaled down."""
    ref = (rollout.get("spec") or {}).get("workloadRef") or {}
    return ref.get("kind") == DEPLOYMENTS.kind and ref.get("scaleDown") in SCALING


def generation(world: World) -> str:
    """The generation of the workload, as the annotation and the status tell it."""
    if world.rollout.spec.workload_ref is None or world.workload is None:
        return ""
    return str(world.workload["metadata"].get("generation") or 0)


def note_generation(world: World) -> Write | None:
    """Readers compare this annotation with the status to see whether a change was observed."""
    now, meta = generation(world), world.rollout.metadata
    if not now or meta.annotations.get(keys.WORKLOAD_GENERATION) == now:
        return None
    body = {"metadata": {"annotations": {keys.WORKLOAD_GENERATION: now}}}
    version = meta.resource_version
    return Write(Verb.PATCH, ROLLOUTS, meta.name, body, resource_version=version)
