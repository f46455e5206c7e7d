"""Named formats: ``format.dns1123Label().validate(text)`` gives none, or what is wrong."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from rollouts.sandbox.crd.cel.library.urls import parse_url
from rollouts.sandbox.crd.cel.signatures import Library
from rollouts.sandbox.crd.cel.values import ABSENT, Optional
from rollouts.sandbox.crd.formats import STRINGS

LIBRARY: Final = Library()
function = LIBRARY.function

_DNS: Final = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_WORD: Final = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"


@dataclass(frozen=True, slots=True)
class Format:
    cel_type: ClassVar[str] = "kubernetes.NamedFormat"
    name: str


def _pattern(text: str, longest: int) -> Callable[[str], bool]:
    return lambda value: len(value) <= longest and re.fullmatch(text, value, re.ASCII) is not None


_CHECKS: Final[Mapping[str, Callable[[str], bool]]] = {
    "dns1123Label": _pattern(_DNS, 63),
    "dns1123Subdomain": _pattern(rf"{_DNS}(?:\.{_DNS})*", 253),
    "dns1035Label": _pattern(r"[a-z](?:[-a-z0-9]*[a-z0-9])?", 63),
    "qualifiedName": _pattern(rf"(?:{_DNS}(?:\.{_DNS})*/)?{_WORD}", 317),
    "dns1123LabelPrefix": _pattern(rf"{_DNS}-?", 63),
    "dns1123SubdomainPrefix": _pattern(rf"{_DNS}(?:\.{_DNS})*-?", 253),
    "dns1035LabelPrefix": _pattern(r"[a-z](?:[-a-z0-9]*[a-z0-9])?-?", 63),
    "labelValue": _pattern(rf"(?:{_WORD})?", 63),
    "uri": lambda text: parse_url(text) is not None,
    "uuid": STRINGS["uuid"],
    "byte": STRINGS["byte"],
    "date": STRINGS["date"],
    "datetime": STRINGS["datetime"],
}


def _declare(name: str) -> None:
    def constant() -> Format:
        return Format(name)

    function(f"format.{name}() -> kubernetes.NamedFormat")(constant)


for _name in _CHECKS:
    _declare(_name)


@function("format.named(string) -> optional_type(kubernetes.NamedFormat)")
def named(name: str) -> Optional:
    return Optional(present=True, value=Format(name)) if name in _CHECKS else ABSENT


@function("kubernetes.NamedFormat.validate(string) -> optional_type(list(string))")
def validate(known: Format, text: str) -> Optional:
    """None for a valid text, otherwise the list of problems."""
    if _CHECKS[known.name](text):
        return ABSENT
    return Optional(present=True, value=[f"must be a valid {known.name}"])
