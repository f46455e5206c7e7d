"""Functions an expression may call: how they are declared, found and dispatched.

Owns the notation ``"string.split(string) -> list(string)"`` (a receiver before the first dot, type
variables as single capitals) and the choice among overloads. The library modules declare their
functions with ``Library.function``; the compiler resolves calls.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from rollouts.sandbox.crd.cel.types import DURATION, DYN, TIMESTAMP, CelType, assignable
from rollouts.sandbox.crd.cel.values import kind

Implementation = Callable[..., Any]
Estimate = Callable[..., int]
F = TypeVar("F", bound=Implementation)

_SIGNATURE: Final = re.compile(
    r"(?:(?P<receiver>[\w.]+(?:\([^)]*\))?)\.)?(?P<name>\w+)\((?P<params>.*)\) -> (?P<result>.+)"
)
_SHORT: Final = {"timestamp": TIMESTAMP, "duration": DURATION}
_WORD: Final = re.compile(r"[\w.]+")


@dataclass(frozen=True, slots=True)
class Overload:
    """One typed form of a function. ``params`` include the receiver of a member function.

    ``estimate`` gives the work of a call in budget units before it is made; without one the sizes
    of the arguments decide. ``accepts`` judges a literal last argument when the rule is compiled.
    """

    params: tuple[CelType, ...]
    result: CelType
    call: Implementation
    estimate: Estimate | None = None
    accepts: Callable[[str], bool] | None = None

    def fits_types(self, types: Sequence[CelType]) -> dict[str, CelType] | None:
        """The type variables when arguments of these types fit, else None."""
        if len(types) != len(self.params):
            return None
        bound: dict[str, CelType] = {}
        fits = all(assignable(p, t, bound) for p, t in zip(self.params, types, strict=True))
        return bound if fits else None

    def fits_values(self, values: Sequence[Any]) -> bool:
        return all(
            param.is_variable or param == DYN or param.name == kind(value)
            for param, value in zip(self.params, values, strict=True)
        )


class Library:
    """A table of functions, member and global ones apart."""

    def __init__(self) -> None:
        self.members: dict[str, list[Overload]] = {}
        self.globals: dict[str, list[Overload]] = {}

    def function(
        self,
        *signatures: str,
        estimate: Estimate | None = None,
        accepts: Callable[[str], bool] | None = None,
    ) -> Callable[[F], F]:
        """Declares the decorated function under each signature."""

        def declare(call: F) -> F:
            for signature in signatures:
                self._add(signature, Overload((), DYN, call, estimate, accepts))
            return call

        return declare

    def include(self, other: "Library") -> None:
        for mine, theirs in ((self.members, other.members), (self.globals, other.globals)):
            for name, overloads in theirs.items():
                mine.setdefault(name, []).extend(overloads)

    def _add(self, signature: str, form: Overload) -> None:
        match = _SIGNATURE.fullmatch(signature)
        if match is None:
            raise ValueError(f"not a function signature: {signature}")
        name, receiver = match["name"], match["receiver"]
        params = _types(match["params"])
        if receiver in NAMESPACES:
            name, receiver = f"{receiver}.{name}", None
        if receiver:
            params = (parse_type(receiver), *params)
        overload = replace(form, params=params, result=parse_type(match["result"]))
        (self.members if receiver else self.globals).setdefault(name, []).append(overload)


NAMESPACES: Final = frozenset({"ip", "sets", "optional", "strings", "format", "lists"})


def parse_type(text: str) -> CelType:
    found = _types(text)
    if len(found) != 1:
        raise ValueError(f"not a type: {text}")
    return found[0]


def _types(text: str) -> tuple[CelType, ...]:
    types, rest = _type_list(text)
    if rest:
        raise ValueError(f"not a list of types: {text}")
    return types


def _type_list(text: str) -> tuple[tuple[CelType, ...], str]:
    types: list[CelType] = []
    rest = text.strip()
    while rest and rest[0] != ")":
        match = _WORD.match(rest)
        if match is None:
            raise ValueError(f"not a type: {text}")
        name, rest = match.group(), rest[match.end() :]
        args: tuple[CelType, ...] = ()
        if rest.startswith("("):
            args, rest = _type_list(rest[1:])
            rest = rest[1:]
        types.append(_SHORT.get(name) or CelType(name, args))
        rest = rest.lstrip(", ")
    return tuple(types), rest
