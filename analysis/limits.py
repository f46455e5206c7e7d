"""The numbers of a metric, read once: counts, limits, seconds.

Owns defaults and what an unset count means (Argo Rollouts' behaviour). Refuses text that is not a
number, with Go's wording. Used by validation, schedule and assessment. Pure.
"""

import re
from dataclasses import dataclass
from typing import Final

from analysis.spec import DEFAULT_CONSECUTIVE_ERROR_LIMIT, Metric
from analysis.times import parse_duration

ERROR_RETRY_SECONDS: Final = 10.0
"""After an error the next measurement follows this soon, whatever the interval says."""
SHORTEST_INTERVAL: Final = 1.0
"""Measurements remember whole seconds: what is due sooner would be measured without a pause."""
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class Limits:
    """``count`` is None when measuring never ends by itself; ``interval`` (one second or more) and
    delay in seconds.
    """

    count: int | None
    interval: float | None
    initial_delay: float
    failure: int
    inconclusive: int
    consecutive_error: int
    consecutive_success: int


def integer(value: int | str | None, default: int = 0) -> int:
    """An int-or-string as a number. Raises ValueError with Go's wording."""
    if value is None:
        return default
    if isinstance(value, int):
        return value
    if not _INTEGER.fullmatch(value):
        raise ValueError(f'strconv.Atoi: parsing "{value[:32]}": invalid syntax')
    return int(value)


def limits_of(metric: Metric) -> Limits:
    """Raises ValueError where a number or a duration cannot be read."""
    count = integer(metric.count)
    interval = max(SHORTEST_INTERVAL, parse_duration(metric.interval)) if metric.interval else None
    wanted = count if count > 0 else 1 if interval is None else None
    return Limits(
        count=wanted,
        interval=interval,
        initial_delay=parse_duration(metric.initial_delay) if metric.initial_delay else 0.0,
        failure=integer(metric.failure_limit),
        inconclusive=integer(metric.inconclusive_limit),
        consecutive_error=integer(metric.consecutive_error_limit, DEFAULT_CONSECUTIVE_ERROR_LIMIT),
        consecutive_success=integer(metric.consecutive_success_limit),
    )
