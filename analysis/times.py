"""Times and durations as Kubernetes and Go spell them.

Owns the two text forms users write and read: RFC 3339 instants and Go durations. Everything inside
the project counts in seconds; only this module turns text into seconds and back. Pure.
"""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Final

_UNIT_SECONDS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_LONGEST: Final = 2**63 / 1e9  # Go counts nanoseconds in 64 bit
_PART: Final = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse_duration(text: str) -> float:
    """Seconds in a Go duration (``1h30m``, ``500ms``, ``-2s``, ``0``).

    Raises ValueError with Go's own wording, since users search for it.
    """
    body = text[1:] if text[:1] in ("+", "-") else text
    if body == "0":
        return 0.0
    parts = _PART.findall(body) if len(body) <= 64 else []
    if not body or "".join(n + u for n, u in parts) != body:
        raise ValueError(f'time: invalid duration "{text[:64]}"')
    seconds = math.fsum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)
    if seconds > _LONGEST:
        raise ValueError(f'time: invalid duration "{text[:64]}"')
    return -seconds if text.startswith("-") else seconds


def format_duration(seconds: float) -> str:
    """The shortest Go-like text: ``90.0`` → ``1m30s``; fractions of a second are kept."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    fraction = f"{seconds - whole:.3f}".rstrip("0")[1:] if seconds != whole else ""
    fraction = "" if fraction == "." else fraction
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if minutes or (hours and (secs or fraction)) else ""
    return text + f"{secs}{fraction}s" if secs or fraction or not text else text


def parse_time(text: object) -> float | None:
    """Seconds since the epoch of an RFC 3339 instant, or None where ``text`` is not one."""
    if not isinstance(text, str) or len(text) > 40 or "T" not in text.upper():
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        return None
    if value.tzinfo is None:
        return None
    return value.timestamp()


def format_time(epoch: float) -> str:
    """RFC 3339 in UTC: ``2026-01-02T03:04:05Z``, rounded down to seconds as Kubernetes does."""
    return f"{(_EPOCH + timedelta(seconds=math.floor(epoch))).isoformat()[:19]}Z"


def format_micro_time(epoch: float) -> str:
    """Kubernetes' MicroTime: UTC with exactly six fractional digits, as Leases carry it."""
    return (_EPOCH + timedelta(microseconds=round(epoch * 1e6))).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
