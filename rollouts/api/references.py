"""What a Rollout refers to, and what is wrong with that.

Owns the list of Services and analysis templates a Rollout names, and Argo Rollouts' checks of them
in its order; the first error wins. Refuses to fetch: the caller passes functions that look into its
caches. Router objects are checked by their routers. Used by the controller and by lint.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from analysis.decode import decode
from analysis.spec import Metric, TemplateRef, TemplateSpec
from rollouts.api import labels
from rollouts.api.analysis import AnalysisRunArgument, RolloutAnalysis
from rollouts.api.base import Obj
from rollouts.api.fielderror import FieldError
from rollouts.api.rollout import Rollout
from rollouts.api.steps import CanaryStep

Lookup = Callable[[str], Obj | None]
Found = Iterator[FieldError]
_CANARY: Final = "spec.strategy.canary"
_BLUE_GREEN: Final = "spec.strategy.blueGreen"


@dataclass(frozen=True, slots=True)
class References:
    """How to find what a Rollout names, in its own namespace where there is one."""

    service: Lookup
    template: Lookup
    cluster_template: Lookup


@dataclass(frozen=True, slots=True)
class ServiceUse:
    """One Service named at ``path``."""

    path: str
    name: str


@dataclass(frozen=True, slots=True)
class AnalysisUse:
    """One place that runs analysis: its templates, each with its path, and its arguments.

    ``background``: beside the steps. ``endless``: it may measure for ever, since something else
    ends it; all others must come to an end.
    """

    path: str
    templates: tuple[tuple[str, TemplateRef], ...]
    args: tuple[AnalysisRunArgument, ...]
    background: bool = False
    endless: bool = False


def services(rollout: Rollout) -> tuple[ServiceUse, ...]:
    """Services the Rollout names, in the order in which they are checked."""
    found: list[tuple[str, str]] = []
    if blue_green := rollout.spec.blue_green:
        found += [
            (f"{_BLUE_GREEN}.activeService", blue_green.active_service),
            (f"{_BLUE_GREEN}.previewService", blue_green.preview_service),
        ]
    elif canary := rollout.spec.canary:
        found += [
            (f"{_CANARY}.stableService", canary.stable_service),
            (f"{_CANARY}.canaryService", canary.canary_service),
        ]
        if pair := canary.ping_pong:
            found += [
                (f"{_CANARY}.pingPong.pingService", pair.ping_service),
                (f"{_CANARY}.pingPong.pongService", pair.pong_service),
            ]
    return tuple(ServiceUse(path, name) for path, name in found if name)


def analyses(rollout: Rollout) -> tuple[AnalysisUse, ...]:
    """Places that run analysis, in the order in which they are checked."""
    if blue_green := rollout.spec.blue_green:
        both = (
            ("prePromotionAnalysis", blue_green.pre_promotion_analysis),
            ("postPromotionAnalysis", blue_green.post_promotion_analysis),
        )
        return tuple(_use(f"{_BLUE_GREEN}.{name}", part) for name, part in both if part)
    canary = rollout.spec.canary
    if canary is None:
        return ()
    found = [
        use
        for index, step in enumerate(canary.steps)
        for use in _in_step(step, f"{_CANARY}.steps[{index}]")
    ]
    if canary.analysis:
        found.append(_use(f"{_CANARY}.analysis", canary.analysis, background=True))
    return tuple(found)


def validate_references(rollout: Rollout, references: References) -> FieldError | None:
    """The first thing wrong with what ``rollout`` refers to, or None."""
    return next(reference_errors(rollout, references), None)


def reference_errors(rollout: Rollout, references: References) -> Found:
    """All that is wrong with it, in the same order; for those who show more than one."""
    named = services(rollout)
    uses = analyses(rollout)
    for use in named:
        if references.service(use.name) is None:
            yield FieldError.invalid(use.path, use.name, f'service "{use.name}" not found')
    for analysis in uses:
        for path, ref in analysis.templates:
            yield from _exists(ref, references, path, set())
    for use in named:
        yield from _service(rollout, use, references.service(use.name) or {})
    for analysis in uses:
        yield from _runnable(analysis, references)


def _exists(ref: TemplateRef, find: References, path: str, seen: set[tuple[bool, str]]) -> Found:
    key = (ref.cluster_scope, ref.template_name)
    if key in seen:
        return
    seen.add(key)
    found = template_of(ref, find)
    if found is None:
        kind = "ClusterAnalysisTemplate" if ref.cluster_scope else "AnalysisTemplate"
        yield FieldError.invalid(path, ref.template_name, f"{kind} '{ref.template_name}' not found")
        return
    for nested in found.templates:
        yield from _exists(nested, find, "spec.templates", seen)


def template_of(ref: TemplateRef, find: References) -> TemplateSpec | None:
    """The spec of the template ``ref`` names, read tolerantly."""
    lookup = find.cluster_template if ref.cluster_scope else find.template
    obj = lookup(ref.template_name)
    return None if obj is None else decode(TemplateSpec, obj.get("spec"))[0]


def _service(rollout: Rollout, use: ServiceUse, service: Obj) -> Found:
    template: Any = rollout.spec.template.get("metadata") or {}
    wanted = template.get("labels") or {}
    selector: Obj = (service.get("spec") or {}).get("selector") or {}
    for key, value in sorted(selector.items()):
        if key != labels.POD_TEMPLATE_HASH and wanted.get(key) != value:
            yield FieldError.invalid(
                use.path, use.name, f'Service "{use.name}" has unmatch label "{key}" in rollout'
            )
    annotations = (service.get("metadata") or {}).get("annotations") or {}
    if annotations.get(labels.MANAGED_BY, rollout.metadata.name) != rollout.metadata.name:
        yield FieldError.invalid(
            use.path, use.name, f'Service "{use.name}" is managed by another Rollout'
        )


def _runnable(use: AnalysisUse, find: References) -> Found:
    """Metrics of one run must have different names, come to an end, and get their arguments."""
    seen: set[tuple[bool, str]] = set()
    parts = [
        (path, name, spec)
        for path, ref in use.templates
        for name, spec in _with_nested(ref, find, seen)
    ]
    names: set[str] = set()
    for path, name, spec in parts:
        for metric in spec.metrics:
            if metric.name in names:
                text = f"two metrics have the same name '{metric.name}'"
                yield FieldError.invalid(path, name, text)
            names.add(metric.name)
            if not use.endless and endless(metric):
                text = f"AnalysisTemplate {name} has metric {metric.name} which runs indefinitely."
                count = metric.count if metric.count is not None else "<nil>"
                yield FieldError.invalid(path, name, f"{text} Invalid value for count: {count}")
    yield from _arguments(use, parts)


def _arguments(use: AnalysisUse, parts: list[tuple[str, str, TemplateSpec]]) -> Found:
    """Every argument needs a value: from the Rollout, or from one of the merged templates.

    Argo Rollouts checks background analysis only and lets the others fail at their step.
    """
    given = {arg.name for arg in use.args}
    for _, _, spec in parts:
        given |= {arg.name for arg in spec.args if arg.value is not None or arg.value_from}
    for path, name, spec in parts:
        for arg in spec.args:
            if arg.name in given:
                continue
            text = f'argument "{arg.name}" of the template has no value: set it in {use.path}.args'
            if use.background and not use.args:
                text = f"missing analysis arguments in rollout spec: {text}"
            yield FieldError.invalid(path, name, text)


def _with_nested(
    ref: TemplateRef, find: References, seen: set[tuple[bool, str]]
) -> Iterable[tuple[str, TemplateSpec]]:
    key = (ref.cluster_scope, ref.template_name)
    spec = None if key in seen else template_of(ref, find)
    if spec is None:
        return
    seen.add(key)
    yield ref.template_name, spec
    for nested in spec.templates:
        yield from _with_nested(nested, find, seen)


def endless(metric: Metric) -> bool:
    """Whether a metric goes on until somebody stops it: an interval, and no count."""
    return bool(metric.interval) and metric.count in (None, 0, "", "0")


def _in_step(step: CanaryStep, path: str) -> Iterator[AnalysisUse]:
    if step.analysis:
        yield _use(f"{path}.analysis", step.analysis)
    for index, ref in enumerate(step.experiment.analyses if step.experiment else ()):
        at = f"{path}.experiment.analyses[{index}]"
        template = TemplateRef(template_name=ref.template_name, cluster_scope=ref.cluster_scope)
        endless_ = not ref.required_for_completion  # the Experiment ends and takes it along
        yield AnalysisUse(at, ((f"{at}.templateName", template),), ref.args, endless=endless_)


def _use(path: str, analysis: RolloutAnalysis, *, background: bool = False) -> AnalysisUse:
    templates = tuple(
        (f"{path}.templates[{index}].templateName", ref)
        for index, ref in enumerate(analysis.templates)
    )
    return AnalysisUse(path, templates, analysis.args, background, endless=background)
