"""Timestamps and durations: reading, writing, and the accessors."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from fractions import Fraction
from typing import Final

from rollouts.sandbox.crd.cel.signatures import Library
from rollouts.sandbox.crd.cel.values import (
    NANOS,
    Duration,
    EvalError,
    Timestamp,
    duration,
    timestamp,
)

LIBRARY: Final = Library()
function = LIBRARY.function

_UNITS: Final = {
    "ns": 1, "us": 1000, "µs": 1000, "μs": 1000, "ms": 10**6,
    "s": NANOS, "m": 60 * NANOS, "h": 3600 * NANOS,
}  # fmt: skip
_PART: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_WHOLE: Final = re.compile(rf"[-+]?(?:0|(?:{_PART.pattern})+)")
_RFC3339: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:[Zz]|([-+])(\d\d):(\d\d))"
)
_OFFSET: Final = re.compile(r"([-+]?)(\d\d):(\d\d)")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse_duration(text: str) -> Duration | None:
    """``1h30m`` and its kind, as Go reads it; None when it is not one."""
    if len(text) > 100 or not _WHOLE.fullmatch(text):
        return None
    total = sum(Fraction(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    nanos = int(total)
    return Duration(-nanos if text.startswith("-") else nanos) if nanos < 2**63 else None


def parse_timestamp(text: str) -> Timestamp | None:
    """An RFC 3339 time; None when it is not one."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    try:
        moment = datetime(*(int(match[i]) for i in range(1, 7)), tzinfo=UTC)  # type: ignore[arg-type,misc]
    except ValueError:
        return None
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    if match[8]:
        hours, minutes = int(match[9]), int(match[10])
        if hours > 23 or minutes > 59:
            return None
        seconds -= (hours * 3600 + minutes * 60) * (1 if match[8] == "+" else -1)
    return Timestamp(seconds * NANOS + int((match[7] or "").ljust(9, "0")))


def format_timestamp(value: Timestamp) -> str:
    moment = _EPOCH + timedelta(seconds=value.nanos // NANOS)
    fraction = f".{value.nanos % NANOS:09d}".rstrip("0").rstrip(".")
    return f"{moment.strftime('%Y').zfill(4)}{moment.strftime('-%m-%dT%H:%M:%S')}{fraction}Z"


def format_duration(value: Duration) -> str:
    sign = "-" if value.nanos < 0 else ""
    seconds, rest = divmod(abs(value.nanos), NANOS)
    return f"{sign}{seconds}" + f".{rest:09d}".rstrip("0").rstrip(".") + "s"


@function(
    "duration(string) -> duration",
    "duration(duration) -> duration",
    accepts=lambda text: parse_duration(text) is not None,
)
def to_duration(value: str | Duration) -> Duration:
    parsed = parse_duration(value) if isinstance(value, str) else value
    if parsed is None:
        raise EvalError(f'time: invalid duration "{value}"')
    return parsed


@function(
    "timestamp(string) -> timestamp",
    "timestamp(timestamp) -> timestamp",
    "timestamp(int) -> timestamp",
    accepts=lambda text: parse_timestamp(text) is not None,
)
def to_timestamp(value: str | int | Timestamp) -> Timestamp:
    if isinstance(value, int):
        return timestamp(value * NANOS)
    parsed = parse_timestamp(value) if isinstance(value, str) else value
    if parsed is None:
        raise EvalError(f'parsing time "{value}": cannot parse as an RFC 3339 time')
    return timestamp(parsed.nanos)


def _zone(name: str) -> tzinfo:
    match = _OFFSET.fullmatch(name)
    if match:
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        if offset < timedelta(days=1):
            return timezone(-offset if match[1] == "-" else offset)
    from zoneinfo import ZoneInfo  # few rules ask for a place's time

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise EvalError(f"unknown time zone {name}") from None


def _accessor(name: str, read: Callable[[datetime], int]) -> None:
    def call(value: Timestamp, zone: str = "UTC") -> int:
        try:
            moment = _EPOCH + timedelta(microseconds=value.nanos // 1000)
            return read(moment.astimezone(_zone(zone) if zone != "UTC" else UTC))
        except OverflowError:
            raise EvalError("timestamp overflow") from None

    function(f"timestamp.{name}() -> int", f"timestamp.{name}(string) -> int")(call)


_accessor("getFullYear", lambda t: t.year)
_accessor("getMonth", lambda t: t.month - 1)
_accessor("getDate", lambda t: t.day)
_accessor("getDayOfMonth", lambda t: t.day - 1)
_accessor("getDayOfWeek", lambda t: t.isoweekday() % 7)
_accessor("getDayOfYear", lambda t: t.timetuple().tm_yday - 1)


def _clock(name: str, read: Callable[[datetime], int], unit: int) -> None:
    """Hours, minutes, seconds: of a timestamp the clock's hand, of a duration the whole."""
    _accessor(name, read)

    def whole(value: Duration) -> int:
        return duration(int(Fraction(value.nanos, unit))).nanos

    function(f"duration.{name}() -> int")(whole)


_clock("getHours", lambda t: t.hour, 3600 * NANOS)
_clock("getMinutes", lambda t: t.minute, 60 * NANOS)
_clock("getSeconds", lambda t: t.second, NANOS)
_accessor("getMilliseconds", lambda t: t.microsecond // 1000)


@function("duration.getMilliseconds() -> int")
def milliseconds(value: Duration) -> int:
    """The milliseconds beyond the whole seconds."""
    return int(Fraction(value.nanos, 10**6)) % 1000
