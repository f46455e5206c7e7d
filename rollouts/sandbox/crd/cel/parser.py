"""Turns tokens into a syntax tree: a Pratt parser for the language's grammar.

Owns precedence and nesting limits; macros are ordinary calls here and become loops in
``compiler``. ``program`` calls ``parse``.
"""

from functools import lru_cache
from typing import Final

from rollouts.sandbox.crd.cel.lexer import RESERVED, Token, tokenize
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
from rollouts.sandbox.crd.cel.values import INT64_MAX

MAX_LENGTH: Final = 100_000  # characters of one expression
MAX_DEPTH: Final = 60  # nested brackets, calls and signs

_CONDITIONAL: Final = 1
_BINARY: Final = {
    "||": 2, "&&": 3,
    "==": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4, "in": 4,
    "+": 5, "-": 5, "*": 6, "/": 6, "%": 6,
}  # fmt: skip
_UNARY: Final = 7


@lru_cache(maxsize=2048)
def parse(source: str) -> Expr:
    """The tree of ``source``. CelSyntaxError on bad syntax."""
    if len(source) > MAX_LENGTH:
        raise CelSyntaxError(f"expression exceeds {MAX_LENGTH} characters", source[:80], 0)
    parser = _Parser(source)
    tree = parser.expression()
    parser.expect("end")
    return tree


class _Parser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = tokenize(source)
        self.position = 0
        self.depth = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def fail(self, problem: str, token: Token) -> CelSyntaxError:
        return CelSyntaxError(problem, self.source, token.at)

    def advance(self) -> Token:
        token = self.tokens[self.position]
        self.position += 1
        return token

    def accept(self, kind: str) -> bool:
        if self.tokens[self.position].kind == kind:
            self.position += 1
            return True
        return False

    def expect(self, kind: str) -> Token:
        if self.token.kind != kind:
            raise self.fail(
                f"Syntax error: mismatched input '{self.token.value}' expecting '{kind}'",
                self.token,
            )
        return self.advance()

    def expression(self, power: int = 0) -> Expr:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.fail(f"expression is nested deeper than {MAX_DEPTH}", self.token)
        left = self.postfix(self.prefix())
        while True:
            token = self.token
            if token.kind == "?" and power < _CONDITIONAL:
                left = self.conditional(left)
                continue
            binding = _BINARY.get(token.kind)
            if binding is None or binding <= power:
                break
            self.advance()
            left = Binary(token.kind, left, self.expression(binding), token.at)
        self.depth -= 1
        return left

    def conditional(self, test: Expr) -> Expr:
        at = self.advance().at
        yes = self.expression(_CONDITIONAL)
        self.expect(":")
        return Conditional(test, yes, self.expression(), at)

    def prefix(self) -> Expr:
        token = self.advance()
        match token.kind:
            case "literal":
                if token.value == INT64_MAX + 1 and type(token.value) is int:
                    raise self.fail("invalid int literal", token)
                return Literal(token.value, token.at)
            case "name":
                return self.name(token)
            case "(":
                inner = self.expression()
                self.expect(")")
                return inner
            case "[":
                return self.list_literal(token)
            case "{":
                return self.map_literal(token)
            case "!" | "-":
                return self.unary(token)
            case ".":
                return self.name(self.expect("name"))
        raise self.fail(f"Syntax error: unexpected input '{token.value}'", token)

    def unary(self, token: Token) -> Expr:
        if token.kind == "-" and self.token.kind == "literal":
            value = self.token.value
            if type(value) in (int, float):
                at = self.advance().at
                return Literal(-value, at)
        return Unary(token.kind, self.expression(_UNARY), token.at)

    def name(self, token: Token) -> Expr:
        if token.value in RESERVED:
            raise self.fail(f"reserved identifier: {token.value}", token)
        if self.accept("("):
            return Call(token.value, None, self.arguments(")"), token.at)
        return Ident(token.value, token.at)

    def postfix(self, operand: Expr) -> Expr:
        while True:
            token = self.token
            if token.kind == ".":
                self.advance()
                optional = self.accept("?")
                member = self.expect("name")
                if not optional and self.accept("("):
                    operand = Call(member.value, operand, self.arguments(")"), token.at)
                else:
                    operand = Select(operand, member.value, token.at, optional)
            elif token.kind == "[":
                self.advance()
                optional = self.accept("?")
                key = self.expression()
                self.expect("]")
                operand = Index(operand, key, token.at, optional)
            else:
                return operand

    def arguments(self, close: str) -> tuple[Expr, ...]:
        items: list[Expr] = []
        if not self.accept(close):
            items.append(self.expression())
            while self.accept(","):
                items.append(self.expression())
            self.expect(close)
        return tuple(items)

    def list_literal(self, token: Token) -> Expr:
        items: list[Expr] = []
        optional: set[int] = set()
        while not self.accept("]"):
            if self.accept("?"):
                optional.add(len(items))
            items.append(self.expression())
            if not self.accept(","):
                self.expect("]")
                break
        return ListLiteral(tuple(items), frozenset(optional), token.at)

    def map_literal(self, token: Token) -> Expr:
        entries: list[tuple[Expr, Expr]] = []
        optional: set[int] = set()
        while not self.accept("}"):
            if self.accept("?"):
                optional.add(len(entries))
            key = self.expression()
            self.expect(":")
            entries.append((key, self.expression()))
            if not self.accept(","):
                self.expect("}")
                break
        return MapLiteral(tuple(entries), frozenset(optional), token.at)
