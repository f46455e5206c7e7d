"""Tokens to a tree: a Pratt parser with expr-lang's precedences.

Owns the grammar, including its traps: ``not`` binds tighter than comparisons, ``??`` tighter than
everything and never mixed, comparisons chain, ``#`` and ``.field`` exist inside predicates only.
Refuses anything deeper or larger than the budgets. Called by ``analysis.expr.program``.
"""

from typing import Final

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
from analysis.expr.errors import MAX_DEPTH, MAX_NODES, ExprError
from analysis.expr.lexer import WORDS, Kind, Token, tokens

UNARY: Final = {"not": 50, "!": 50, "-": 90, "+": 90}
BINARY: Final = {
    "|": 0,
    "or": 10, "||": 10,
    "and": 15, "&&": 15,
    "==": 20, "!=": 20, "<": 20, ">": 20, "<=": 20, ">=": 20,
    "in": 20, "matches": 20, "contains": 20, "startsWith": 20, "endsWith": 20,
    "..": 25,
    "+": 30, "-": 30,
    "*": 60, "/": 60, "%": 60,
    "**": 100, "^": 100,
    "??": 500,
}  # fmt: skip
RIGHT_TO_LEFT: Final = frozenset({"**", "^"})
NEGATABLE: Final = frozenset({"in", "matches", "contains", "startsWith", "endsWith"})
CHAINABLE: Final = frozenset({"<", ">", "<=", ">="})
SPELLINGS: Final = {"||": "or", "&&": "and", "!": "not", "^": "**"}
# Functions that take a predicate, and whether they can do without.
PREDICATED: Final = {
    "all": True, "none": True, "any": True, "one": True, "filter": True, "map": True,
    "find": True, "findIndex": True, "findLast": True, "findLastIndex": True, "groupBy": True,
    "sortBy": True, "reduce": True, "count": False, "sum": False,
}  # fmt: skip


def parse(source: str) -> Node:
    """The tree of ``source``. Raises ExprError with a position."""
    return _Parser(source).whole()


