"""The values of PromQL and the two ways a query can fail.

Owns the types every other module of this room passes around; decides nothing. Times are integer
milliseconds since the epoch, values are floats, and a label set is a sorted tuple of pairs, so
that it can be a dictionary key.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

Labels: TypeAlias = tuple[tuple[str, str], ...]

NAME: Final = "__name__"
NO_LABELS: Final[Labels] = ()
LOOKBACK_MS: Final = 300_000
"""How old a sample may be and still be a series' current value: Prometheus's five minutes."""


class QueryError(Exception):
    """A query that gets no answer. ``kind`` is Prometheus's errorType, ``code`` its HTTP status."""

    kind = "execution"
    code = 422


class BadData(QueryError):
    """The question itself is malformed."""

    kind = "bad_data"
    code = 400


class Sample(NamedTuple):
    """A value at a time; ``value=None`` marks the moment a series ended."""

    time: int
    value: float | None


class Point(NamedTuple):
    """A value at a time, certainly a number."""

    time: int
    value: float


@dataclass(frozen=True, slots=True)
class Element:
    """One series of an instant vector."""

    labels: Labels
    value: float


@dataclass(frozen=True, slots=True)
class Scalar:
    value: float


@dataclass(frozen=True, slots=True)
class Text:
    value: str


@dataclass(frozen=True, slots=True)
class Vector:
    """Series with one value each. ``ordered``: the order was asked for (sort, topk)."""

    elements: tuple[Element, ...]
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """One series over a span of time."""

    labels: Labels
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Series over the span (``start``, ``end``], both in milliseconds."""

    windows: tuple[Window, ...]
    start: int
    end: int


Value: TypeAlias = Scalar | Text | Vector | Matrix


def labels_of(pairs: Mapping[str, str]) -> Labels:
    """A label set; an empty value is the same as no label."""
    return tuple(sorted((name, value) for name, value in pairs.items() if value))


def keep(labels: Labels, names: Iterable[str]) -> Labels:
    wanted = frozenset(names)
    return tuple(pair for pair in labels if pair[0] in wanted)


def drop(labels: Labels, names: Iterable[str]) -> Labels:
    unwanted = frozenset(names)
    return tuple(pair for pair in labels if pair[0] not in unwanted)


def nameless(labels: Labels) -> Labels:
    """Without the metric's name: what every calculation leaves of a label set."""
    return tuple(pair for pair in labels if pair[0] != NAME)


def shown(labels: Labels) -> str:
    """A label set as Prometheus prints it in messages."""
    pairs = dict(labels)
    name = pairs.pop(NAME, "")
    body = ", ".join(f'{key}="{value}"' for key, value in pairs.items())
    return f"{name}{{{body}}}"
