"""Run-time values: what they are, how they compare, and how they are computed with.

JSON values stand for themselves; this module adds the kinds JSON lacks (uint, timestamps,
durations, optionals, lists that are sets or maps). Overflow and a missing overload are EvalErrors,
never Python's. Called by the compiled expressions and by the function library.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rollouts.sandbox.crd.cel.types import CelType

INT64_MAX: Final = 2**63 - 1
INT64_MIN: Final = -(2**63)
UINT64_MAX: Final = 2**64 - 1
NANOS: Final = 1_000_000_000
# Year 1 to year 9999, the range of protobuf timestamps, in nanoseconds since 1970.
TIMESTAMP_MIN: Final = -62135596800 * NANOS
TIMESTAMP_MAX: Final = 253402300800 * NANOS - 1


class EvalError(Exception):
    """The expression has no value for this input: missing key, overflow, wrong kinds."""


class BudgetError(Exception):
    """The expression did more work than it may. Never absorbed by ``||``, ``&&`` or a macro."""


class Uint(int):
    """An unsigned 64-bit integer; a plain int is signed."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """Nanoseconds since 1970, UTC."""

    nanos: int


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """Signed nanoseconds."""

    nanos: int


@dataclass(frozen=True, slots=True)
class Optional:
    """A value that may be absent."""

    present: bool
    value: Any = None


ABSENT: Final = Optional(present=False)


class SetList(list[Any]):
    """A list whose x-kubernetes-list-type is set: order does not matter, ``+`` is a union."""


class MapList(list[Any]):
    """A list whose x-kubernetes-list-type is map: ``+`` replaces elements with the same keys."""

    keys: tuple[str, ...] = ()


def no_overload() -> EvalError:
    return EvalError("no such overload")


def kind(value: Any) -> str:
    """The type name of a value, as signatures spell it."""
    name = _KINDS.get(type(value))
    if name is None:
        name = "list" if isinstance(value, list) else str(getattr(value, "cel_type", "dyn"))
    return name


_KINDS: Final[dict[type, str]] = {
    bool: "bool",
    int: "int",
    Uint: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    type(None): "null_type",
    list: "list",
    dict: "map",
    Timestamp: "google.protobuf.Timestamp",
    Duration: "google.protobuf.Duration",
    Optional: "optional_type",
    CelType: "type",
}

_NUMBERS: Final = frozenset({int, Uint, float})


def equals(left: Any, right: Any) -> bool:
    """Equality: numbers by value whatever their kind, other kinds only among themselves."""
    a, b = type(left), type(right)
    if a in _NUMBERS and b in _NUMBERS:
        return bool(left == right)
    if isinstance(left, list) and isinstance(right, list):
        return _equal_lists(left, right)
    if a is not b:
        return False
    if a is dict:
        return len(left) == len(right) and all(
            key in right and equals(value, right[key]) for key, value in left.items()
        )
    return bool(left == right)


def contains(items: list[Any], value: Any) -> bool:
    """Whether ``value`` is in the list; text is compared at C speed."""
    if type(value) is str:
        return value in items
    return any(equals(item, value) for item in items)


def _equal_lists(left: list[Any], right: list[Any]) -> bool:
    if len(left) != len(right):
        return False
    if isinstance(left, SetList) or isinstance(right, SetList):
        return all(contains(right, item) for item in left)
    keys = getattr(left, "keys", None) or getattr(right, "keys", None)
    if keys:
        known = keyed(right, keys)
        return all(equals(item, known.get(list_key(item, keys))) for item in left)
    return all(map(equals, left, right))


def list_key(item: Any, keys: tuple[str, ...]) -> tuple[Any, ...]:
    """What identifies an element of a map list; values keep their JSON kinds apart."""
    if not isinstance(item, dict):
        return ()
    return tuple((kind(item[k]), item[k]) if _scalar(item.get(k)) else None for k in keys)


def _scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def keyed(items: list[Any], keys: tuple[str, ...]) -> dict[tuple[Any, ...], Any]:
    return {list_key(item, keys): item for item in items}


def concatenate(left: list[Any], right: list[Any]) -> list[Any]:
    if isinstance(left, SetList):
        return SetList(left + [item for item in right if not contains(left, item)])
    if isinstance(left, MapList):
        replaced = keyed(right, left.keys)
        merged = MapList(replaced.pop(list_key(item, left.keys), item) for item in left)
        merged.extend(replaced.values())
        merged.keys = left.keys
        return merged
    return left + right


def _int(value: int) -> int:
    if INT64_MIN <= value <= INT64_MAX:
        return value
    raise EvalError("integer overflow")


def _uint(value: int) -> Uint:
    if 0 <= value <= UINT64_MAX:
        return Uint(value)
    raise EvalError("unsigned integer overflow")


def duration(nanos: int) -> Duration:
    if INT64_MIN <= nanos <= INT64_MAX:
        return Duration(nanos)
    raise EvalError("duration overflow")


def timestamp(nanos: int) -> Timestamp:
    if TIMESTAMP_MIN <= nanos <= TIMESTAMP_MAX:
        return Timestamp(nanos)
    raise EvalError("timestamp overflow")


def _truncated(left: int, right: int) -> int:
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _divide(left: int, right: int) -> int:
    if right == 0:
        raise EvalError("division by zero")
    return _truncated(left, right)


def _modulo(left: int, right: int) -> int:
    if right == 0:
        raise EvalError("modulus by zero")
    return left - right * _truncated(left, right)


def _divide_double(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1, right)


Operation = Callable[[Any, Any], Any]
_II: Final = (int, int)
_UU: Final = (Uint, Uint)
_FF: Final = (float, float)

ARITHMETIC: Final[Mapping[str, Mapping[tuple[type, type], Operation]]] = {
    "+": {
        _II: lambda a, b: _int(a + b),
        _UU: lambda a, b: _uint(int(a) + int(b)),
        _FF: lambda a, b: a + b,
        (str, str): lambda a, b: a + b,
        (bytes, bytes): lambda a, b: a + b,
        (Duration, Duration): lambda a, b: duration(a.nanos + b.nanos),
        (Timestamp, Duration): lambda a, b: timestamp(a.nanos + b.nanos),
        (Duration, Timestamp): lambda a, b: timestamp(a.nanos + b.nanos),
    },
    "-": {
        _II: lambda a, b: _int(a - b),
        _UU: lambda a, b: _uint(int(a) - int(b)),
        _FF: lambda a, b: a - b,
        (Duration, Duration): lambda a, b: duration(a.nanos - b.nanos),
        (Timestamp, Timestamp): lambda a, b: duration(a.nanos - b.nanos),
        (Timestamp, Duration): lambda a, b: timestamp(a.nanos - b.nanos),
    },
    "*": {
        _II: lambda a, b: _int(a * b),
        _UU: lambda a, b: _uint(int(a) * int(b)),
        _FF: lambda a, b: a * b,
    },
    "/": {
        _II: lambda a, b: _int(_divide(a, b)),
        _UU: lambda a, b: _uint(_divide(int(a), int(b))),
        _FF: _divide_double,
    },
    "%": {_II: _modulo, _UU: lambda a, b: _uint(_modulo(int(a), int(b)))},
}


def arithmetic(op: str, left: Any, right: Any) -> Any:
    """``left op right``; EvalError on overflow, division by zero or kinds that do not fit."""
    operation = ARITHMETIC[op].get((type(left), type(right)))
    if operation is not None:
        return operation(left, right)
    if op == "+" and isinstance(left, list) and isinstance(right, list):
        return concatenate(left, right)
    raise no_overload()


_ORDERED: Final = frozenset({bool, str, bytes, Timestamp, Duration})


def compare(left: Any, right: Any) -> int:
    """-1, 0 or 1; 2 when a NaN makes both orders false. EvalError when not comparable."""
    a, b = type(left), type(right)
    if not ((a in _NUMBERS and b in _NUMBERS) or (a is b and a in _ORDERED)):
        raise no_overload()
    if left < right:
        return -1
    if left > right:
        return 1
    return 0 if left == right else 2


def negate(value: Any) -> Any:
    if type(value) is int:
        return _int(-value)
    if type(value) is float:
        return -value
    if type(value) is Duration:
        return duration(-value.nanos)
    raise no_overload()
