"""Functions on lists and sets, and ``size``."""

from collections.abc import Callable
from functools import cmp_to_key, reduce
from itertools import pairwise
from typing import Any, Final

from rollouts.sandbox.crd.cel.signatures import Library
from rollouts.sandbox.crd.cel.values import EvalError, arithmetic, compare, contains, equals

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
