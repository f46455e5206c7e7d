"""Functions of numbers, Argo Rollouts' own conversions among them.

Booleans are never numbers; integers stay within 64 bit. Called through ``analysis.expr.functions``.
"""

import math
from collections.abc import Callable
from typing import Any

from analysis.expr.context import Body, Context
from analysis.expr.errors import ExprError
from analysis.expr.values import checked, is_int, is_number, to_text, type_name


def _numbers(arguments: tuple[Any, ...]) -> list[Any]:
    """Arguments that are numbers or lists of numbers, flattened."""
    flat: list[Any] = []
    for argument in arguments:
        flat.extend(_numbers(tuple(argument)) if isinstance(argument, list) else [argument])
    if not all(is_number(value) for value in flat):
        raise TypeError
    return flat


# --- Argo Rollouts' own ---


def as_int(_: Context, value: Any) -> int:
    if isinstance(value, str):
        try:
            return checked(int(value))
        except ValueError:
            raise ExprError(f'asInt: parsing "{value[:32]}": invalid syntax') from None
    if is_number(value) and math.isfinite(value):
        return checked(int(value))
    raise ExprError(f"asInt() not supported on {type_name(value)} {to_text(value)[:64]}")


def as_float(_: Context, value: Any) -> float:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise ExprError(f'asFloat: parsing "{value[:32]}": invalid syntax') from None
    if is_number(value):
        return float(value)
    raise ExprError(f"asFloat() not supported on {type_name(value)} {to_text(value)[:64]}")


def is_nan(context: Context, value: Any) -> bool:
    if not is_number(value):
        raise TypeError
    found = math.isnan(value)
    context.meter.found_nan |= found
    return found


def is_inf(_: Context, value: Any) -> bool:
    if not is_number(value):
        raise TypeError
    return math.isinf(value)


# --- numbers ---


def rounding(rounder: Callable[[float], float]) -> Body:
    def body(_: Context, value: Any) -> float:
        if not is_number(value):
            raise TypeError
        return float(rounder(value)) if math.isfinite(value) else value

    return body


def half_away(value: float) -> float:
    return math.copysign(math.floor(abs(value) + 0.5), value)


def to_int(_: Context, value: Any) -> int:
    if isinstance(value, str):
        try:
            return checked(int(value))
        except ValueError:
            raise ExprError(f'invalid operation: int("{value[:32]}")') from None
    if not is_number(value):
        raise TypeError
    return checked(int(value))


def to_float(_: Context, value: Any) -> float:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise ExprError(f'invalid operation: float("{value[:32]}")') from None
    if not is_number(value):
        raise TypeError
    return float(value)


def absolute(_: Context, value: Any) -> Any:
    if not is_number(value):
        raise TypeError
    return checked(abs(value)) if is_int(value) else abs(value)


def extreme(pick: Callable[[list[Any]], Any]) -> Body:
    def body(context: Context, *arguments: Any) -> Any:
        context.meter.spend(sum(len(a) for a in arguments if isinstance(a, list)))
        flat = _numbers(arguments)
        if any(math.isnan(value) for value in flat):
            return math.nan
        return pick(flat) if flat else None

    return body


def average(pick: Callable[[list[Any]], Any]) -> Body:
    def body(_: Context, *arguments: Any) -> float:
        flat = _numbers(arguments)
        if any(math.isnan(value) for value in flat):
            return math.nan
        return float(pick(flat)) if flat else 0.0

    return body


def total(values: list[Any]) -> Any:
    """The sum of numbers: an integer when all are."""
    if all(is_int(value) for value in values):
        return checked(sum(values))
    if not all(is_number(value) for value in values):
        raise ExprError("sum needs numbers")
    return float(sum(values))


def bits(combine: Callable[[int, int], int]) -> Body:
    def body(_: Context, left: Any, right: Any) -> int:
        if not (is_int(left) and is_int(right)):
            raise TypeError
        return _wrapped(combine(left, right))

    return body


def shift_count(by: int) -> int:
    if not 0 <= by < 64:
        raise ExprError("invalid shift count")
    return by


def _wrapped(value: int) -> int:
    return (value + 2**63) % 2**64 - 2**63
