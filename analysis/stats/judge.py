"""Pairs of series judged as Kayenta's judge does: pass, high, low or no data, and one score.

Owns the documented rules: what becomes of missing values and outliers, when a difference is one
(98 % confidence, and a quarter of the shift as tolerance), how large it must be, and how results
become a score. Made for one look at the end: looking again and again makes false alarms likely.
Called by the provider ``judge``. Pure.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean
from typing import Final

from analysis.stats.ranks import common_language, mean_ratio, shift

CONFIDENCE: Final = 0.98
TOLERANCE: Final = 0.25
_FENCE: Final = 3.0  # interquartile ranges beyond the quartiles
_TOO_MANY: Final = 0.5  # share of results without data from which on there is no score


class Direction(StrEnum):
    INCREASE = "increase"
    DECREASE = "decrease"
    EITHER = "either"


class Outcome(StrEnum):
    PASS = "Pass"  # noqa: S105 - it is not one
    HIGH = "High"
    LOW = "Low"
    NODATA = "Nodata"
    MISSING = "NodataFailMetric"


class Effect(StrEnum):
    MEAN_RATIO = "meanRatio"
    CLES = "cles"


@dataclass(frozen=True, slots=True)
class Pair:
    """What is compared and how. ``allowed_increase`` and ``allowed_decrease``: effects beyond
    which a difference counts; None is the effect of no difference.
    """

    name: str
    group: str
    direction: Direction = Direction.EITHER
    nan_is_zero: bool = False
    without_outliers: bool = False
    effect: Effect = Effect.MEAN_RATIO
    allowed_increase: float | None = None
    allowed_decrease: float | None = None
    critical: bool = False
    must_have_data: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    group: str
    outcome: Outcome
    critical: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Score:
    """``points`` from 0 to 100."""

    points: float
    reason: str


def compare(pair: Pair, canary: Sequence[float], stable: Sequence[float]) -> Result:
    """One pair of series; NaN is a point without a value."""
    ours, theirs = _prepared(pair, canary), _prepared(pair, stable)
    outcome, reason = _classified(pair, ours, theirs)
    return Result(pair.name, pair.group, outcome, pair.critical, reason)


def score(results: Sequence[Result], weights: Mapping[str, float]) -> Score:
    """``weights``: percent by group; groups without one share evenly what is left."""
    failed = [one for one in results if one.critical and _is_bad(one.outcome)]
    if failed:
        return Score(0.0, f"critical {failed[0].name} is {failed[0].outcome}")
    empty = sum(one.outcome is Outcome.NODATA for one in results)
    if empty >= _TOO_MANY * len(results):
        return Score(0.0, f"{empty} of {len(results)} comparisons have no data")
    groups: dict[str, list[Result]] = {}
    for one in results:
        if one.outcome is not Outcome.NODATA:
            groups.setdefault(one.group, []).append(one)
    shares = _weights({one.group for one in results}, weights)
    points = sum(shares[name] * _passed(group) for name, group in groups.items())
    present = sum(shares[name] for name in groups)
    bad = [f"{one.name} is {one.outcome}" for one in results if _is_bad(one.outcome)]
    return Score(100 * points / present if present else 0.0, ", ".join(bad) or "all pass")


def _prepared(pair: Pair, values: Sequence[float]) -> list[float]:
    found = [0.0 if math.isnan(each) and pair.nan_is_zero else each for each in values]
    found = [each for each in found if not math.isnan(each)]
    return _without_outliers(found) if pair.without_outliers and found else found


def _without_outliers(values: Sequence[float]) -> list[float]:
    """Values within the fences, which are never narrower than the 1st and 99th percentile."""
    ordered = sorted(values)
    low, high = percentile(ordered, 25), percentile(ordered, 75)
    reach = _FENCE * (high - low)
    least = min(low - reach, percentile(ordered, 1))
    most = max(high + reach, percentile(ordered, 99))
    return [each for each in values if least <= each <= most]


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Of sorted values, between neighbours in proportion."""
    place = percent / 100 * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _classified(
    pair: Pair, canary: Sequence[float], stable: Sequence[float]
) -> tuple[Outcome, str]:
    if not canary or not stable:
        side = "canary" if not canary else "stable"
        missing = Outcome.MISSING if pair.must_have_data else Outcome.NODATA
        return missing, f"{side} has no points"
    if sorted(canary) == sorted(stable) or len({*canary, *stable}) == 1:
        return Outcome.PASS, "both are the same"
    found = shift(_spread_out(canary), _spread_out(stable), CONFIDENCE)
    bound = TOLERANCE * abs(found.estimate)
    size = _effect(pair, canary, stable)
    told = (
        f"shift {found.estimate:.4g} ({found.low:.4g} to {found.high:.4g}), "
        f"{pair.effect} {size:.4g}, mean {fmean(canary):.4g} against {fmean(stable):.4g}"
    )
    usual = 1.0 if pair.effect is Effect.MEAN_RATIO else 0.5
    increase = usual if pair.allowed_increase is None else pair.allowed_increase
    decrease = usual if pair.allowed_decrease is None else pair.allowed_decrease
    if (
        pair.direction is not Direction.DECREASE
        and found.low > bound
        and (math.isnan(size) or size >= increase)
    ):
        return Outcome.HIGH, told
    if (
        pair.direction is not Direction.INCREASE
        and found.high < -bound
        and (math.isnan(size) or size <= decrease)
    ):
        return Outcome.LOW, told
    return Outcome.PASS, told


def _spread_out(values: Sequence[float]) -> list[float]:
    """Constants, told apart by a hair: alternately above and below, so that nothing is drawn."""
    if len(set(values)) > 1:
        return list(values)
    hair = 1e-5 * abs(values[0])
    half = (len(values) - 1) / 2
    return [value + hair * (at - half) / len(values) for at, value in enumerate(values)]


def _effect(pair: Pair, canary: Sequence[float], stable: Sequence[float]) -> float:
    if pair.effect is Effect.CLES:
        return common_language(canary, stable)
    return mean_ratio(canary, stable)


def _is_bad(outcome: Outcome) -> bool:
    return outcome in (Outcome.HIGH, Outcome.LOW, Outcome.MISSING)


def _passed(group: Sequence[Result]) -> float:
    return sum(one.outcome is Outcome.PASS for one in group) / len(group)


def _weights(groups: set[str], given: Mapping[str, float]) -> dict[str, float]:
    """Weights that are 100 together."""
    rest = sorted(groups - given.keys())
    left = max(0.0, 100 - sum(given.values()))
    return {**given, **{name: left / len(rest) for name in rest}}
