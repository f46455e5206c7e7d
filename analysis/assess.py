"""What measurements amount to: the phase of a metric and of a run.

Owns Argo Rollouts' assessment tables and their wordings, counters, summaries, and how much history
is kept. Whatever is not measured is never a success while the run goes on. Called at the end of
every pass over a run. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from analysis.plan import MetricPlan, RunPlan, SpecError
from analysis.schedule import result_of
from analysis.spec import Measurement, MetricResult, Phase, RunStatus, RunSummary
from analysis.times import format_time

_BADNESS: Final = (
    Phase.SUCCESSFUL,
    Phase.RUNNING,
    Phase.PENDING,
    Phase.INCONCLUSIVE,
    Phase.ERROR,
    Phase.FAILED,
)
_INT32_MAX: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Assessment:
    """A phase and, where a limit was passed, which."""

    phase: Phase
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Transition:
    """Something that ended, or began to go wrong, in this pass: worth an event."""

    warning: bool
    reason: str
    message: str


def record(
    status: RunStatus, plan: MetricPlan, measurement: Measurement, metadata: Mapping[str, str]
) -> RunStatus:
    """The status with one more measurement, or with the unfinished one replaced.

    Only a finished measurement is counted. ``metadata``: what the provider says of the metric,
    kept from its first measurement on.
    """
    result = result_of(status, plan.name)
    if result is None:
        result = MetricResult(
            name=plan.name,
            phase=Phase.RUNNING,
            dry_run=plan.dry_run,
            metadata=dict(metadata),
        )
    kept = list(result.measurements)
    if kept and kept[-1].finished_at is None:
        kept.pop()
    kept.append(measurement)
    updates: dict[str, object] = {"measurements": kept[-plan.retention :]}
    if measurement.finished_at is not None:
        updates |= _counted(result, measurement.phase)
        updates["message"] = measurement.message
    updated = result.model_copy(update=updates)
    others = list(status.metric_results)
    places = [i for i, other in enumerate(others) if other.name == plan.name]
    if places:
        others[places[0]] = updated
    else:
        others.append(updated)
    return status.model_copy(update={"metric_results": others})


def _counted(result: MetricResult, phase: Phase) -> dict[str, object]:
    succeeded, erred = phase is Phase.SUCCESSFUL, phase is Phase.ERROR
    counts = {
        "successful": result.successful + succeeded,
        "failed": result.failed + (phase is Phase.FAILED),
        "inconclusive": result.inconclusive + (phase is Phase.INCONCLUSIVE),
        "error": result.error + erred,
        "count": result.count + (not erred),
        "consecutive_success": result.consecutive_success + 1 if succeeded else 0,
        "consecutive_error": result.consecutive_error + 1 if erred else 0,
    }
    return {name: min(value, _INT32_MAX) for name, value in counts.items()}


def assess_metric(plan: MetricPlan, result: MetricResult | None, *, stopping: bool) -> Assessment:
    """The phase of one metric; later rows of the limits win over earlier ones."""
    if result is None or not result.measurements:
        return Assessment(Phase.SUCCESSFUL if stopping else Phase.PENDING)
    if result.measurements[-1].finished_at is None:
        return Assessment(Phase.RUNNING)
    if broken := _broken_limit(plan, result):
        return broken
    limits = plan.limits
    wanted = limits.consecutive_success
    if wanted > 0 and result.consecutive_success >= wanted:
        return Assessment(Phase.SUCCESSFUL)
    if limits.count is not None and result.count >= limits.count:
        if wanted <= 0:
            return Assessment(Phase.SUCCESSFUL)
        return Assessment(
            Phase.INCONCLUSIVE if limits.failure >= 0 else Phase.FAILED,
            f"consecutiveSuccesses ({result.consecutive_success}) < "
            f"consecutiveSuccessLimit ({wanted})",
        )
    return Assessment(Phase.SUCCESSFUL if stopping else Phase.RUNNING)


def _broken_limit(plan: MetricPlan, result: MetricResult) -> Assessment | None:
    limits = plan.limits
    if result.consecutive_error > limits.consecutive_error:
        return Assessment(
            Phase.ERROR,
            f"consecutiveErrors ({result.consecutive_error}) > "
            f"consecutiveErrorLimit ({limits.consecutive_error})",
        )
    if result.inconclusive > limits.inconclusive:
        return Assessment(
            Phase.INCONCLUSIVE,
            f"inconclusive ({result.inconclusive}) > inconclusiveLimit ({limits.inconclusive})",
        )
    if result.failed > limits.failure >= 0:
        return Assessment(
            Phase.FAILED, f"failed ({result.failed}) > failureLimit ({limits.failure})"
        )
    return None


def conclude(plan: RunPlan, status: RunStatus, now: float, *, stopping: bool) -> RunStatus:
    """The status after a pass: phases, messages, summaries, times (``now`` in epoch seconds).

    ``stopping``: the run was already terminating when the pass began.
    """
    assessed: list[tuple[MetricPlan, MetricResult | None, Assessment]] = []
    for metric in plan.metrics:
        result = result_of(status, metric.name)
        assessment = assess_metric(metric, result, stopping=stopping)
        assessed.append((metric, result, assessment))
    deciding = [entry for entry in assessed if not entry[0].dry_run]
    phase, message = _run_phase(plan, assessed, deciding)
    results = {
        metric.name: _settled(metric, result, assessment)
        for metric, result, assessment in assessed
        if result is not None
    }
    dry = [entry for entry in assessed if entry[0].dry_run]
    stamp = format_time(now)
    return status.model_copy(
        update={
            "phase": phase,
            "message": message,
            "metric_results": [results.get(r.name, r) for r in status.metric_results],
            "run_summary": _summary(deciding),
            "dry_run_summary": _summary(dry) if dry else None,
            "started_at": status.started_at or stamp,
            "completed_at": status.completed_at or (stamp if phase.completed else None),
        }
    )


def refuse(status: RunStatus, error: SpecError, now: float) -> RunStatus:
    """The status of a run whose spec can never be measured.

    Unlike Argo Rollouts, such a run gets its ``completedAt``, so that its time to live applies.
    """
    stamp = format_time(now)
    return status.model_copy(
        update={
            "phase": Phase.ERROR,
            "message": str(error),
            "started_at": status.started_at or stamp,
            "completed_at": status.completed_at or stamp,
        }
    )


def _run_phase(
    plan: RunPlan,
    assessed: Sequence[tuple[MetricPlan, MetricResult | None, Assessment]],
    deciding: Sequence[tuple[MetricPlan, MetricResult | None, Assessment]],
) -> tuple[Phase, str]:
    """The worst metric that decides, once nothing is outstanding."""
    stopped = "Run Terminated" if plan.terminate else ""
    if any(not assessment.phase.completed for _, _, assessment in assessed):
        return Phase.RUNNING, ""
    worst = Phase.SUCCESSFUL
    message = ""
    for metric, result, assessment in deciding:
        if _BADNESS.index(assessment.phase) <= _BADNESS.index(worst):
            continue
        worst = assessment.phase
        message = f'Metric "{metric.name}" assessed {worst} due to {assessment.reason}'
        if result is not None and (said := _last_message(result)):
            message += f': "Error Message: {said}"'
    return worst, message or stopped


def _settled(metric: MetricPlan, result: MetricResult, assessment: Assessment) -> MetricResult:
    """The result with its phase; of a dry-run metric it also says why it would have failed."""
    updates: dict[str, object] = {"phase": assessment.phase, "dry_run": metric.dry_run}
    if metric.dry_run and assessment.phase.completed and assessment.reason:
        updates["message"] = f"Metric assessed {assessment.phase} due to {assessment.reason}"
    return result.model_copy(update=updates)


def _last_message(result: MetricResult) -> str:
    return result.measurements[-1].message if result.measurements else ""


def _summary(
    entries: Iterable[tuple[MetricPlan, MetricResult | None, Assessment]],
) -> RunSummary:
    phases = [assessment.phase for _, result, assessment in entries if result is not None]
    return RunSummary(
        count=sum(1 for _ in entries),
        successful=phases.count(Phase.SUCCESSFUL),
        failed=phases.count(Phase.FAILED),
        inconclusive=phases.count(Phase.INCONCLUSIVE),
        error=phases.count(Phase.ERROR),
    )


def transitions(old: RunStatus, new: RunStatus) -> list[Transition]:
    """What ended between two statuses, or could not be measured; metrics first."""
    ended: list[Transition] = []
    for result in new.metric_results:
        before = result_of(old, result.name)
        if result.consecutive_error == 1 and (before is None or before.error < result.error):
            message = f"Metric '{result.name}' could not be measured: {_last_message(result)}"
            ended.append(Transition(warning=True, reason="MeasurementError", message=message))
        if result.phase.completed and (before is None or before.phase is not result.phase):
            ended.append(
                Transition(
                    _is_bad(result.phase),
                    f"Metric{result.phase}",
                    f"Metric '{result.name}' Completed. Result: {result.phase}",
                )
            )
    if new.phase.completed and old.phase is not new.phase:
        ended.append(
            Transition(
                _is_bad(new.phase),
                f"AnalysisRun{new.phase}",
                f"Analysis Completed. Result: {new.phase}",
            )
        )
    return ended


def _is_bad(phase: Phase) -> bool:
    return phase in (Phase.FAILED, Phase.ERROR)
