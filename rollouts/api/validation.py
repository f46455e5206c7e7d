"""What is wrong with a Rollout by itself, without looking at anything it refers to.

Owns Argo Rollouts' static checks in its order; the first error wins, so the tables at the end are
the documentation. Paths are the reference's too: fields of a strategy are reported directly under
``spec.strategy``. Refuses to look at the cluster (``api.references``). Pure. Called before
anything is planned, and by lint.
"""

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from rollouts.api import names
from rollouts.api.bluegreen import BlueGreenStrategy
from rollouts.api.canary import CanaryStrategy
from rollouts.api.fielderror import FieldError
from rollouts.api.intstr import leading_number
from rollouts.api.meta import LabelSelector
from rollouts.api.placement import AntiAffinity
from rollouts.api.podtemplate import template_errors
from rollouts.api.rolemetadata import role_errors
from rollouts.api.rollout import Rollout
from rollouts.api.stepvalidation import step_errors

AT: Final = "spec.strategy"
NOT_NEGATIVE: Final = "must be greater than or equal to 0"
Verdict = FieldError | Iterator[FieldError] | None
S = TypeVar("S")


def validate(rollout: Rollout, *, resolved: bool = False) -> FieldError | None:
    """The first thing wrong with ``rollout``, or None.

    ``resolved``: the template (and selector) in ``rollout`` were filled in from its workloadRef.
    """
    if resolved not in rollout.verdicts:
        rollout.verdicts[resolved] = next(problems(rollout, resolved=resolved), None)
    return rollout.verdicts[resolved]


def problems(rollout: Rollout, *, resolved: bool = False) -> Iterator[FieldError]:
    """All that is wrong with ``rollout``, in the same order; for those who show more than one."""
    for check in _CHECKS:
        yield from _each(check(rollout, resolved))


# --- top level ------------------------------------------------------------------------------------


def _readable(rollout: Rollout, _: bool) -> Iterator[FieldError]:
    """A field that cannot be read must not silently count as absent: that could skip a step."""
    for problem in rollout.problems:
        if problem.path == "spec" or problem.path.startswith("spec."):
            yield FieldError.unreadable(problem.path, problem.message)


def _replicas(rollout: Rollout, _: bool) -> Verdict:
    return _not_negative("spec.replicas", rollout.spec.replicas)


def _selector(rollout: Rollout, _: bool) -> Verdict:
    spec = rollout.spec
    if spec.workload_ref is not None:
        return None
    if spec.selector is None:
        return FieldError.required("spec.selector", "Rollout has missing field '.spec.selector'")
    if error := check_selector(spec.selector, "spec.selector"):
        return error
    if spec.selector.empty:
        return FieldError.invalid("spec.selector", {}, "empty selector is invalid for deployment")
    return None


def _template_is_referenced(rollout: Rollout, resolved: bool) -> Verdict:
    if rollout.spec.workload_ref is None or resolved:
        return None
    meta = rollout.spec.template.get("metadata") or {}
    if meta.get("labels") or meta.get("annotations"):
        return FieldError.internal(
            "spec.template", "template must be empty for workload reference rollout"
        )
    return None


def _template(rollout: Rollout, resolved: bool) -> Verdict:
    if rollout.spec.workload_ref is not None and not resolved:
        return None
    return template_errors(rollout.spec.template, rollout.spec.selector, "spec.template")


def _limits(rollout: Rollout, _: bool) -> Iterator[FieldError]:
    spec = rollout.spec
    for name, value in (
        ("minReadySeconds", spec.min_ready_seconds),
        ("revisionHistoryLimit", spec.revision_history_limit),
        ("progressDeadlineSeconds", spec.progress_deadline_seconds),
    ):
        if error := _not_negative(f"spec.{name}", value):
            yield error
    if spec.progress_deadline <= spec.min_ready_seconds:
        yield FieldError.invalid(
            "spec.progressDeadlineSeconds",
            spec.progress_deadline,
            "must be greater than minReadySeconds",
        )


def _one_strategy(rollout: Rollout, _: bool) -> Verdict:
    canary, blue_green = rollout.spec.canary, rollout.spec.blue_green
    at = f"{AT}.strategy"
    if canary is None and blue_green is None:
        where = ".spec.strategy.canary or .spec.strategy.blueGreen"
        return FieldError.required(at, f"Rollout has missing field '{where}'")
    if canary is not None and blue_green is not None:
        return FieldError.invalid(
            at, "blueGreen: true canary: true", "Multiple Strategies can not be listed"
        )
    return None


