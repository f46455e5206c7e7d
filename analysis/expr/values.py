"""What values are and what operators do to them: JSON's types, instants and durations.

Owns type names, equality, order and arithmetic. Integers are 64 bit and wrap around as Go's do;
division is always a float; nothing is converted silently. Refuses to print more than a glimpse of a
value in a message. Pure. Used by the compiler and by the functions.
"""

import json
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from analysis.expr.errors import INT_RANGE, MAX_NESTING, TOO_DEEP, ExprError, Meter
from analysis.times import format_duration

_SHOWN: Final = 40  # characters of a string in a message
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_0: Final = -62_167_219_200
_YEAR_1: Final = -62_135_596_800
_YEAR_10000: Final = 253_402_300_800
_400_YEARS: Final = 146_097 * 86_400  # after which the calendar repeats itself
_LONGEST: Final = 2**63 / 1e9  # Go counts nanoseconds in 64 bit


@dataclass(frozen=True, slots=True, order=True)
class Instant:
    """A moment, in seconds since the epoch; the zone says how its calendar reads."""

    seconds: float
    zone: tzinfo = field(default=UTC, compare=False)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A length of time in seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone."""

    info: tzinfo


def instant(seconds: float, zone: tzinfo = UTC) -> Instant:
    """Raises ExprError outside the years 0 to 9999, or where there is no such moment."""
    if not _YEAR_0 <= seconds < _YEAR_10000:
        raise ExprError("a time out of range: years 0 to 9999 are known")
    return Instant(seconds, zone)


def span(seconds: float) -> Span:
    """Raises ExprError beyond the 292 years that Go can count, or where it is no number."""
    if not -_LONGEST <= seconds <= _LONGEST:
        raise ExprError(f"a duration out of range: {seconds:g} seconds")
    return Span(seconds)


def civil(value: Instant) -> tuple[datetime, int]:
    """What calendar and clock say where ``value`` is; the year apart, for Python knows no year 0,
    which a time of day without a date is in.
    """
    early = value.seconds < _YEAR_1 + 86_400
    seconds = value.seconds + (_400_YEARS if early else 0)
    moment = (_EPOCH + timedelta(seconds=seconds)).astimezone(value.zone)
    return moment, moment.year - (400 if early else 0)


class Keyed(dict[Any, Any]):
    """A map whose keys may be anything but lists and maps, as ``groupBy`` makes them."""


_TYPES: Final[dict[type, str]] = {
    type(None): "nil",
    bool: "bool",
    int: "int",
    float: "float",
    str: "string",
    list: "list",
    dict: "map",
    Keyed: "map",
    Instant: "time",
    Span: "duration",
    Zone: "timezone",
}
_NUMBERS: Final = frozenset({int, float})


def type_name(value: object) -> str:
    """What users call the type of ``value``."""
    return _TYPES.get(type(value), type(value).__name__)


def types_called(names: str) -> frozenset[type]:
    """The types of ``number|list`` and the like; empty for ``any``."""
    wanted = set(names.replace("number", "int|float").split("|"))
    return frozenset(kind for kind, name in _TYPES.items() if name in wanted)


def shown(value: Any) -> str:
    """A glimpse of ``value`` with its type, for messages: ``1.5 (float)``, ``a list of 3``."""
    match value:
        case None:
            return "nil"
        case str():
            cut = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
            return f"{json.dumps(cut, ensure_ascii=False)} (string)"
        case list():
            return f"a list of {len(value)}"
        case dict():
            return f"a map of {len(value)}"
        case bool():
            return f"{str(value).lower()} (bool)"
        case Instant():
            moment, year = civil(value)
            return f"{year:04}-{moment:%m-%dT%H:%M:%SZ} (time)"
        case Span():
            return f"{format_duration(value.seconds)} (duration)"
        case Zone():
            return f"{value.info} (timezone)"
        case float() if math.isnan(value):
            return "NaN (float)"
        case _:
            return f"{value!r} ({type_name(value)})"


def is_number(value: object) -> bool:
    return type(value) in _NUMBERS


def is_int(value: object) -> bool:
    return type(value) is int


def wrapped(value: int) -> int:
    """``value`` in 64 bit, as Go's integers overflow."""
    return value if value in INT_RANGE else (value + 2**63) % 2**64 - 2**63


