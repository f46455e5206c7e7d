"""Bands around an empirical distribution that hold at every sample size.

Owns the width of the band: with probability 1 − alpha the true distribution function stays within
it from ``least`` observations on, however often one looks (Howard and Ramdas, "Sequential
estimation of quantiles with applications to A/B testing and best-arm identification", 2022). For
raw observations, as a provider of one's own may have them; buckets of histograms are counts, and
belong to the sequential test. Pure.
"""

import math
from functools import lru_cache
from typing import Final

_A: Final = 0.85
_SPACINGS: Final = 2000  # candidates tried for the spacing of epochs
_LARGEST: Final = 1000.0


def radius(size: int, least: int, alpha: float) -> float:
    """Half the band's width after ``size`` observations, which are at least ``least``."""
    if size < least:
        raise ValueError(f"a band holds from {least} observations on, not after {size}")
    grown = math.log1p(math.log(size / least))
    return _A * math.sqrt((grown + constant(alpha)) / size)


@lru_cache(maxsize=16)
def constant(alpha: float) -> float:
    """The smallest constant with which the chance of ever leaving the band is ``alpha``."""
    low, high = 0.0, _LARGEST
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (low, middle) if _leaving(middle) <= alpha else (middle, high)
    return high


def _leaving(constant: float) -> float:
    """A bound of the chance to leave the band, for the best spacing of epochs."""
    best = 1.0
    for step in range(1, _SPACINGS):
        spacing = 1 + (2 * _A * _A - 1) * step / _SPACINGS
        reach = _A - math.sqrt(2 * (spacing - 1) / constant) if constant else 0.0
        square = 2 / spacing * reach * reach
        if reach > 0 and square > 1:
            epochs = 1 + 1 / ((square - 1) * math.log(spacing))
            best = min(best, 4 * math.exp(-square * constant) * epochs)
    return best
