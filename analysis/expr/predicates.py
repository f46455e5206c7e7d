"""Functions that look at a list through a predicate: ``all(result, # < 5)``.

Owns what each of them asks of the elements, and in which order. Every element costs as many steps
as its predicate has nodes. Called by the compiler.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from analysis.expr.collection import key_of, sort
from analysis.expr.context import Context, Run
from analysis.expr.errors import TOO_LONG, ExprError
from analysis.expr.numeric import total
from analysis.expr.values import Keyed, shown

Items: TypeAlias = list[Any]


@dataclass(frozen=True, slots=True)
class Predicate:
    """What is evaluated for each element, and what one evaluation costs."""

    context: Context
    run: Run
    cost: int
    position: int

    def values(self, places: Iterable[tuple[int, Any]]) -> Iterator[Any]:
        """What the predicate says of each element in turn."""
        context, run, cost, meter = self.context, self.run, self.cost, self.context.meter
        for context.index, context.element in places:
            meter.steps -= cost
            if meter.steps < 0:
                raise ExprError(TOO_LONG, self.position)
            yield run(context)

    def holds(self, places: Iterable[tuple[int, Any]]) -> Iterator[bool]:
        """Whether it holds for each element in turn."""
        for value in self.values(places):
            if value is not True and value is not False:
                raise ExprError(
                    f"a predicate must say true or false, not {shown(value)}", self.position
                )
            yield value

    def built(self, items: Items) -> Items:
        self.context.meter.items(len(items))
        return items


def _any(test: Predicate, items: Items) -> bool:
    return True in test.holds(enumerate(items))


def _first(test: Predicate, items: Items) -> int | None:
    """The index of the first element it holds for."""
    return next((i for i, held in enumerate(test.holds(enumerate(items))) if held), None)


def _last(test: Predicate, items: Items) -> int | None:
    size = len(items)
    backwards = ((i, items[i]) for i in reversed(range(size)))
    found = next((i for i, held in enumerate(test.holds(backwards)) if held), None)
    return None if found is None else size - 1 - found


def _element(find: Callable[[Predicate, Items], int | None]) -> Callable[[Predicate, Items], Any]:
    def body(test: Predicate, items: Items) -> Any:
        index = find(test, items)
        return None if index is None else items[index]

    return body


def _filter(test: Predicate, items: Items) -> Items:
    held = test.holds(enumerate(items))
    return test.built([item for item, kept in zip(items, held, strict=True) if kept])


def _map(test: Predicate, items: Items) -> Items:
    test.context.meter.items(len(items))
    return list(test.values(enumerate(items)))


def _group_by(test: Predicate, items: Items) -> Keyed:
    groups = Keyed()
    for item, key in zip(items, test.values(enumerate(items)), strict=True):
        groups.setdefault(key_of(key), []).append(item)
    return groups


def _reduce(test: Predicate, items: Items, *initial: Any) -> Any:
    if not items and not initial:
        raise ExprError("reduce of an empty list needs an initial value")
    context = test.context
    places = list(enumerate(items))
    context.accumulated = initial[0] if initial else items[0]
    for value in test.values(places if initial else places[1:]):
        context.accumulated = value
    return context.accumulated


def _sort_by(test: Predicate, items: Items, order: Any = "asc") -> Items:
    keys = _map(test, items)
    return sort(items, test.context.meter, order, keys)


BODIES: Final[dict[str, Callable[..., Any]]] = {
    "all": lambda test, items: False not in test.holds(enumerate(items)),
    "none": lambda test, items: not _any(test, items),
    "any": _any,
    "one": lambda test, items: sum(test.holds(enumerate(items))) == 1,
    "count": lambda test, items: sum(test.holds(enumerate(items))),
    "sum": lambda test, items: total(test.context, _map(test, items)),
    "filter": _filter,
    "map": _map,
    "find": _element(_first),
    "findLast": _element(_last),
    "findIndex": _first,
    "findLastIndex": _last,
    "groupBy": _group_by,
    "sortBy": _sort_by,
    "reduce": _reduce,
}
EXTRA: Final = {"sortBy": 1, "reduce": 1}
"""How many arguments may follow the predicate."""
