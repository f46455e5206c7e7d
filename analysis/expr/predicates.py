"""Functions that look at a collection through a predicate: ``all(result, # < 5)``.

Owns the stack of elements a predicate sees as ``#``, ``#index`` and ``#acc``. Every element costs
at least one step. Called by the compiler.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from analysis.expr.collection import sort
from analysis.expr.context import Context
from analysis.expr.errors import ExprError
from analysis.expr.numeric import total
from analysis.expr.values import to_text, type_name


@dataclass(slots=True)
class Element:
    value: Any
    index: int
    accumulated: Any = None


@dataclass(slots=True)
class Frame:
    """The state of one evaluation."""

    context: Context
    elements: list[Element] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Predicate:
    """What is evaluated for each element."""

    frame: Frame
    run: Callable[[Frame], Any]
    size: int

    def value(self, element: Any, index: int, accumulated: Any = None) -> Any:
        self.frame.context.meter.spend()
        self.frame.elements.append(Element(element, index, accumulated))
        value = self.run(self.frame)
        self.frame.elements.pop()
        return value

    def holds(self, element: Any, index: int) -> bool:
        value = self.value(element, index)
        if not isinstance(value, bool):
            raise ExprError(f"predicate should return boolean (got {type_name(value)})")
        return value

    def built(self, items: list[Any]) -> list[Any]:
        self.frame.context.meter.items(len(items))
        return items


Items = list[Any]


def elements_of(collection: Any, name: str) -> Items:
    """The elements a predicate sees: of a list, or the values of a map."""
    if isinstance(collection, dict):
        return list(collection.values())
    if isinstance(collection, list):
        return collection
    raise ExprError(f"builtin {name} takes only array (got {type_name(collection)})")


def _count(test: Predicate, items: Items) -> int:
    return sum(test.holds(item, i) for i, item in enumerate(items))


def _indexes(test: Predicate, items: Items, *, backwards: bool) -> int:
    places = reversed(range(len(items))) if backwards else range(len(items))
    return next((i for i in places if test.holds(items[i], i)), -1)


def _find(*, backwards: bool) -> Callable[[Predicate, Items], Any]:
    def body(test: Predicate, items: Items) -> Any:
        index = _indexes(test, items, backwards=backwards)
        return items[index] if index >= 0 else None

    return body


def _find_index(*, backwards: bool) -> Callable[[Predicate, Items], Any]:
    def body(test: Predicate, items: Items) -> Any:
        index = _indexes(test, items, backwards=backwards)
        return index if index >= 0 else None

    return body


def _map(test: Predicate, items: Items) -> Items:
    test.frame.context.meter.items(len(items))
    return [test.value(item, i) for i, item in enumerate(items)]


def _group_by(test: Predicate, items: Items) -> dict[str, Items]:
    groups: dict[str, Items] = {}
    for i, item in enumerate(items):
        groups.setdefault(to_text(test.value(item, i)), []).append(item)
    return groups


def _reduce(test: Predicate, items: Items, *initial: Any) -> Any:
    if not items and not initial:
        raise ExprError("reduce of empty array with no initial value")
    accumulated = initial[0] if initial else items[0]
    for i, item in enumerate(items):
        if i or initial:
            accumulated = test.value(item, i, accumulated)
    return accumulated


def _sort_by(test: Predicate, items: Items, order: Any = "asc") -> Items:
    keys = _map(test, items)
    return sort(items, test.frame.context.meter, order, keys)


BODIES: Final[dict[str, Callable[..., Any]]] = {
    "all": lambda test, items: all(test.holds(item, i) for i, item in enumerate(items)),
    "none": lambda test, items: not any(test.holds(item, i) for i, item in enumerate(items)),
    "any": lambda test, items: any(test.holds(item, i) for i, item in enumerate(items)),
    "one": lambda test, items: _count(test, items) == 1,
    "count": _count,
    "sum": lambda test, items: total(_map(test, items)),
    "filter": lambda test, items: test.built(
        [item for i, item in enumerate(items) if test.holds(item, i)]
    ),
    "map": _map,
    "find": _find(backwards=False),
    "findLast": _find(backwards=True),
    "findIndex": _find_index(backwards=False),
    "findLastIndex": _find_index(backwards=True),
    "groupBy": _group_by,
    "sortBy": _sort_by,
    "reduce": _reduce,
}
EXTRA: Final = {"sortBy": 1, "reduce": 1}
"""How many arguments may follow the predicate."""
