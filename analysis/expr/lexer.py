"""Text to tokens of the condition language (expr-lang's lexical rules).

Owns numbers, strings, comments and the words that are operators. Refuses what it does not know,
with the position. Called by the parser only.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from analysis.expr.errors import INT_RANGE, MAX_LENGTH, ExprError


class Kind(StrEnum):
    NUMBER = "number"
    STRING = "string"
    NAME = "name"
    OPERATOR = "operator"
    BRACKET = "bracket"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    text: str  # of an operator, a bracket or a name; the source of a literal
    position: int
    value: int | float | str | None = None

    def is_(self, kind: Kind, text: str) -> bool:
        return self.kind is kind and self.text == text

    def __str__(self) -> str:
        return "end of expression" if self.kind is Kind.END else f'"{self.text}"'


WORDS: Final = frozenset(
    "not in and or matches contains startsWith endsWith let if else".split()  # noqa: SIM905 - a word list reads best
)
_SKIP: Final = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)+", re.DOTALL)
_NUMBER: Final = re.compile(
    r"0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+"
    r"|(?:[0-9][0-9_]*(?:\.(?!\.)[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?"
)
_NAME: Final = re.compile(r"[^\W\d]\w*|\$\w*")
_OPERATOR: Final = re.compile(r"\*\*|\.\.|\?\.|\?\?|&&|\|\||==|!=|<=|>=|::|[-+*/%^<>!|?:;,.#=]")
_STRING: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'')
_RAW: Final = re.compile(r"`(?:[^`]|``)*`")
_ESCAPE: Final = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL
)
_SIMPLE: Final = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", "'": "'", '"': '"', "`": "`", "?": "?",
}  # fmt: skip


def tokens(source: str) -> Iterator[Token]:
    """All tokens, the last one of kind END. Raises ExprError."""
    if len(source) > MAX_LENGTH:
        raise ExprError(f"the expression has {len(source)} characters; {MAX_LENGTH} are allowed")
    position = 0
    while True:
        if skipped := _SKIP.match(source, position):
            position = skipped.end()
        if position == len(source):
            yield Token(Kind.END, "", position)
            return
        token, position = _token(source, position)
        yield token


def _token(source: str, start: int) -> tuple[Token, int]:
    char = source[start]
    if char in "()[]{}":
        return Token(Kind.BRACKET, char, start), start + 1
    if found := _NUMBER.match(source, start):
        return _number(source, found), found.end()
    if char in "\"'`":
        found = (_RAW if char == "`" else _STRING).match(source, start)
        if not found:
            raise ExprError("literal not terminated", start, source)
        return Token(Kind.STRING, found[0], start, _string(found, source)), found.end()
    if char in "bB" and source[start + 1 : start + 2] in ("'", '"'):
        raise ExprError('byte literals (b"…") are not supported; write a string', start, source)
    if found := _NAME.match(source, start):
        kind = Kind.OPERATOR if found[0] in WORDS else Kind.NAME
        return Token(kind, found[0], start), found.end()
    if source.startswith("/*", start):
        raise ExprError("unclosed comment", start, source)
    if found := _OPERATOR.match(source, start):
        return Token(Kind.OPERATOR, found[0], start), found.end()
    if source.startswith("&", start):
        raise ExprError('unrecognized character: "&"; and is written "&&" or "and"', start, source)
    raise ExprError(f'unrecognized character: "{char}"', start, source)


def _number(source: str, found: re.Match[str]) -> Token:
    text = found[0]
    follows = source[found.end() : found.end() + 1]
    if follows.isalnum() or follows == "_":
        raise ExprError(f'bad number syntax: "{text}{follows}"', found.start(), source)
    try:
        value: int | float
        if text[:2].lower() in ("0x", "0o", "0b"):
            value = int(text.replace("_", ""), 0)
        elif set(text) & set(".eE"):
            value = float(text.replace("_", ""))
        else:
            value = int(text.replace("_", ""))
    except ValueError:
        raise ExprError(f'bad number syntax: "{text[:32]}"', found.start(), source) from None
    if isinstance(value, int) and value not in INT_RANGE:
        raise ExprError("integer literal is too large", found.start(), source)
    return Token(Kind.NUMBER, text, found.start(), value)


def _string(found: re.Match[str], source: str) -> str:
    body = found[0][1:-1]
    if found[0][0] == "`":
        return body.replace("``", "`")

    def unescape(escape: re.Match[str]) -> str:
        hexa = escape[1] or escape[2] or escape[3]
        code = int(hexa, 16) if hexa else int(escape[4], 8) if escape[4] else None
        if code is None and escape[5] in _SIMPLE:
            return _SIMPLE[escape[5]]
        if code is None or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise ExprError(
                f'invalid escape "{escape[0]}"', found.start() + 1 + escape.start(), source
            )
        return chr(code)

    return _ESCAPE.sub(unescape, body)
