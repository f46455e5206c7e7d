"""The string and number formats a schema may name.

Owns what each accepts; an unknown format accepts everything, as the API server's does. Dashes in a
format's name do not matter.
"""

import base64
import binascii
import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlsplit

_UUID: Final = "{a}{{8}}-?{a}{{4}}-?{v}{a}{{3}}-?{w}-?{a}{{12}}"
_GO_DURATION: Final = r"(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h)"
_WORD_DURATION: Final = (
    r"(?:ns|nanos?|nanoseconds?|us|µs|μs|micros?|microseconds?|ms|millis?|milliseconds?"
    r"|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?)"
)


def _matcher(pattern: str, flags: int = re.ASCII) -> Callable[[str], bool]:
    # Compiled when first needed: most clusters use three of these, and each costs a millisecond.
    return lambda text: re.fullmatch(pattern, text, flags) is not None


def _uuid(version: str, variant: str) -> Callable[[str], bool]:
    pattern = _UUID.format(a="[0-9a-f]", v=version, w=variant)
    return _matcher(pattern, re.IGNORECASE | re.ASCII)


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def accepts(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return accepts


def _cidr(text: str) -> None:
    _, slash, bits = text.partition("/")
    if not slash or not bits.isdigit():
        raise ValueError(text)
    ipaddress.ip_interface(text)


_DATE_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[-+]\d\d:?\d\d)?", re.ASCII
)


def _date_time(text: str) -> None:
    if not _DATE_TIME.fullmatch(text):
        raise ValueError(text)
    datetime.fromisoformat(text[:19].upper().replace(" ", "T"))
    zone = re.search(r"[-+](\d\d):?(\d\d)$", text[19:])
    if zone and (int(zone[1]) > 23 or int(zone[2]) > 59):
        raise ValueError(text)


def _date(text: str) -> None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        raise ValueError(text)
    date.fromisoformat(text)


def _uri(text: str) -> None:
    parts = urlsplit(text)
    _ = parts.port  # reading it checks it
    if not parts.scheme and not text.startswith("/"):
        raise ValueError(text)
    if any(ord(c) < 33 or ord(c) == 127 for c in text):
        raise ValueError(text)


def _base64(text: str) -> None:
    try:
        base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except binascii.Error as error:
        raise ValueError(text) from error


def _isbn10(text: str) -> bool:
    digits = text.replace("-", "").replace(" ", "")
    if not re.fullmatch(r"\d{9}[\dX]", digits, re.ASCII):
        return False
    values = [10 if c == "X" else int(c) for c in digits]
    return sum(value * (10 - i) for i, value in enumerate(values)) % 11 == 0


def _isbn13(text: str) -> bool:
    digits = text.replace("-", "").replace(" ", "")
    if not re.fullmatch(r"\d{13}", digits, re.ASCII):
        return False
    return sum(int(c) * (3 if i % 2 else 1) for i, c in enumerate(digits)) % 10 == 0


def _card(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    known = (
        r"4\d{12}(\d{3})?|5[1-5]\d{14}|6(?:011|5\d\d)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}"
    )
    if not re.fullmatch(known, digits, re.ASCII):
        return False
    doubled = [int(c) * (2 if i % 2 else 1) for i, c in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def _label(text: str) -> bool:
    return len(text) <= 63 and re.fullmatch(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?", text) is not None


def _subdomain(text: str) -> bool:
    part = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
    return len(text) <= 253 and re.fullmatch(rf"{part}(?:\.{part})*", text) is not None


def _hostname(text: str) -> bool:
    part = r"[a-zA-Z0-9_](?:[-a-zA-Z0-9_]{0,61}[a-zA-Z0-9_])?"
    return len(text) <= 255 and re.fullmatch(rf"{part}(?:\.{part})*\.?", text, re.ASCII) is not None


_HEX: Final = "[0-9a-f]{4}"
STRINGS: Final[Mapping[str, Callable[[str], bool]]] = {
    "bsonobjectid": _matcher(r"[0-9a-fA-F]{24}"),
    "uri": _parses(_uri),
    "email": _matcher(r"(?:[^<>@]*<)?[^\s<>@,;]+@[^\s<>@,;]+>?"),
    "hostname": _hostname,
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "cidr": _parses(_cidr),
    "mac": _matcher(
        r"(?i:[0-9a-f]{2}(?::[0-9a-f]{2}){5,7}|[0-9a-f]{2}(?:-[0-9a-f]{2}){5,7}"
        rf"|{_HEX}(?:\.{_HEX}){{2,3}})"
    ),
    "uuid": _uuid("[0-9a-f]", "[0-9a-f]{4}"),
    "uuid3": _uuid("3", "[0-9a-f]{4}"),
    "uuid4": _uuid("4", "[89ab][0-9a-f]{3}"),
    "uuid5": _uuid("5", "[89ab][0-9a-f]{3}"),
    "isbn": lambda text: _isbn10(text) or _isbn13(text),
    "isbn10": _isbn10,
    "isbn13": _isbn13,
    "creditcard": _card,
    "ssn": _matcher(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
    "hexcolor": _matcher(r"#?(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "rgbcolor": _matcher(r"rgb\(\s*(?:\d{1,3}\s*,\s*){2}\d{1,3}\s*\)"),
    "byte": _parses(_base64),
    "password": lambda _: True,
    "date": _parses(_date),
    "duration": _matcher(
        rf"[-+]?(?:0|(?:{_GO_DURATION})+)|\d+(?:\.\d+)?\s*{_WORD_DURATION}", re.ASCII
    ),
    "datetime": _parses(_date_time),
    "k8sshortname": _label,
    "k8slongname": _subdomain,
}


def string_format(name: str) -> Callable[[str], bool] | None:
    """The check of a string format, or None when the name means nothing to the API server."""
    return STRINGS.get(name.replace("-", ""))


def number_fits(value: float, name: str) -> bool:
    """Whether a number is in the range of ``int32``, ``int64`` or ``float``."""
    if name == "int32":
        return -(2**31) <= value < 2**31
    if name == "float":
        return not math.isfinite(value) or abs(value) <= 3.4028234663852886e38
    return True


def integer_fits(value: Any, name: str) -> bool:
    """Whether an integer is in its format's range; without one, 64 bits."""
    return number_fits(value, name) and -(2**63) <= value < 2**63
