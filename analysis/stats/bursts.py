"""Errors that come in bursts.

Owns how likely the counts of one interval are when its bad events are not independent: users try
again, and stay with the pod that failed them, so a handful of errors may be one event. The counts
of an interval are then beta-binomial, with a correlation between 0 (independent) and 1 (all of them
on one side). Intervals are taken as independent. Used by the sequential test. Pure.
"""

import math
from typing import Final

from analysis.stats.beta import log_beta

CORRELATIONS: Final = (0.1, 0.25, 0.5, 0.8)
"""Besides 0."""
RATIOS: Final = (2.0, 5.0, 15.0)
"""How many times stable's rate a canary that is worse may have, where errors come in bursts."""


def log_ratio(canary: int, bad: int, share: float, expected: float, correlation: float) -> float:
    """How much likelier one interval's counts are with bursts than with independent events.

    In logarithms. The canary's share of bad events is ``expected`` with, and ``share`` without.
    """
    size = (1 - correlation) / correlation
    a, b = expected * size, (1 - expected) * size
    stable = bad - canary
    with_bursts = log_beta(a + canary, b + stable) - log_beta(a, b)
    return with_bursts - canary * math.log(share) - stable * math.log1p(-share)


def explained(canary: int, bad: int, share: float) -> tuple[float, ...]:
    """``log_ratio`` of a canary that is no worse, for each correlation."""
    return tuple(log_ratio(canary, bad, share, share, each) for each in CORRELATIONS)


def worse(canary: int, bad: int, share: float) -> tuple[float, ...]:
    """``log_ratio`` of canaries that are worse, for each ratio and correlation."""
    found = []
    for ratio in RATIOS:
        expected = ratio * share / (1 - share + ratio * share)
        found += [log_ratio(canary, bad, share, expected, each) for each in CORRELATIONS]
    return tuple(found)
