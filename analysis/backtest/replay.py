"""Hypothetical releases, each judged by the past as it would have been judged then.

Owns the virtual time in which a run is driven over history: measuring takes none, waiting costs
none. The decisions are ``analysis.driver``'s and those below it, so they are the controller's. What
a metric's verdict would have been by itself is told besides that of the whole run. Refuses what
cannot be replayed, by name. Used by ``rollouts analyze --backtest``.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from analysis.backtest.history import History
from analysis.backtest.server import Server
from analysis.driver import Pace, drive, is_open_ended, undecided
from analysis.limits import ERROR_RETRY_SECONDS, limits_of
from analysis.measure import Given, Measurer
from analysis.plan import MetricPlan, RunPlan, with_secrets
from analysis.providers.base import (
    Answer,
    ProviderError,
    Providers,
    Queried,
    Question,
    RunRef,
)
from analysis.providers.config import Prometheus
from analysis.providers.prometheus import PrometheusSource, read_value
from analysis.schedule import result_of
from analysis.spec import Measurement, Metric, MetricResult, Phase, RunStatus
from analysis.times import parse_duration, parse_time

USUAL_LENGTH: Final = 1800.0  # seconds a release is watched by metrics that never end by themselves
_RUN: Final = RunRef("", "backtest", "backtest")


class ReplayError(Exception):
    """History could not be read; the message names the metric and says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run, or one metric of it, would have come to at ``ended`` (epoch seconds).

    ``decisive``: the measurement that decided. ``decided`` is false where time was up before.
    """

    phase: Phase
    ended: float
    metric: str = ""
    message: str = ""
    decisive: Measurement = field(default_factory=Measurement)
    decided: bool = True

    @property
    def passed(self) -> bool:
        return self.phase is Phase.SUCCESSFUL and self.decided


@dataclass(frozen=True, slots=True)
class Release:
    """One hypothetical release that began at ``start`` (epoch seconds)."""

    start: int
    run: Outcome
    metrics: Mapping[str, Outcome]


def refusal(metric: MetricPlan) -> str:
    """Why a metric cannot be replayed; empty when it can."""
    config = metric.metric.provider.prometheus
    if config is None:
        kind = (metric.metric.provider.configured() or ["none"])[0]
        if kind in ("sequential", "judge"):
            return f"the provider {kind} compares two versions that run at the same time"
        return f"the provider {kind} keeps no history that could be asked"
    times = [metric.limits.interval or 1.0, metric.limits.initial_delay + 1]
    if config.range_query is not None:
        try:
            times.append(parse_duration(config.range_query.step))
        except ValueError as error:
            return f"rangeQuery.step: {error}"
    if any(seconds < 1 or seconds != int(seconds) for seconds in times):
        return "interval, initialDelay and step must be whole seconds"
    return ""


def length_of(plan: RunPlan) -> tuple[float, bool]:
    """Seconds a release takes when every measurement can be made, and whether it ends by itself.

    Metrics that never do are watched for half an hour, or as long as the others.
    """
    counted = [
        metric.limits.initial_delay
        + ((metric.limits.count or metric.limits.consecutive_success) - 1)
        * (metric.limits.interval or 0.0)
        for metric in plan.metrics
        if not is_open_ended(metric)
    ]
    longest = max(counted, default=0.0)
    endless = any(is_open_ended(metric) for metric in plan.metrics)
    return (max(longest + 1, USUAL_LENGTH), False) if endless else (longest, True)


class _VirtualTime:
    """Moves only when somebody waits, and not beyond ``end``."""

    def __init__(self) -> None:
        self.moment = 0.0
        self._end = 0.0
        self._stop = asyncio.Event()

    def now(self) -> float:
        return self.moment

    def pace(self, start: float, end: float) -> Pace:
        self.moment, self._end, self._stop = start, end, asyncio.Event()
        return Pace(self.now, self._until, self._stop)

    async def _until(self, moment: float) -> None:
        self.moment = min(moment, self._end)
        if moment >= self._end:
            self._stop.set()


class _Past:
    """A source that answers as the server would have answered at the virtual moment."""

    def __init__(self, live: PrometheusSource, histories: Mapping[str, History], step: int) -> None:
        self._live, self._histories, self._step = live, histories, step
        self.failure = ""

    def question(self, metric: Metric) -> Question:
        return self._live.question(metric)

    async def ask(self, run: RunRef, metric: Metric, question: Question) -> Answer:  # noqa: ARG002 - the seam
        history = self._histories[metric.name]
        config = metric.provider.prometheus or Prometheus()
        try:
            if config.range_query is not None and question.window is not None:
                start, end = (round(moment) for moment in question.window)
                step = int(parse_duration(config.range_query.step))
                kind, data = await history.range(start, end, step)
            else:
                interval = limits_of(metric).interval
                step = self._step if interval is None else int(interval)
                kind, data = await history.instant(int(self._live.now()), step)
        except ProviderError as error:
            self.failure = self.failure or f"metric '{metric.name}': {error}"
            raise
        result, value = read_value(kind, data)
        return Answer(result, value)

    def metadata(self, metric: Metric) -> dict[str, str]:
        return self._live.metadata(metric)


class Replay:
    """``every``: usual seconds between releases. ``until``: the last instant there is.

    ``length``: seconds after which a release is over, whatever has been measured; infinite where
    it ends by itself.
    """

    def __init__(
        self,
        plan: RunPlan,
        given: Given,
        source: PrometheusSource,
        server: Server,
        *,
        every: int,
        until: float,
        length: float,
    ) -> None:
        self.plan = replace(plan, metrics=tuple(m for m in plan.metrics if not refusal(m)))
        self._given, self._until, self._length = given, until, length
        self._time = _VirtualTime()
        self._step = every or int(ERROR_RETRY_SECONDS)
        self._histories = {
            metric.name: History(
                server,
                with_secrets(metric, dict(given.values)).provider.prometheus or Prometheus(),
                int(until),
            )
            for metric in self.plan.metrics
        }
        self._past = _Past(replace(source, now=self._time.now), self._histories, self._step)
        providers = Providers({"prometheus": Queried(self._past, self._time.now)})
        self._measurer = Measurer(providers, self._time.now)

    async def releases(self, starts: Sequence[int]) -> AsyncIterator[Release]:
        """One after the other. Raises ReplayError."""
        for metric in self.plan.metrics:
            await self._announce(metric, starts)
        for start in starts:
            run = await self._outcome(self.plan, start)
            alone = {run.metric: run} if len(self.plan.metrics) == 1 else {}
            for metric in self.plan.metrics:
                if metric.name not in alone:
                    one = replace(self.plan, metrics=(replace(metric, dry_run=False),))
                    alone[metric.name] = await self._outcome(one, start)
            yield Release(start, run, alone)

    def without_data(self) -> list[str]:
        """Metrics for which the server had nothing at any instant that was looked at."""
        return [name for name, history in self._histories.items() if not history.had_data]

    async def _announce(self, metric: MetricPlan, starts: Sequence[int]) -> None:
        config = metric.metric.provider.prometheus or Prometheus()
        if config.range_query is not None:
            return
        delay, interval = int(metric.limits.initial_delay), int(metric.limits.interval or 0)
        wanted = metric.limits.count or metric.limits.consecutive_success
        last = delay + (wanted - 1) * interval if wanted else self._length
        last = int(min(last, self._length))
        spans = [(start + delay, start + last) for start in starts]
        try:
            await self._histories[metric.name].announce(spans, interval or self._step)
        except ProviderError as error:
            raise self._unreadable(f"metric '{metric.name}': {error}") from error

    async def _outcome(self, plan: RunPlan, start: int) -> Outcome:
        end = min(start + self._length, self._until)
        pace = self._time.pace(start, end)
        status = await drive(plan, _RUN, self._given, self._measurer, pace, heard=_unheard)
        if self._past.failure:
            raise self._unreadable(self._past.failure)
        return _outcome_of(plan, status)

    def _unreadable(self, text: str) -> ReplayError:
        return ReplayError(self._given.redactor.text(text))


def _unheard(*_: Any) -> None:
    """Nobody watches a measurement of the past."""


def _outcome_of(plan: RunPlan, status: RunStatus) -> Outcome:
    ended = parse_time(status.completed_at) or 0.0
    waiting = undecided(plan, status) if status.phase is Phase.SUCCESSFUL else []
    message = f"time was up before it was decided: {', '.join(waiting)}" if waiting else ""
    results = [(metric, result_of(status, metric.name)) for metric in plan.metrics]
    decisive = next(
        (result for _, result in results if result is not None and _decides(result, status.phase)),
        MetricResult(name=plan.metrics[0].name),
    )
    return Outcome(
        status.phase,
        ended,
        decisive.name,
        message or status.message,
        decisive.measurements[-1] if decisive.measurements else Measurement(),
        decided=not waiting,
    )


def _decides(result: MetricResult, phase: Phase) -> bool:
    return not result.dry_run and result.phase is phase
