"""What is due when.

Owns the timing of measurements: first ones after the initial delay, further ones an interval after
the last, errors again after ten seconds, unfinished ones when they asked to be resumed. Everything
is derived from the status, so a restart changes nothing. Times are seconds since the epoch. Pure.
"""

from collections.abc import Container
from dataclasses import dataclass
from enum import StrEnum

from analysis.limits import ERROR_RETRY_SECONDS
from analysis.plan import MetricPlan, RunPlan
from analysis.spec import Measurement, MetricResult, Phase, RunStatus
from analysis.times import parse_time


class Action(StrEnum):
    MEASURE = "measure"
    RESUME = "resume"
    TERMINATE = "terminate"


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do with one metric now. ``measurement`` is the unfinished one, if any.

    ``ordinal`` numbers a new measurement from 1 among all of its metric; it stays the same until
    a measurement is recorded, so whatever is named after it is found again after a crash.
    """

    plan: MetricPlan
    action: Action
    measurement: Measurement | None = None
    ordinal: int = 1


def result_of(status: RunStatus, name: str) -> MetricResult | None:
    return next((result for result in status.metric_results if result.name == name), None)


def is_terminating(plan: RunPlan, status: RunStatus) -> bool:
    """Told to stop, or already decided by a metric that counts."""
    dry = {metric.name for metric in plan.metrics if metric.dry_run}
    return plan.terminate or any(
        result.phase.completed and result.phase is not Phase.SUCCESSFUL
        for result in status.metric_results
        if result.name not in dry
    )


def tasks(plan: RunPlan, status: RunStatus, now: float) -> list[Task]:
    """Everything to do now, in the order of the metrics."""
    stopping = is_terminating(plan, status)
    found: list[Task] = []
    for metric in plan.metrics:
        unfinished = _unfinished(status, metric)
        if unfinished is not None and stopping:
            found.append(Task(metric, Action.TERMINATE, unfinished))
            continue
        when = due_at(metric, status, now)
        if when is None or when > now:
            continue
        if unfinished is not None:
            found.append(Task(metric, Action.RESUME, unfinished))
        elif not stopping:
            found.append(Task(metric, Action.MEASURE, ordinal=_ordinal(status, metric)))
    return found


def is_current(task: Task, plan: RunPlan, status: RunStatus) -> bool:
    """Whether what comes of a task still has its place: the metric is there and no further on."""
    metric = next((one for one in plan.metrics if one.name == task.plan.name), None)
    if metric is None:
        return False
    unfinished = _unfinished(status, metric)
    if task.measurement is not None:
        return unfinished == task.measurement
    result = result_of(status, metric.name)
    over = result is not None and result.phase.completed
    return unfinished is None and not over and _ordinal(status, metric) == task.ordinal


def wake_at(
    plan: RunPlan, status: RunStatus, now: float, busy: Container[str] = ()
) -> float | None:
    """When the next pass is due; None when nothing will be, however long one waits.

    ``busy``: metrics that are being measured; whoever does that will tell.
    """
    if status.phase.completed:
        return None
    if is_terminating(plan, status):
        return now
    idle = (metric for metric in plan.metrics if metric.name not in busy)
    moments = (due_at(metric, status, now) for metric in idle)
    return min((max(moment, now) for moment in moments if moment is not None), default=None)


def due_at(metric: MetricPlan, status: RunStatus, now: float) -> float | None:
    """When this metric wants attention, None when it never will. The past means at once."""
    result = result_of(status, metric.name)
    if result is not None and result.phase.completed:
        return None
    limits = metric.limits
    if result is None or not result.measurements:
        started = parse_time(status.started_at)
        return (now if started is None else started) + limits.initial_delay
    last = result.measurements[-1]
    if last.finished_at is None:
        return parse_time(last.resume_at) or 0.0
    if limits.count is not None and result.count >= limits.count:
        return None
    interval = limits.interval if limits.interval is not None else ERROR_RETRY_SECONDS
    if last.phase is Phase.ERROR:
        interval = ERROR_RETRY_SECONDS
    return (parse_time(last.finished_at) or 0.0) + interval


def _ordinal(status: RunStatus, metric: MetricPlan) -> int:
    result = result_of(status, metric.name)
    return 1 if result is None else result.count + result.error + 1


def _unfinished(status: RunStatus, metric: MetricPlan) -> Measurement | None:
    result = result_of(status, metric.name)
    if result is None or result.phase.completed or not result.measurements:
        return None
    last = result.measurements[-1]
    return last if last.finished_at is None else None
