"""The syntax tree of an expression, and the error that carries a position in it.

Owns shapes only. The parser makes these nodes, the compiler reads them.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias


class CelSyntaxError(Exception):
    """The expression is wrong before it is run: bad syntax, unknown name, wrong types."""

    def __init__(self, problem: str, source: str, offset: int) -> None:
        before = source[:offset]
        line_number = before.count("\n") + 1
        column = offset - (before.rfind("\n") + 1)
        line = source.split("\n")[line_number - 1]
        super().__init__(
            f"ERROR: <input>:{line_number}:{column + 1}: {problem}\n | {line}\n | {'.' * column}^"
        )
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Literal:
    value: Any
    at: int


@dataclass(frozen=True, slots=True)
class Ident:
    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Select:
    """``operand.field``; ``optional`` for ``operand.?field``."""

    operand: "Expr"
    field: str
    at: int
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """``operand[key]``; ``optional`` for ``operand[?key]``."""

    operand: "Expr"
    key: "Expr"
    at: int
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """``name(args)`` or, with a target, ``target.name(args)``."""

    name: str
    target: "Expr | None"
    args: tuple["Expr", ...]
    at: int


@dataclass(frozen=True, slots=True)
class Unary:
    op: str
    operand: "Expr"
    at: int


@dataclass(frozen=True, slots=True)
class Binary:
    op: str
    left: "Expr"
    right: "Expr"
    at: int


@dataclass(frozen=True, slots=True)
class Conditional:
    test: "Expr"
    yes: "Expr"
    no: "Expr"
    at: int


@dataclass(frozen=True, slots=True)
class ListLiteral:
    """``optional`` holds the positions written ``?item``."""

    items: tuple["Expr", ...]
    optional: frozenset[int]
    at: int


@dataclass(frozen=True, slots=True)
class MapLiteral:
    entries: tuple[tuple["Expr", "Expr"], ...]
    optional: frozenset[int]
    at: int


Expr: TypeAlias = (
    Literal
    | Ident
    | Select
    | Index
    | Call
    | Unary
    | Binary
    | Conditional
    | ListLiteral
    | MapLiteral
)
