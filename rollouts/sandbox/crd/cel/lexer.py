"""Turns expression text into tokens.

Owns literals, escapes, comments and the reserved words of the language; grammar belongs to
``parser``, the only caller.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from rollouts.sandbox.crd.cel.syntax import CelSyntaxError
from rollouts.sandbox.crd.cel.values import INT64_MAX, UINT64_MAX, Uint

RESERVED: Final = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
CONSTANTS: Final = {"true": True, "false": False, "null": None}

_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*)
  | (?P<number>0[xX][0-9a-fA-F]+[uU]?|(?:\d+\.\d+|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?|\d+[uU]?)
  | (?P<string>(?:[rR][bB]?|[bB][rR]?)?(?:\"{3}(?:[^\\]|\\.)*?\"{3}|'{3}(?:[^\\]|\\.)*?'{3}
        |"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<op>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)
_RAW: Final = re.compile(
    r"""(?:[rR][bB]?|[bB][rR])(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*')""", re.DOTALL
)
_ESCAPE: Final = re.compile(
    r"\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))",
    re.DOTALL,
)
_SIMPLE: Final = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", "'": "'", '"': '"', "`": "`", "?": "?",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """``kind`` is ``name``, ``literal``, ``end``, or the operator itself."""

    kind: str
    value: Any
    at: int


def tokenize(source: str) -> list[Token]:
    """All tokens of ``source`` and a final ``end``; CelSyntaxError names the first bad place."""
    tokens: list[Token] = []
    at = 0
    while at < len(source):
        match = _raw_string(source, at) or _TOKEN.match(source, at)
        if match is None:
            raise CelSyntaxError(
                f"Syntax error: token recognition error at: '{source[at]}'", source, at
            )
        kind = match.lastgroup or "string"
        text = match.group()
        if kind == "number":
            tokens.append(Token("literal", _number(text, source, at), at))
        elif kind == "string":
            tokens.append(Token("literal", _string(text, source, at), at))
        elif kind == "name":
            tokens.append(_word(text, at))
        elif kind == "op":
            tokens.append(Token(text, text, at))
        at = match.end()
    tokens.append(Token("end", "<EOF>", len(source)))
    return tokens


def _raw_string(source: str, at: int) -> re.Match[str] | None:
    return _RAW.match(source, at) if source[at] in "rRbB" else None


def _word(text: str, at: int) -> Token:
    if text in CONSTANTS:
        return Token("literal", CONSTANTS[text], at)
    return Token("in" if text == "in" else "name", text, at)


def _number(text: str, source: str, at: int) -> Any:
    if text[-1] in "uU" and "." not in text:
        value = int(text[:-1], 0)
        if value > UINT64_MAX:
            raise CelSyntaxError("invalid uint literal", source, at)
        return Uint(value)
    if text[:2] in ("0x", "0X"):
        number = int(text, 16)
    elif text.isdigit():
        number = int(text)
    else:
        return float(text)
    if number > INT64_MAX + 1:  # the one past the end is legal after a minus sign
        raise CelSyntaxError("invalid int literal", source, at)
    return number


def _string(text: str, source: str, at: int) -> str | bytes:
    prefix = re.match(r"[rRbB]*", text)
    flags = prefix.group().lower() if prefix else ""
    body = text[len(flags) :]
    body = body[3:-3] if body[:3] in ('"""', "'''") else body[1:-1]
    if "b" in flags:
        return body.encode() if "r" in flags else _bytes(body, source, at)
    return body if "r" in flags else _unescape(body, source, at)


def _unescape(body: str, source: str, at: int) -> str:
    def one(match: re.Match[str]) -> str:
        hexadecimal = match[1] or match[2] or match[3]
        code = int(hexadecimal, 16) if hexadecimal else int(match[4], 8) if match[4] else None
        if code is not None:
            if code > 0x10FFFF or 0xD800 <= code < 0xE000:
                raise CelSyntaxError("illegal unicode code point", source, at)
            return chr(code)
        if match[5] not in _SIMPLE:
            raise CelSyntaxError(f"illegal escape sequence \\{match[5]}", source, at)
        return _SIMPLE[match[5]]

    return _ESCAPE.sub(one, body) if "\\" in body else body


def _bytes(body: str, source: str, at: int) -> bytes:
    out = bytearray()
    last = 0
    for match in _ESCAPE.finditer(body):
        out += body[last : match.start()].encode()
        last = match.end()
        if match[1] or match[4]:  # in bytes \x and octal escapes are bytes, not code points
            out.append(int(match[1], 16) if match[1] else int(match[4], 8))
        else:
            out += _unescape(match.group(), source, at).encode()
    return bytes(out + body[last:].encode())
