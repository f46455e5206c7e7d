"""What values are and what operators do to them: JSON's types, instants and durations.

Owns type names (Go's, because messages are searched for), equality, arithmetic and order. Integers
are 64 bit and overflow is an error; division is always a float; nothing is converted silently.
Pure. Used by the compiler and by the functions.
"""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

from analysis.expr.errors import INT_RANGE, MAX_DEPTH, ExprError, Meter
from analysis.times import format_duration, format_time


@dataclass(frozen=True, slots=True, order=True)
class Instant:
    """A moment, in seconds since the epoch."""

    seconds: float


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A length of time in seconds."""

    seconds: float


def type_name(value: object) -> str:
    """How Go prints the type of ``value``."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float64"
        case str():
            return "string"
        case list():
            return "[]interface {}"
        case dict():
            return "map[string]interface {}"
        case Instant():
            return "time.Time"
        case Span():
            return "time.Duration"
        case _:
            return type(value).__name__


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def checked(value: int) -> int:
    if value not in INT_RANGE:
        raise ExprError("integer overflow")
    return value


def equal(left: Any, right: Any, meter: Meter, depth: int = 0) -> bool:
    """Numbers compare by value, everything else by type and value."""
    meter.spend()
    if depth > MAX_DEPTH:
        raise ExprError("a value is nested too deeply")
    if is_number(left) and is_number(right):
        _note_nan(left, right, meter)
        return bool(left == right)
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(
            equal(a, b, meter, depth + 1) for a, b in zip(left, right, strict=True)
        )
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(
            equal(value, right[key], meter, depth + 1) for key, value in left.items()
        )
    if isinstance(left, str):
        meter.spend(min(len(left), len(right)) // 32)
    return bool(left == right)


def less(left: Any, right: Any, operator: str, meter: Meter) -> bool:
    """``left < right``, or ``<=`` when the operator says so. NaN is never less."""
    strings = isinstance(left, str) and isinstance(right, str)
    same = isinstance(left, Instant | Span) and type(left) is type(right)
    if not (strings or same or (is_number(left) and is_number(right))):
        raise mismatch(left, operator, right)
    if strings:
        meter.spend(min(len(left), len(right)) // 32)
    elif not same:
        _note_nan(left, right, meter)
    return bool(left <= right if "=" in operator else left < right)


def _note_nan(left: float, right: float, meter: Meter) -> None:
    meter.compared_nan |= math.isnan(left) or math.isnan(right)


def mismatch(left: Any, operator: str, right: Any) -> ExprError:
    return ExprError(f"invalid operation: {type_name(left)} {operator} {type_name(right)}")


def arithmetic(operator: str, left: Any, right: Any, meter: Meter) -> Any:
    """``+ - * / % **`` as expr-lang defines them for these two values."""
    if is_number(left) and is_number(right):
        return _numbers(operator, left, right)
    if operator == "+" and isinstance(left, str) and isinstance(right, str):
        meter.text(len(left) + len(right))
        return left + right
    match operator, left, right:
        case ("+", Instant(), Span()) | ("-", Instant(), Span()):
            sign = 1 if operator == "+" else -1
            return Instant(left.seconds + sign * right.seconds)
        case "+", Span(), Instant():
            return Instant(left.seconds + right.seconds)
        case "-", Instant(), Instant():
            return Span(left.seconds - right.seconds)
        case ("+", Span(), Span()) | ("-", Span(), Span()):
            sign = 1 if operator == "+" else -1
            return Span(left.seconds + sign * right.seconds)
        case "*", Span(), _ if is_number(right):
            return Span(left.seconds * right)
        case "*", _, Span() if is_number(left):
            return Span(left * right.seconds)
    raise mismatch(left, operator, right)


def _numbers(operator: str, left: float, right: float) -> float:
    match operator:
        case "/":
            return _divide(float(left), float(right))
        case "**":
            return _power(float(left), float(right))
        case "%":
            if not (isinstance(left, int) and isinstance(right, int)):
                raise mismatch(left, "%", right)
            if right == 0:
                raise ExprError("integer divide by zero")
            remainder = abs(left) % abs(right)  # Go's sign: that of the dividend
            return -remainder if left < 0 else remainder
        case "+":
            value = left + right
        case "-":
            value = left - right
        case _:
            value = left * right
    return checked(value) if isinstance(value, int) else value


def _divide(left: float, right: float) -> float:
    """IEEE division: by zero it is infinite, or NaN, and not an error."""
    if right:
        return left / right
    if not left or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def _power(left: float, right: float) -> float:
    try:
        value = left**right
    except ZeroDivisionError:
        return math.inf
    except OverflowError:
        odd = right.is_integer() and int(right) % 2 == 1
        return -math.inf if left < 0 and odd else math.inf
    return math.nan if isinstance(value, complex) else value


def plain(value: Any, meter: Meter, depth: int = 0) -> Any:
    """``value`` as JSON knows it; instants and durations become text. Pays for its size."""
    meter.spend()
    if depth > MAX_DEPTH:
        raise ExprError("a value is nested too deeply")
    match value:
        case Instant():
            return format_time(value.seconds)
        case Span():
            return format_duration(value.seconds)
        case str():
            meter.text(len(value))
            return value
        case list():
            return [plain(item, meter, depth + 1) for item in value]
        case dict():
            return {key: plain(item, meter, depth + 1) for key, item in value.items()}
        case _:
            return value


def to_json(value: Any, meter: Meter) -> str:
    """JSON text of ``value``; like Go's encoder it refuses NaN and infinities."""
    tree = plain(value, meter)
    _refuse_nan(tree)
    try:
        text = orjson.dumps(tree).decode()
    except (TypeError, ValueError) as error:
        raise ExprError(f"cannot be written as JSON: {error}") from error
    meter.text(len(text))
    return text


def _refuse_nan(value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ExprError(f"json: unsupported value: {to_text(value)}")
    items = value.values() if isinstance(value, dict) else value
    for item in items if isinstance(value, dict | list) else ():
        _refuse_nan(item)


def to_text(value: Any) -> str:
    """How Go's ``%v`` prints a scalar."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case float():
            return float_text(value)
        case Instant():
            return format_time(value.seconds)
        case Span():
            return format_duration(value.seconds)
        case _:
            return str(value)


def float_text(value: float) -> str:
    """The shortest text, as Go's ``%v`` writes it: ``1``, ``0.95``, ``1e+21``, ``NaN``."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value).removesuffix(".0")
    if "e+" in text and abs(value) < 1e21:
        return f"{Decimal(text):f}"
    return text