def equal(left: Any, right: Any, meter: Meter, depth: int = 0) -> bool:
    """Numbers compare by value, everything else by type and value."""
    meter.spend()
    if depth > MAX_NESTING:
        raise ExprError(TOO_DEEP)
    if is_number(left) and is_number(right):
        left, right = _alike(left, right)
        _note_nan(left, right, meter)
        return bool(left == right)
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(
            equal(a, b, meter, depth + 1) for a, b in zip(left, right, strict=True)
        )
    if isinstance(left, dict):
        meter.spend(len(left))
        return left.keys() == right.keys() and all(
            equal(value, right[key], meter, depth + 1) for key, value in left.items()
        )
    if isinstance(left, str):
        meter.spend(min(len(left), len(right)) // 32)
    return bool(left == right)


def less(left: Any, right: Any, operator: str, meter: Meter) -> bool:
    """``<``, ``<=``, ``>`` or ``>=``. Nothing is true of NaN."""
    strings = isinstance(left, str) and isinstance(right, str)
    same = isinstance(left, Instant | Span) and type(left) is type(right)
    if strings:
        meter.spend(min(len(left), len(right)) // 32)
    elif is_number(left) and is_number(right):
        left, right = _alike(left, right)
        _note_nan(left, right, meter)
    elif not same:
        raise mismatch(left, operator, right)
    if operator[0] == ">":
        left, right = right, left
    return bool(left <= right if len(operator) == 2 else left < right)


def _alike(left: float, right: float) -> tuple[float, float]:
    """An integer beside a float counts as a float."""
    if type(left) is type(right):
        return left, right
    return float(left), float(right)


def _note_nan(left: float, right: float, meter: Meter) -> None:
    meter.compared_nan |= left != left or right != right  # noqa: PLR0124 - only NaN is not itself


def mismatch(left: Any, operator: str, right: Any) -> ExprError:
    return ExprError(f"invalid operation: {shown(left)} {operator} {shown(right)}")


def arithmetic(operator: str, left: Any, right: Any, meter: Meter) -> Any:
    """``+ - * / % **`` as expr-lang defines them for these two values."""
    if is_number(left) and is_number(right):
        return _numbers(operator, left, right)
    if operator == "+" and isinstance(left, str) and isinstance(right, str):
        meter.text(len(left) + len(right))
        return left + right
    sign = -1 if operator == "-" else 1
    match operator, left, right:
        case "+" | "-", Instant(), Span():
            return instant(left.seconds + sign * right.seconds, left.zone)
        case "+", Span(), Instant():
            return instant(left.seconds + right.seconds, right.zone)
        case "-", Instant(), Instant():
            return span(left.seconds - right.seconds)
        case "+" | "-", Span(), Span():
            return span(left.seconds + sign * right.seconds)
        case "*", Span(), _ if is_number(right):
            return span(left.seconds * right)
        case "*", _, Span() if is_number(left):
            return span(left * right.seconds)
    raise mismatch(left, operator, right)


def _numbers(operator: str, left: float, right: float) -> float:
    left, right = narrowed(left), narrowed(right)
    match operator:
        case "/":
            return _divide(float(left), float(right))
        case "**":
            return _power(float(left), float(right))
        case "%":
            if not (isinstance(left, int) and isinstance(right, int)):
                raise mismatch(left, "%", right)
            if right == 0:
                raise ExprError(f"integer divide by zero: {left} % 0")
            remainder = abs(left) % abs(right)  # Go's sign: that of the dividend
            return -remainder if left < 0 else remainder
        case "+":
            value = left + right
        case "-":
            value = left - right
        case _:
            value = left * right
    return wrapped(value) if isinstance(value, int) else value


def narrowed(value: float) -> float:
    """An integer of an answer may have more than 64 bit; to Go, all of its numbers are floats."""
    return float(value) if isinstance(value, int) and value not in INT_RANGE else value


def _divide(left: float, right: float) -> float:
    """IEEE division: by zero it is infinite, or NaN, and not an error."""
    if right:
        return left / right
    if not left or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def _power(left: float, right: float) -> float:
    """C's ``pow``: nothing is an error, and a root of a negative number is NaN."""
    odd = math.fmod(right, 2) in (1, -1) if math.isfinite(right) else False
    try:
        return math.pow(left, right)
    except OverflowError:
        return -math.inf if left < 0 and odd else math.inf
    except ValueError:
        if left:
            return math.nan
        return math.copysign(math.inf, left) if odd else math.inf


def negative(value: Any) -> Any:
    """``-value``."""
    if isinstance(value, Span):
        return Span(-value.seconds)
    if not is_number(value):
        raise ExprError(f"invalid operation: - {shown(value)}")
    value = narrowed(value)
    return wrapped(-value) if is_int(value) else -value
