"""Functions on lists and sets, and ``size``. ``sortBy`` is a macro."""

from collections.abc import Callable
from functools import cmp_to_key, reduce
from itertools import pairwise
from typing import Any, Final

from rollouts.sandbox.crd.cel.signatures import Library
from rollouts.sandbox.crd.cel.values import (
    ABSENT,
    EvalError,
    Optional,
    arithmetic,
    compare,
    contains,
    equals,
)

LIBRARY: Final = Library()
function = LIBRARY.function


def _product(left: list[Any], right: list[Any]) -> int:
    return 1 + len(left) * len(right)


@function(
    "size(string) -> int", "size(bytes) -> int", "size(list(A)) -> int", "size(map(A, B)) -> int",
    "string.size() -> int", "bytes.size() -> int", "list(A).size() -> int",
    "map(A, B).size() -> int", estimate=lambda _: 1,
)  # fmt: skip
def size(value: Any) -> int:
    return len(value)


@function("list(T).isSorted() -> bool")
def is_sorted(items: list[Any]) -> bool:
    return all(compare(a, b) in (-1, 0) for a, b in pairwise(items))


@function("list(T).sum() -> T")
def total(items: list[Any]) -> Any:
    return reduce(lambda a, b: arithmetic("+", a, b), items) if items else 0


def _extreme(items: list[Any], name: str, pick: Callable[..., Any]) -> Any:
    if not items:
        raise EvalError(f"{name} called on empty list")
    return pick(items, key=cmp_to_key(compare))


@function("list(T).min() -> T")
def minimum(items: list[Any]) -> Any:
    return _extreme(items, "min", min)


@function("list(T).max() -> T")
def maximum(items: list[Any]) -> Any:
    return _extreme(items, "max", max)


@function("list(T).indexOf(T) -> int")
def index_of(items: list[Any], value: Any) -> int:
    return next((i for i, item in enumerate(items) if equals(item, value)), -1)


@function("list(T).lastIndexOf(T) -> int")
def last_index_of(items: list[Any], value: Any) -> int:
    return next((i for i in range(len(items) - 1, -1, -1) if equals(items[i], value)), -1)


@function("sets.contains(list(T), list(T)) -> bool", estimate=_product)
def sets_contains(whole: list[Any], part: list[Any]) -> bool:
    return all(contains(whole, item) for item in part)


@function("sets.equivalent(list(T), list(T)) -> bool", estimate=lambda a, b: 2 * _product(a, b))
def sets_equivalent(left: list[Any], right: list[Any]) -> bool:
    return sets_contains(left, right) and sets_contains(right, left)


@function("sets.intersects(list(T), list(T)) -> bool", estimate=_product)
def sets_intersects(left: list[Any], right: list[Any]) -> bool:
    return any(contains(left, item) for item in right)


@function("lists.range(int) -> list(int)", estimate=lambda count: max(1, count))
def numbers(count: int) -> list[int]:
    return list(range(count))


@function("list(T).reverse() -> list(T)")
def reverse(items: list[Any]) -> list[Any]:
    return list(reversed(items))


@function("list(T).first() -> optional_type(T)", estimate=lambda _: 1)
def first(items: list[Any]) -> Optional:
    return Optional(present=True, value=items[0]) if items else ABSENT


@function("list(T).last() -> optional_type(T)", estimate=lambda _: 1)
def last(items: list[Any]) -> Optional:
    return Optional(present=True, value=items[-1]) if items else ABSENT


@function("list(T).slice(int, int) -> list(T)")
def slice_of(items: list[Any], start: int, end: int) -> list[Any]:
    if not 0 <= start <= end <= len(items):
        raise EvalError(f"cannot slice({start}, {end}), list is length {len(items)}")
    return list(items[start:end])


@function("list(T).distinct() -> list(T)", estimate=lambda items: _product(items, items))
def distinct(items: list[Any]) -> list[Any]:
    out: list[Any] = []
    for item in items:
        if not contains(out, item):
            out.append(item)
    return out


@function("list(T).sort() -> list(T)", estimate=lambda items: 1 + len(items))
def sort(items: list[Any]) -> list[Any]:
    return sorted(items, key=cmp_to_key(compare))


def _flat_size(items: list[Any], _: int = 1) -> int:
    return 1 + sum(len(item) if isinstance(item, list) else 1 for item in items)


@function(
    "list(dyn).flatten() -> list(dyn)",
    "list(dyn).flatten(int) -> list(dyn)",
    estimate=_flat_size,
)
def flatten(items: list[Any], depth: int = 1) -> list[Any]:
    if depth < 0:
        raise EvalError("level must be non-negative")
    out = list(items)
    for _ in range(min(depth, 60)):  # literals and comprehensions nest no deeper
        if not any(isinstance(item, list) for item in out):
            break
        out = [x for item in out for x in (item if isinstance(item, list) else [item])]
    return out