def _strategy(rollout: Rollout, _: bool) -> Iterator[FieldError]:
    if rollout.spec.blue_green is not None:
        yield from _all(_BLUE_GREEN, rollout, rollout.spec.blue_green)
    elif rollout.spec.canary is not None:
        yield from _all(_CANARY, rollout, rollout.spec.canary)


# --- blue-green -----------------------------------------------------------------------------------


def _two_services(_: Rollout, strategy: BlueGreenStrategy) -> Verdict:
    if strategy.active_service == strategy.preview_service:
        return _same_service("activeService", strategy.active_service, "active", "preview")
    return None


def _delay_limit(rollout: Rollout, strategy: BlueGreenStrategy) -> Verdict:
    limit = strategy.scale_down_delay_revision_limit
    if limit is not None and limit > rollout.spec.history_limit:
        return FieldError.invalid(
            f"{AT}.scaleDownDelayRevisionLimit",
            limit,
            "This rollout's revision history limit can not be smaller than the rollout's scale "
            "down limit",
        )
    return None


def _role_metadata(rollout: Rollout, _: BlueGreenStrategy | CanaryStrategy) -> Verdict:
    return role_errors(rollout)


def _anti_affinity(_: Rollout, strategy: BlueGreenStrategy | CanaryStrategy) -> Verdict:
    rule: AntiAffinity | None = strategy.anti_affinity
    if rule is None:
        return None
    required = rule.required_during_scheduling_ignored_during_execution
    preferred = rule.preferred_during_scheduling_ignored_during_execution
    if (required is None) == (preferred is None):
        return FieldError.invalid(
            f"{AT}.antiAffinity",
            rule.to_wire(),
            "AntiAffinity must have exactly one strategy listed",
        )
    if preferred is not None and not 1 <= preferred.weight <= 100:
        return FieldError.invalid(
            f"{AT}.antiAffinity.weight",
            preferred.weight,
            "AntiAffinity weight must be between 1-100",
        )
    return None


# --- canary ---------------------------------------------------------------------------------------


def _room_to_move(_: Rollout, canary: CanaryStrategy) -> Verdict:
    if canary.max_surge is None or canary.max_unavailable is None:
        return None
    if leading_number(canary.max_surge) == 0 and leading_number(canary.max_unavailable) == 0:
        return FieldError.invalid(
            f"{AT}.maxSurge",
            canary.max_surge,
            "MaxSurge and MaxUnavailable both can not be zero",
        )
    return None


def _stable_and_canary(_: Rollout, canary: CanaryStrategy) -> Verdict:
    if canary.canary_service and canary.canary_service == canary.stable_service:
        return _same_service("stableService", canary.stable_service, "stable", "canary")
    return None


def _ping_pong(_: Rollout, canary: CanaryStrategy) -> Verdict:
    pair, routing = canary.ping_pong, canary.traffic_routing
    if pair is None:
        return None
    if routing is not None and not (routing.alb or routing.istio or routing.plugins):
        return FieldError.invalid(
            f"{AT}.trafficRouting",
            list(routing.routers),
            "Ping-pong feature works with the ALB, Istio, and plugin-based traffic routers only",
        )
    if not pair.ping_service or not pair.pong_service:
        return FieldError.invalid(
            f"{AT}.pingPong",
            pair.to_wire(),
            "Ping service and Pong service must to be set to use Ping-Pong feature",
        )
    if pair.ping_service == pair.pong_service:
        return _same_service("pingPong.pingService", pair.ping_service, "ping", "pong")
    if routing is not None and routing.alb is not None and not routing.alb.root_service:
        return FieldError.invalid(
            f"{AT}.trafficRouting.alb.rootService",
            "",
            "Root service field is required for the configuration with ALB and ping-pong feature "
            "enabled",
        )
    return None


