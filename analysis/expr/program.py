"""An expression ready to run.

Owns compiling once and running often, and that whatever goes wrong inside is an ExprError with its
place. Called by ``analysis.expr.condition`` and for instants of range queries.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from analysis.expr.compiler import Compiler
from analysis.expr.context import Context, Run
from analysis.expr.errors import TOO_DEEP, ExprError, Meter
from analysis.expr.parser import parse


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression. ``cost``: what one evaluation costs at most, predicates aside."""

    source: str
    _run: Run
    cost: int
    asks_empty: bool = False
    """Whether it looks at there being anything at all: ``len``, ``isNil``, ``default``, ``??`` …"""

    def run(self, result: Any, *, now: float = 0.0, meter: Meter | None = None) -> Any:
        """Its value for ``result`` at ``now`` (seconds since the epoch). Raises ExprError."""
        context = Context(result, now, meter or Meter())
        try:
            context.meter.spend(self.cost)
            return self._run(context)
        except RecursionError:
            raise ExprError(TOO_DEEP) from None
        except OverflowError:
            raise ExprError("a time or a number is out of range") from None
        except UnicodeError:
            raise ExprError("a string is not valid Unicode") from None
        except ExprError as error:
            error.source = self.source
            raise


@lru_cache(maxsize=512)
def compile_expression(source: str) -> Program:
    """Raises ExprError with the position of what is wrong."""
    compiler = Compiler()
    try:
        body = compiler.compile(parse(source))
        return Program(source, body, compiler.cost, compiler.asks_empty)
    except RecursionError:
        raise ExprError("the expression is nested too deeply") from None
    except ExprError as error:
        error.source = source
        raise
