"""What compilation and evaluation share: the frame of one run, and the compiler as parts see it.

A compiled expression is a closure over a Frame. Work is charged to the frame before it is done,
so a hostile rule stops instead of stalling the server.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from rollouts.sandbox.crd.cel.syntax import CelSyntaxError, Expr
from rollouts.sandbox.crd.cel.types import CelType
from rollouts.sandbox.crd.cel.values import BudgetError


class Frame:
    """One run: the variables by slot, and how many budget units are ``left``."""

    __slots__ = ("left", "slots")

    def __init__(self, slots: list[Any], budget: int) -> None:
        self.slots = slots
        self.left = budget

    def spend(self, units: int) -> None:
        """Charges work about to be done; BudgetError when there is not enough left."""
        self.left -= units
        if self.left < 0:
            raise BudgetError("operation cancelled: actual cost limit exceeded")


Run: TypeAlias = Callable[[Frame], Any]


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression with its static type."""

    type: CelType
    run: Run


@dataclass(frozen=True, slots=True)
class Variable:
    type: CelType
    slot: int


Scope: TypeAlias = Mapping[str, Variable]


class Compiling(Protocol):
    """The compiler, as operators, calls and macros use it."""

    @property
    def nodes(self) -> int:
        """How many nodes were compiled so far: the static size of an expression."""
        ...

    def compile(self, node: Expr, scope: Scope) -> Compiled: ...

    def declare(self, scope: Scope, name: str, type_: CelType) -> tuple[Scope, int]:
        """The scope with one more variable, and its slot."""
        ...

    def fail(self, problem: str, at: int) -> CelSyntaxError:
        """The error to raise for the place ``at``."""
        ...
