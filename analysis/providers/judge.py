"""Series of both versions compared once, at the end, as Kayenta's judge does.

Owns one long measurement: it waits until its time is over, asks for the points of all series since
it began, and lets ``analysis.stats.judge`` compare them. Looking only once is the point: every
further look would make a false alarm likelier. Ended before its time it is Inconclusive.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from analysis.comparisons import fraction
from analysis.providers.asking import Asking, Labels, asking
from analysis.providers.base import MetricProvider, Now, ProviderError, RunRef
from analysis.providers.config import Judge, JudgeMetric
from analysis.providers.tools import Tools
from analysis.spec import Measurement, Metric, Phase
from analysis.stats.judge import Direction, Effect, Outcome, Pair, Result, Score, compare, score
from analysis.times import format_time, parse_duration, parse_time

_RETRY: Final = 10.0  # seconds
_RETRIES: Final = 5
_MISSES: Final = "misses"
_MOST_POINTS: Final = 500  # of one series; the comparison looks at every pair of points


@dataclass(frozen=True, slots=True)
class JudgeProvider:
    asking: Asking
    now: Now

    async def run(self, run: RunRef, metric: Metric, ordinal: int) -> Measurement:  # noqa: ARG002 - the seam
        config, now = _config(metric), self.now()
        end = format_time(now + parse_duration(config.duration))
        return Measurement(
            phase=Phase.RUNNING,
            started_at=format_time(now),
            resume_at=end,
            metadata={"reason": f"points are gathered until {end}"},
        )

    async def resume(self, run: RunRef, metric: Metric, measurement: Measurement) -> Measurement:
        config = _config(metric)
        start = parse_time(measurement.started_at) or self.now()
        end = start + parse_duration(config.duration)
        step = _step(config)
        queries = [text for one in config.metrics for text in (one.canary, one.stable)]
        asked = {
            "query": "\n".join(" ".join(text.split()) for text in queries),
            "window": f"{format_time(start)}/{format_time(end)}",
        }
        try:
            # The first point would show what was before the canary had any traffic.
            span = (start + step, end, step)
            answers = await self.asking.between(config.prometheus, queries, span, run.namespace)
        except ProviderError as error:
            return self._missed(measurement, str(error))
        results = [
            compare(_pair(one), _series(one, "canary", canary), _series(one, "stable", stable))
            for one, canary, stable in zip(config.metrics, answers[::2], answers[1::2], strict=True)
        ]
        weights = {name: float(weight) for name, weight in config.group_weights.items()}
        return self._judged(config, measurement, results, score(results, weights), asked)

    async def terminate(self, run: RunRef, metric: Metric, measurement: Measurement) -> Measurement:  # noqa: ARG002 - the seam
        message = "Metric Terminated before all points were gathered"
        return self._ended(measurement, Phase.INCONCLUSIVE, message)

    async def garbage_collect(self, run: RunRef, metric: Metric, limit: int) -> None:
        """Nothing is left behind."""

    def metadata(self, metric: Metric) -> dict[str, str]:  # noqa: ARG002 - measurements say it all
        return {}

    def _missed(self, measurement: Measurement, error: str) -> Measurement:
        misses = int(measurement.metadata.get(_MISSES, "0")) + 1
        if misses > _RETRIES:
            return self._ended(measurement, Phase.ERROR, error)
        metadata = {_MISSES: str(misses), "reason": f"no answer ({misses} in a row): {error}"}
        return measurement.model_copy(
            update={
                "metadata": {**measurement.metadata, **metadata},
                "resume_at": format_time(self.now() + _RETRY),
            }
        )

    def _judged(
        self,
        config: Judge,
        measurement: Measurement,
        results: Sequence[Result],
        found: Score,
        asked: dict[str, str],
    ) -> Measurement:
        phase, bound = _phase(config, results, found)
        reason = f"score {found.points:.4g}, {bound}: {found.reason}"
        details = "\n".join(f"{one.name} {one.outcome}: {one.reason}" for one in results)
        judged = measurement.model_copy(
            update={
                "value": f"{found.points:.4g}",
                "metadata": {**asked, "reason": reason, "comparisons": details},
            }
        )
        return self._ended(judged, phase, "" if phase is Phase.SUCCESSFUL else reason)

    def _ended(self, measurement: Measurement, phase: Phase, message: str) -> Measurement:
        return measurement.model_copy(
            update={
                "phase": phase,
                "message": message,
                "finished_at": format_time(self.now()),
                "resume_at": None,
            }
        )


def provider(tools: Tools) -> MetricProvider:
    """The provider ``judge``."""
    return JudgeProvider(asking(tools), tools.now)


def _config(metric: Metric) -> Judge:
    return metric.provider.judge or Judge()


def _step(config: Judge) -> float:
    """Seconds between points; further apart where there would be too many."""
    return max(parse_duration(config.step), parse_duration(config.duration) / _MOST_POINTS)


def _phase(config: Judge, results: Sequence[Result], found: Score) -> tuple[Phase, str]:
    """Without any data nobody can say that the canary is bad."""
    if all(one.outcome is Outcome.NODATA for one in results):
        return Phase.INCONCLUSIVE, "there is no data"
    if found.points >= config.threshold.pass_:
        return Phase.SUCCESSFUL, f"pass {config.threshold.pass_} is reached"
    if found.points >= config.threshold.marginal:
        return Phase.INCONCLUSIVE, f"less than pass {config.threshold.pass_}"
    return Phase.FAILED, f"less than marginal {config.threshold.marginal}"


def _pair(one: JudgeMetric) -> Pair:
    try:
        return Pair(
            name=one.name,
            group=one.group or one.name,
            direction=Direction(one.direction),
            nan_is_zero=one.nan_strategy == "replace",
            without_outliers=one.outliers == "remove",
            effect=Effect(one.effect_size),
            allowed_increase=fraction(one.allowed_increase) if one.allowed_increase else None,
            allowed_decrease=fraction(one.allowed_decrease) if one.allowed_decrease else None,
            critical=one.critical,
            must_have_data=one.must_have_data,
        )
    except ValueError as error:
        raise ProviderError(f"judge: {one.name}: {error}") from error


def _series(
    one: JudgeMetric, side: str, series: Sequence[tuple[Labels, list[float]]]
) -> Sequence[float]:
    """The points of the one series there should be."""
    if len(series) > 1:
        raise ProviderError(
            f"{one.name}: {side} has {len(series)} series where one is compared: aggregate them, "
            "e.g. with sum() or avg()"
        )
    return [math.nan if math.isinf(each) else each for _, points in series for each in points]
