"""Kubernetes quantities: reading them and writing them the one canonical way.

Owns the arithmetic of ``500m``, ``1Gi`` and ``1e3``. The API server stores the canonical spelling,
so two templates that differ only in spelling are equal. Pure.
"""

import re
from decimal import Decimal, localcontext
from typing import Final

_PATTERN: Final = re.compile(
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))(?P<suffix>[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?", re.ASCII
)
_BINARY: Final = {"": 0, "Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL: Final = {
    "n": -9,
    "u": -6,
    "m": -3,
    "": 0,
    "k": 3,
    "M": 6,
    "G": 9,
    "T": 12,
    "P": 15,
    "E": 18,
}
_LARGEST_BINARY_FRACTION: Final = 1024


def parse_quantity(text: str) -> Decimal | None:
    """The number a quantity stands for, or None where the text is not one."""
    match = _PATTERN.fullmatch(text)
    if match is None:
        return None
    number, suffix = Decimal(match["number"]), match["suffix"] or ""
    with localcontext() as context:
        context.prec = 60
        if suffix in _BINARY:
            return number * Decimal(1024) ** _BINARY[suffix]
        if suffix in _DECIMAL:
            return number.scaleb(_DECIMAL[suffix])
        exponent = int(suffix[1:])
        return number.scaleb(exponent) if abs(exponent) <= 100 else None


def canonical_quantity(value: str | float) -> str:
    """The spelling the API server stores; a text that is no quantity comes back as it is."""
    text = str(value)
    number = parse_quantity(text)
    if number is None:
        return text
    suffix = re.sub(r"^[+-]?[\d.]*", "", text)
    if number == 0:
        return "0"
    if suffix.endswith("i") and abs(number) >= _LARGEST_BINARY_FRACTION and _is_whole(number):
        return _largest_binary(number)
    exponential = suffix[:1] in ("e", "E") and len(suffix) > 1
    return _largest_decimal(number, exponential=exponential)


def _is_whole(number: Decimal) -> bool:
    return number == number.to_integral_value()


def _largest_binary(number: Decimal) -> str:
    whole, unit = int(number), 0
    while whole % 1024 == 0 and unit < max(_BINARY.values()):
        whole //= 1024
        unit += 1
    return f"{whole}{next(name for name, power in _BINARY.items() if power == unit)}"


def _largest_decimal(number: Decimal, *, exponential: bool) -> str:
    """The largest step of a thousand that leaves a whole number; below nano it rounds up."""
    for name, power in sorted(_DECIMAL.items(), key=lambda item: -item[1]):
        scaled = number.scaleb(-power)
        if _is_whole(scaled):
            shown = f"e{power}" if exponential and power else ("" if exponential else name)
            return f"{int(scaled)}{shown}"
    rounded = int(number.scaleb(9).to_integral_value(rounding="ROUND_UP"))
    return f"{rounded}e-9" if exponential else f"{rounded}n"
