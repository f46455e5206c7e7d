"""What the API server itself refuses: bounds and CEL rules of the CRDs.

Owns the rules as tables, path by path (``[]`` is "every item of", ``{}`` "every value of"). A rule
says no only to what could never work, so that everything Argo Rollouts runs is still accepted, and
every list it walks has a bound, because Kubernetes refuses rules it cannot prove cheap. Used by
``crdgen`` alone.
"""

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition in CEL and what users read when it does not hold."""

    at: str
    rule: str
    message: str


_CANARY: Final = "spec.strategy.canary"
_BLUE_GREEN: Final = "spec.strategy.blueGreen"
_STEP: Final = f"{_CANARY}.steps[]"
_KINDS: Final = (
    "setWeight",
    "pause",
    "experiment",
    "analysis",
    "setCanaryScale",
    "setHeaderRoute",
    "setMirrorRoute",
    "plugin",
)
_PROVIDERS: Final = (
    "prometheus",
    "kayenta",
    "web",
    "datadog",
    "wavefront",
    "newRelic",
    "job",
    "cloudWatch",
    "graphite",
    "influxdb",
    "skywalking",
    "sequential",
    "judge",
    "plugin",
)


def _exactly_one(fields: tuple[str, ...]) -> str:
    return f"[{', '.join(f'has(self.{field})' for field in fields)}].filter(x, x).size() == 1"


def _differ(one: str, other: str) -> str:
    return (
        f"!has(self.{one}) || !has(self.{other}) || self.{one} == '' || self.{one} != self.{other}"
    )


def _one_of(single: str, several: str) -> str:
    """Exactly one of a name and a list of names; empty counts as unset."""
    return (
        f"(has(self.{single}) && self.{single} != '') != "
        f"(has(self.{several}) && size(self.{several}) > 0)"
    )


def _zero(field: str) -> str:
    return (
        f"(type(self.{field}) == int ? self.{field} == 0 : "
        f"(self.{field} == '0' || self.{field} == '0%'))"
    )


def _unlabelled(field: str) -> str:
    at = f"self.template.metadata.{field}"
    return f"(!has({at}) || size({at}) == 0)"


ROLLOUT: Final = (
    Rule(
        "spec",
        "has(self.workloadRef) || has(self.selector)",
        "spec.selector is required unless spec.workloadRef is set",
    ),
    Rule(
        "spec",
        "has(self.workloadRef) || has(self.template)",
        "spec.template is required unless spec.workloadRef is set",
    ),
    Rule(
        "spec",
        "!has(self.workloadRef) || !has(self.template) || !has(self.template.metadata) || "
        f"({_unlabelled('labels')} && {_unlabelled('annotations')})",
        "spec.template and spec.workloadRef exclude each other",
    ),
    Rule(
        "spec",
        "has(self.strategy)",
        "spec.strategy is required: set either canary or blueGreen",
    ),
    Rule(
        "spec",
        "(has(self.progressDeadlineSeconds) ? self.progressDeadlineSeconds : 600) > "
        "(has(self.minReadySeconds) ? self.minReadySeconds : 0)",
        "spec.progressDeadlineSeconds (600 if unset) must be greater than spec.minReadySeconds",
    ),
    Rule("spec.selector", "self == oldSelf", ".spec.selector is immutable"),
    Rule(
        "spec.strategy",
        "has(self.canary) != has(self.blueGreen)",
        "exactly one of canary and blueGreen must be set",
    ),
    Rule(_BLUE_GREEN, "self.activeService != ''", "activeService must name a Service"),
    Rule(
        _BLUE_GREEN,
        _differ("previewService", "activeService"),
        "activeService and previewService must be two different Services",
    ),
    Rule(
        _CANARY,
        _differ("canaryService", "stableService"),
        "canaryService and stableService must be two different Services",
    ),
    Rule(
        _CANARY,
        f"!has(self.maxSurge) || !has(self.maxUnavailable) || !{_zero('maxSurge')} || "
        f"!{_zero('maxUnavailable')}",
        "maxSurge and maxUnavailable must not both be zero",
    ),
    Rule(
        _CANARY,
        "has(self.trafficRouting) || !has(self.scaleDownDelaySeconds)",
        "scaleDownDelaySeconds needs trafficRouting",
    ),
    Rule(
        _CANARY,
        "has(self.trafficRouting) || !has(self.dynamicStableScale) || !self.dynamicStableScale",
        "dynamicStableScale needs trafficRouting",
    ),
    Rule(
        _CANARY,
        "!has(self.scaleDownDelaySeconds) || !has(self.dynamicStableScale) || "
        "!self.dynamicStableScale",
        "dynamicStableScale and scaleDownDelaySeconds exclude each other",
    ),
    Rule(
        _CANARY,
        "!has(self.steps) || self.steps.all(s, !has(s.setWeight) || (s.setWeight >= 0 && "
        "s.setWeight <= (has(self.trafficRouting) && has(self.trafficRouting.maxTrafficWeight) ? "
        "self.trafficRouting.maxTrafficWeight : 100)))",
        "setWeight must be between 0 and 100 (or trafficRouting.maxTrafficWeight)",
    ),
    Rule(
        _CANARY,
        "has(self.trafficRouting) || !has(self.steps) || self.steps.all(s, !has(s.setCanaryScale))",
        "setCanaryScale needs trafficRouting",
    ),
    Rule(
        _CANARY,
        # Whether the name is in the list is the controller's check: comparing every step with every
        # route would cost an API server more than it allows.
        "(has(self.trafficRouting) && has(self.trafficRouting.managedRoutes)) || "
        "!has(self.steps) || "
        "self.steps.all(s, !has(s.setHeaderRoute) && !has(s.setMirrorRoute))",
        "setHeaderRoute and setMirrorRoute need trafficRouting.managedRoutes",
    ),
    Rule(
        _STEP,
        _exactly_one(_KINDS),
        f"a step must have exactly one of {', '.join(_KINDS)}",
    ),
    Rule(
        f"{_STEP}.pause",
        "!has(self.duration) || type(self.duration) != int || self.duration >= 0",
        "pause.duration must not be negative",
    ),
    Rule(
        f"{_CANARY}.pingPong",
        "self.pingService != '' && self.pongService != '' && self.pingService != self.pongService",
        "pingService and pongService must be two different Services",
    ),
    Rule(
        f"{_CANARY}.trafficRouting",
        "!has(self.maxTrafficWeight) || has(self.nginx) || has(self.plugins)",
        "maxTrafficWeight works with nginx and plugins only",
    ),
    Rule(
        f"{_CANARY}.trafficRouting.nginx",
        _one_of("stableIngress", "stableIngresses"),
        "exactly one of stableIngress and stableIngresses must be set",
    ),
    Rule(
        f"{_CANARY}.trafficRouting.alb",
        _one_of("ingress", "ingresses"),
        "exactly one of ingress and ingresses must be set",
    ),
    Rule(
        f"{_CANARY}.trafficRouting.istio",
        "has(self.virtualService) != (has(self.virtualServices) && size(self.virtualServices) > 0)",
        "exactly one of virtualService and virtualServices must be set",
    ),
    *(
        Rule(
            f"{strategy}.antiAffinity",
            "has(self.requiredDuringSchedulingIgnoredDuringExecution) != "
            "has(self.preferredDuringSchedulingIgnoredDuringExecution)",
            "exactly one anti-affinity rule must be set",
        )
        for strategy in (_CANARY, _BLUE_GREEN)
    ),
)

METRICS: Final = (
    Rule(
        "spec.metrics[].provider",
        _exactly_one(_PROVIDERS),
        f"a metric needs exactly one provider: {', '.join(_PROVIDERS)}",
    ),
)

EXPERIMENT: Final = (
    Rule(
        "spec",
        "self.templates.all(t, self.templates.exists_one(u, u.name == t.name))",
        "names of templates must be unique",
    ),
    Rule("spec.templates[]", "self.name != ''", "a template needs a name"),
    Rule(
        "spec",
        "self.templates.all(t, !has(t.minReadySeconds) || t.minReadySeconds <= "
        "(has(self.progressDeadlineSeconds) ? self.progressDeadlineSeconds : 600))",
        "minReadySeconds must not exceed progressDeadlineSeconds (600 if unset)",
    ),
)

_NATURAL: Final[dict[str, Any]] = {"minimum": 0}
_NAME: Final[dict[str, Any]] = {"maxLength": 253}
_LABELS: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": {"type": "string"},
}

ROLLOUT_BOUNDS: Final[dict[str, dict[str, Any]]] = {
    "spec.replicas": _NATURAL,
    "spec.minReadySeconds": _NATURAL,
    "spec.revisionHistoryLimit": _NATURAL,
    "spec.progressDeadlineSeconds": _NATURAL,
    # Declared so that the rule on workloadRef can see them; the rest of the template stays free.
    "spec.template": {
        "properties": {
            "metadata": {
                "type": "object",
                "properties": {"labels": _LABELS, "annotations": _LABELS},
                "x-kubernetes-preserve-unknown-fields": True,
            }
        }
    },
    f"{_BLUE_GREEN}.activeService": _NAME,
    f"{_BLUE_GREEN}.previewService": _NAME,
    f"{_CANARY}.canaryService": _NAME,
    f"{_CANARY}.stableService": _NAME,
    f"{_CANARY}.pingPong.pingService": _NAME,
    f"{_CANARY}.pingPong.pongService": _NAME,
    f"{_CANARY}.steps": {"maxItems": 1000},
    f"{_STEP}.setHeaderRoute.name": _NAME,
    f"{_STEP}.setMirrorRoute.name": _NAME,
    f"{_CANARY}.trafficRouting.managedRoutes": {"maxItems": 64},
    f"{_CANARY}.trafficRouting.managedRoutes[].name": _NAME,
    f"{_CANARY}.trafficRouting.nginx.stableIngress": _NAME,
    f"{_CANARY}.trafficRouting.nginx.stableIngresses": {"maxItems": 1000},
    f"{_CANARY}.trafficRouting.alb.ingress": _NAME,
    f"{_CANARY}.trafficRouting.alb.ingresses": {"maxItems": 1000},
    f"{_CANARY}.trafficRouting.istio.virtualServices": {"maxItems": 1000},
    f"{_CANARY}.trafficRouting.ambassador.mappings": {"minItems": 1},
    **{
        f"{strategy}.antiAffinity.preferredDuringSchedulingIgnoredDuringExecution.weight": {
            "minimum": 1,
            "maximum": 100,
        }
        for strategy in (_CANARY, _BLUE_GREEN)
    },
}
_DATADOG: Final = "spec.metrics[].provider.datadog"
METRICS_BOUNDS: Final[dict[str, dict[str, Any]]] = {
    "spec.metrics": {"maxItems": 1000},
    f"{_DATADOG}.apiVersion": {"default": "v1"},
    f"{_DATADOG}.interval": {"default": "5m"},
    f"{_DATADOG}.requestTimeout": {"default": "10s"},
}
EXPERIMENT_BOUNDS: Final[dict[str, dict[str, Any]]] = {
    "spec.templates": {"maxItems": 100},
    "spec.templates[].name": _NAME,
    "spec.templates[].replicas": _NATURAL,
}
