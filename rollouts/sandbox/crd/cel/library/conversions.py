"""Conversions between kinds: int, uint, double, string, bytes, bool, dyn and type."""

import math
from typing import Any, Final

from rollouts.sandbox.crd.cel.library.times import format_duration, format_timestamp
from rollouts.sandbox.crd.cel.signatures import Library
from rollouts.sandbox.crd.cel.types import TYPE_NAMES, CelType
from rollouts.sandbox.crd.cel.values import (
    INT64_MAX,
    INT64_MIN,
    NANOS,
    UINT64_MAX,
    Duration,
    EvalError,
    Timestamp,
    Uint,
    kind,
)

LIBRARY: Final = Library()
function = LIBRARY.function


def _whole(text: str, name: str) -> int:
    digits = text[1:] if text[:1] in ("-", "+") else text
    if digits.isascii() and digits.isdigit() and len(digits) <= 20:
        return int(text)
    raise EvalError(f"type conversion error from 'string' to '{name}'")


def _ranged(value: int, low: int, high: int, problem: str) -> int:
    if low <= value <= high:
        return value
    raise EvalError(problem)


def _truncated(value: float, problem: str) -> int:
    if math.isfinite(value):
        return int(value)
    raise EvalError(problem)


@function(
    "int(int) -> int", "int(uint) -> int", "int(double) -> int", "int(string) -> int",
    "int(timestamp) -> int", "int(duration) -> int",
)  # fmt: skip
def to_int(value: Any) -> int:
    problem = "integer overflow"
    match value:
        case str():
            number = _whole(value, "int")
        case float():
            number = _truncated(value, problem)
        case Timestamp():
            number = value.nanos // NANOS
        case Duration():
            number = value.nanos
        case _:
            number = int(value)
    return _ranged(number, INT64_MIN, INT64_MAX, problem)


@function("uint(uint) -> uint", "uint(int) -> uint", "uint(double) -> uint", "uint(string) -> uint")
def to_uint(value: Any) -> Uint:
    problem = "unsigned integer overflow"
    if isinstance(value, str):
        value = _whole(value, "uint")
    number = _truncated(value, problem) if isinstance(value, float) else int(value)
    return Uint(_ranged(number, 0, UINT64_MAX, problem))


@function(
    "double(double) -> double", "double(int) -> double", "double(uint) -> double",
    "double(string) -> double",
)  # fmt: skip
def to_double(value: Any) -> float:
    try:
        return float(value)
    except ValueError:
        raise EvalError("type conversion error from 'string' to 'double'") from None


def show_double(value: float) -> str:
    """The shortest text of a double, without a trailing ``.0``."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


@function(
    "string(string) -> string", "string(int) -> string", "string(uint) -> string",
    "string(double) -> string", "string(bool) -> string", "string(bytes) -> string",
    "string(timestamp) -> string", "string(duration) -> string",
    "string(net.IP) -> string", "string(net.CIDR) -> string",
)  # fmt: skip
def to_string(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return show_double(value)
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                raise EvalError("invalid UTF-8 in bytes, cannot convert to string") from None
        case Timestamp():
            return format_timestamp(value)
        case Duration():
            return format_duration(value)
        case _:
            return str(value)


@function("bytes(bytes) -> bytes", "bytes(string) -> bytes")
def to_bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


@function("bool(bool) -> bool", "bool(string) -> bool")
def to_bool(value: str | bool) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if value in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise EvalError("type conversion error from 'string' to 'bool'")


@function("dyn(T) -> dyn", estimate=lambda _: 0)
def to_dyn(value: Any) -> Any:
    return value


@function("type(T) -> type", estimate=lambda _: 1)
def type_of(value: Any) -> CelType:
    name = kind(value)
    return TYPE_NAMES.get(name) or CelType(name)
