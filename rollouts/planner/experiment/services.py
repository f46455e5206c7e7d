"""The Services of an Experiment: one per template that asks for it.

Owns making them once there are pods to come, and removing them when the last pod is gone. They are
made of the ports that the pods declare; without any there is none (Argo Rollouts' behaviour). Pure;
called in every pass whose status is stored.
"""

from typing import Any

from rollouts.api import labels as keys
from rollouts.api.experiment import ExperimentTemplate
from rollouts.kube.resources import SERVICES
from rollouts.planner.experiment import templates
from rollouts.planner.experiment.draft import Draft, owner_reference
from rollouts.planner.experiment.orphans import is_leftover
from rollouts.planner.experiment.podtemplates import marks
from rollouts.planner.experiment.world import service_name
from rollouts.planner.plan import Obj, Verb, Write
from rollouts.planner.world import ReplicaSet


def follow(draft: Draft) -> None:
    """A Service for every template that is to run and asks for one; none for empty ones."""
    wanted: set[str] = set()
    for template in draft.spec.templates:
        name = service_name(draft.experiment, template)
        if not name or not draft.wants_pods(template):
            continue
        if not template.replicas_or_default or not ports(template):
            continue
        wanted.add(name)
        service, rs = draft.world.service_named(name), draft.world.set_of(template)
        if service is None and rs is not None:
            _create(draft, template, rs, name)
        elif service is None or draft.world.owns(service) or is_leftover(draft, service):
            continue
        else:
            draft.adopt(SERVICES, service)
    for service in draft.world.own_services:
        if service["metadata"]["name"] not in wanted and _is_idle(draft, service):
            _delete(draft, service)


def ports(template: ExperimentTemplate) -> list[Obj]:
    """What a Service of these pods offers: every port their containers declare, once."""
    found: dict[tuple[int, str], str] = {}
    for container in _objects(template.template.get("spec"), "containers"):
        for port in _objects(container, "ports"):
            number, protocol = port.get("containerPort"), port.get("protocol") or "TCP"
            if isinstance(number, int) and (number, protocol) not in found:
                name = str(port.get("name") or "")
                # The API server wants names where there are several, each of its own.
                found[number, protocol] = "" if name in found.values() else name
    return [
        {
            "protocol": protocol,
            "port": number,
            "targetPort": number,
            **({"name": name or f"{protocol.lower()}-{number}"} if name or len(found) > 1 else {}),
        }
        for (number, protocol), name in found.items()
    ]


def _objects(value: Any, key: str) -> list[Obj]:
    items = value.get(key) if isinstance(value, dict) else None
    return [each for each in items if isinstance(each, dict)] if isinstance(items, list) else []


def _create(draft: Draft, template: ExperimentTemplate, rs: ReplicaSet, name: str) -> None:
    labels = rs.raw["metadata"].get("labels") or {}
    body: Obj = {
        "apiVersion": SERVICES.api_version,
        "kind": SERVICES.kind,
        "metadata": {
            "name": name,
            "namespace": draft.experiment.metadata.namespace,
            "labels": {keys.POD_TEMPLATE_HASH: rs.hash},
            "annotations": marks(draft.experiment, template),
            "ownerReferences": [owner_reference(draft.experiment)],
        },
        "spec": {"selector": dict(labels), "ports": ports(template)},
    }
    status, now = draft.status, draft.stamp
    draft.create(
        SERVICES,
        body,
        lambda error: templates.failed(
            status, template.name, f"Failed to create Service {name}: {error.message}", now
        ),
    )


def _is_idle(draft: Draft, service: Obj) -> bool:
    """Whether no pod is left behind a Service."""
    if service["metadata"].get("deletionTimestamp"):
        return False
    annotations = service["metadata"].get("annotations") or {}
    of = annotations.get(keys.EXPERIMENT_TEMPLATE)
    template = next((each for each in draft.spec.templates if each.name == of), None)
    rs = draft.world.set_of(template) if template is not None else None
    return rs is None or (rs.spec == 0 and rs.available == 0)


def _delete(draft: Draft, service: Obj) -> None:
    meta = service["metadata"]
    draft.writes.append(
        Write(
            Verb.DELETE,
            SERVICES,
            meta["name"],
            {},
            resource_version=str(meta.get("resourceVersion", "")),
            uid=str(meta.get("uid", "")),
        )
    )
