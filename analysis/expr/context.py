"""What a function of the condition language is, and what it gets besides its arguments.

Owns the context of one evaluation and the guards that functions share. Used by the modules that
define functions, and by the compiler.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from analysis.expr.errors import Meter


@dataclass(slots=True)
class Context:
    """What one evaluation knows besides its arguments. ``now``: seconds since the epoch."""

    result: Any
    now: float
    meter: Meter


Body = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Function:
    least: int
    most: int
    body: Body  # body(context, *arguments)
    free: bool = False  # looks at a bounded part of its arguments only


def need_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def need_text(*values: Any) -> None:
    if not all(isinstance(value, str) for value in values):
        raise TypeError
