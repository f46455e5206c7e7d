"""Functions over a range of samples: rate and its family, and the ``_over_time`` ones.

Pure arithmetic on one series' points, by Prometheus's rules: extrapolation to the edges of the
range, counter resets, no answer from fewer than two points where two are needed. Called by
``evaluate``; a function that answers None leaves the series out of the result.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

from rollouts.sandbox.promql.model import Point


@dataclass(frozen=True, slots=True)
class Span:
    """The points of one series in (``start``, ``end``], milliseconds."""

    points: Sequence[Point]
    start: int
    end: int


RangeFunction: TypeAlias = Callable[[Span], float | None]


def _increase_of(points: Sequence[Point]) -> float:
    """Last minus first, with every fall taken for a restart from zero."""
    total = points[-1].value - points[0].value
    for before, after in pairwise(points):
        if after.value < before.value:
            total += before.value
    return total


def _extrapolated(span: Span, *, counter: bool) -> float | None:
    """The change over the whole range, though samples rarely sit on its edges.

    A gap at an edge longer than 1.1 average intervals means the series began or ended inside the
    range: then only half an interval is added. A counter is never extended to before it was zero.
    """
    points = span.points
    if len(points) < 2:
        return None
    change = _increase_of(points) if counter else points[-1].value - points[0].value
    sampled = (points[-1].time - points[0].time) / 1000
    average = sampled / (len(points) - 1)
    before = (points[0].time - span.start) / 1000
    after = (span.end - points[-1].time) / 1000
    if before >= average * 1.1:
        before = average / 2
    if counter and change > 0 and points[0].value >= 0:
        before = min(before, sampled * (points[0].value / change))
    if after >= average * 1.1:
        after = average / 2
    return change * ((sampled + before + after) / sampled)


def increase(span: Span) -> float | None:
    return _extrapolated(span, counter=True)


def delta(span: Span) -> float | None:
    return _extrapolated(span, counter=False)


def rate(span: Span) -> float | None:
    """Increase per second of the range's whole length."""
    change = increase(span)
    return None if change is None else change / ((span.end - span.start) / 1000)


def irate(span: Span) -> float | None:
    """Per-second rate between the last two points; a fall counts from zero."""
    if len(span.points) < 2:
        return None
    before, last = span.points[-2:]
    change = last.value if last.value < before.value else last.value - before.value
    return change / ((last.time - before.time) / 1000)


def idelta(span: Span) -> float | None:
    return span.points[-1].value - span.points[-2].value if len(span.points) >= 2 else None


def least(values: Sequence[float]) -> float:
    return min((value for value in values if not math.isnan(value)), default=math.nan)


def most(values: Sequence[float]) -> float:
    return max((value for value in values if not math.isnan(value)), default=math.nan)


def total(values: Sequence[float]) -> float:
    """A sum without rounding drift; infinities of both signs give NaN."""
    return math.fsum(values) if all(map(math.isfinite, values)) else sum(values)


def _over(fold: Callable[[Sequence[float]], float]) -> RangeFunction:
    def folded(span: Span) -> float | None:
        return fold([point.value for point in span.points]) if span.points else None

    return folded


def _changes(values: Sequence[float]) -> float:
    pairs = pairwise(values)
    return float(sum(a != b and not (math.isnan(a) and math.isnan(b)) for a, b in pairs))


def _resets(values: Sequence[float]) -> float:
    return float(sum(b < a for a, b in pairwise(values)))


RANGE_FUNCTIONS: Final[Mapping[str, RangeFunction]] = {
    "rate": rate,
    "increase": increase,
    "delta": delta,
    "irate": irate,
    "idelta": idelta,
    "sum_over_time": _over(total),
    "avg_over_time": _over(lambda values: total(values) / len(values)),
    "min_over_time": _over(least),
    "max_over_time": _over(most),
    "count_over_time": _over(lambda values: float(len(values))),
    "last_over_time": _over(lambda values: values[-1]),
    "present_over_time": _over(lambda _: 1.0),
    "changes": _over(_changes),
    "resets": _over(_resets),
}

KEEPS_NAME: Final = frozenset({"last_over_time"})
