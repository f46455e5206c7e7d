"""Functions over instant vectors: mathematics, histograms, label surgery.

Pure; called by ``evaluate`` with arguments already computed. Functions that need the query
itself rather than a value (``absent``, ``time``) live in ``evaluate``.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import re2

from rollouts.sandbox.promql.model import (
    NAME,
    BadData,
    Element,
    Labels,
    QueryError,
    Scalar,
    Text,
    Value,
    Vector,
    drop,
    labels_of,
    nameless,
)

_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_GROUP: Final = re.compile(r"\$(?:\$|(\w+)|\{(\w+)\})")


def _logarithm(of: Callable[[float], float]) -> Callable[[float], float]:
    def safe(value: float) -> float:
        if value == 0:
            return -math.inf
        return math.nan if value < 0 else of(value)

    return safe


def _whole(of: Callable[[float], int]) -> Callable[[float], float]:
    return lambda value: float(of(value)) if math.isfinite(value) else value


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


ELEMENTWISE: Final[Mapping[str, Callable[[float], float]]] = {
    "abs": abs,
    "ceil": _whole(math.ceil),
    "floor": _whole(math.floor),
    "exp": _exp,
    "sqrt": lambda value: math.sqrt(value) if value >= 0 else math.nan,
    "ln": _logarithm(math.log),
    "log2": _logarithm(math.log2),
    "log10": _logarithm(math.log10),
    "sgn": lambda value: value if value == 0 or math.isnan(value) else math.copysign(1.0, value),
}


def _mapped(vector: Vector, change: Callable[[float], float]) -> Vector:
    return Vector(tuple(Element(nameless(e.labels), change(e.value)) for e in vector.elements))


def elementwise(name: str, vector: Vector) -> Vector:
    return _mapped(vector, ELEMENTWISE[name])


def rounded(vector: Vector, to: float = 1.0) -> Vector:
    """To the nearest multiple of ``to``; halves go up."""
    if to == 0:
        return _mapped(vector, lambda _: math.nan)
    inverse = 1.0 / to

    def nearest(value: float) -> float:
        if not math.isfinite(value) or not math.isfinite(inverse):
            return value if math.isfinite(inverse) else math.nan
        return math.floor(value * inverse + 0.5) / inverse

    return _mapped(vector, nearest)


def clamped(vector: Vector, low: float, high: float) -> Vector:
    """Nothing at all when the bounds contradict each other; NaN bounds give NaN."""
    if low > high:
        return Vector(())
    if math.isnan(low) or math.isnan(high):
        return _mapped(vector, lambda _: math.nan)
    return _mapped(vector, lambda v: v if math.isnan(v) else max(low, min(high, v)))


def by_value(vector: Vector, *, descending: bool) -> Vector:
    """Sorted, NaN last."""

    def rank(element: Element) -> tuple[bool, float]:
        value = element.value
        return math.isnan(value), -value if descending else value

    return Vector(tuple(sorted(vector.elements, key=rank)), ordered=True)


def single(vector: Vector) -> Scalar:
    """The value of a vector of exactly one element, else NaN."""
    return Scalar(vector.elements[0].value if len(vector.elements) == 1 else math.nan)


def histogram_quantile(share: float, vector: Vector) -> Vector:
    """The value below which a share (0 to 1) of the observations lies, per histogram."""
    histograms: dict[Labels, list[tuple[float, float]]] = {}
    for element in vector.elements:
        try:
            bound = float(dict(element.labels).get("le", ""))
        except ValueError:
            continue
        key = drop(element.labels, (NAME, "le"))
        histograms.setdefault(key, []).append((bound, element.value))
    return Vector(
        tuple(Element(key, _bucket_quantile(share, sorted(b))) for key, b in histograms.items())
    )


def _bucket_quantile(share: float, buckets: Sequence[tuple[float, float]]) -> float:
    """Linear inside the bucket; the last finite bound when it falls beyond; NaN when unknowable."""
    if math.isnan(share):
        return math.nan
    if share < 0:
        return -math.inf
    if share > 1:
        return math.inf
    bounds, counts = _cumulative(buckets)
    if len(bounds) < 2 or bounds[-1] != math.inf or not counts[-1] > 0:
        return math.nan
    rank = share * counts[-1]
    index = next((i for i, n in enumerate(counts[:-1]) if n >= rank), len(bounds) - 1)
    if index == len(bounds) - 1:
        return bounds[-2]
    if index == 0 and bounds[0] <= 0:
        return bounds[0]
    low, below = (bounds[index - 1], counts[index - 1]) if index else (0.0, 0.0)
    inside = counts[index] - below
    return low + (bounds[index] - low) * _ratio(rank - below, inside)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _cumulative(buckets: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Equal bounds added up, and counts made to never fall (rates of racing scrapes may)."""
    merged: dict[float, float] = {}
    for bound, count in buckets:
        merged[bound] = merged.get(bound, 0.0) + count
    counts: list[float] = []
    for count in merged.values():
        counts.append(max(count, counts[-1]) if counts else count)
    return list(merged), counts


def label_replace(vector: Vector, arguments: Sequence[str]) -> Vector:
    """``label_replace(v, dst, replacement, src, regex)``: set dst where src matches wholly."""
    target, replacement, source, expression = arguments
    if not _LABEL_NAME.fullmatch(target):
        raise QueryError(f"invalid destination label name in label_replace(): {target}")
    try:
        compiled = re2.compile(f"^(?s:{expression})$")
    except re2.error as error:
        raise QueryError(f"invalid regular expression in label_replace(): {expression}") from error
    changed: list[Element] = []
    for element in vector.elements:
        labels = dict(element.labels)
        match = compiled.fullmatch(labels.get(source, ""))
        if match:
            labels[target] = _expanded(replacement, match)
        changed.append(Element(labels_of(labels), element.value))
    return Vector(tuple(changed))


def _expanded(template: str, match: re.Match[str]) -> str:
    """Go's template expansion: ``$1``, ``${1}``, ``$name``, ``$$``; unknown groups are empty."""
    groups: dict[str, str | None] = {"0": match.group(0), **match.groupdict()}
    groups |= {str(index + 1): value for index, value in enumerate(match.groups())}

    def one(found: re.Match[str]) -> str:
        name = found.group(1) or found.group(2)
        return "$" if name is None else groups.get(name) or ""

    return _GROUP.sub(one, template)


def scalar_of(value: Value) -> float:
    if not isinstance(value, Scalar):
        raise BadData(f"expected a scalar, got {type(value).__name__.lower()}")
    return value.value


def vector_of(value: Value) -> Vector:
    if not isinstance(value, Vector):
        raise BadData(f"expected an instant vector, got {type(value).__name__.lower()}")
    return value


def text_of(value: Value) -> str:
    if not isinstance(value, Text):
        raise BadData(f"expected a string, got {type(value).__name__.lower()}")
    return value.value
