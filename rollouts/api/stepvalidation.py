"""What is wrong with the steps of a canary.

Owns the checks of each step, in Argo Rollouts' order and words; the first error wins. Part of
``api.validation``, apart only for its size.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from analysis.times import parse_duration
from rollouts.api.analysis import AnalysisRunArgument
from rollouts.api.canary import CanaryStrategy
from rollouts.api.fielderror import FieldError
from rollouts.api.steps import CanaryStep, StringMatch
from rollouts.api.trafficrouting import RolloutTrafficRouting

Found = Iterator[FieldError]
_ONE_KIND: Final = (
    "Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or "
    "pause"
)
_MANAGED: Final = "spec.strategy.canary.trafficRouting.managedRoutes"
_SPEC_REFS: Final = ("canary", "stable")
_DOWNWARD: Final = re.compile(
    r"metadata\.(name|namespace|uid|labels|annotations|(labels|annotations)\['[^']+'\])"
)


def step_errors(canary: CanaryStrategy, path: str) -> Found:
    """What is wrong with ``canary.steps``, which stand at ``path``: the first thing of each."""
    for index, step in enumerate(canary.steps):
        found = (error for check in _CHECKS for error in check(step, canary, f"{path}[{index}]"))
        if error := next(found, None):
            yield error


def _one_kind(step: CanaryStep, _: CanaryStrategy, path: str) -> Found:
    exclusive = (step.set_weight, step.pause, step.experiment, step.analysis)
    if step.kind is None or sum(part is not None for part in exclusive) > 1:
        yield FieldError.invalid(path, sorted(step.to_wire()), _ONE_KIND)


def _weight(step: CanaryStep, canary: CanaryStrategy, path: str) -> Found:
    most = canary.max_weight
    if step.set_weight is not None and not 0 <= step.set_weight <= most:
        yield FieldError.invalid(
            f"{path}.setWeight", step.set_weight, f"SetWeight needs to be between 0 and {most}"
        )


def _pause(step: CanaryStep, _: CanaryStrategy, path: str) -> Found:
    seconds = step.pause.seconds if step.pause else None
    if seconds is not None and seconds < 0:
        yield FieldError.invalid(
            f"{path}.pause.duration", seconds, "Duration needs to be greater than 0"
        )


def _canary_scale(step: CanaryStep, canary: CanaryStrategy, path: str) -> Found:
    if step.set_canary_scale is not None and canary.traffic_routing is None:
        yield FieldError.required(
            f"{path}.setCanaryScale", "SetCanaryScale requires TrafficRouting to be set"
        )


def _header_route(step: CanaryStep, canary: CanaryStrategy, path: str) -> Found:
    route, routing = step.set_header_route, canary.traffic_routing
    if route is None:
        return
    path = f"{path}.setHeaderRoute"
    if routing is None or not (routing.istio or routing.alb or routing.apisix or routing.plugins):
        yield FieldError.invalid(
            path,
            route.name,
            "SetHeaderRoute requires TrafficRouting, supports Istio and ALB and Apisix",
        )
        return
    for index, match in enumerate(route.match or ()):
        at = f"{path}.match[{index}].headerValue"
        value = match.header_value or StringMatch()
        if routing.alb is None:
            yield from _string_match(value, at)
        elif not value.exact or value.prefix or value.regex:
            yield FieldError.invalid(
                at,
                value.to_wire(),
                "SetHeaderRoute match value invalid. ALB supports 'exact' value only",
            )
    yield from _managed(route.name, routing, path)


def _mirror_route(step: CanaryStep, canary: CanaryStrategy, path: str) -> Found:
    route, routing = step.set_mirror_route, canary.traffic_routing
    if route is None:
        return
    path = f"{path}.setMirrorRoute"
    if routing is None or not (routing.istio or routing.plugins):
        yield FieldError.invalid(
            path,
            route.name,
            "SetMirrorRoute requires TrafficRouting, supports Istio and Plugins",
        )
        return
    for index, match in enumerate(route.match or ()):
        at = f"{path}.match[{index}]"
        if match.method is not None:
            yield from _string_match(match.method, f"{at}.method")
        if match.path is not None:
            yield from _string_match(match.path, f"{at}.path")
    yield from _managed(route.name, routing, path)


def _string_match(value: StringMatch, path: str) -> Found:
    ways = sum(bool(way) for way in (value.exact, value.prefix, value.regex))
    words = "the following: exact, regex, prefix"
    if ways > 1:
        yield FieldError.invalid(
            path, value.to_wire(), f"StringMatch match value must have exactly one of {words}"
        )
    if ways == 0:
        yield FieldError.invalid(
            path,
            value.to_wire(),
            f"StringMatch value missed, match value must have one of {words}",
        )


def _managed(name: str, routing: RolloutTrafficRouting, path: str) -> Found:
    if routing.managed_routes is None:
        yield FieldError.required(path, f"Rollout has missing field '{_MANAGED}'")
    elif all(route.name != name for route in routing.managed_routes):
        yield FieldError.invalid(
            f"{path}.name", name, f"Steps define a route that does not exist in {_MANAGED}"
        )


def _experiment(step: CanaryStep, canary: CanaryStrategy, path: str) -> Found:
    routing = canary.traffic_routing
    for index, template in enumerate(step.experiment.templates if step.experiment else ()):
        at = f"{path}.experiment.templates[{index}].weight"
        if template.weight is None:
            continue
        if routing is None:
            yield FieldError.invalid(
                at,
                template.weight,
                "Experiment template weight cannot be set unless TrafficRouting is enabled",
            )
        elif not (routing.alb or routing.smi or routing.istio or routing.plugins):
            yield FieldError.invalid(
                at,
                template.weight,
                "Experiment template weight is only available for TrafficRouting with SMI, ALB, "
                "Istio and Plugins at this time",
            )


def _experiment_shape(step: CanaryStep, _: CanaryStrategy, path: str) -> Found:
    """What would otherwise stop the release at this step, when the Experiment is refused."""
    experiment, at = step.experiment, f"{path}.experiment"
    if experiment is None:
        return
    for index, template in enumerate(experiment.templates):
        here = f"{at}.templates[{index}]"
        if template.spec_ref not in _SPEC_REFS:
            yield FieldError.unsupported(f"{here}.specRef", template.spec_ref, _SPEC_REFS)
        yield from _not_negative(f"{here}.replicas", template.replicas)
        yield from _not_negative(f"{here}.weight", template.weight)
    yield from _names([each.name for each in experiment.templates], f"{at}.templates")
    yield from _names([each.name for each in experiment.analyses], f"{at}.analyses")
    yield from _not_negative(f"{at}.scaleDownDelaySeconds", experiment.scale_down_delay_seconds)
    try:
        seconds = parse_duration(experiment.duration) if experiment.duration else 0.0
    except ValueError as error:
        yield FieldError.invalid(f"{at}.duration", experiment.duration, str(error))
    else:
        if seconds < 0:
            text = "must not be negative"
            yield FieldError.invalid(f"{at}.duration", experiment.duration, text)


def _names(names: list[str], path: str) -> Found:
    for index, name in enumerate(names):
        if not name:
            yield FieldError.required(f"{path}[{index}].name", "each needs a name")
        if name in names[:index]:
            yield FieldError.duplicate(f"{path}[{index}].name", name)


def _not_negative(path: str, value: int | None) -> Found:
    if value is not None and value < 0:
        yield FieldError.invalid(path, value, "must not be negative")


def _shares(step: CanaryStep, canary: CanaryStrategy, path: str) -> Found:
    """What an experiment gets comes from the stable revision: there must be that much left."""
    templates = step.experiment.templates if step.experiment else ()
    shares = sum(template.weight or 0 for template in templates)
    at = next(index for index, each in enumerate(canary.steps) if each is step)
    before = (each.set_weight for each in reversed(canary.steps[:at]))
    weight = next((each for each in before if each is not None), 0)
    if shares and weight + shares > canary.max_weight:
        yield FieldError.invalid(
            f"{path}.experiment.templates",
            shares,
            f"together with setWeight {weight} the weights exceed {canary.max_weight}",
        )


def _arguments(step: CanaryStep, _: CanaryStrategy, path: str) -> Found:
    if step.analysis is not None:
        yield from _field_refs(step.analysis.args, f"{path}.analysis.args")
    for index, analysis in enumerate(step.experiment.analyses if step.experiment else ()):
        yield from _field_refs(analysis.args, f"{path}.experiment.analyses[{index}].args")


def _field_refs(args: tuple[AnalysisRunArgument, ...], path: str) -> Found:
    for index, arg in enumerate(args):
        ref = arg.value_from.field_ref if arg.value_from else None
        text = ref.field_path if ref else ""
        if text.startswith("metadata") and not _DOWNWARD.fullmatch(text):
            yield FieldError.invalid(
                f"{path}[{index}].valueFrom.fieldRef.fieldPath",
                text,
                "Analyses arguments must refer to valid object metadata supported by downwardAPI",
            )


_CHECKS: Final[tuple[Callable[[CanaryStep, CanaryStrategy, str], Found], ...]] = (
    _one_kind,
    _weight,
    _pause,
    _canary_scale,
    _header_route,
    _mirror_route,
    _experiment,
    _experiment_shape,
    _shares,
    _arguments,
)