class _Parser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.stream = tokens(source)
        self.token = next(self.stream)
        self.predicates = 0
        self.nodes = 0
        self.depth = 0

    def whole(self) -> Node:
        if self.at_end():
            raise self.error("unexpected end of expression")
        node = self.sequence()
        if not self.at_end():
            raise self.unexpected()
        return node

    # --- tokens ---

    def advance(self) -> Token:
        token = self.token
        self.token = next(self.stream, token)
        self.nodes += 1  # every node costs at least one token
        if self.nodes > MAX_NODES:
            raise self.error(f"the expression has more than {MAX_NODES} parts", token)
        return token

    def at(self, kind: Kind, text: str) -> bool:
        return self.token.is_(kind, text)

    def at_end(self) -> bool:
        return self.token.kind is Kind.END

    def take(self, kind: Kind, text: str) -> bool:
        if self.at(kind, text):
            self.advance()
            return True
        return False

    def expect(self, kind: Kind, text: str) -> Token:
        if not self.at(kind, text):
            raise self.error(f'expected "{text}" but found {self.token}')
        return self.advance()

    def expect_name(self) -> Token:
        if self.token.kind is not Kind.NAME:
            raise self.error(f"expected a name but found {self.token}")
        return self.advance()

    def error(self, message: str, token: Token | None = None) -> ExprError:
        return ExprError(message, (token or self.token).position, self.source)

    def unexpected(self) -> ExprError:
        return self.error(f"unexpected token {self.token}")

    # --- expressions ---

    def sequence(self) -> Node:
        """Expressions separated by semicolons."""
        start = self.token.position
        items = [self.expression()]
        while self.take(Kind.OPERATOR, ";"):
            if self.at_end() or self.at(Kind.BRACKET, ")"):
                break
            items.append(self.expression())
        return items[0] if len(items) == 1 else Sequence(start, tuple(items))

    def expression(self, precedence: int = 0) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"the expression is nested over {MAX_DEPTH} levels deep")
        if precedence == 0 and self.at(Kind.OPERATOR, "let"):
            node = self.let()
        elif precedence == 0 and self.at(Kind.OPERATOR, "if"):
            node = self.if_else()
        else:
            node = self.operators(self.primary(), precedence)
            if precedence == 0:
                node = self.conditional(node)
        self.depth -= 1
        return node

    def operators(self, left: Node, precedence: int) -> Node:
        """Binary operators that bind at least as tightly as ``precedence``."""
        previous = ""
        while self.token.kind is Kind.OPERATOR:
            token = self.token
            negated = token.text == "not"
            if negated:
                if precedence > BINARY["in"]:
                    break
                self.advance()
                if self.token.text not in NEGATABLE:
                    raise self.unexpected()
                token = self.token
            level = BINARY.get(token.text)
            if level is None or level < precedence:
                break
            if previous == "??" and token.text != "??":
                raise self.error(
                    f"operator ({token.text}) and coalesce expressions (??) cannot be mixed; "
                    "wrap either by parentheses"
                )
            self.advance()
            left = self.binary(left, token, level)
            if negated:
                left = Unary(token.position, "not", left)
            previous = token.text
        return left

    def binary(self, left: Node, token: Token, level: int) -> Node:
        operator = token.text
        if operator == "|":
            return self.postfix(self.call(self.expect_name(), (left,)))
        if operator in CHAINABLE:
            return self.comparison(left, token, level)
        right = self.expression(level if operator in RIGHT_TO_LEFT else level + 1)
        return Binary(token.position, SPELLINGS.get(operator, operator), left, right)

    def comparison(self, left: Node, token: Token, level: int) -> Node:
        """``a < b <= c``, as many as there are."""
        operands = [left, self.expression(level + 1)]
        operators = [(token.position, token.text)]
        while self.token.kind is Kind.OPERATOR and self.token.text in CHAINABLE:
            following = self.advance()
            operators.append((following.position, following.text))
            operands.append(self.expression(level + 1))
        return Comparison(token.position, tuple(operands), tuple(operators))

    def conditional(self, node: Node) -> Node:
        while self.at(Kind.OPERATOR, "?"):
            token = self.advance()
            if self.take(Kind.OPERATOR, ":"):
                node = Conditional(token.position, node, None, self.expression())
                continue
            then = self.expression()
            self.expect(Kind.OPERATOR, ":")
            node = Conditional(token.position, node, then, self.expression())
        return node

    def let(self) -> Node:
        start = self.advance()
        name = self.expect_name()
        self.expect(Kind.OPERATOR, "=")
        value = self.expression()
        self.expect(Kind.OPERATOR, ";")
        return Let(start.position, name.text, value, self.sequence())

    def if_else(self) -> Node:
        start = self.advance()
        condition = self.expression()
        then = self.block()
        self.expect(Kind.OPERATOR, "else")
        otherwise = self.expression() if self.at(Kind.OPERATOR, "if") else self.block()
        return Conditional(start.position, condition, then, otherwise)

    def block(self) -> Node:
        self.expect(Kind.BRACKET, "{")
        node = self.sequence()
        self.expect(Kind.BRACKET, "}")
        return node

    # --- operands ---

    def primary(self) -> Node:
        token = self.token
        if token.kind is Kind.OPERATOR:
            if token.text in UNARY:
                self.advance()
                operand = self.expression(UNARY[token.text])
                operator = SPELLINGS.get(token.text, token.text)
                return self.postfix(Unary(token.position, operator, operand))
            if token.text == "::":
                self.advance()
                return self.postfix(self.call(self.expect_name(), ()))
            if self.predicates and token.text in ("#", "."):
                return self.postfix(self.pointer())
        if self.take(Kind.BRACKET, "("):
            node = self.sequence()
            self.expect(Kind.BRACKET, ")")
            return self.postfix(node)
        return self.postfix(self.operand())

    def pointer(self) -> Node:
        """``#``, ``#name``, or nothing before ``.field``, which means the same as ``#``."""
        token = self.token
        if token.text == ".":
            return Pointer(token.position, "")
        self.advance()
        name = self.advance().text if self.token.kind is Kind.NAME else ""
        if name not in ("", "index", "acc"):
            raise self.error(f'unknown pointer "#{name}"', token)
        return Pointer(token.position, name)

    def operand(self) -> Node:
        token = self.token
        match token.kind:
            case Kind.NUMBER | Kind.STRING:
                self.advance()
                return Literal(token.position, token.value)
            case Kind.NAME:
                self.advance()
                if token.text in ("true", "false"):
                    return Literal(token.position, token.text == "true")
                if token.text == "nil":
                    return Literal(token.position, None)
                if self.at(Kind.BRACKET, "("):
                    return self.call(token, ())
                return Name(token.position, token.text)
            case Kind.BRACKET if token.text == "[":
                self.advance()
                return Array(token.position, self.list_until("]"))
            case Kind.BRACKET if token.text == "{":
                return self.map()
        raise self.unexpected()

    def list_until(self, closing: str) -> tuple[Node, ...]:
        """Expressions up to ``closing``, which is consumed; a trailing comma is fine."""
        items: list[Node] = []
        while not self.at(Kind.BRACKET, closing):
            items.append(self.expression())
            if not self.take(Kind.OPERATOR, ","):
                break
        self.expect(Kind.BRACKET, closing)
        return tuple(items)

    def map(self) -> Node:
        start = self.expect(Kind.BRACKET, "{")
        pairs: list[tuple[Node, Node]] = []
        while not self.at(Kind.BRACKET, "}"):
            pairs.append((self.map_key(), self.map_value()))
            if not self.take(Kind.OPERATOR, ","):
                break
        self.expect(Kind.BRACKET, "}")
        return Map(start.position, tuple(pairs))

    def map_key(self) -> Node:
        token = self.token
        if self.take(Kind.BRACKET, "("):
            key = self.expression()
            self.expect(Kind.BRACKET, ")")
            return key
        if token.kind not in (Kind.NUMBER, Kind.STRING, Kind.NAME):
            raise self.error(f"a map key must be a string, a number or a name, not {token}")
        self.advance()
        return Literal(token.position, token.value if token.kind is Kind.STRING else token.text)

    def map_value(self) -> Node:
        self.expect(Kind.OPERATOR, ":")
        return self.expression()

    def call(self, name: Token, first: tuple[Node, ...]) -> Node:
        """A call of ``name``; ``first`` is what a pipe hands over."""
        self.expect(Kind.BRACKET, "(")
        if name.text not in PREDICATED:
            return Call(name.position, name.text, first + self.list_until(")"))
        arguments = list(first)
        if not arguments:
            arguments.append(self.expression())
        elif not self.at(Kind.BRACKET, ")"):
            return self.call_predicate(name, arguments)
        if self.take(Kind.OPERATOR, ",") and not self.at(Kind.BRACKET, ")"):
            return self.call_predicate(name, arguments)
        if PREDICATED[name.text]:
            raise self.error(f"{name.text} needs a predicate")
        self.expect(Kind.BRACKET, ")")
        return Call(name.position, name.text, tuple(arguments))

    def call_predicate(self, name: Token, arguments: list[Node]) -> Node:
        """The rest of a call whose next argument is a predicate."""
        self.predicates += 1
        predicate = self.block() if self.at(Kind.BRACKET, "{") else self.expression()
        self.predicates -= 1
        if self.take(Kind.OPERATOR, ","):
            arguments.extend(self.list_until(")"))
        else:
            self.expect(Kind.BRACKET, ")")
        return Call(name.position, name.text, tuple(arguments), predicate)

    # --- what follows an operand ---

    def postfix(self, node: Node) -> Node:
        optional = False
        while True:
            token = self.token
            if token.is_(Kind.OPERATOR, ".") or token.is_(Kind.OPERATOR, "?."):
                self.advance()
                maybe = token.text == "?."
                optional = optional or maybe
                if maybe and self.take(Kind.BRACKET, "["):
                    node = self.index(node, token, optional=True)
                else:
                    node = self.field(node, token, optional=maybe)
            elif self.take(Kind.BRACKET, "["):
                node = self.index(node, token, optional=False)
            else:
                return Chain(node.position, node) if optional else node

    def field(self, target: Node, token: Token, *, optional: bool) -> Node:
        name = self.token
        if name.kind is not Kind.NAME and name.text not in WORDS:
            raise self.error(f"expected a name but found {name}")
        self.advance()
        if self.take(Kind.BRACKET, "("):
            return Method(name.position, target, name.text, self.list_until(")"))
        return Member(token.position, target, Literal(name.position, name.text), optional)

    def index(self, target: Node, token: Token, *, optional: bool) -> Node:
        """After ``[``: an index, or a slice."""
        start = None if self.at(Kind.OPERATOR, ":") else self.expression()
        if start is not None and self.take(Kind.BRACKET, "]"):
            return Member(token.position, target, start, optional)
        self.expect(Kind.OPERATOR, ":")
        stop = None if self.at(Kind.BRACKET, "]") else self.expression()
        self.expect(Kind.BRACKET, "]")
        return Slice(token.position, target, start, stop)
