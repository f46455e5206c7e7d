"""How a strategic-merge patch treats the lists of built-in types: facts, no behaviour.

Owns the table of (type, field) → strategies and key. Published in the OpenAPI documents, where
kubectl reads it, so that the client's idea of a patch and the server's agree.
"""

from collections.abc import Mapping
from typing import Any, Final

_CONTAINER: Final = {
    "env": "name",
    "ports": "containerPort",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
}
_KEYS: Final[Mapping[str, Mapping[str, str]]] = {
    "Container": _CONTAINER,
    "EphemeralContainer": _CONTAINER,
    "ContainerStatus": {"allocatedResourcesStatus": "name", "volumeMounts": "mountPath"},
    "PodSpec": {
        "containers": "name",
        "ephemeralContainers": "name",
        "hostAliases": "ip",
        "imagePullSecrets": "name",
        "initContainers": "name",
        "resourceClaims": "name",
        "schedulingGates": "name",
        "topologySpreadConstraints": "topologyKey",
        "volumes": "name",
    },
    "PodStatus": {"hostIPs": "ip", "podIPs": "ip", "resourceClaimStatuses": "name"},
    "NodeSpec": {"podCIDRs": ""},
    "NodeStatus": {"addresses": "type"},
    "ObjectMeta": {"finalizers": "", "ownerReferences": "uid"},
    "ServiceAccount": {"secrets": "name"},
    "ServiceSpec": {"ports": "port"},
    "MutatingWebhookConfiguration": {"webhooks": "name"},
    "ValidatingWebhookConfiguration": {"webhooks": "name"},
    "CSINodeSpec": {"drivers": "name"},
    "ResourceClaimStatus": {"reservedFor": "uid"},
}
_CONDITIONS: Final = frozenset(
    {
        "APIServiceStatus",
        "DaemonSetStatus",
        "DeploymentStatus",
        "FlowSchemaStatus",
        "HorizontalPodAutoscalerStatus",
        "JobStatus",
        "NamespaceStatus",
        "NodeStatus",
        "PersistentVolumeClaimStatus",
        "PodDisruptionBudgetStatus",
        "PodStatus",
        "PriorityLevelConfigurationStatus",
        "ReplicaSetStatus",
        "ReplicationControllerStatus",
        "ServiceStatus",
        "StatefulSetStatus",
    }
)
_RETAIN_KEYS: Final = frozenset(
    {
        ("PodSpec", "resourceClaims"),
        ("PodSpec", "volumes"),
        ("PodStatus", "resourceClaimStatuses"),
    }
)


def merge_key(kind: str, field: str) -> str | None:
    """The key of a merged list, "" for a list of scalars that merges, None for one that does not.

    ``kind`` is the type that has the field, without group and version (``PodSpec``).
    """
    if field == "conditions" and kind in _CONDITIONS:
        return "type"
    return _KEYS.get(kind, {}).get(field)


def merge_strategy(kind: str, field: str) -> dict[str, Any]:
    """The OpenAPI extensions of a field, empty for one without a strategy."""
    if (kind, field) == ("DeploymentSpec", "strategy"):
        return {"x-kubernetes-patch-strategy": "retainKeys"}
    key = merge_key(kind, field)
    if key is None:
        return {}
    strategy = "merge,retainKeys" if (kind, field) in _RETAIN_KEYS else "merge"
    extension = {"x-kubernetes-patch-strategy": strategy}
    return extension | ({"x-kubernetes-patch-merge-key": key} if key else {})
