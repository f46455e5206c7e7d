"""Aggregation of an instant vector: sum, avg, min, max, count, group, quantile, topk, bottomk.

Owns grouping (``by``, ``without``) and the folds. Pure; called by ``evaluate``. ``stddev``,
``stdvar`` and ``count_values`` are refused by name.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rollouts.sandbox.promql.model import NAME, Element, Labels, QueryError, Vector, drop, keep
from rollouts.sandbox.promql.windows import least, most, total


@dataclass(frozen=True, slots=True)
class Grouping:
    """``by`` the names, or ``without`` them; ``by ()`` when a query says nothing."""

    names: tuple[str, ...] = ()
    without: bool = False

    def of(self, labels: Labels) -> Labels:
        if self.without:
            return drop(labels, (*self.names, NAME))
        return keep(labels, self.names)


FOLDS: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "sum": total,
    "avg": lambda values: total(values) / len(values),
    "min": least,
    "max": most,
    "count": lambda values: float(len(values)),
    "group": lambda _: 1.0,
}


def aggregate(op: str, vector: Vector, grouping: Grouping, parameter: float | None) -> Vector:
    """One element per group (or, for topk and bottomk, the chosen members of each group)."""
    groups: dict[Labels, list[Element]] = {}
    for element in vector.elements:
        groups.setdefault(grouping.of(element.labels), []).append(element)
    if op in {"topk", "bottomk"}:
        return _extremes(list(groups.values()), _how_many(op, parameter), largest=op == "topk")
    if op == "quantile":
        share = math.nan if parameter is None else parameter
        return _folded(groups, lambda values: quantile(share, values))
    if op in FOLDS:
        return _folded(groups, FOLDS[op])
    raise QueryError(f"the embedded Prometheus does not implement the aggregation {op!r}")


def quantile(share: float, values: Sequence[float]) -> float:
    """The value below which a share (0 to 1) of the values lies, interpolated."""
    if not values or math.isnan(share):
        return math.nan
    if share < 0:
        return -math.inf
    if share > 1:
        return math.inf
    ranked = sorted(values, key=lambda value: (not math.isnan(value), value))
    rank = share * (len(ranked) - 1)
    low = max(0, math.floor(rank))
    high = min(len(ranked) - 1, low + 1)
    weight = rank - math.floor(rank)
    return ranked[low] * (1 - weight) + ranked[high] * weight


def _folded(
    groups: Mapping[Labels, Sequence[Element]], fold: Callable[[Sequence[float]], float]
) -> Vector:
    return Vector(
        tuple(
            Element(labels, fold([element.value for element in members]))
            for labels, members in groups.items()
        )
    )


def _how_many(op: str, parameter: float | None) -> int:
    if parameter is None or math.isnan(parameter) or math.isinf(parameter):
        raise QueryError(f"{op}: {parameter} is not a number of series")
    return int(parameter)


def _extremes(groups: Sequence[Sequence[Element]], count: int, *, largest: bool) -> Vector:
    """The ``count`` greatest or smallest of each group, NaN last, in that order."""

    def rank(element: Element) -> tuple[bool, float]:
        value = element.value
        return math.isnan(value), -value if largest else value

    chosen = [element for group in groups for element in sorted(group, key=rank)[: max(0, count)]]
    return Vector(tuple(chosen), ordered=True)
