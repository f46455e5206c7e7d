"""E-values for counts of bad events: did more of them fall on the canary than its share?

Owns the beta-binomial mixture. If the canary is no worse, each bad event falls on it with at most
the probability of its share of requests; a mixture over all larger (smaller) probabilities then
grows beyond 1/α with probability α at most, however often one looks (Ville's inequality; Lindon and
Malek, "Anytime-Valid Inference for Multinomial Count Data", 2022). Used by the sequential test.
Pure.
"""

import math
from dataclasses import dataclass
from typing import Final

from analysis.stats.beta import log_beta, log_tails

CONCENTRATION: Final = 4.0
"""How firmly the mixture expects probabilities near the share: as if so many events were seen."""


@dataclass(frozen=True, slots=True)
class LogE:
    """Logarithms of E-values: ``more`` speaks against "no more than the share falls on the canary",
    ``fewer`` against "no less than it", ``both`` against exactly the share.
    """

    more: float
    fewer: float
    both: float


def with_margin(share: float, margin: float) -> float:
    """The share of bad events that falls on a canary whose rate is (1 + margin) times stable's.

    ``share``: of requests, within 0 and 1.
    """
    return share * (1 + margin) / (1 + share * margin)


def log_e(canary: int, bad: int, share: float) -> LogE:
    """``canary`` of ``bad`` events fell on the canary, whose share would be ``share``."""
    a, b = CONCENTRATION * share, CONCENTRATION * (1 - share)
    stable = bad - canary
    null = canary * math.log(share) + stable * math.log1p(-share)
    both = log_beta(a + canary, b + stable) - log_beta(a, b) - null
    before_below, before_above = log_tails(share, a, b)
    below, above = log_tails(share, a + canary, b + stable)
    return LogE(both + above - before_above, both + below - before_below, both)
