"""A run from its first measurement to its verdict, without a cluster.

Owns the loop: what is due, measured, recorded, concluded, waited for; the same decisions, by the
same functions, as the controller of runs makes pass by pass. Knows neither the time nor how to
wait: both come with the Pace, so a run may as well be replayed over the past. Called by
``rollouts analyze`` and by the replay of a backtest.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from analysis.assess import assess_metric, conclude, record
from analysis.measure import Done, Given, Measurer
from analysis.plan import MetricPlan, RunPlan
from analysis.providers.base import Now, RunRef
from analysis.schedule import Task, is_terminating, result_of, tasks, wake_at
from analysis.spec import MetricResult, RunStatus

_BREATH: Final = 0.05  # seconds between two passes, however urgent the next one is

Heard = Callable[[RunStatus, Sequence[Done]], None]
"""Called after every pass with the status and with what was just measured."""


@dataclass(frozen=True, slots=True)
class Pace:
    """``until`` returns when that moment (seconds since the epoch) has come, or ``stop`` is set.

    ``stop`` ends the run: unfinished measurements are terminated, and what was measured counts.
    """

    now: Now
    until: Callable[[float], Awaitable[None]]
    stop: asyncio.Event

    @classmethod
    def of_clock(cls, now: Now, stop: asyncio.Event) -> "Pace":
        """The pace of real life."""

        async def until(moment: float) -> None:
            try:
                async with asyncio.timeout(moment - now()):
                    await stop.wait()
            except TimeoutError:
                return

        return cls(now, until, stop)


async def drive(
    plan: RunPlan, run: RunRef, given: Given, measurer: Measurer, pace: Pace, *, heard: Heard
) -> RunStatus:
    """The final status; Running only where nothing would ever decide the run.

    Errors are measurements; nothing is raised for them.
    """
    status = RunStatus()
    while not status.phase.completed:
        if pace.stop.is_set():
            plan = replace(plan, terminate=True)
        stopping = is_terminating(plan, status)
        due = tasks(plan, status, pace.now())
        done = await _measured(run, due, given, measurer, None if stopping else pace.stop)
        for one in done:
            if one.measurement is not None:
                status = record(status, one.task.plan, one.measurement, one.metadata)
        status = conclude(plan, status, pace.now(), stopping=stopping)
        heard(status, done)
        await measurer.collect_garbage(run, done)
        moment = wake_at(plan, status, pace.now())
        if moment is None:
            break
        await pace.until(max(moment, pace.now() + _BREATH))
    return status


async def _measured(
    run: RunRef,
    due: Sequence[Task],
    given: Given,
    measurer: Measurer,
    stop: asyncio.Event | None,
) -> list[Done]:
    """What became of the tasks; nothing when ``stop`` was set before they all had an answer."""
    if not due:
        return []
    if stop is None:
        return await measurer.measure(run, due, given)
    measuring = asyncio.create_task(measurer.measure(run, due, given))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([measuring, stopped], return_when=asyncio.FIRST_COMPLETED)
        return measuring.result() if measuring.done() else []
    finally:
        measuring.cancel()
        stopped.cancel()
        await asyncio.gather(measuring, stopped, return_exceptions=True)


def undecided(plan: RunPlan, status: RunStatus) -> list[str]:
    """The metrics that had not come to their own end when the run was stopped.

    One that never ends by itself is decided by having been measured successfully: stopping it is
    how a release ends it, too. Metrics that never decide do not count.
    """
    return [
        metric.name
        for metric in plan.metrics
        if not metric.dry_run and not _decided(metric, result_of(status, metric.name))
    ]


def is_open_ended(metric: MetricPlan) -> bool:
    """Whether it is measured until somebody stops the run."""
    return metric.limits.count is None and metric.limits.consecutive_success <= 0


def _decided(metric: MetricPlan, result: MetricResult | None) -> bool:
    if assess_metric(metric, result, stopping=False).phase.completed:
        return True
    return is_open_ended(metric) and result is not None and result.successful > 0
