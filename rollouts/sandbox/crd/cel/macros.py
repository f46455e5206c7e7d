"""Compiles macros: the comprehensions and the optional macros.

A comprehension binds a slot of the frame for each element and charges the static size of its body
per step, so nested loops are bounded by the budget. Called by ``compiler`` before functions.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from rollouts.sandbox.crd.cel.frame import Compiled, Compiling, Frame, Run, Scope
from rollouts.sandbox.crd.cel.syntax import Call, Ident
from rollouts.sandbox.crd.cel.types import (
    BOOL,
    DYN,
    INT,
    CelType,
    list_of,
    map_of,
    optional_of,
)
from rollouts.sandbox.crd.cel.values import ABSENT, EvalError, Optional, no_overload

Step = Callable[[Frame], Any]
# A loop: yields once per element, with the variables bound in the frame.
Loop = Callable[[Frame], Iterator[None]]


def expand(compiler: Compiling, node: Call, scope: Scope) -> Compiled | None:
    """The macro's code when the call is one, else None."""
    if node.target is None:
        return None
    if node.name in ("optMap", "optFlatMap") and len(node.args) == 2:
        return _opt_map(compiler, node, scope)
    for names, arities, build in _COMPREHENSIONS:
        if node.name in names and len(node.args) in arities:
            return build(compiler, node, scope)
    return None


def _variable(compiler: Compiling, node: Call, position: int) -> str:
    argument = node.args[position]
    if not isinstance(argument, Ident):
        raise compiler.fail("argument must be a simple name", argument.at)
    return argument.name


def _opt_map(compiler: Compiling, node: Call, scope: Scope) -> Compiled:
    assert node.target is not None  # noqa: S101 - expand() checked it
    target = compiler.compile(node.target, scope)
    element = target.type.args[0] if target.type.name == "optional_type" else DYN
    inner, slot = compiler.declare(scope, _variable(compiler, node, 0), element)
    body = compiler.compile(node.args[1], inner)
    flat = node.name == "optFlatMap"

    def run(frame: Frame) -> Any:
        value = target.run(frame)
        if not isinstance(value, Optional):
            raise no_overload()
        if not value.present:
            return ABSENT
        frame.slots[slot] = value.value
        mapped = body.run(frame)
        return mapped if flat else Optional(present=True, value=mapped)

    return Compiled(body.type if flat else optional_of(body.type), run)


def _element_types(compiler: Compiling, node: Call, type_: CelType) -> tuple[CelType, CelType]:
    """The types of (index or key, element or value) a range of this type gives."""
    if type_ == DYN:
        return DYN, DYN
    if type_.name == "list":
        return INT, type_.args[0] if type_.args else DYN
    if type_.name == "map":
        return (type_.args[0], type_.args[1]) if type_.args else (DYN, DYN)
    at = node.target.at if node.target else node.at
    raise compiler.fail(
        f"expression of type '{type_}' cannot be range of a comprehension"
        " (must be list, map, or dynamic)",
        at,
    )


class _Range:
    """The compiled range of a comprehension and the slots of its variables."""

    def __init__(self, compiler: Compiling, node: Call, scope: Scope, names: int) -> None:
        assert node.target is not None  # noqa: S101 - expand() checked it
        target = compiler.compile(node.target, scope)
        key, value = _element_types(compiler, node, target.type)
        self.types = (key, value)
        self.target = target
        self.pairs = names == 2
        first = _variable(compiler, node, 0)
        single = key if target.type.name == "map" else value
        self.scope, self.slot = compiler.declare(scope, first, key if self.pairs else single)
        self.element = single
        self.second = -1
        if self.pairs:
            name = _variable(compiler, node, 1)
            self.scope, self.second = compiler.declare(self.scope, name, value)

    def steps(self, frame: Frame, weight: int) -> Iterator[Any]:
        """Binds the variables for each element in turn; yields the element (or key)."""
        items = self.target.run(frame)
        slots = frame.slots
        if not isinstance(items, list | dict):
            raise no_overload()
        if self.pairs:
            pairs = items.items() if isinstance(items, dict) else enumerate(items)
            for key, value in pairs:
                frame.spend(weight)
                slots[self.slot], slots[self.second] = key, value
                yield key
            return
        for item in items:
            frame.spend(weight)
            slots[self.slot] = item
            yield item


