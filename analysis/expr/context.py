"""What one evaluation carries along, and what a function of the language is.

Owns the state every compiled piece gets and the shape of a function with what it takes. Used by the
compiler and by the modules that define functions.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from analysis.expr.errors import ExprError, Meter
from analysis.expr.values import shown, types_called


@dataclass(slots=True)
class Context:
    """``now``: seconds since the epoch. The last three are what a predicate looks at: ``#``,
    ``#index`` and ``#acc``.
    """

    result: Any
    now: float
    meter: Meter
    names: dict[str, Any] = field(default_factory=dict)
    element: Any = None
    index: int = 0
    accumulated: Any = None


Run: TypeAlias = Callable[[Context], Any]
Body: TypeAlias = Callable[..., Any]  # body(context, *arguments)

_UNLIMITED: Final = 64


@dataclass(frozen=True, slots=True)
class Parameter:
    """``name`` says which types an argument may have; no ``types`` means any."""

    name: str
    types: frozenset[type]

    @property
    def words(self) -> str:
        """``number|list`` → ``a number or a list``."""
        words = [f"an {kind}" if kind == "int" else f"a {kind}" for kind in self.name.split("|")]
        return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


@dataclass(frozen=True, slots=True)
class Function:
    """The last parameter is that of all further arguments, up to ``most``. ``free``: looks at a
    bounded part of its arguments only, or pays itself.
    """

    parameters: tuple[Parameter, ...]
    least: int
    most: int
    body: Body
    free: bool = False

    def call(self, name: str, context: Context, arguments: list[Any]) -> Any:
        """The value for ``arguments``, whose number was checked by the compiler."""
        last = len(self.parameters) - 1
        for place, argument in enumerate(arguments):
            parameter = self.parameters[min(place, last)]
            if parameter.types and type(argument) not in parameter.types:
                where = f" as argument {place + 1}" if len(arguments) > 1 else ""
                raise ExprError(f"{name} takes {parameter.words}{where}, not {shown(argument)}")
            if not self.free:
                context.meter.spend(_size(argument))
        value = self.body(context, *arguments)
        if not self.free:
            _pay(value, context.meter)
        return value


def function(takes: str, body: Body, *, free: bool = False) -> Function:
    """``takes``: kinds by place; ``?`` marks one that can be left out, ``+`` one to repeat."""
    words = takes.split()
    least = sum(not word.endswith("?") for word in words)
    most = _UNLIMITED if takes.endswith("+") else len(words)
    names = [word.rstrip("?+") for word in words]
    parameters = tuple(Parameter(name, types_called(name)) for name in names)
    return Function(parameters, least, most, body, free)


def _size(value: Any) -> int:
    """What looking at all of ``value`` costs, without what is inside its elements."""
    if isinstance(value, str):
        return len(value) // 32
    return len(value) if isinstance(value, list | dict) else 0


def _pay(value: Any, meter: Meter) -> None:
    """For what a function has built."""
    if isinstance(value, str):
        meter.text(len(value))
    elif isinstance(value, list | dict):
        meter.items(len(value))
