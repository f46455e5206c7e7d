"""What each built-in kind adds to the common pipeline: a table of small functions.

Owns nothing itself: defaults, validation and creation live in their own modules; this table says
which kind uses which. Custom types have none of it. Read by the write pipeline.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from rollouts.kube import resources as r
from rollouts.kube.api import Obj
from rollouts.sandbox import builtins as b
from rollouts.sandbox import creation, customs, defaults
from rollouts.sandbox import validation_pods as pods
from rollouts.sandbox import validation_services as services
from rollouts.sandbox import validation_workloads as workloads
from rollouts.sandbox.causes import CauseLike
from rollouts.sandbox.core import Core
from rollouts.sandbox.registry import ResourceInfo


def _no_defaults(_: Obj) -> None:
    return None


def _no_causes(_: Obj) -> list[CauseLike]:
    return []


def _no_changes(_: Obj, __: Obj) -> list[CauseLike]:
    return []


def _no_creation(_: Core, __: Obj) -> None:
    return None


def _no_update(_: Core, __: Obj, ___: Obj) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Strategy:
    """All functions get private copies; ``default``, ``on_create`` and ``on_update`` change them.

    ``on_create`` runs before ``default``'s result is validated, with uid and name known.
    ``unconditional``: an update may leave out the resourceVersion. ``born_with_status``: a new
    object keeps the status it was sent with.
    """

    default: Callable[[Obj], None] = _no_defaults
    validate: Callable[[Obj], list[CauseLike]] = _no_causes
    validate_update: Callable[[Obj, Obj], list[CauseLike]] = _no_changes
    on_create: Callable[[Core, Obj], None] = _no_creation
    on_update: Callable[[Core, Obj, Obj], None] = _no_update
    unconditional: bool = True
    born_with_status: bool = False


_PLAIN: Final = Strategy()
_ROLE_BINDING: Final = Strategy(
    defaults.default_role_binding,
    services.role_binding_causes,
    services.role_binding_update_causes,
)
STRATEGIES: Final[Mapping[str, Strategy]] = {
    r.CONFIG_MAPS.group_resource: Strategy(
        validate=services.config_map_causes, validate_update=services.immutable_data_causes
    ),
    r.SECRETS.group_resource: Strategy(
        defaults.default_secret, services.secret_causes, services.secret_update_causes
    ),
    r.NAMESPACES.group_resource: Strategy(
        defaults.default_namespace,
        on_create=creation.new_namespace,
        on_update=creation.kept_namespace,
    ),
    r.NODES.group_resource: Strategy(born_with_status=True),
    r.PODS.group_resource: Strategy(
        defaults.default_pod, pods.pod_causes, pods.pod_update_causes, creation.new_pod
    ),
    r.POD_TEMPLATES.group_resource: Strategy(
        defaults.default_pod_template_object, workloads.pod_template_causes
    ),
    r.SERVICES.group_resource: Strategy(
        defaults.default_service,
        services.service_causes,
        services.service_update_causes,
        creation.new_service,
        creation.kept_service,
    ),
    r.REPLICA_SETS.group_resource: Strategy(
        defaults.default_replica_set,
        workloads.replica_set_causes,
        workloads.selector_update_causes,
        creation.new_replica_set,
    ),
    r.DEPLOYMENTS.group_resource: Strategy(
        defaults.default_deployment,
        workloads.deployment_causes,
        workloads.selector_update_causes,
        creation.with_empty_status,
    ),
    r.JOBS.group_resource: Strategy(
        defaults.default_job, workloads.job_causes, workloads.job_update_causes, creation.new_job
    ),
    r.LEASES.group_resource: Strategy(validate=services.lease_causes, unconditional=False),
    r.ENDPOINT_SLICES.group_resource: Strategy(defaults.default_endpoint_slice),
    r.CRDS.group_resource: Strategy(
        defaults.default_crd,
        validate_update=customs.definition_update_causes,
        unconditional=False,
    ),
    b.HPAS.group_resource: Strategy(
        defaults.default_hpa, services.hpa_causes, on_create=creation.with_empty_status
    ),
    b.POD_DISRUPTION_BUDGETS.group_resource: Strategy(
        validate=services.budget_causes, unconditional=False
    ),
    b.ROLE_BINDINGS.group_resource: _ROLE_BINDING,
    b.CLUSTER_ROLE_BINDINGS.group_resource: _ROLE_BINDING,
}


def strategy_of(info: ResourceInfo) -> Strategy:
    if info.custom is not None:
        return _PLAIN
    return STRATEGIES.get(info.bucket, _PLAIN)
