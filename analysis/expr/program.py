"""An expression ready to run: the tree compiled to closures.

Owns scopes, predicates and what each operator does with its operands. Names and arity are checked
when compiling, so a typo is an error even in a branch that is never taken. Every closure pays a
step before it does anything. Refuses Python's own attributes: members are keys of maps and nothing
else. Called by ``analysis.expr.condition`` and for instants of range queries.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, TypeAlias

from analysis.expr import functions, predicates
from analysis.expr.ast import (
    Array,
    Binary,
    Call,
    Chain,
    Conditional,
    Let,
    Literal,
    Map,
    Member,
    Method,
    Name,
    Node,
    Pointer,
    Sequence,
    Slice,
    Unary,
)
from analysis.expr.context import Context
from analysis.expr.errors import MAX_DEPTH, ExprError, Meter
from analysis.expr.operators import BINARY, fetch, need_bool, prefixed, sliced
from analysis.expr.parser import parse
from analysis.expr.predicates import Frame
from analysis.expr.values import to_text, type_name

Run: TypeAlias = Callable[[Frame], Any]
_ASK_EMPTY: Final = frozenset({"len", "count", "isNil", "default", "type"})


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression."""

    source: str
    _run: Run
    asks_empty: bool = False
    """Whether it looks at there being anything at all: ``len``, ``isNil``, ``default``, ``??`` …"""

    def run(self, result: Any, *, now: float = 0.0, meter: Meter | None = None) -> Any:
        """Its value for ``result`` at ``now`` (seconds since the epoch). Raises ExprError."""
        frame = Frame(Context(result, now, meter or Meter()))
        try:
            return self._run(frame)
        except RecursionError:
            raise ExprError("a value is nested too deeply") from None
        except OverflowError:
            raise ExprError("a time or a number is out of range") from None
        except ExprError as error:
            error.source = self.source
            raise


@lru_cache(maxsize=512)
def compile_expression(source: str) -> Program:
    """Raises ExprError with the position of what is wrong."""
    compiler = _Compiler()
    try:
        body = compiler.compile(parse(source))
        return Program(source, body, compiler.asks_empty)
    except ExprError as error:
        error.source = source
        raise


class _NilChain(Exception):
    """``?.`` met nil: everything up to the end of the chain is nil."""


