"""Static types of the expression language.

Owns what a type is, when a value of one may stand for another, and how type variables of a
function signature are bound. Deliberately lenient where a refusal could be wrong: two object types
are interchangeable, and null may stand for anything. The checker (``compiler``) calls it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class CelType:
    """A type such as ``list(string)``. A one-letter capital name is a type variable."""

    name: str
    args: tuple["CelType", ...] = ()
    fields: Mapping[str, "Field"] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.args))})" if self.args else self.name

    @property
    def is_variable(self) -> bool:
        return len(self.name) == 1


@dataclass(frozen=True, slots=True)
class Field:
    """One property of an object type: its name in JSON and its type."""

    key: str
    type: CelType


DYN: Final = CelType("dyn")
BOOL: Final = CelType("bool")
INT: Final = CelType("int")
UINT: Final = CelType("uint")
DOUBLE: Final = CelType("double")
STRING: Final = CelType("string")
BYTES: Final = CelType("bytes")
NULL: Final = CelType("null_type")
TIMESTAMP: Final = CelType("google.protobuf.Timestamp")
DURATION: Final = CelType("google.protobuf.Duration")
TYPE: Final = CelType("type")

# What an expression may name as a type, for ``type(x) == string``.
TYPE_NAMES: Final[Mapping[str, CelType]] = {
    t.name: t for t in (BOOL, INT, UINT, DOUBLE, STRING, BYTES, NULL, TIMESTAMP, DURATION, TYPE)
} | {"list": CelType("list"), "map": CelType("map")}


def list_of(element: CelType) -> CelType:
    return CelType("list", (element,))


def map_of(key: CelType, value: CelType) -> CelType:
    return CelType("map", (key, value))


def optional_of(value: CelType) -> CelType:
    return CelType("optional_type", (value,))


def object_of(fields: Mapping[str, Field]) -> CelType:
    return CelType("object", (), fields)


def assignable(target: CelType, source: CelType, bound: dict[str, CelType]) -> bool:
    """Whether a ``source`` may be passed for ``target``; binds type variables in ``bound``."""
    if target.is_variable:
        known = bound.get(target.name)
        if known is None or known == DYN:
            bound[target.name] = source
            return True
        return assignable(known, source, bound)
    if DYN in (target, source) or NULL in (target, source):
        return True
    if target.name != source.name:
        return False
    if len(target.args) != len(source.args):
        return True  # a bare ``list`` stands for a list of anything
    return all(assignable(t, s, bound) for t, s in zip(target.args, source.args, strict=True))


def substitute(pattern: CelType, bound: Mapping[str, CelType]) -> CelType:
    """The pattern with its type variables replaced; an unbound variable is dyn."""
    if pattern.is_variable:
        return bound.get(pattern.name, DYN)
    if not pattern.args:
        return pattern
    return CelType(pattern.name, tuple(substitute(a, bound) for a in pattern.args))


def join(left: CelType, right: CelType) -> CelType | None:
    """The common type of two branches, or None when there is none."""
    if left == right:
        return left
    if DYN in (left, right):
        return DYN
    if left == NULL:
        return right
    if right == NULL:
        return left
    if left.name != right.name or len(left.args) != len(right.args):
        return None
    joined = [join(a, b) for a, b in zip(left.args, right.args, strict=True)]
    args = tuple(t for t in joined if t is not None)
    if len(args) != len(joined):
        return None
    return CelType(left.name, args, left.fields)