def _body(
    compiler: Compiling, node: Call, over: _Range, position: int, *, test: bool
) -> tuple[Compiled, int]:
    before = compiler.nodes
    body = compiler.compile(node.args[position], over.scope)
    if test and body.type not in (BOOL, DYN):
        raise compiler.fail(
            f"found no matching overload for '{node.name}' applied to '(bool, {body.type})'",
            node.args[position].at,
        )
    return body, compiler.nodes - before + 1


def _truth(run: Run, frame: Frame) -> bool:
    value = run(frame)
    if type(value) is not bool:
        raise no_overload()
    return value


def _quantifier(compiler: Compiling, node: Call, scope: Scope) -> Compiled:
    over = _Range(compiler, node, scope, len(node.args) - 1)
    body, weight = _body(compiler, node, over, len(node.args) - 1, test=True)
    decisive = node.name == "exists"

    def run(frame: Frame) -> bool:
        failure: EvalError | None = None
        for _ in over.steps(frame, weight):
            try:
                if _truth(body.run, frame) is decisive:
                    return decisive
            except EvalError as error:  # a later element may still decide
                failure = error
        if failure is not None:
            raise failure
        return not decisive

    return Compiled(BOOL, run)


def _exists_one(compiler: Compiling, node: Call, scope: Scope) -> Compiled:
    over = _Range(compiler, node, scope, len(node.args) - 1)
    body, weight = _body(compiler, node, over, len(node.args) - 1, test=True)

    def run(frame: Frame) -> bool:
        return sum(_truth(body.run, frame) for _ in over.steps(frame, weight)) == 1

    return Compiled(BOOL, run)


def _filter(compiler: Compiling, node: Call, scope: Scope) -> Compiled:
    over = _Range(compiler, node, scope, 1)
    body, weight = _body(compiler, node, over, 1, test=True)

    def run(frame: Frame) -> list[Any]:
        return [item for item in over.steps(frame, weight) if _truth(body.run, frame)]

    return Compiled(list_of(over.element), run)


def _mapping(compiler: Compiling, node: Call, scope: Scope) -> Compiled:
    """map(x, e), map(x, test, e), transformList(i, v, e), transformList(i, v, test, e)."""
    names = 2 if node.name == "transformList" else 1
    return _transform(compiler, node, scope, names, to_map=False)


def _transform_map(compiler: Compiling, node: Call, scope: Scope) -> Compiled:
    return _transform(compiler, node, scope, 2, to_map=True)


def _transform(
    compiler: Compiling, node: Call, scope: Scope, names: int, *, to_map: bool
) -> Compiled:
    over = _Range(compiler, node, scope, names)
    guard, weight = None, 0
    if len(node.args) == names + 2:
        guard, weight = _body(compiler, node, over, names, test=True)
    body, size = _body(compiler, node, over, len(node.args) - 1, test=False)
    weight += size

    def pairs(frame: Frame) -> Iterator[tuple[Any, Any]]:
        for key in over.steps(frame, weight):
            if guard is None or _truth(guard.run, frame):
                yield key, body.run(frame)

    if to_map:
        return Compiled(map_of(over.types[0], body.type), lambda frame: dict(pairs(frame)))
    return Compiled(list_of(body.type), lambda frame: [value for _, value in pairs(frame)])


_COMPREHENSIONS: Final[
    tuple[
        tuple[tuple[str, ...], tuple[int, ...], Callable[[Compiling, Call, Scope], Compiled]], ...
    ]
] = (
    (("all", "exists"), (2, 3), _quantifier),
    (("exists_one", "existsOne"), (2, 3), _exists_one),
    (("filter",), (2,), _filter),
    (("map",), (2, 3), _mapping),
    (("transformList",), (3, 4), _mapping),
    (("transformMap",), (3, 4), _transform_map),
)
