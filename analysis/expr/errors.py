"""What can go wrong with an expression, and how much one may cost.

Owns the one error of the condition language and its budgets. Expressions are written by users, so
every budget is a hard limit: length, nesting, nodes, evaluation steps, sizes of what is built. A
step is a node evaluated or as much work as that; time is never looked at, so the same expression
over the same answer always ends the same way.
"""

from dataclasses import dataclass
from typing import Final

MAX_LENGTH: Final = 4096  # characters of source
MAX_DEPTH: Final = 64  # nesting of the expression
MAX_NODES: Final = 2000  # tokens: every node is written with one at least
MAX_STEPS: Final = 100_000  # at most some tenths of a second
MAX_ITEMS: Final = 10_000  # elements of a collection an expression builds
MAX_STRING: Final = 64 * 1024  # characters of a string an expression builds
MAX_NESTING: Final = 80  # nesting of a value that is walked
INT_RANGE: Final = range(-(2**63), 2**63)

TOO_LONG: Final = f"the expression takes more than {MAX_STEPS} steps"
TOO_DEEP: Final = f"a value is nested more than {MAX_NESTING} levels deep"


class ExprError(Exception):
    """The expression is wrong, or wrong for this value. ``position`` counts characters from 0."""

    def __init__(self, message: str, position: int | None = None, source: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.source = source

    def at(self, position: int) -> None:
        """Place the error at ``position`` unless it already has a place."""
        if self.position is None:
            self.position = position

    def __str__(self) -> str:
        """The message with line and column, both from 1."""
        if self.position is None:
            return self.message
        before = self.source[: self.position]
        line = before.count("\n") + 1
        column = self.position - (before.rfind("\n") + 1) + 1
        return f"{self.message} at {line}:{column}"


@dataclass(slots=True)
class Meter:
    """What one evaluation may still spend, and whether NaN got into it.

    Every comparison with NaN is false, so a verdict that rests on one means nothing, unless the
    expression asked ``isNaN`` and was told yes.
    """

    steps: int = MAX_STEPS
    compared_nan: bool = False
    found_nan: bool = False

    def spend(self, steps: int = 1) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise ExprError(TOO_LONG)

    def items(self, count: int) -> None:
        """Pay for building a collection of ``count`` elements."""
        if count > MAX_ITEMS:
            raise ExprError(f"a list of {count} elements; {MAX_ITEMS} are allowed")
        self.spend(count)

    def text(self, length: int) -> None:
        """Pay for building a string of ``length`` characters."""
        room_for(length)
        self.spend(1 + length // 32)


def room_for(length: int) -> None:
    """Raises ExprError when a string of ``length`` characters is too long."""
    if length > MAX_STRING:
        raise ExprError(f"a string of {length} characters; {MAX_STRING} are allowed")
