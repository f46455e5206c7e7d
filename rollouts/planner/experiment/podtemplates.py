"""From a template of an Experiment to the ReplicaSet object.

Owns the hash, labels, selector and annotations of an Experiment's ReplicaSets (Argo Rollouts'
behaviour). A hash that the template was given by the ReplicaSet it was copied from is not its own.
Refuses to decide when one is due (``sets``). Pure.
"""

import copy

from rollouts.api import labels as keys
from rollouts.api.experiment import Experiment, ExperimentTemplate
from rollouts.kube.resources import REPLICA_SETS
from rollouts.planner.experiment.draft import owner_reference
from rollouts.planner.experiment.world import set_name
from rollouts.planner.hashing import template_hash
from rollouts.planner.plan import Obj


def pod_hash(template: ExperimentTemplate) -> str:
    """The hash that the pods of a template are labelled with."""
    return template_hash(own_pods(template))


def own_pods(template: ExperimentTemplate) -> Obj:
    """A copy of the pod template, without a hash."""
    pods: Obj = copy.deepcopy(template.template)
    meta = pods.get("metadata")
    if isinstance(meta, dict) and isinstance(meta.get("labels"), dict):
        meta["labels"].pop(keys.POD_TEMPLATE_HASH, None)
    return pods


def marks(experiment: Experiment, template: ExperimentTemplate) -> dict[str, str]:
    """Annotations by which a child is known to belong to a template."""
    return {
        keys.EXPERIMENT_NAME: experiment.metadata.name,
        keys.EXPERIMENT_TEMPLATE: template.name,
    }


def replica_set(experiment: Experiment, template: ExperimentTemplate) -> Obj:
    """The ReplicaSet of a template, without replicas."""
    pods, hashed = own_pods(template), pod_hash(template)
    meta = pods["metadata"] = dict(pods.get("metadata") or {})
    labels = meta["labels"] = {**(meta.get("labels") or {}), keys.POD_TEMPLATE_HASH: hashed}
    selector = template.selector.to_wire() if template.selector is not None else {}
    match = {**(selector.get("matchLabels") or {}), keys.POD_TEMPLATE_HASH: hashed}
    spec: Obj = {
        "replicas": 0,
        "selector": {**selector, "matchLabels": match},
        "template": pods,
    }
    if template.min_ready_seconds:
        spec["minReadySeconds"] = template.min_ready_seconds
    return {
        "apiVersion": REPLICA_SETS.api_version,
        "kind": REPLICA_SETS.kind,
        "metadata": {
            "name": set_name(experiment, template),
            "namespace": experiment.metadata.namespace,
            "labels": dict(labels),
            "annotations": marks(experiment, template),
            "ownerReferences": [owner_reference(experiment)],
        },
        "spec": spec,
    }
