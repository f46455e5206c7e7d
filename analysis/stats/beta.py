"""The beta function and its tails, and sums, in logarithms.

Owns the two integrals the sequential test is made of. Accurate to about twelve digits for
parameters up to millions, fractions included. Pure.
"""

import math
from typing import Final

_SMALLEST: Final = 1e-300
_PRECISION: Final = 1e-13
_MOST_TERMS: Final = 10_000


def log_beta(a: float, b: float) -> float:
    """The logarithm of B(a, b); both positive."""
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def log_sum(*terms: float) -> float:
    """The logarithm of the sum of numbers given by their logarithms."""
    most = max(terms)
    if math.isinf(most):
        return most
    return most + math.log(sum(math.exp(each - most) for each in terms))


def log_tails(x: float, a: float, b: float) -> tuple[float, float]:
    """Logarithms of P(X <= x) and P(X > x) for X with the distribution Beta(a, b); 0 < x < 1.

    The smaller one is computed, the other is what is left (continued fraction of the incomplete
    beta function, in the arrangement that converges fast).
    """
    front = a * math.log(x) + b * math.log1p(-x) - log_beta(a, b)
    if x < (a + 1) / (a + b + 2):
        lower = min(0.0, front - math.log(a) + math.log(_fraction(x, a, b)))
        return lower, _log_rest(lower)
    upper = min(0.0, front - math.log(b) + math.log(_fraction(1 - x, b, a)))
    return _log_rest(upper), upper


def _log_rest(log_part: float) -> float:
    """The logarithm of one minus a probability given by its logarithm."""
    return math.log(max(-math.expm1(log_part), _SMALLEST))


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction, by Lentz' method."""
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    found = d
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            found *= c * d
        if abs(c * d - 1) < _PRECISION:
            break
    return found


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _SMALLEST else _SMALLEST
