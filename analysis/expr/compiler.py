"""Trees to closures: what each node does, decided once.

Owns scopes, predicates and the order of evaluation. Names and arity are checked here, so a typo is
an error even in a branch that is never taken. Nodes are paid for before they run: all at once, and
those of a predicate once per element. Refuses Python's own attributes: members are keys of maps
and nothing else. Called by ``analysis.expr.program``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from analysis.expr import functions, predicates
from analysis.expr.ast import (
    Array,
    Binary,
    Call,
    Chain,
    Comparison,
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
from analysis.expr.collection import key_text
from analysis.expr.context import Context, Run
from analysis.expr.errors import MAX_DEPTH, ExprError
from analysis.expr.operators import (
    BINARY,
    MAX_PROGRAMS,
    comparing,
    fetch,
    not_bool,
    pattern,
    prefixed,
    sliced,
)
from analysis.expr.pieces import calling, element, fetching, limited, nil, operating, true
from analysis.expr.values import is_number, shown, type_name

_ASK_EMPTY: Final = frozenset({"len", "count", "isNil", "default", "type"})
_GIVEN: Final = ("result", "$env")


class _NilChain(Exception):
    """``?.`` met nil: everything up to the end of the chain is nil."""


@dataclass(slots=True)
class Compiler:
    """``cost``: nodes compiled so far that are evaluated at most once."""

    names: list[str] = field(default_factory=lambda: list(_GIVEN))
    depth: int = 0
    cost: int = 0
    programs: int = 0
    asks_empty: bool = False

    def compile(self, node: Node) -> Run:
        self.depth += 1
        self.cost += 1
        if self.depth > MAX_DEPTH:
            raise ExprError(f"the expression is nested over {MAX_DEPTH} levels deep", node.position)
        run = _COMPILERS[type(node)](self, node)
        self.depth -= 1
        return run

    # --- leaves ---

    def literal(self, node: Literal) -> Run:
        value = node.value
        self.asks_empty |= value is None
        return lambda _: value

    def name(self, node: Name) -> Run:
        name = node.name
        if name == "result":
            return lambda context: context.result
        if name == "$env":
            return lambda context: {"result": context.result}
        if name not in self.names:
            raise _unknown("name", name, self.names, node.position)
        return lambda context: context.names[name]

    def pointer(self, node: Pointer) -> Run:
        if node.name == "index":
            return lambda context: context.index
        if node.name == "acc":
            return lambda context: context.accumulated
        return lambda context: context.element

    # --- operators ---

    def unary(self, node: Unary) -> Run:
        operand, sign, position = self.compile(node.operand), node.operator, node.position

        def run(context: Context) -> Any:
            value = operand(context)
            try:
                return prefixed(sign, value)
            except ExprError as error:
                error.at(position)
                raise

        return run

    def binary(self, node: Binary) -> Run:
        match node.operator:
            case "and" | "or":
                return self.logical(node)
            case "??":
                return self.coalesce(node)
            case "matches" if isinstance(node.right, Literal):
                self.check_pattern(node.right)
        left, right = self.compile(node.left), self.compile(node.right)
        return operating(left, right, BINARY[node.operator], node.position)

    def logical(self, node: Binary) -> Run:
        """A chain of one kind is one list, however long."""
        parts: list[Node] = [node.right]
        first = node.left
        while isinstance(first, Binary) and first.operator == node.operator:
            parts.append(first.right)
            first = first.left
        operands = [self.compile(part) for part in (first, *reversed(parts))]
        name, position, ends = node.operator, node.position, node.operator == "or"

        def run(context: Context) -> bool:
            for operand in operands:
                value: object = operand(context)
                if value is ends:
                    return ends
                if not isinstance(value, bool):
                    error = not_bool(value, name)
                    error.at(position)
                    raise error
            return not ends

        return run

    def coalesce(self, node: Binary) -> Run:
        left, right = self.compile(node.left), self.compile(node.right)
        self.asks_empty = True

        def run(context: Context) -> Any:
            value = left(context)
            return right(context) if value is None else value

        return run

    def comparison(self, node: Comparison) -> Run:
        first, *others = [self.compile(operand) for operand in node.operands]
        if len(others) == 1:
            sign, limit = node.operators[0][1], node.operands[1]
            bound: Any = limit.value if isinstance(limit, Literal) else None
            if is_number(bound):
                return limited(first, bound, sign, node.position)
            return operating(first, others[0], comparing(sign), node.position)
        links = [
            (position, comparing(sign), operand)
            for (position, sign), operand in zip(node.operators, others, strict=True)
        ]

        def run(context: Context) -> bool:
            left = first(context)
            for position, test, operand in links:
                right = operand(context)
                try:
                    if not test(left, right, context.meter):
                        return False
                except ExprError as error:
                    error.at(position)
                    raise
                left = right
            return True

        return run

    def conditional(self, node: Conditional) -> Run:
        condition, otherwise = self.compile(node.condition), self.compile(node.otherwise)
        then = self.compile(node.then) if node.then else true
        position = node.position

        def run(context: Context) -> Any:
            value = condition(context)
            if value is True:
                return then(context)
            if value is False:
                return otherwise(context)
            error = not_bool(value, "a condition")
            error.at(position)
            raise error

        return run

    def check_pattern(self, node: Literal) -> None:
        """A regular expression that is written down is looked at now, as expr-lang does."""
        try:
            if isinstance(node.value, str):
                self.programs += pattern(node.value).programsize
            if self.programs > MAX_PROGRAMS:
                raise ExprError("the regular expressions are too large together")
        except ExprError as error:
            error.at(node.position)
            raise

    # --- members ---

    def member(self, node: Member) -> Run:
        target, key, optional = self.compile(node.target), self.compile(node.key), node.optional
        position = node.position
        self.asks_empty |= optional
        if isinstance(node.key, Literal) and not optional:
            return fetching(target, node.key.value, position)

        def run(context: Context) -> Any:
            value = target(context)
            if value is None and optional:
                raise _NilChain
            wanted = key(context)
            try:
                return fetch(value, wanted)
            except ExprError as error:
                error.at(position)
                raise

        return run

    def chain(self, node: Chain) -> Run:
        body = self.compile(node.body)

        def run(context: Context) -> Any:
            try:
                return body(context)
            except _NilChain:
                return None

        return run

    def slice(self, node: Slice) -> Run:
        target, position = self.compile(node.target), node.position
        start = self.compile(node.start) if node.start else nil
        stop = self.compile(node.stop) if node.stop else nil

        def run(context: Context) -> Any:
            value, first, last = target(context), start(context), stop(context)
            try:
                return sliced(value, first, last, context.meter)
            except ExprError as error:
                error.at(position)
                raise

        return run

    def method(self, node: Method) -> Run:
        kinds = functions.METHODS.get(node.name)
        if kinds is None:
            raise _unknown("method", node.name, functions.METHODS, node.position)
        for kind in kinds.values():
            _check_arity(node.name, len(node.arguments) + 1, kind.least, kind.most, node.position)
        runs = [self.compile(one) for one in (node.target, *node.arguments)]
        name, position = node.name, node.position

        def run(context: Context) -> Any:
            values = [one(context) for one in runs]
            try:
                body = kinds.get(type(values[0]))
                if body is None:
                    raise ExprError(f"a {type_name(values[0])} has no method {name}")
                return body.call(name, context, values)
            except ExprError as error:
                error.at(position)
                raise

        return run

    # --- collections ---

    def array(self, node: Array) -> Run:
        items = [self.compile(item) for item in node.items]
        self.asks_empty |= not items
        return lambda context: [item(context) for item in items]

    def map(self, node: Map) -> Run:
        pairs = [(self.compile(key), self.compile(value)) for key, value in node.pairs]
        position = node.position

        def run(context: Context) -> Any:
            try:
                return {key_text(key(context)): value(context) for key, value in pairs}
            except ExprError as error:
                error.at(position)
                raise

        return run

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

        def run(context: Context) -> Any:
            context.names[name] = value(context)
            return body(context)

        return run

    def sequence(self, node: Sequence) -> Run:
        items = [self.compile(item) for item in node.items]

        def run(context: Context) -> Any:
            value = None
            for item in items:
                value = item(context)
            return value

        return run

    # --- calls ---

    def call(self, node: Call) -> Run:
        name = node.name
        self.asks_empty |= name in _ASK_EMPTY
        if name in predicates.BODIES:
            return self.predicated(node)
        function = functions.FUNCTIONS.get(name)
        if function is None:
            known = (*functions.FUNCTIONS, *predicates.BODIES)
            raise _unknown("function", name, known, node.position)
        _check_arity(name, len(node.arguments), function.least, function.most, node.position)
        arguments = [self.compile(argument) for argument in node.arguments]
        return calling(function, name, arguments, node.position)

    def predicated(self, node: Call) -> Run:
        body, name, position = predicates.BODIES[node.name], node.name, node.position
        most = 1 + predicates.EXTRA.get(name, 0)
        _check_arity(name, len(node.arguments), 1, most, position)
        arguments = [self.compile(argument) for argument in node.arguments]
        before, self.cost = self.cost, 0
        predicate = self.compile(node.predicate) if node.predicate else element
        cost, self.cost = self.cost + 1, before
        where = node.predicate.position if node.predicate else position

        def run(context: Context) -> Any:
            items, *rest = [argument(context) for argument in arguments]
            outer = context.element, context.index, context.accumulated
            try:
                if not isinstance(items, list):
                    raise ExprError(f"{name} takes a list, not {shown(items)}")
                return body(predicates.Predicate(context, predicate, cost, where), items, *rest)
            except ExprError as error:
                error.at(position)
                raise
            finally:
                context.element, context.index, context.accumulated = outer

        return run


def _unknown(kind: str, name: str, known: Iterable[str], position: int) -> ExprError:
    spellings = {one.lower(): one for one in known}
    close = get_close_matches(name[:64].replace("_", "").lower(), spellings, n=1)
    hint = f"; did you mean {spellings[close[0]]}?" if close else ""
    return ExprError(f"unknown {kind} {name[:64]}{hint}", position)


def _check_arity(name: str, given: int, least: int, most: int, position: int) -> None:
    if least <= given <= most:
        return
    problem = "not enough" if given < least else "too many"
    raise ExprError(f"{problem} arguments to call {name}", position)


_COMPILERS: Final[dict[type, Callable[[Compiler, Any], Run]]] = {
    Literal: Compiler.literal,
    Name: Compiler.name,
    Pointer: Compiler.pointer,
    Unary: Compiler.unary,
    Binary: Compiler.binary,
    Comparison: Compiler.comparison,
    Member: Compiler.member,
    Chain: Compiler.chain,
    Slice: Compiler.slice,
    Conditional: Compiler.conditional,
    Call: Compiler.call,
    Method: Compiler.method,
    Array: Compiler.array,
    Map: Compiler.map,
    Let: Compiler.let,
    Sequence: Compiler.sequence,
}
