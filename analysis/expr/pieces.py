"""Closures that many nodes share, and those that have to be quick.

Owns the short ways for what conditions do all day: numbers compared, elements fetched. A short way
gives what the long one would. Called by the compiler.
"""

from typing import Any

from analysis.expr.context import Context, Function, Run
from analysis.expr.errors import ExprError
from analysis.expr.operators import ORDERED, Operation, fetch
from analysis.expr.values import less


def nil(_: Context) -> None:
    """What is not written in a slice."""


def true(_: Context) -> bool:
    """What ``a ?: b`` is when ``a`` holds."""
    return True


def element(context: Context) -> Any:
    """The predicate of a function that was given none."""
    return context.element


def operating(left: Run, right: Run, apply: Operation, position: int) -> Run:
    """An operation of two operands that are always both needed."""

    def run(context: Context) -> Any:
        a, b = left(context), right(context)
        try:
            return apply(a, b, context.meter)
        except ExprError as error:
            error.at(position)
            raise

    return run


def limited(left: Run, limit: float, sign: str, position: int) -> Run:
    """A comparison with a number that is written down: what most conditions are."""
    test, bound = ORDERED[sign], float(limit)

    def run(context: Context) -> bool:
        value = left(context)
        if type(value) is float and value == value:  # noqa: PLR0124 - only NaN is not itself
            return test(value, bound)
        try:
            return less(value, limit, sign, context.meter)
        except ExprError as error:
            error.at(position)
            raise

    return run


def fetching(target: Run, key: Any, position: int) -> Run:
    """A member whose name or place is written down."""

    def run(context: Context) -> Any:
        value = target(context)
        if type(value) is dict and type(key) is str:
            return value.get(key)
        try:
            return fetch(value, key)
        except ExprError as error:
            error.at(position)
            raise

    return run


def calling(function: Function, name: str, arguments: list[Run], position: int) -> Run:
    """A function of values."""

    def run(context: Context) -> Any:
        values = [argument(context) for argument in arguments]
        try:
            return function.call(name, context, values)
        except ExprError as error:
            error.at(position)
            raise

    return run
