"""Compiles unary and binary operators: static overload check, then the closure.

Logic operators absorb an error of one side when the other side decides, as the language defines.
Called by ``compiler``.
"""

from collections.abc import Callable
from typing import Any, Final

from rollouts.sandbox.crd.cel.frame import Compiled, Compiling, Frame, Run, Scope
from rollouts.sandbox.crd.cel.syntax import Binary, Literal, Unary
from rollouts.sandbox.crd.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    UINT,
    CelType,
    assignable,
    join,
)
from rollouts.sandbox.crd.cel.values import (
    EvalError,
    arithmetic,
    compare,
    contains,
    equals,
    negate,
    no_overload,
)

_NUMBERS: Final = (INT, UINT, DOUBLE)
_ORDERED: Final = (BOOL, STRING, BYTES, TIMESTAMP, DURATION)
_SAME: Final = {
    "+": (*_NUMBERS, STRING, BYTES, DURATION),
    "-": (*_NUMBERS, DURATION),
    "*": _NUMBERS,
    "/": _NUMBERS,
    "%": (INT, UINT),
}
_MIXED: Final = {
    ("+", TIMESTAMP, DURATION): TIMESTAMP,
    ("+", DURATION, TIMESTAMP): TIMESTAMP,
    ("-", TIMESTAMP, TIMESTAMP): DURATION,
    ("-", TIMESTAMP, DURATION): TIMESTAMP,
}
_ORDER: Final[dict[str, Callable[[int], bool]]] = {
    "<": lambda c: c == -1,
    "<=": lambda c: c in (-1, 0),
    ">": lambda c: c == 1,
    ">=": lambda c: c in (0, 1),
}


def compile_unary(compiler: Compiling, node: Unary, scope: Scope) -> Compiled:
    operand = compiler.compile(node.operand, scope)
    run = operand.run
    if node.op == "!":
        if operand.type not in (BOOL, DYN):
            raise compiler.fail(_mismatch("!_", operand.type), node.at)

        def invert(frame: Frame) -> bool:
            value = run(frame)
            if type(value) is not bool:
                raise no_overload()
            return not value

        return Compiled(BOOL, invert)
    if operand.type not in (INT, DOUBLE, DURATION, DYN):
        raise compiler.fail(_mismatch("-_", operand.type), node.at)
    return Compiled(operand.type, lambda frame: negate(run(frame)))


def compile_binary(compiler: Compiling, node: Binary, scope: Scope) -> Compiled:
    left, right = compiler.compile(node.left, scope), compiler.compile(node.right, scope)
    result = _result(node.op, left.type, right.type)
    if result is None:
        raise compiler.fail(_mismatch(_name(node.op), left.type, right.type), node.at)
    return Compiled(result, _closure(node, left.run, right.run))


def _name(op: str) -> str:
    return "@in" if op == "in" else f"_{op}_"


def _mismatch(name: str, *types: CelType) -> str:
    spelled = ", ".join(map(str, types))
    return f"found no matching overload for '{name}' applied to '({spelled})'"


def _result(op: str, left: CelType, right: CelType) -> CelType | None:
    """The static type of ``left op right``, or None when no overload takes these types."""
    if op in ("&&", "||"):
        return BOOL if {left, right} <= {BOOL, DYN} else None
    if op in ("==", "!="):
        fits = assignable(left, right, {}) or assignable(right, left, {})
        return BOOL if fits or {left, right} <= set(_NUMBERS) else None
    if op == "in":
        return _membership(left, right)
    if op in _ORDER:
        if DYN in (left, right) or {left, right} <= set(_NUMBERS):
            return BOOL
        return BOOL if left == right and left in _ORDERED else None
    if DYN in (left, right):
        return DYN
    if left == right and left in _SAME[op]:
        return left
    if op == "+" and left.name == right.name == "list":
        return join(left, right)
    return _MIXED.get((op, left, right))


def _membership(left: CelType, right: CelType) -> CelType | None:
    if right == DYN:
        return BOOL
    if right.name in ("list", "map"):
        element = right.args[0] if right.args else DYN
        fits = assignable(element, left, {}) or {element, left} <= set(_NUMBERS)
        return BOOL if fits else None
    return None


def _closure(node: Binary, left: Run, right: Run) -> Run:
    match node.op:
        case "&&":
            return _logic(left, right, decisive=False)
        case "||":
            return _logic(left, right, decisive=True)
        case "==":
            return _equality(node, left, right)
        case "!=":
            same = _equality(node, left, right)
            return lambda frame: not same(frame)
        case "in":
            return lambda frame: _is_in(frame, left(frame), right(frame))
        case "<" | "<=" | ">" | ">=":
            accepts = _ORDER[node.op]
            return lambda frame: accepts(compare(left(frame), right(frame)))
        case _:
            return _computation(node.op, left, right)


def _logic(left: Run, right: Run, *, decisive: bool) -> Run:
    undecided = not decisive

    def run(frame: Frame) -> bool:
        failure: EvalError | None = None
        try:
            first = left(frame)
            if first is decisive:
                return not undecided
            if type(first) is not bool:
                failure = no_overload()
        except EvalError as error:
            failure = error
        second = right(frame)
        if second is decisive:
            return not undecided
        if failure is not None:
            raise failure
        if type(second) is not bool:
            raise no_overload()
        return undecided

    return run


def _equality(node: Binary, left: Run, right: Run) -> Run:
    if isinstance(node.right, Literal) and type(node.right.value) is str:
        text = node.right.value
        return lambda frame: bool(left(frame) == text)

    def run(frame: Frame) -> bool:
        a, b = left(frame), right(frame)
        if isinstance(a, list | dict | str):
            frame.spend(len(a) // 10)
        return equals(a, b)

    return run


def _is_in(frame: Frame, item: Any, container: Any) -> bool:
    if isinstance(container, dict):
        return not isinstance(item, dict | list) and item in container
    if isinstance(container, list):
        frame.spend(len(container))
        return contains(container, item)
    raise no_overload()


def _computation(op: str, left: Run, right: Run) -> Run:
    def run(frame: Frame) -> Any:
        a, b = left(frame), right(frame)
        if isinstance(a, str | bytes | list) and isinstance(b, str | bytes | list):
            frame.spend((len(a) + len(b)) // 10)
        return arithmetic(op, a, b)

    return run
