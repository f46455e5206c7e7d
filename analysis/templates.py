"""Templates to the spec of a run.

Owns how references are followed and how metrics, arguments, dry-run and retention rules of several
templates become one spec (Argo Rollouts' behaviour). Refuses to read anything: templates come from
a function the caller gives. Called when a run is created, and by lint. Pure.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from analysis import args
from analysis.spec import (
    Argument,
    DryRun,
    MeasurementRetention,
    Metric,
    RunSpec,
    TemplateRef,
    TemplateSpec,
)

Lookup = Callable[[TemplateRef], TemplateSpec | None]
Rule = TypeVar("Rule", DryRun, MeasurementRetention)


class TemplateError(ValueError):
    """Templates that cannot be put together; the message names what."""


class TemplateMissing(TemplateError):
    """A template that does not exist (yet)."""

    def __init__(self, ref: TemplateRef) -> None:
        kind = "ClusterAnalysisTemplate" if ref.cluster_scope else "AnalysisTemplate"
        super().__init__(f"{kind} '{ref.template_name}' not found")
        self.ref = ref


def collect(refs: Sequence[TemplateRef], lookup: Lookup) -> list[TemplateSpec]:
    """The referenced templates and all they include, each once, in the order they are met, those
    of the namespace before those of the cluster. A template that includes itself is met once.
    """
    seen: set[tuple[str, bool]] = set()
    own: list[TemplateSpec] = []
    shared: list[TemplateSpec] = []
    pending = list(reversed(refs))
    while pending:
        ref = pending.pop()
        key = (ref.template_name, ref.cluster_scope)
        if key in seen:
            continue
        seen.add(key)
        template = lookup(ref)
        if template is None:
            raise TemplateMissing(ref)
        (shared if ref.cluster_scope else own).append(template)
        pending.extend(reversed(template.templates))
    return own + shared


def run_spec(
    refs: Sequence[TemplateRef],
    lookup: Lookup,
    *,
    arguments: Sequence[Argument] = (),
    dry_run: Sequence[DryRun] = (),
    retention: Sequence[MeasurementRetention] = (),
) -> RunSpec:
    """The spec of a run over these templates. Raises TemplateError or args.ArgsError.

    Metrics are copied with their ``{{args.x}}`` in place; arguments carry values or references
    to Secrets.
    """
    found = collect(refs, lookup)
    return RunSpec(
        metrics=_metrics(found),
        args=args.merge(arguments, args.union([template.args for template in found])),
        dry_run=_rules("Dry-Run", [list(dry_run), *(t.dry_run for t in found)]),
        measurement_retention=_rules(
            "Measurement Retention", [list(retention), *(t.measurement_retention for t in found)]
        ),
    )


def _metrics(templates: Sequence[TemplateSpec]) -> list[Metric]:
    metrics = [metric for template in templates for metric in template.metrics]
    names: set[str] = set()
    for metric in metrics:
        if metric.name in names:
            raise TemplateError(f"two metrics have the same name '{metric.name}'")
        names.add(metric.name)
    return metrics


def _rules(kind: str, groups: Sequence[Sequence[Rule]]) -> list[Rule]:
    rules = [rule for group in groups for rule in group]
    names: set[str] = set()
    for rule in rules:
        if rule.metric_name in names:
            raise TemplateError(f"two {kind} metric rules have the same name '{rule.metric_name}'")
        names.add(rule.metric_name)
    return rules
