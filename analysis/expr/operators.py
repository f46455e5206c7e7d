"""Operators of the condition language that are not arithmetic alone, and member access.

Owns ``in``, string tests, regular expressions (RE2: linear time), ranges, indexes and slices. A
missing key of a map is nil; an index out of range is an error. Called by the compiler.
"""

import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import re2

from analysis.expr.collection import key_of
from analysis.expr.errors import ExprError, Meter
from analysis.expr.values import (
    Keyed,
    arithmetic,
    equal,
    is_int,
    is_number,
    less,
    mismatch,
    negative,
    shown,
)

MAX_PATTERN: Final = 1024  # characters of one regular expression
MAX_PROGRAMS: Final = 20_000  # instructions of all regular expressions written in one expression
_MEMORY: Final = 256 * 1024  # bytes of one; compiling costs two milliseconds at most
_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = _MEMORY


def not_bool(value: Any, name: str) -> ExprError:
    return ExprError(f"invalid operation: {name} needs true or false, not {shown(value)}")


def prefixed(sign: str, value: Any) -> Any:
    """``not``, ``-`` or ``+`` of a value."""
    if sign == "not":
        if not isinstance(value, bool):
            raise not_bool(value, "not")
        return not value
    if sign == "-":
        return negative(value)
    if not is_number(value):
        raise ExprError(f"invalid operation: + {shown(value)}")
    return value


def fetch(target: Any, key: Any) -> Any:
    """``target[key]`` or ``target.key``."""
    if type(target) is list and type(key) is int and -len(target) <= key < len(target):
        return target[key]
    if isinstance(target, dict):
        if not isinstance(key, str) and not isinstance(target, Keyed):
            raise ExprError(f"cannot use {shown(key)} as a key of a map")
        return target.get(key_of(key))
    if isinstance(target, list | str) and is_int(key):
        elements = target.encode() if isinstance(target, str) else target
        if not -len(elements) <= key < len(elements):
            kind = "list" if elements is target else "string"
            raise ExprError(f"index {key} is out of range for a {kind} of {len(elements)}")
        return elements[key]
    if isinstance(target, list | str) and not isinstance(key, str):
        raise ExprError(f"cannot use {shown(key)} as an index")
    raise ExprError(
        f"cannot fetch {key if isinstance(key, str) else shown(key)} from {shown(target)}"
    )


def sliced(target: Any, start: Any, stop: Any, meter: Meter) -> Any:
    """``target[start:stop]``; negative places count from the end, too large ones are cut."""
    if not isinstance(target, list | str):
        raise ExprError(f"cannot slice {shown(target)}")
    for place in (start, stop):
        if not (place is None or is_int(place)):
            raise ExprError(f"a slice needs integers, not {shown(place)}")
    first, last, _ = slice(start, stop).indices(len(target))
    size = max(0, last - first)
    if isinstance(target, str):
        meter.text(size)
    else:
        meter.items(size)
    return target[first:last]


def contained(left: Any, right: Any, meter: Meter) -> bool:
    """``left in right``: an element of a list, or a key of a map."""
    match right:
        case None:
            return False
        case dict():
            if not isinstance(left, str) and not isinstance(right, Keyed):
                raise ExprError(f"cannot use {shown(left)} as a key of a map")
            return key_of(left) in right
        case list():
            return any(equal(left, item, meter) for item in right)
        case _:
            raise ExprError(f'operator "in" is for lists and maps, not {shown(right)}')


def _string_test(name: str, test: Callable[[str, str], bool]) -> Callable[[Any, Any, Meter], bool]:
    def apply(left: Any, right: Any, meter: Meter) -> bool:
        if left is None or right is None:
            return False
        if not (isinstance(left, str) and isinstance(right, str)):
            raise mismatch(left, name, right)
        meter.spend(len(left) // 32)
        return test(left, right)

    return apply


def matches(left: Any, right: Any, meter: Meter) -> bool:
    """Whether ``right``, a regular expression, is found in ``left``.

    Costs what compiling would, cached or not, and what the slowest way of searching would.
    """
    if left is None or right is None:
        return False
    if not (isinstance(left, str) and isinstance(right, str)):
        raise mismatch(left, "matches", right)
    regex = pattern(right)
    size = regex.programsize
    meter.spend(20 + size // 2 + len(left) // 8 + len(left) * size // 400)
    return regex.search(left) is not None


@lru_cache(maxsize=64)
def pattern(text: str) -> Any:
    """The regular expression ``text``. Raises ExprError where it is none, or too large."""
    if len(text) > MAX_PATTERN:
        raise ExprError(f"a pattern of {len(text)} characters; {MAX_PATTERN} are allowed")
    try:
        return re2.compile(text, _OPTIONS)
    except re2.error as error:
        reason = error.args[0] if error.args else "invalid"
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
        raise ExprError(f"error parsing regexp {shown(text)}: {reason}") from None


def _range(left: Any, right: Any, meter: Meter) -> list[int]:
    if not (is_int(left) and is_int(right)):
        raise mismatch(left, "..", right)
    meter.items(max(0, right - left + 1))
    return list(range(left, right + 1))


def _calculated(sign: str) -> Callable[[Any, Any, Meter], Any]:
    return lambda left, right, meter: arithmetic(sign, left, right, meter)


Operation = Callable[[Any, Any, Meter], Any]

BINARY: Final[dict[str, Operation]] = {
    "==": equal,
    "!=": lambda left, right, meter: not equal(left, right, meter),
    "in": contained,
    "contains": _string_test("contains", lambda text, part: part in text),
    "startsWith": _string_test("startsWith", str.startswith),
    "endsWith": _string_test("endsWith", str.endswith),
    "matches": matches,
    "..": _range,
    **{sign: _calculated(sign) for sign in ("+", "-", "*", "/", "%", "**")},
}

ORDERED: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def comparing(sign: str) -> Operation:
    """One of ``< <= > >=``: quick for two floats, neither of them NaN."""
    test = ORDERED[sign]

    def run(left: Any, right: Any, meter: Meter) -> bool:
        if type(left) is float and type(right) is float:
            held = test(left, right)
            if held or (left == left and right == right):  # noqa: PLR0124 - only NaN is not itself
                return held
        return less(left, right, sign, meter)

    return run
