"""The shapes an expression can have. Built by the parser, read by the compiler; nothing else."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Literal:
    position: int
    value: int | float | str | bool | None


@dataclass(frozen=True, slots=True)
class Name:
    position: int
    name: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """``#``, ``#index`` or ``#acc``: what a predicate is looking at."""

    position: int
    name: str


@dataclass(frozen=True, slots=True)
class Unary:
    position: int
    operator: str  # not, -, +
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Binary:
    position: int
    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Comparison:
    """``a < b <= c``: each operand is evaluated once, the last ones only if still needed."""

    position: int
    operands: tuple["Node", ...]
    operators: tuple[tuple[int, str], ...]  # position and spelling


@dataclass(frozen=True, slots=True)
class Member:
    """``target.key`` or ``target[key]``; an optional one ends its chain when the target is nil."""

    position: int
    target: "Node"
    key: "Node"
    optional: bool


@dataclass(frozen=True, slots=True)
class Chain:
    """How far a nil met by ``?.`` makes everything nil."""

    position: int
    body: "Node"


@dataclass(frozen=True, slots=True)
class Slice:
    position: int
    target: "Node"
    start: "Node | None"
    stop: "Node | None"


@dataclass(frozen=True, slots=True)
class Conditional:
    """Without ``then``, the condition itself is the value when it holds."""

    position: int
    condition: "Node"
    then: "Node | None"
    otherwise: "Node"


@dataclass(frozen=True, slots=True)
class Call:
    """A function by name; ``predicate`` is evaluated once per element of the first argument."""

    position: int
    name: str
    arguments: tuple["Node", ...]
    predicate: "Node | None" = None


@dataclass(frozen=True, slots=True)
class Method:
    """``target.Name(...)``: only instants and durations have methods."""

    position: int
    target: "Node"
    name: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Array:
    position: int
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Map:
    position: int
    pairs: tuple[tuple["Node", "Node"], ...]


@dataclass(frozen=True, slots=True)
class Let:
    position: int
    name: str
    value: "Node"
    body: "Node"


@dataclass(frozen=True, slots=True)
class Sequence:
    """``a; b``: the value of the last."""

    position: int
    items: tuple["Node", ...]


Node: TypeAlias = (
    Literal
    | Name
    | Pointer
    | Unary
    | Binary
    | Comparison
    | Member
    | Chain
    | Slice
    | Conditional
    | Call
    | Method
    | Array
    | Map
    | Let
    | Sequence
)
