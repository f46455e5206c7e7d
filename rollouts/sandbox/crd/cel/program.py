"""One expression, compiled for given variables and ready to run under a budget.

The entry to this package: ``compile_program`` refuses a wrong expression with CelSyntaxError,
``Program.run`` gives its value or raises EvalError or BudgetError, and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rollouts.sandbox.crd.cel.compiler import Compiler
from rollouts.sandbox.crd.cel.frame import Frame, Run, Scope
from rollouts.sandbox.crd.cel.library import LIBRARY
from rollouts.sandbox.crd.cel.parser import parse
from rollouts.sandbox.crd.cel.syntax import CelSyntaxError, Expr, Ident
from rollouts.sandbox.crd.cel.types import CelType
from rollouts.sandbox.crd.cel.values import EvalError, no_overload


@dataclass(frozen=True, slots=True)
class Program:
    """``size`` is the number of nodes: what one run costs at least, in budget units."""

    type: CelType
    size: int
    slots: int
    code: Run

    def run(self, values: Sequence[Any], budget: int) -> tuple[Any, int]:
        """The value for these variables (in the order they were declared), and the cost."""
        frame = Frame([*values, *[None] * (self.slots - len(values))], budget)
        frame.spend(self.size)
        try:
            return self.code(frame), budget - frame.left
        except (TypeError, AttributeError):  # a mixed list reached a function of one kind
            raise no_overload() from None
        except RecursionError:
            raise EvalError("expression is nested too deeply") from None


def compile_program(source: str, variables: Mapping[str, CelType]) -> Program:
    """Compiles ``source`` with these variables in scope. CelSyntaxError when it is wrong."""
    compiler = Compiler(source, LIBRARY)
    scope: Scope = {}
    for name, type_ in variables.items():
        scope, _ = compiler.declare(scope, name, type_)
    try:
        compiled = compiler.compile(parse(source), scope)
    except RecursionError:
        raise CelSyntaxError("expression is nested too deeply", source, 0) from None
    return Program(compiled.type, compiler.nodes, compiler.slots, compiled.run)


def mentions(source: str, name: str) -> bool:
    """Whether a well-formed expression refers to ``name`` as a variable."""
    return name in source and _mentions(parse(source), name)


def _mentions(node: Expr, name: str) -> bool:
    if isinstance(node, Ident):
        return node.name == name
    for field in node.__slots__:
        if any(_mentions(child, name) for child in _children(getattr(node, field))):
            return True
    return False


def _children(value: Any) -> list[Any]:
    if isinstance(value, tuple):
        return [child for item in value for child in _children(item)]
    return [value] if hasattr(value, "at") else []
