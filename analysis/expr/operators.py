"""Operators of the condition language that are not arithmetic alone, and member access.

Owns ``in``, string tests, regular expressions (RE2: linear time), ranges, indexes and slices. A
missing key of a map is nil; an index out of range is an error. Called by the compiler.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import re2

from analysis.expr.errors import ExprError, Meter
from analysis.expr.values import (
    Span,
    arithmetic,
    checked,
    equal,
    is_int,
    is_number,
    less,
    mismatch,
    type_name,
)

_MAX_PATTERN: Final = 1024
_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 1 << 20


def need_bool(value: Any, operator: str) -> bool:
    if not isinstance(value, bool):
        raise ExprError(f"invalid operation: {operator} needs bool, but got {type_name(value)}")
    return value


def prefixed(operator: str, value: Any) -> Any:
    """``not``, ``-`` or ``+`` of a value."""
    if operator == "not":
        if not isinstance(value, bool):
            raise ExprError(f"invalid operation: not (mismatched type {type_name(value)})")
        return not value
    if not is_number(value) and not isinstance(value, Span):
        raise ExprError(f"invalid operation: {operator} {type_name(value)}")
    if operator == "+":
        return value
    if isinstance(value, Span):
        return Span(-value.seconds)
    return checked(-value) if is_int(value) else -value


def fetch(target: Any, key: Any) -> Any:
    """``target[key]`` or ``target.key``."""
    if isinstance(target, dict):
        if not isinstance(key, str):
            raise ExprError(f"cannot use {type_name(key)} as a key of a map")
        return target.get(key)
    if isinstance(target, list | str) and is_int(key):
        elements = target.encode() if isinstance(target, str) else target
        if not -len(elements) <= key < len(elements):
            raise ExprError(f"index out of range: {key} (array length is {len(elements)})")
        return elements[key]
    if isinstance(target, list | str) and not isinstance(key, str):
        raise ExprError(f"cannot use {type_name(key)} as an index")
    raise ExprError(f"cannot fetch {key} from {type_name(target)}")


def sliced(target: Any, start: Any, stop: Any, meter: Meter) -> Any:
    """``target[start:stop]``; negative places count from the end, too large ones are cut."""
    if not isinstance(target, list | str):
        raise ExprError(f"cannot slice {type_name(target)}")
    if not is_int(start) or not (stop is None or is_int(stop)):
        raise ExprError("a slice needs integers")
    part = target[start:stop]
    if isinstance(part, str):
        meter.text(len(part))
    else:
        meter.items(len(part))
    return part


def _in(_: str, left: Any, right: Any, meter: Meter) -> bool:
    match right:
        case None:
            return False
        case dict():
            if not isinstance(left, str):
                raise ExprError(f"cannot use {type_name(left)} as a key of a map")
            return left in right
        case list():
            return any(equal(left, item, meter) for item in right)
        case _:
            raise ExprError(f'operator "in" not defined on {type_name(right)}')


def _string_test(test: Callable[[str, str], bool]) -> Callable[[str, Any, Any, Meter], bool]:
    def apply(operator: str, left: Any, right: Any, meter: Meter) -> bool:
        if not (isinstance(left, str) and isinstance(right, str)):
            raise mismatch(left, operator, right)
        meter.spend(len(left) // 32)
        return test(left, right)

    return apply


def _matches(operator: str, left: Any, right: Any, meter: Meter) -> bool:
    if left is None:
        return False
    if not (isinstance(left, str) and isinstance(right, str)):
        raise mismatch(left, operator, right)
    meter.spend(100 + len(left) // 8)
    return _pattern(right).search(left) is not None


@lru_cache(maxsize=128)
def _pattern(text: str) -> Any:
    if len(text) > _MAX_PATTERN:
        raise ExprError(f"a pattern of more than {_MAX_PATTERN} characters")
    try:
        return re2.compile(text, _OPTIONS)
    except re2.error as error:
        reason = error.args[0] if error.args else "invalid"
        reason = reason.decode() if isinstance(reason, bytes) else reason
        raise ExprError(f"error parsing regexp: {reason}") from None


def _range(operator: str, left: Any, right: Any, meter: Meter) -> list[int]:
    if not (is_int(left) and is_int(right)):
        raise mismatch(left, operator, right)
    meter.items(max(0, right - left + 1))
    return list(range(left, right + 1))


def _equality(operator: str, left: Any, right: Any, meter: Meter) -> bool:
    return equal(left, right, meter) == (operator == "==")


BINARY: Final[dict[str, Callable[[str, Any, Any, Meter], Any]]] = {
    "==": _equality,
    "!=": _equality,
    "<": lambda operator, left, right, meter: less(left, right, operator, meter),
    "<=": lambda operator, left, right, meter: less(left, right, operator, meter),
    ">": lambda operator, left, right, meter: _greater(left, right, operator, meter),
    ">=": lambda operator, left, right, meter: _greater(left, right, operator, meter),
    "in": _in,
    "contains": _string_test(lambda text, part: part in text),
    "startsWith": _string_test(str.startswith),
    "endsWith": _string_test(str.endswith),
    "matches": _matches,
    "..": _range,
    **dict.fromkeys(("+", "-", "*", "/", "%", "**"), arithmetic),
}


def _greater(left: Any, right: Any, operator: str, meter: Meter) -> bool:
    try:
        return less(right, left, "<=" if operator == ">=" else "<", meter)
    except ExprError:
        raise mismatch(left, operator, right) from None
