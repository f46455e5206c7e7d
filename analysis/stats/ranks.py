"""Do the values of one group tend to be larger than those of another?

Owns the Mann-Whitney rank test (exact for small groups without ties, otherwise the normal
approximation with its corrections), the Hodges-Lehmann shift with its confidence interval, and two
sizes of an effect. Points of a series are taken as independent, which neighbours hardly ever are:
whoever calls chooses points far apart. Called by the judge. Pure.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist, fmean
from typing import Final

_EXACT: Final = 50  # values of a group from which on the approximation is used


@dataclass(frozen=True, slots=True)
class Shift:
    """How much larger the first group is: the estimate, and the interval it lies in."""

    estimate: float
    low: float
    high: float


def u_statistic(first: Sequence[float], second: Sequence[float]) -> float:
    """In how many pairs the first group's value is larger; equal ones count one half."""
    ranks = _ranks([*first, *second])
    size = len(first)
    return math.fsum(ranks[:size]) - size * (size + 1) / 2


def p_value(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided; both groups have values."""
    n, m, u = len(first), len(second), u_statistic(first, second)
    if _is_exact(first, second):
        counts = _distribution(n, m)
        most = max(u, n * m - u)
        tail = sum(counts[math.ceil(most) :])
        return min(1.0, 2 * tail / sum(counts))
    spread = _spread(first, second)
    if spread == 0:
        return 1.0
    z = max(0.0, abs(u - n * m / 2) - 0.5) / spread
    return min(1.0, math.erfc(z / math.sqrt(2)))


def shift(first: Sequence[float], second: Sequence[float], confidence: float) -> Shift:
    """The Hodges-Lehmann estimate of the difference, ``confidence`` such as 0.98.

    The interval are the differences at which the test would no longer reject.
    """
    differences = sorted(x - y for x in first for y in second)
    n, m, total = len(first), len(second), len(differences)
    outside = (1 - confidence) / 2
    if _is_exact(first, second):
        cut = _quantile(n, m, outside)
    else:
        z = NormalDist().inv_cdf(1 - outside)
        cut = round(n * m / 2 - z * _spread(first, second))
    cut = min(max(cut, 1), (total + 1) // 2)
    middle = (differences[(total - 1) // 2] + differences[total // 2]) / 2
    return Shift(middle, differences[cut - 1], differences[total - cut])


def mean_ratio(canary: Sequence[float], stable: Sequence[float]) -> float:
    """Mean by mean; not a number when stable's is 0."""
    below = fmean(stable)
    return fmean(canary) / below if below else math.nan


def common_language(canary: Sequence[float], stable: Sequence[float]) -> float:
    """Chance that a value of the canary is larger than one of stable (CLES)."""
    return u_statistic(canary, stable) / (len(canary) * len(stable))


def _is_exact(first: Sequence[float], second: Sequence[float]) -> bool:
    together = [*first, *second]
    small = len(first) < _EXACT and len(second) < _EXACT
    return small and len(set(together)) == len(together)


def _ranks(values: Sequence[float]) -> list[float]:
    """From 1; equal values share the mean of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for at in order[start:end]:
            ranks[at] = (start + 1 + end) / 2
        start = end
    return ranks


def _spread(first: Sequence[float], second: Sequence[float]) -> float:
    """The standard deviation of U when there is no difference, ties considered."""
    n, m = len(first), len(second)
    every = n + m
    ties = sum(count**3 - count for count in Counter([*first, *second]).values())
    return math.sqrt(n * m / 12 * (every + 1 - ties / (every * (every - 1))))


@lru_cache(maxsize=64)
def _distribution(n: int, m: int) -> tuple[int, ...]:
    """How many orders of n and m values have U = 0, 1, ...: the Gaussian binomial coefficients."""
    counts = [1] + [0] * (n * m)
    for part in range(1, n + 1):
        for u in range(n * m, m + part - 1, -1):
            counts[u] -= counts[u - m - part]
        for u in range(part, n * m + 1):
            counts[u] += counts[u - part]
    return tuple(counts)


def _quantile(n: int, m: int, share: float) -> int:
    """The smallest u with P(U ≤ u) ≥ ``share``."""
    counts = _distribution(n, m)
    wanted, seen = share * sum(counts), 0
    for u, count in enumerate(counts):
        seen += count
        if seen >= wanted:
            return u
    return n * m
