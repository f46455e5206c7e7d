"""Operators between scalars and vectors: arithmetic, comparison, set operations, matching.

Pure; called by ``evaluate``. Vector matching is one-to-one, or many-to-one with
``group_left``/``group_right``; ambiguous matches are refused as Prometheus refuses them.
"""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rollouts.sandbox.promql.model import (
    NAME,
    Element,
    Labels,
    QueryError,
    Scalar,
    Vector,
    drop,
    keep,
    labels_of,
    nameless,
    shown,
)


class Many(StrEnum):
    """Which side may have several elements per match group."""

    NEITHER = "neither"
    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Matching:
    """How elements of two vectors find each other, and what ``bool`` asks for."""

    labels: tuple[str, ...] = ()
    on: bool = False
    many: Many = Many.NEITHER
    include: tuple[str, ...] = ()
    as_bool: bool = False

    def group(self, labels: Labels) -> Labels:
        return keep(labels, self.labels) if self.on else drop(labels, (*self.labels, NAME))


def _divide(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def _modulo(left: float, right: float) -> float:
    if right == 0 or math.isinf(left):
        return math.nan
    return math.fmod(left, right)


def _power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except OverflowError:
        return -math.inf if left < 0 and right % 2 == 1 else math.inf
    except ValueError:
        return math.inf if left == 0 else math.nan


ARITHMETIC: Final[Mapping[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "%": _modulo,
    "^": _power,
    "atan2": math.atan2,
}
COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
SETS: Final = frozenset({"and", "or", "unless"})


def scalars(op: str, left: float, right: float) -> Scalar:
    if op in COMPARISONS:
        return Scalar(float(COMPARISONS[op](left, right)))
    return Scalar(ARITHMETIC[op](left, right))


def with_scalar(
    op: str, vector: Vector, scalar: float, *, scalar_left: bool, as_bool: bool
) -> Vector:
    """A vector and a number; a comparison filters the vector unless ``bool`` was written."""
    kept: list[Element] = []
    for element in vector.elements:
        pair = (scalar, element.value) if scalar_left else (element.value, scalar)
        if op in ARITHMETIC:
            kept.append(Element(nameless(element.labels), ARITHMETIC[op](*pair)))
        elif as_bool:
            kept.append(Element(nameless(element.labels), float(COMPARISONS[op](*pair))))
        elif COMPARISONS[op](*pair):
            kept.append(element)
    return Vector(tuple(kept))


def sets(op: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    """``and`` keeps what has a match, ``unless`` what has none, ``or`` adds what is missing."""
    in_right = {matching.group(element.labels) for element in right.elements}
    if op == "or":
        in_left = {matching.group(element.labels) for element in left.elements}
        added = [e for e in right.elements if matching.group(e.labels) not in in_left]
        return Vector((*left.elements, *added))
    wanted = op == "and"
    return Vector(
        tuple(e for e in left.elements if (matching.group(e.labels) in in_right) == wanted)
    )


def vectors(op: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    """Arithmetic or comparison between elements that match.

    Raises QueryError when a match group has several candidates where only one may be.
    """
    flipped = matching.many is Many.RIGHT
    many, one = (right.elements, left.elements) if flipped else (left.elements, right.elements)
    partners = _unique(one, matching, "left" if flipped else "right")
    results: dict[Labels, float] = {}
    matched: set[Labels] = set()
    for element in many:
        group = matching.group(element.labels)
        partner = partners.get(group)
        if partner is None:
            continue
        pair = (partner, element) if flipped else (element, partner)
        value = _outcome(op, pair[0].value, pair[1].value, as_bool=matching.as_bool)
        if value is None:
            continue
        labels = _result_labels(op, element.labels, partner.labels, matching)
        if matching.many is Many.NEITHER and group in matched:
            raise QueryError(
                "multiple matches for labels: many-to-one matching must be explicit "
                "(group_left/group_right)"
            )
        if labels in results:
            raise QueryError(
                "multiple matches for labels: grouping labels must ensure unique matches"
            )
        matched.add(group)
        results[labels] = value
    return Vector(tuple(Element(labels, value) for labels, value in results.items()))


def _outcome(op: str, left: float, right: float, *, as_bool: bool) -> float | None:
    if op in ARITHMETIC:
        return ARITHMETIC[op](left, right)
    holds = COMPARISONS[op](left, right)
    if as_bool:
        return float(holds)
    return left if holds else None


def _unique(elements: Sequence[Element], matching: Matching, side: str) -> dict[Labels, Element]:
    found: dict[Labels, Element] = {}
    for element in elements:
        group = matching.group(element.labels)
        other = found.setdefault(group, element)
        if other is not element:
            raise QueryError(
                f"found duplicate series for the match group {shown(group)} on the {side} "
                f"hand-side of the operation: [{shown(element.labels)}, {shown(other.labels)}];"
                "many-to-many matching not allowed: matching labels must be unique on one side"
            )
    return found


def _result_labels(op: str, many: Labels, one: Labels, matching: Matching) -> Labels:
    labels = nameless(many) if op in ARITHMETIC or matching.as_bool else many
    if matching.many is Many.NEITHER:
        if matching.on:
            return keep(labels, matching.labels)
        return drop(labels, matching.labels)
    if not matching.include:
        return labels
    lent = dict(one)
    return labels_of(dict(labels) | {name: lent.get(name, "") for name in matching.include})