@dataclass(slots=True)
class _Compiler:
    names: list[str] = field(default_factory=lambda: ["result"])
    depth: int = 0
    asks_empty: bool = False

    def compile(self, node: Node) -> Run:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExprError("the expression is nested too deeply", node.position)
        run = self._placed(node, _COMPILERS[type(node)](self, node))
        self.depth -= 1
        return run

    @staticmethod
    def _placed(node: Node, inner: Run) -> Run:
        """``inner``, paying for its step and saying where it failed."""
        position = node.position

        def run(frame: Frame) -> Any:
            meter = frame.context.meter
            meter.steps -= 1
            if meter.steps < 0:
                raise ExprError("the expression takes too long to evaluate", position)
            try:
                return inner(frame)
            except ExprError as error:
                error.at(position)
                raise

        return run

    # --- leaves ---

    def literal(self, node: Literal) -> Run:
        value = node.value
        self.asks_empty |= value is None
        return lambda _: value

    def name(self, node: Name) -> Run:
        name = node.name
        if name not in self.names:
            raise ExprError(f"unknown name {name}", node.position)
        if name == "result":
            return lambda frame: frame.context.result
        return lambda frame: frame.names[name]

    def pointer(self, node: Pointer) -> Run:
        if node.name == "index":
            return lambda frame: frame.elements[-1].index
        if node.name == "acc":
            return lambda frame: frame.elements[-1].accumulated
        return lambda frame: frame.elements[-1].value

    # --- operators ---

    def unary(self, node: Unary) -> Run:
        operand, operator = self.compile(node.operand), node.operator
        return lambda frame: prefixed(operator, operand(frame))

    def binary(self, node: Binary) -> Run:
        left, right, operator = self.compile(node.left), self.compile(node.right), node.operator
        if operator == "and":
            return lambda frame: need_bool(left(frame), "and") and need_bool(right(frame), "and")
        if operator == "or":
            return lambda frame: need_bool(left(frame), "or") or need_bool(right(frame), "or")
        if operator == "??":
            self.asks_empty = True

            def coalesce(frame: Frame) -> Any:
                value = left(frame)
                return right(frame) if value is None else value

            return coalesce
        apply = BINARY[operator]
        return lambda frame: apply(operator, left(frame), right(frame), frame.context.meter)

    def conditional(self, node: Conditional) -> Run:
        condition = self.compile(node.condition)
        then, otherwise = self.compile(node.then), self.compile(node.otherwise)
        return lambda frame: then(frame) if need_bool(condition(frame), "?:") else otherwise(frame)

    # --- members ---

    def member(self, node: Member) -> Run:
        target, key, optional = self.compile(node.target), self.compile(node.key), node.optional
        self.asks_empty |= optional

        def run(frame: Frame) -> Any:
            value = target(frame)
            if value is None and optional:
                raise _NilChain
            return fetch(value, key(frame))

        return run

    def chain(self, node: Chain) -> Run:
        body = self.compile(node.body)

        def run(frame: Frame) -> Any:
            depth = len(frame.elements)
            try:
                return body(frame)
            except _NilChain:
                del frame.elements[depth:]
                return None

        return run

    def slice(self, node: Slice) -> Run:
        target = self.compile(node.target)
        start = self.compile(node.start) if node.start else None
        stop = self.compile(node.stop) if node.stop else None
        return lambda frame: sliced(
            target(frame),
            start(frame) if start else 0,
            stop(frame) if stop else None,
            frame.context.meter,
        )

    def method(self, node: Method) -> Run:
        if not any(name == node.name for _, name in functions.METHODS) or node.arguments:
            raise ExprError(f"unknown method {node.name}", node.position)
        target, name = self.compile(node.target), node.name

        def run(frame: Frame) -> Any:
            value = target(frame)
            body = functions.METHODS.get((type(value), name))
            if body is None:
                raise ExprError(f"type {type_name(value)} has no method {name}")
            return body(value)

        return run

    # --- collections ---

    def array(self, node: Array) -> Run:
        items = [self.compile(item) for item in node.items]
        self.asks_empty |= not items
        return lambda frame: [item(frame) for item in items]

    def map(self, node: Map) -> Run:
        pairs = [(self.compile(key), self.compile(value)) for key, value in node.pairs]
        return lambda frame: {to_text(key(frame)): value(frame) for key, value in pairs}

    # --- statements ---

    def let(self, node: Let) -> Run:
        name, value = node.name, self.compile(node.value)
        if name in self.names:
            raise ExprError(f"cannot redeclare variable {name}", node.position)
        if name in functions.FUNCTIONS or name in predicates.BODIES:
            raise ExprError(f"cannot redeclare builtin {name}", node.position)
        self.names.append(name)
        body = self.compile(node.body)
        self.names.pop()

        def run(frame: Frame) -> Any:
            frame.names[name] = value(frame)
            return body(frame)

        return run

    def sequence(self, node: Sequence) -> Run:
        items = [self.compile(item) for item in node.items]

        def run(frame: Frame) -> Any:
            value = None
            for item in items:
                value = item(frame)
            return value

        return run

    # --- calls ---

    def call(self, node: Call) -> Run:
        arguments = [self.compile(argument) for argument in node.arguments]
        self.asks_empty |= node.name in _ASK_EMPTY
        if node.predicate is not None or (
            node.name in predicates.BODIES and node.name not in functions.FUNCTIONS
        ):
            return self._predicated(node, arguments)
        function = functions.FUNCTIONS.get(node.name)
        if function is None:
            raise ExprError(f"unknown name {node.name}", node.position)
        _check_arity(node, function.least, function.most)
        name = node.name
        return lambda frame: functions.call(
            function, name, frame.context, [argument(frame) for argument in arguments]
        )

    def _predicated(self, node: Call, arguments: list[Run]) -> Run:
        extra = predicates.EXTRA.get(node.name, 0)
        _check_arity(node, 1, 1 + extra)
        body, name = predicates.BODIES[node.name], node.name
        predicate = self.compile(node.predicate) if node.predicate else None

        def run(frame: Frame) -> Any:
            collection, *rest = [argument(frame) for argument in arguments]
            elements = predicates.elements_of(collection, name)
            test = predicates.Predicate(frame, predicate or _itself, len(elements))
            return body(test, elements, *rest)

        return run


def _itself(frame: Frame) -> Any:
    return frame.elements[-1].value


def _check_arity(node: Call, least: int, most: int) -> None:
    given = len(node.arguments)
    if least <= given <= most:
        return
    problem = "not enough" if given < least else "too many"
    raise ExprError(f"{problem} arguments to call {node.name}", node.position)


_COMPILERS: Final[dict[type, Callable[[_Compiler, Any], Run]]] = {
    Literal: _Compiler.literal,
    Name: _Compiler.name,
    Pointer: _Compiler.pointer,
    Unary: _Compiler.unary,
    Binary: _Compiler.binary,
    Member: _Compiler.member,
    Chain: _Compiler.chain,
    Slice: _Compiler.slice,
    Conditional: _Compiler.conditional,
    Call: _Compiler.call,
    Method: _Compiler.method,
    Array: _Compiler.array,
    Map: _Compiler.map,
    Let: _Compiler.let,
    Sequence: _Compiler.sequence,
}
