"""Semantic versions, as Kubernetes' semver() reads and orders them."""

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from rollouts.sandbox.crd.cel.signatures import Library
from rollouts.sandbox.crd.cel.values import EvalError

LIBRARY: Final = Library()
function = LIBRARY.function

_NUMBER: Final = r"(0|[1-9]\d{0,18})"
_WORDS: Final = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_TEXT: Final = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_WORDS}))?(?:\+{_WORDS})?", re.ASCII
)
_ZEROS: Final = re.compile(r"(?<![0-9A-Za-z.+-])0+(?=\d)|(?<=\.)0+(?=\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Semver:
    cel_type: ClassVar[str] = "kubernetes.Semver"
    numbers: tuple[int, int, int]
    pre: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[object, ...]:
        """A release follows its pre-releases; numeric parts sort before words, by value."""
        parts = tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in self.pre)
        return (self.numbers, not self.pre, parts)


def parse_semver(text: str, normalize: bool = False) -> Semver | None:
    """A version; ``normalize`` forgives a leading v, missing parts and leading zeros."""
    if normalize:
        text = text.removeprefix("v")
        core = re.split(r"[-+]", text, maxsplit=1)[0]
        padded = ".".join(_ZEROS.sub("", core).split(".") + ["0"] * (2 - core.count(".")))
        text = padded + text[len(core) :]
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    pre = tuple(match[4].split(".")) if match[4] else ()
    if any(len(p) > 1 and p.isdigit() and p.startswith("0") for p in pre):
        return None
    return Semver((int(match[1]), int(match[2]), int(match[3])), pre)


@function("isSemver(string) -> bool", "isSemver(string, bool) -> bool")
def is_semver(text: str, normalize: bool = False) -> bool:
    return parse_semver(text, normalize) is not None


@function("semver(string) -> kubernetes.Semver", "semver(string, bool) -> kubernetes.Semver")
def semver(text: str, normalize: bool = False) -> Semver:
    parsed = parse_semver(text, normalize)
    if parsed is None:
        raise EvalError(f'"{text}" is not a semantic version')
    return parsed


@function("kubernetes.Semver.major() -> int")
def major(value: Semver) -> int:
    return value.numbers[0]


@function("kubernetes.Semver.minor() -> int")
def minor(value: Semver) -> int:
    return value.numbers[1]


@function("kubernetes.Semver.patch() -> int")
def patch(value: Semver) -> int:
    return value.numbers[2]


@function("kubernetes.Semver.compareTo(kubernetes.Semver) -> int")
def compare_to(left: Semver, right: Semver) -> int:
    return (left.order > right.order) - (left.order < right.order)


@function("kubernetes.Semver.isGreaterThan(kubernetes.Semver) -> bool")
def is_greater(left: Semver, right: Semver) -> bool:
    return left.order > right.order


@function("kubernetes.Semver.isLessThan(kubernetes.Semver) -> bool")
def is_less(left: Semver, right: Semver) -> bool:
    return left.order < right.order
