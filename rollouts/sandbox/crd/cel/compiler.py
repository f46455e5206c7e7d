"""Checks an expression and turns it into closures, in one walk over the tree.

Owns names, field selection, indexing, literals and function resolution; operators and macros have
their own modules. Refuses what a real API server refuses when a CRD is created: undeclared names,
undefined fields, calls no overload takes. ``program`` is the caller.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rollouts.sandbox.crd.cel import macros
from rollouts.sandbox.crd.cel.frame import Compiled, Frame, Run, Scope, Variable
from rollouts.sandbox.crd.cel.operators import compile_binary, compile_unary
from rollouts.sandbox.crd.cel.signatures import NAMESPACES, Library, Overload
from rollouts.sandbox.crd.cel.syntax import (
    Binary,
    Call,
    CelSyntaxError,
    Conditional,
    Expr,
    Ident,
    Index,
    ListLiteral,
    Literal,
    MapLiteral,
    Select,
    Unary,
)
from rollouts.sandbox.crd.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DYN,
    INT,
    NULL,
    STRING,
    TYPE,
    TYPE_NAMES,
    UINT,
    CelType,
    assignable,
    join,
    list_of,
    map_of,
    optional_of,
    substitute,
)
from rollouts.sandbox.crd.cel.values import (
    ABSENT,
    EvalError,
    Optional,
    Uint,
    no_overload,
)

_LITERALS: Final[Mapping[type, CelType]] = {
    bool: BOOL, int: INT, Uint: UINT, float: DOUBLE, str: STRING, bytes: BYTES, type(None): NULL,
}  # fmt: skip


class Compiler:
    """Compiles one expression. ``slots`` is how many variables a run needs."""

    def __init__(self, source: str, library: Library) -> None:
        self.source = source
        self.library = library
        self.nodes = 0
        self.slots = 0

    def declare(self, scope: Scope, name: str, type_: CelType) -> tuple[Scope, int]:
        slot = self.slots
        self.slots += 1
        return {**scope, name: Variable(type_, slot)}, slot

    def fail(self, problem: str, at: int) -> CelSyntaxError:
        return CelSyntaxError(problem, self.source, at)

    def compile(self, node: Expr, scope: Scope) -> Compiled:
        self.nodes += 1
        match node:
            case Literal():
                value = node.value
                return Compiled(_LITERALS[type(value)], lambda _: value)
            case Ident():
                return self._ident(node, scope)
            case Select():
                return self._select(node, scope)
            case Index():
                return self._index(node, scope)
            case Call():
                return self._call(node, scope)
            case Unary():
                return compile_unary(self, node, scope)
            case Binary():
                return compile_binary(self, node, scope)
            case Conditional():
                return self._conditional(node, scope)
            case ListLiteral():
                return self._list(node, scope)
            case MapLiteral():
                return self._map(node, scope)

    def _ident(self, node: Ident, scope: Scope) -> Compiled:
        variable = scope.get(node.name)
        if variable is not None:
            slot = variable.slot
            return Compiled(variable.type, lambda frame: frame.slots[slot])
        named = TYPE_NAMES.get(node.name)
        if named is None:
            raise self.fail(f"undeclared reference to '{node.name}' (in container '')", node.at)
        return Compiled(TYPE, lambda _: named)

    def _select(self, node: Select, scope: Scope) -> Compiled:
        named = TYPE_NAMES.get(_dotted(node))
        if named is not None and "google" not in scope:
            return Compiled(TYPE, lambda _: named)
        operand = self.compile(node.operand, scope)
        key, type_ = self._field(operand.type, node)
        run = operand.run
        if node.optional or operand.type.name == "optional_type":
            return Compiled(optional_of(type_), lambda frame: _optional(run(frame), key))
        return Compiled(type_, lambda frame: _member(run(frame), key))

    def _field(self, type_: CelType, node: Select) -> tuple[str, CelType]:
        """The JSON name and the type of a selected field."""
        if type_.name == "optional_type":
            type_ = type_.args[0]
        if type_.fields is not None:
            found = type_.fields.get(node.field)
            if found is None:
                raise self.fail(f"undefined field '{node.field}'", node.at)
            return found.key, found.type
        if type_ == DYN or (type_.name == "map" and not type_.args):
            return node.field, DYN
        if type_.name == "map":
            return node.field, type_.args[1]
        raise self.fail(f"type '{type_}' does not support field selection", node.at)

    def _index(self, node: Index, scope: Scope) -> Compiled:
        operand, key = self.compile(node.operand, scope), self.compile(node.key, scope)
        container = operand.type
        inside = container.name == "optional_type"
        if inside:
            container = container.args[0]
        element = DYN
        if container.name in ("list", "map"):
            expected = INT if container.name == "list" else (container.args or (DYN,))[0]
            element = container.args[-1] if container.args else DYN
            numbers = {expected, key.type} <= {INT, UINT, DOUBLE}
            if not numbers and not assignable(expected, key.type, {}):
                raise self._no_overload("_[_]", (operand.type, key.type), node.at)
        elif container != DYN:
            raise self._no_overload("_[_]", (operand.type, key.type), node.at)
        if node.optional or inside:
            return Compiled(
                optional_of(element),
                lambda frame: _optional(operand.run(frame), key.run(frame)),
            )
        return Compiled(element, lambda frame: _element(operand.run(frame), key.run(frame)))

    def _conditional(self, node: Conditional, scope: Scope) -> Compiled:
        test, yes, no = (self.compile(n, scope) for n in (node.test, node.yes, node.no))
        type_ = join(yes.type, no.type)
        if type_ is None or test.type not in (BOOL, DYN):
            raise self._no_overload("_?_:_", (test.type, yes.type, no.type), node.at)

        def run(frame: Frame) -> Any:
            chosen = test.run(frame)
            if chosen is True:
                return yes.run(frame)
            if chosen is False:
                return no.run(frame)
            raise no_overload()

        return Compiled(type_, run)

    def _list(self, node: ListLiteral, scope: Scope) -> Compiled:
        items = [self.compile(item, scope) for item in node.items]
        type_ = self._common([_held(c.type, i in node.optional) for i, c in enumerate(items)], node)
        runs = [(item.run, i in node.optional) for i, item in enumerate(items)]

        def run(frame: Frame) -> list[Any]:
            found = ((r(frame), optional) for r, optional in runs)
            return [v.value if o else v for v, o in found if not o or v.present]

        return Compiled(list_of(type_), run)

    def _map(self, node: MapLiteral, scope: Scope) -> Compiled:
        keys = [self.compile(key, scope) for key, _ in node.entries]
        values = [self.compile(value, scope) for _, value in node.entries]
        key_type = self._common([key.type for key in keys], node)
        types = [_held(v.type, i in node.optional) for i, v in enumerate(values)]
        runs = [
            (k.run, v.run, i in node.optional)
            for i, (k, v) in enumerate(zip(keys, values, strict=True))
        ]

        def run(frame: Frame) -> dict[Any, Any]:
            found = ((_key(k(frame)), v(frame), optional) for k, v, optional in runs)
            return {k: v.value if o else v for k, v, o in found if not o or v.present}

        return Compiled(map_of(key_type, self._common(types, node)), run)

    def _common(self, types: Sequence[CelType], node: ListLiteral | MapLiteral) -> CelType:
        """The one type of all elements; the API server allows no mixed literals."""
        common: CelType | None = types[0] if types else DYN
        for type_ in types[1:]:
            known = common
            common = join(known, type_) if known else None
            if common is None:
                raise self.fail(f"expected type '{known}' but found '{type_}'", node.at)
        return common or DYN

    def _call(self, node: Call, scope: Scope) -> Compiled:
        if node.name == "has" and node.target is None:
            return self._has(node, scope)
        expanded = macros.expand(self, node, scope)
        if expanded is not None:
            return expanded
        name, target = node.name, node.target
        if isinstance(target, Ident) and target.name in NAMESPACES and target.name not in scope:
            name, target = f"{target.name}.{name}", None
        arguments = [] if target is None else [self.compile(target, scope)]
        arguments += [self.compile(a, scope) for a in node.args]
        table = self.library.globals if target is None else self.library.members
        overloads = table.get(name)
        if overloads is None:
            raise self.fail(f"undeclared reference to '{name}' (in container '')", node.at)
        return self._resolve(name, overloads, arguments, node)

    def _resolve(
        self, name: str, overloads: Sequence[Overload], arguments: list[Compiled], node: Call
    ) -> Compiled:
        types = [a.type for a in arguments]
        fitting = [(o, b) for o in overloads if (b := o.fits_types(types)) is not None]
        if not fitting:
            member = node.target is not None and "." not in name
            raise self._no_overload(name, types, node.at, member=member)
        last = node.args[-1] if node.args else None
        if isinstance(last, Literal) and isinstance(last.value, str):
            accepts = fitting[0][0].accepts
            if accepts is not None and not accepts(last.value):
                raise self.fail(f"invalid {name} argument", last.at)
        results = {substitute(o.result, bound) for o, bound in fitting}
        runs = [a.run for a in arguments]
        candidates = [o for o, _ in fitting]
        certain = len(candidates) == 1 and DYN not in types and NULL not in types
        run = _direct(candidates[0], runs) if certain else _dispatch(candidates, runs)
        return Compiled(results.pop() if len(results) == 1 else DYN, run)

    def _has(self, node: Call, scope: Scope) -> Compiled:
        argument = node.args[0] if len(node.args) == 1 else None
        if not isinstance(argument, Select):
            raise self.fail("invalid argument to has() macro", node.at)
        operand = self.compile(argument.operand, scope)
        key, _ = self._field(operand.type, argument)
        return Compiled(BOOL, lambda frame: _present(operand.run(frame), key))

    def _no_overload(
        self, name: str, types: Sequence[CelType], at: int, *, member: bool = False
    ) -> CelSyntaxError:
        receiver = f"{types[0]}." if member else ""
        spelled = ", ".join(map(str, types[1:] if member else types))
        raise self.fail(
            f"found no matching overload for '{name}' applied to '{receiver}({spelled})'", at
        )


def _dotted(node: Expr) -> str:
    if isinstance(node, Ident):
        return node.name
    return f"{_dotted(node.operand)}.{node.field}" if isinstance(node, Select) else ""


def _held(type_: CelType, optional: bool) -> CelType:
    return type_.args[0] if optional and type_.name == "optional_type" else type_


def _key(value: Any) -> Any:
    if isinstance(value, str | int):
        return value
    raise EvalError("unsupported key type")


def _present(base: Any, key: str) -> bool:
    if isinstance(base, Optional):
        return base.present and _present(base.value, key)
    if isinstance(base, dict):
        return key in base
    raise no_overload()


def _member(base: Any, key: str) -> Any:
    if isinstance(base, dict):
        try:
            return base[key]
        except KeyError:
            raise EvalError(f"no such key: {key}") from None
    if isinstance(base, Optional):
        return _optional(base, key)
    raise no_overload()


def _element(base: Any, key: Any) -> Any:
    if isinstance(base, list):
        position = key if type(key) in (int, Uint) else _integral(key)
        if 0 <= position < len(base):
            return base[position]
        raise EvalError(f"index out of bounds: {position}")
    if isinstance(base, Optional):
        return _optional(base, key)
    if not isinstance(base, dict) or isinstance(key, dict | list):
        raise no_overload()
    if key in base:
        return base[key]
    raise EvalError(f"no such key: {key}")


def _integral(key: Any) -> int:
    if type(key) is float and key.is_integer():
        return int(key)
    raise no_overload()


def _optional(base: Any, key: Any) -> Optional:
    if isinstance(base, Optional):
        if not base.present:
            return ABSENT
        base = base.value
    if isinstance(base, dict) and not isinstance(key, dict | list):
        return Optional(present=True, value=base[key]) if key in base else ABSENT
    if isinstance(base, list) and type(key) in (int, Uint):
        return Optional(present=True, value=base[key]) if 0 <= key < len(base) else ABSENT
    raise no_overload()


def _work(overload: Overload) -> Callable[..., int]:
    return overload.estimate or _sizes


def _sizes(*values: Any) -> int:
    return 1 + sum(len(v) for v in values if isinstance(v, str | bytes | list | dict)) // 10


def _direct(overload: Overload, runs: Sequence[Run]) -> Run:
    call, work = overload.call, _work(overload)

    def run(frame: Frame) -> Any:
        values = [r(frame) for r in runs]
        frame.spend(work(*values))
        return call(*values)

    return run


def _dispatch(overloads: Sequence[Overload], runs: Sequence[Run]) -> Run:
    def run(frame: Frame) -> Any:
        values = [r(frame) for r in runs]
        for overload in overloads:
            if overload.fits_values(values):
                frame.spend(_work(overload)(*values))
                return overload.call(*values)
        raise no_overload()

    return run