def _services_for_routers(_: Rollout, canary: CanaryStrategy) -> Verdict:
    routing = canary.traffic_routing
    if routing is None or (canary.canary_service and canary.stable_service):
        return None
    istio = routing.istio
    needy = (
        routing.alb is not None and canary.ping_pong is None,
        istio is not None and istio.destination_rule is None and canary.ping_pong is None,
        routing.smi is not None,
        routing.apisix is not None,
        routing.ambassador is not None,
        routing.nginx is not None,
        routing.app_mesh is not None,
        routing.traefik is not None,
    )
    if any(needy):
        return FieldError.invalid(
            f"{AT}.trafficRouting",
            list(routing.routers),
            "Canary service and Stable service must to be set to use Traffic Routing",
        )
    return None


def _routing_options(_: Rollout, canary: CanaryStrategy) -> Verdict:
    delay, routing = canary.scale_down_delay_seconds, canary.traffic_routing
    if routing is None:
        if delay is not None:
            return FieldError.invalid(
                f"{AT}.scaleDownDelaySeconds",
                delay,
                "Canary scaleDownDelaySeconds can only be used with traffic routing",
            )
        if canary.dynamic_stable_scale:
            return FieldError.invalid(
                f"{AT}.dynamicStableScale",
                True,
                "Canary dynamicStableScale can only be used with traffic routing",
            )
        return None
    if delay is not None and canary.dynamic_stable_scale:
        return FieldError.invalid(
            f"{AT}.dynamicStableScale",
            True,
            "Canary dynamicStableScale cannot be used with scaleDownDelaySeconds",
        )
    weight = routing.max_traffic_weight
    if weight is not None and routing.nginx is None and not routing.plugins:
        return FieldError.invalid(
            f"{AT}.trafficRouting.maxTrafficWeight",
            weight,
            "Canary maxTrafficWeight in traffic routing only supported in Nginx and Plugins",
        )
    return None


def _steps(_: Rollout, canary: CanaryStrategy) -> Verdict:
    return step_errors(canary, f"{AT}.steps")


# --- shared ---------------------------------------------------------------------------------------


def check_selector(selector: LabelSelector, path: str) -> FieldError | None:
    """Kubernetes' syntax rules for a label selector that stands at ``path``."""
    for key, value in selector.match_labels.items():
        if complaint := names.label_key(key):
            return FieldError.invalid(f"{path}.matchLabels", key, complaint)
        if complaint := names.label_value(value):
            return FieldError.invalid(f"{path}.matchLabels", value, complaint)
    for index, rule in enumerate(selector.match_expressions):
        at = f"{path}.matchExpressions[{index}]"
        if rule.operator in ("In", "NotIn"):
            if not rule.values:
                return FieldError.required(
                    f"{at}.values", "must be specified when `operator` is 'In' or 'NotIn'"
                )
        elif rule.operator not in ("Exists", "DoesNotExist"):
            return FieldError.invalid(
                f"{at}.operator", rule.operator, "not a valid selector operator"
            )
        elif rule.values:
            return FieldError.forbidden(
                f"{at}.values",
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            )
        if complaint := names.label_key(rule.key):
            return FieldError.invalid(f"{at}.key", rule.key, complaint)
    return None


def _same_service(field: str, value: str, one: str, other: str) -> FieldError:
    return FieldError.invalid(
        f"{AT}.{field}",
        value,
        f"This rollout uses the same service for the {one} and {other} services, but two "
        "different services are required.",
    )


def _not_negative(path: str, value: int | None) -> FieldError | None:
    return (
        FieldError.invalid(path, value, NOT_NEGATIVE) if value is not None and value < 0 else None
    )


def _all(
    checks: tuple[Callable[[Rollout, S], Verdict], ...], rollout: Rollout, of: S
) -> Iterator[FieldError]:
    for check in checks:
        yield from _each(check(rollout, of))


def _each(verdict: Verdict) -> Iterator[FieldError]:
    if isinstance(verdict, FieldError):
        yield verdict
    elif verdict is not None:
        yield from verdict


_BLUE_GREEN: Final = (_two_services, _delay_limit, _anti_affinity, _role_metadata)
_CANARY: Final = (
    _room_to_move,
    _stable_and_canary,
    _ping_pong,
    _services_for_routers,
    _routing_options,
    _steps,
    _anti_affinity,
    _role_metadata,
)
_CHECKS: Final[tuple[Callable[[Rollout, bool], Verdict], ...]] = (
    _readable,
    _replicas,
    _selector,
    _template_is_referenced,
    _template,
    _limits,
    _one_strategy,
    _strategy,
)
