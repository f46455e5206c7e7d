"""Kubernetes quantities in their canonical spelling.

Owns the one rule that makes ``0.5`` and ``500m`` the same text; the template hash and template
equality stand on it. Pure; called by ``planner.gojson``.
"""

import re
from fractions import Fraction
from math import ceil
from typing import Final

_FORM: Final = re.compile(
    r"(?P<sign>[+-]?)(?P<number>\d+\.?\d*|\.\d+)"
    r"(?:(?P<binary>[KMGTPE]i)|(?P<decimal>[numkMGTPE])|[eE](?P<exponent>[+-]?\d{1,2}))?"
)
_BINARY: Final = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL: Final = {
    "n": -3, "u": -2, "m": -1, "": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6,
}  # fmt: skip
_BINARY_SUFFIX: Final = {power: suffix for suffix, power in _BINARY.items()}
_DECIMAL_SUFFIX: Final = {power: suffix for suffix, power in _DECIMAL.items()}


def canonical(text: str) -> str | None:
    """The canonical text of a quantity, or None when it is not one.

    Kubernetes keeps at most nine decimals, rounding away from zero; binary suffixes are kept only
    from 1024 on; the largest suffix that leaves a whole number wins.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        return None
    value = Fraction(match["number"].rstrip(".") if match["number"][0] != "." else "0" + match["number"])
    if match["binary"]:
        value *= 1024 ** _BINARY[match["binary"]]
    elif match["decimal"]:
        value *= Fraction(1000) ** _DECIMAL[match["decimal"]]
    elif match["exponent"]:
        value *= Fraction(10) ** int(match["exponent"])
    nanos = ceil(value * 10**9)
    sign = "-" if match["sign"] == "-" and nanos else ""
    if match["binary"] and nanos >= 1024 * 10**9:
        return sign + _binary(ceil(Fraction(nanos, 10**9)))
    return sign + _decimal(nanos, exponent_form=match["exponent"] is not None)


def _binary(number: int) -> str:
    power = 0
    while number % 1024 == 0 and power < 6:
        number //= 1024
        power += 1
    return f"{number}{_BINARY_SUFFIX.get(power, '')}"


def _decimal(nanos: int, *, exponent_form: bool) -> str:
    if nanos == 0:
        return "0"
    number, power = nanos, -3
    while number % 1000 == 0 and power < 6:
        number //= 1000
        power += 1
    if exponent_form:
        return f"{number}e{power * 3}" if power else str(number)
    return f"{number}{_DECIMAL_SUFFIX[power]}"

