"""What a run is going to do, once its spec is known to make sense.

Owns the order in which a run's spec is checked and the words in which it is refused. Metrics here
carry their arguments, with placeholders for Secrets: names, intervals and limits can never depend
on a Secret. Called at the start of every pass over a run. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import re2

from analysis import args
from analysis.limits import Limits, limits_of
from analysis.spec import Metric, RunSpec
from analysis.validation import validate_metrics

DEFAULT_RETENTION: Final = 10
_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False


class SpecError(ValueError):
    """The run can never measure anything; the message is what its status will say."""


@dataclass(frozen=True, slots=True)
class MetricPlan:
    """One metric: as written (``source``) and with its arguments (``metric``)."""

    source: Metric
    metric: Metric
    limits: Limits
    dry_run: bool
    retention: int  # measurements kept in the status
    sharing: int = 1  # sequential metrics that share the run's chance of a false verdict

    @property
    def name(self) -> str:
        return self.metric.name


@dataclass(frozen=True, slots=True)
class RunPlan:
    metrics: tuple[MetricPlan, ...]
    terminate: bool


def plan_run(spec: RunSpec) -> RunPlan:
    """Raises SpecError with the message the run's status will carry."""
    try:
        given = args.values(spec.args)
        resolved = [args.substitute(metric, given) for metric in spec.metrics]
    except args.ArgsError as error:
        raise SpecError(f"Unable to resolve metric arguments: {error}") from error
    problems = validate_metrics(resolved)
    if problems:
        raise SpecError(f"Analysis spec invalid: {problems[0]}")
    names = [metric.name for metric in resolved]
    dry = _matched("dryRun", [rule.metric_name for rule in spec.dry_run], names)
    kept = _matched(
        "measurementRetention", [rule.metric_name for rule in spec.measurement_retention], names
    )
    retention = {name: spec.measurement_retention[i].limit for i, name in reversed(kept)}
    dry_names = {name for _, name in dry}
    sharing = sum(
        metric.provider.sequential is not None and metric.name not in dry_names
        for metric in resolved
    )
    return RunPlan(
        tuple(
            MetricPlan(
                source,
                metric,
                limits_of(metric),
                metric.name in dry_names,
                max(1, retention.get(metric.name, DEFAULT_RETENTION)),
                max(1, sharing),
            )
            for source, metric in zip(spec.metrics, resolved, strict=True)
        ),
        spec.terminate,
    )


def with_secrets(plan: MetricPlan, given: dict[str, str]) -> Metric:
    """The metric a provider gets: conditions and provider with real values, all else as planned.

    ``given``: every argument's value by name. Raises args.ArgsError.
    """
    real = args.substitute(plan.source, given)
    return plan.metric.model_copy(
        update={
            "provider": real.provider,
            "success_condition": real.success_condition,
            "failure_condition": real.failure_condition,
        }
    )


def _matched(field: str, patterns: Sequence[str], names: Sequence[str]) -> list[tuple[int, str]]:
    """Which rule matches which metric; a rule that matches none is an error."""
    matches: list[tuple[int, str]] = []
    for i, pattern in enumerate(patterns):
        try:
            compiled = re2.compile(pattern, _OPTIONS)
        except re2.error as error:
            raise SpecError(
                f"Analysis spec invalid: {field}[{i}]: error parsing regexp: {_reason(error)}"
            ) from error
        found = [(i, name) for name in names if compiled.search(name)]
        if not found:
            raise SpecError(
                f"Analysis spec invalid: {field}[{i}]: Rule didn't match any metric name(s)"
            )
        matches.extend(found)
    return matches


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else "invalid"
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
