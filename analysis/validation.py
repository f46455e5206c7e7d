"""Which metrics make no sense, in Argo Rollouts' order and words.

Owns the rules that need no cluster. Refuses to look at conditions and queries: those show as
measurement errors, or in lint. Called before a run measures anything, and for templates. Pure.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from analysis.comparisons import nonsense
from analysis.decode import Problem
from analysis.limits import Limits, integer, limits_of
from analysis.provider_rules import contradictions
from analysis.spec import Metric
from analysis.times import parse_duration


def validate_metrics(metrics: Sequence[Metric]) -> tuple[Problem, ...]:
    """Everything wrong, first things first; the first is what Argo Rollouts would report."""
    if not metrics:
        return (Problem("", "no metrics specified"),)
    problems: list[Problem] = []
    seen: set[str] = set()
    for i, metric in enumerate(metrics):
        path = f"metrics[{i}]"
        if metric.name in seen:
            problems.append(Problem(path, f"duplicate name '{metric.name}'"))
        seen.add(metric.name)
        problems.extend(Problem(path, message) for message in validate_metric(metric))
    return tuple(problems)


def validate_metric(metric: Metric) -> list[str]:
    """What is wrong with one metric."""
    problems = list(_unreadable(metric))
    if not problems:
        limits = limits_of(metric)
        problems = [text for rule in _RULES if (text := rule(metric, limits))]
    configured = metric.provider.configured()
    if not configured:
        problems.append("no provider specified")
    elif len(configured) > 1:
        problems.append("multiple providers specified")
    return [*problems, *contradictions(metric.provider), *nonsense(metric)]


def _unreadable(metric: Metric) -> Iterator[str]:
    for name, value in (
        ("count", metric.count),
        ("failureLimit", metric.failure_limit),
        ("inconclusiveLimit", metric.inconclusive_limit),
        ("consecutiveErrorLimit", metric.consecutive_error_limit),
        ("consecutiveSuccessLimit", metric.consecutive_success_limit),
    ):
        try:
            integer(value)
        except ValueError as error:
            yield f"invalid {name}: {error}"
    for name, text in (("interval", metric.interval), ("initialDelay", metric.initial_delay)):
        try:
            seconds = parse_duration(text) if text else 0.0
        except ValueError as error:
            yield f"invalid {name} string: {error}"
        else:
            if seconds < 0:
                yield f"{name} must be >= 0"


def _consecutive_success(_: Metric, limits: Limits) -> str:
    return "consecutiveSuccessLimit must be >= 0" * (limits.consecutive_success < 0)


def _failure(_: Metric, limits: Limits) -> str:
    return "failureLimit must be >= -1" * (limits.failure < -1)


def _undecidable(_: Metric, limits: Limits) -> str:
    return "failureLimit -1 needs a consecutiveSuccessLimit > 0, or nothing decides the metric" * (
        limits.failure == -1 and limits.consecutive_success == 0
    )


def _inconclusive(_: Metric, limits: Limits) -> str:
    return "inconclusiveLimit must be >= 0" * (limits.inconclusive < 0)


def _consecutive_error(_: Metric, limits: Limits) -> str:
    return "consecutiveErrorLimit must be >= 0" * (limits.consecutive_error < 0)


def _count_against_failures(metric: Metric, limits: Limits) -> str:
    count, success = integer(metric.count), limits.consecutive_success
    if count <= 0:
        return ""
    if limits.failure < 0:
        return "count must be >= consecutiveSuccessLimit" * (count < success)
    if success <= 0:
        return "count must be >= failureLimit" * (count < limits.failure)
    return "count must be >= failureLimit + consecutiveSuccessLimit" * (
        count < limits.failure + success
    )


def _count_against_inconclusive(metric: Metric, limits: Limits) -> str:
    count = integer(metric.count)
    return "count must be >= inconclusiveLimit" * (0 < count < limits.inconclusive)


def _interval(metric: Metric, limits: Limits) -> str:
    repeated = integer(metric.count) > 1
    return "interval must be specified when count > 1" * (repeated and limits.interval is None)


_RULES: Final[tuple[Callable[[Metric, Limits], str], ...]] = (
    _consecutive_success,
    _failure,
    _undecidable,
    _inconclusive,
    _consecutive_error,
    _count_against_failures,
    _count_against_inconclusive,
    _interval,
)
