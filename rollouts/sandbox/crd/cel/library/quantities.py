"""Kubernetes quantities such as ``500m`` and ``1Gi``, exactly."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Final

from rollouts.sandbox.crd.cel.signatures import Library
from rollouts.sandbox.crd.cel.values import INT64_MAX, INT64_MIN, EvalError

LIBRARY: Final = Library()
function = LIBRARY.function

_TEXT: Final = re.compile(
    r"([+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40}))(?:(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E)"
    r"|[eE]([+-]?\d{1,3}))?"
)
_SUFFIX: Final = {
    **{s: Fraction(1024) ** (i + 1) for i, s in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))},
    **{s: Fraction(1000) ** (i + 1) for i, s in enumerate("kMGTPE")},
    "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quantity:
    cel_type: ClassVar[str] = "kubernetes.Quantity"
    amount: Fraction


def parse_quantity(text: str) -> Quantity | None:
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    scale = Fraction(10) ** int(match[3]) if match[3] else _SUFFIX.get(match[2], Fraction(1))
    return Quantity(Fraction(match[1]) * scale)


@function("isQuantity(string) -> bool")
def is_quantity(text: str) -> bool:
    return parse_quantity(text) is not None


@function("quantity(string) -> kubernetes.Quantity")
def quantity(text: str) -> Quantity:
    parsed = parse_quantity(text)
    if parsed is None:
        raise EvalError(
            "quantities must match the regular expression"
            " '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    return parsed


@function("kubernetes.Quantity.sign() -> int")
def sign(value: Quantity) -> int:
    return (value.amount > 0) - (value.amount < 0)


@function("kubernetes.Quantity.isInteger() -> bool")
def is_integer(value: Quantity) -> bool:
    return value.amount.denominator == 1 and INT64_MIN <= value.amount <= INT64_MAX


@function("kubernetes.Quantity.asInteger() -> int")
def as_integer(value: Quantity) -> int:
    if not is_integer(value):
        raise EvalError("cannot convert value to integer")
    return int(value.amount)


@function("kubernetes.Quantity.asApproximateFloat() -> double")
def as_float(value: Quantity) -> float:
    return float(value.amount)


@function("kubernetes.Quantity.compareTo(kubernetes.Quantity) -> int")
def compare_to(left: Quantity, right: Quantity) -> int:
    return (left.amount > right.amount) - (left.amount < right.amount)


@function("kubernetes.Quantity.isGreaterThan(kubernetes.Quantity) -> bool")
def is_greater(left: Quantity, right: Quantity) -> bool:
    return left.amount > right.amount


@function("kubernetes.Quantity.isLessThan(kubernetes.Quantity) -> bool")
def is_less(left: Quantity, right: Quantity) -> bool:
    return left.amount < right.amount


def _addend(value: Quantity | int) -> Fraction:
    return Fraction(value) if isinstance(value, int) else value.amount


@function(
    "kubernetes.Quantity.add(kubernetes.Quantity) -> kubernetes.Quantity",
    "kubernetes.Quantity.add(int) -> kubernetes.Quantity",
)
def add(left: Quantity, right: Quantity | int) -> Quantity:
    return Quantity(left.amount + _addend(right))


@function(
    "kubernetes.Quantity.sub(kubernetes.Quantity) -> kubernetes.Quantity",
    "kubernetes.Quantity.sub(int) -> kubernetes.Quantity",
)
def sub(left: Quantity, right: Quantity | int) -> Quantity:
    return Quantity(left.amount - _addend(right))
