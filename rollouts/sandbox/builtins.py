"""The resource types every cluster has, as far as the sandbox serves them.

Data only: names, short names, categories, verbs and subresources as ``kubectl api-resources``
prints them. A type that is not here is honestly absent from discovery.
"""

from typing import Final

from rollouts.kube import resources as r
from rollouts.kube.resources import Resource
from rollouts.sandbox.registry import Registry, ResourceInfo, Subresource

ENDPOINTS: Final = Resource("", "v1", "endpoints", "Endpoints")
SERVICE_ACCOUNTS: Final = Resource("", "v1", "serviceaccounts", "ServiceAccount")
NEW_EVENTS: Final = Resource("events.k8s.io", "v1", "events", "Event")
POD_DISRUPTION_BUDGETS: Final = Resource(
    "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget"
)
INGRESSES: Final = Resource("networking.k8s.io", "v1", "ingresses", "Ingress")
INGRESS_CLASSES: Final = Resource(
    "networking.k8s.io", "v1", "ingressclasses", "IngressClass", namespaced=False
)
HPAS: Final = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
HPAS_V1: Final = Resource(
    "autoscaling", "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler"
)
ROLES: Final = Resource("rbac.authorization.k8s.io", "v1", "roles", "Role")
ROLE_BINDINGS: Final = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
CLUSTER_ROLES: Final = Resource(
    "rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False
)
CLUSTER_ROLE_BINDINGS: Final = Resource(
    "rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False
)
SELF_SUBJECT_ACCESS_REVIEWS: Final = Resource(
    "authorization.k8s.io",
    "v1",
    "selfsubjectaccessreviews",
    "SelfSubjectAccessReview",
    namespaced=False,
)
SELF_SUBJECT_RULES_REVIEWS: Final = Resource(
    "authorization.k8s.io",
    "v1",
    "selfsubjectrulesreviews",
    "SelfSubjectRulesReview",
    namespaced=False,
)

_CREATE: Final = ("create",)
_ALL: Final = ("all",)


def _status(resource: Resource) -> Subresource:
    return Subresource("status", resource.group, resource.version, resource.kind)


_SCALE: Final = Subresource("scale", "autoscaling", "v1", "Scale")
_BINDING: Final = Subresource("binding", "", "v1", "Binding", _CREATE)
_EVICTION: Final = Subresource("eviction", "policy", "v1", "Eviction", _CREATE)
_FINALIZE: Final = Subresource("finalize", "", "v1", "Namespace", ("update",))


def _info(
    resource: Resource,
    *short_names: str,
    status: bool = False,
    extra: tuple[Subresource, ...] = (),
    categories: tuple[str, ...] = (),
    generation: bool = False,
    storage: Resource | None = None,
) -> ResourceInfo:
    return ResourceInfo(
        resource=resource,
        singular=resource.kind.lower(),
        short_names=short_names,
        categories=categories,
        subresources=((_status(resource),) if status else ()) + extra,
        generation=generation,
        storage=storage,
    )


def _review(resource: Resource) -> ResourceInfo:
    return ResourceInfo(resource, resource.kind.lower(), verbs=_CREATE)


BUILTINS: Final[tuple[ResourceInfo, ...]] = (
    _info(r.CONFIG_MAPS, "cm"),
    _info(ENDPOINTS, "ep"),
    _info(r.EVENTS, "ev"),
    _info(r.NAMESPACES, "ns", status=True, extra=(_FINALIZE,)),
    _info(r.NODES, "no", status=True),
    _info(r.PODS, "po", status=True, extra=(_BINDING, _EVICTION), categories=_ALL),
    _info(r.POD_TEMPLATES, generation=True),
    _info(r.SECRETS),
    _info(SERVICE_ACCOUNTS, "sa"),
    _info(r.SERVICES, "svc", status=True, categories=_ALL),
    _info(r.CRDS, "crd", "crds", status=True, categories=("api-extensions",), generation=True),
    _info(r.DEPLOYMENTS, "deploy", status=True, extra=(_SCALE,), categories=_ALL, generation=True),
    _info(r.REPLICA_SETS, "rs", status=True, extra=(_SCALE,), categories=_ALL, generation=True),
    _review(SELF_SUBJECT_ACCESS_REVIEWS),
    _review(SELF_SUBJECT_RULES_REVIEWS),
    _info(HPAS, "hpa", status=True, categories=_ALL),
    _info(HPAS_V1, "hpa", status=True, categories=_ALL, storage=HPAS),
    _info(r.JOBS, status=True, categories=_ALL, generation=True),
    _info(r.LEASES),
    _info(r.ENDPOINT_SLICES, generation=True),
    _info(NEW_EVENTS, "ev", storage=r.EVENTS),
    _info(INGRESS_CLASSES, generation=True),
    _info(INGRESSES, "ing", status=True, generation=True),
    _info(POD_DISRUPTION_BUDGETS, "pdb", status=True, generation=True),
    _info(CLUSTER_ROLE_BINDINGS),
    _info(CLUSTER_ROLES),
    _info(ROLE_BINDINGS),
    _info(ROLES),
)


def builtin_registry() -> Registry:
    registry = Registry()
    registry.add(*BUILTINS)
    return registry
