"""Functions of numbers, Argo Rollouts' own conversions among them.

Booleans are never numbers; integers stay within 64 bit. Called through ``analysis.expr.functions``.
"""

import math
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from analysis.expr.context import Body, Context
from analysis.expr.errors import INT_RANGE, MAX_NESTING, TOO_DEEP, ExprError
from analysis.expr.values import arithmetic, is_number, narrowed, shown, wrapped

_INT: Final = re.compile(r"[+-]?[0-9]{1,64}")
_FLOAT: Final = re.compile(
    r"[+-]?(?:(?:[0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:e[+-]?[0-9]{1,5})?|inf|infinity|nan)",
    re.IGNORECASE,
)


def _integer(name: str, value: float | str) -> int:
    """``value`` without its fraction. Raises ExprError where it is no integer of 64 bit."""
    if isinstance(value, str):
        number = int(value) if _INT.fullmatch(value) else None
    else:
        number = int(value) if math.isfinite(value) else None
    if number is None:
        raise ExprError(f"{name}: {shown(value)} is not an integer")
    if number not in INT_RANGE:
        raise ExprError(f"{name}: {shown(value)} is out of the range of integers")
    return number


def _floating(name: str, value: float | str) -> float:
    if isinstance(value, str) and not _FLOAT.fullmatch(value):
        raise ExprError(f"{name}: {shown(value)} is not a number")
    return float(value)


def converter(name: str, convert: Callable[[str, Any], float]) -> Body:
    """A conversion of a number, or of a string that reads as one."""
    return lambda _, value: convert(name, value)


as_int, to_int = converter("asInt", _integer), converter("int", _integer)
as_float, to_float = converter("asFloat", _floating), converter("float", _floating)


def is_nan(context: Context, value: float) -> bool:
    found = math.isnan(value)
    context.meter.found_nan |= found
    return found


# --- numbers ---


def rounding(rounder: Callable[[float], float]) -> Body:
    return lambda _, value: float(rounder(value)) if math.isfinite(value) else value


def half_away(value: float) -> float:
    whole = math.floor(abs(value))
    return math.copysign(whole + (abs(value) - whole >= 0.5), value)


def absolute(_: Context, value: float) -> float:
    value = abs(narrowed(value))
    return wrapped(value) if isinstance(value, int) else value


def extreme(name: str, pick: Callable[[list[Any]], Any]) -> Body:
    """The largest or smallest of numbers and lists of them; nil of none, NaN beside a NaN."""

    def body(context: Context, *arguments: Any) -> Any:
        flat = _flat(name, context, arguments)
        return next((v for v in flat if math.isnan(v)), pick(flat)) if flat else None

    return body


def average(name: str, pick: Callable[[list[float]], float]) -> Body:
    def body(context: Context, *arguments: Any) -> float:
        flat = [float(value) for value in _flat(name, context, arguments)]
        if any(map(math.isnan, flat)):
            return math.nan
        return float(pick(flat)) if flat else 0.0

    return body


def mean(values: list[float]) -> float:
    """As Go computes it: infinities are not an error."""
    return sum(values) / len(values)


def total(context: Context, values: list[Any]) -> Any:
    """The sum of numbers: an integer when all are."""
    amount: Any = 0
    for value in values:
        context.meter.spend()
        if not is_number(value):
            raise ExprError(f"sum takes numbers, not {shown(value)}")
        amount = arithmetic("+", amount, value, context.meter)
    return amount


def _flat(name: str, context: Context, values: Iterable[Any], depth: int = 0) -> list[Any]:
    """The numbers in ``values`` and in the lists among them."""
    if depth > MAX_NESTING:
        raise ExprError(TOO_DEEP)
    flat: list[Any] = []
    for value in values:
        context.meter.spend()
        if isinstance(value, list):
            flat += _flat(name, context, value, depth + 1)
        elif is_number(value):
            flat.append(value)
        else:
            raise ExprError(f"{name} takes numbers, not {shown(value)}")
    return flat


# --- bits ---


def bits(combine: Callable[..., int]) -> Body:
    return lambda _, *values: wrapped(combine(*values))


def shift(combine: Callable[[int, int], int]) -> Body:
    def body(_: Context, value: int, by: int) -> int:
        if by < 0:
            raise ExprError(f"invalid shift count {by}: it must not be negative")
        return wrapped(combine(value, min(by, 64)))

    return body
