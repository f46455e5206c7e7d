"""Which hypothetical releases are looked at.

Owns the spellings of spans and instants that people use for the past, and where releases begin.
Pure. Used by ``rollouts analyze --backtest``.
"""

import re
from collections.abc import Sequence
from typing import Final

from analysis.times import format_duration, format_time, parse_duration, parse_time

MAX_RELEASES: Final = 10_000
_DAY: Final = 86_400
_DAYS: Final = {"y": 365, "w": 7, "d": 1}
_PART: Final = re.compile(r"(\d{1,5})([ywd])")


def parse_span(text: str) -> float:
    """Seconds in ``7d``, ``1w``, ``36h`` or ``90m``: Prometheus' units and Go's.

    Raises ValueError.
    """
    rest = text
    seconds = 0.0
    while part := _PART.match(rest):
        seconds += int(part[1]) * _DAYS[part[2]] * _DAY
        rest = rest[part.end() :]
    try:
        seconds += parse_duration(rest) if rest else 0.0
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise ValueError(f"'{text[:32]}' is no span of time: write it like 7d, 12h or 90m")
    return seconds


def parse_instant(text: str) -> float:
    """Seconds since the epoch; ``2026-01-02 03:04`` without a zone is UTC. Raises ValueError."""
    spelled = text.strip().replace(" ", "T")
    for candidate in (spelled, f"{spelled}Z", f"{spelled}T00:00Z"):
        moment = parse_time(candidate)
        if moment is not None:
            return moment
    raise ValueError(f"'{text[:40]}' is no instant: write it like 2026-01-02T03:04:05Z")


def regular_starts(span: float, every: float, length: float, now: float) -> list[int]:
    """Whole multiples of ``every`` within the last ``span`` that leave ``length`` to look at.

    All in seconds. Raises ValueError when there are none, or too many.
    """
    if every != int(every):
        raise ValueError("the time between two releases must be whole seconds")
    if span / every > MAX_RELEASES:
        raise ValueError(
            f"{int(span / every)} releases are too many (at most {MAX_RELEASES}); "
            "choose a longer --every"
        )
    step = int(every)
    first = -int(-(now - span) // step) * step
    starts = list(range(first, int(now - length) + 1, step))
    if not starts:
        raise ValueError(
            f"a release takes {format_duration(length)}: none that began within the last "
            f"{format_duration(span)}, {format_duration(every)} apart, is over yet"
        )
    return starts


def chosen_starts(texts: Sequence[str], span: float, now: float) -> list[int]:
    """The instants asked for, in order. Raises ValueError for one that is not in the window."""
    starts = sorted({int(parse_instant(text)) for text in texts})
    for start in starts:
        if not now - span <= start < now:
            raise ValueError(
                f"{format_time(start)} is not within the last {format_duration(span)}, "
                f"which began {format_time(now - span)}"
            )
    return starts
