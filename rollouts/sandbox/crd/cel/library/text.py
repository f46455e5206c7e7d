"""Functions on text: the standard ones, the string extensions, regular expressions and format.

Regular expressions are RE2's: linear time, whatever a user writes.
"""

import json
from typing import Any, Final

from rollouts.sandbox.crd.cel.library.conversions import to_string
from rollouts.sandbox.crd.cel.signatures import Library
from rollouts.sandbox.crd.cel.values import INT64_MAX, EvalError, kind
from rollouts.sandbox.crd.patterns import regex

LIBRARY: Final = Library()
function = LIBRARY.function

_LOWER: Final = str.maketrans({chr(c): chr(c + 32) for c in range(65, 91)})
_UPPER: Final = str.maketrans({chr(c): chr(c - 32) for c in range(97, 123)})
_BLANK: Final = " \t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)


def _compiled(pattern: str) -> Any:
    try:
        return regex(pattern)
    except ValueError as error:
        raise EvalError(str(error)) from None


def _is_regex(pattern: str) -> bool:
    try:
        regex(pattern)
    except ValueError:
        return False
    return True


def _regex_work(text: str, pattern: str, *_: Any) -> int:
    return 1 + (len(text) // 10 + 1) * (len(pattern) // 4 + 1)


@function("string.contains(string) -> bool")
def contains(text: str, part: str) -> bool:
    return part in text


@function("string.startsWith(string) -> bool")
def starts_with(text: str, part: str) -> bool:
    return text.startswith(part)


@function("string.endsWith(string) -> bool")
def ends_with(text: str, part: str) -> bool:
    return text.endswith(part)


@function(
    "string.matches(string) -> bool",
    "matches(string, string) -> bool",
    estimate=_regex_work,
    accepts=_is_regex,
)
def matches(text: str, pattern: str) -> bool:
    return _compiled(pattern).search(text) is not None


@function("string.find(string) -> string", estimate=_regex_work)
def find(text: str, pattern: str) -> str:
    found = _compiled(pattern).search(text)
    return str(found.group()) if found else ""


@function(
    "string.findAll(string) -> list(string)",
    "string.findAll(string, int) -> list(string)",
    estimate=_regex_work,
)
def find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match.group() for match in _compiled(pattern).finditer(text)]
    return found if limit < 0 else found[:limit]


@function("string.lowerAscii() -> string")
def lower_ascii(text: str) -> str:
    return text.translate(_LOWER)


@function("string.upperAscii() -> string")
def upper_ascii(text: str) -> str:
    return text.translate(_UPPER)


@function("string.trim() -> string")
def trim(text: str) -> str:
    return text.strip(_BLANK)


@function("string.charAt(int) -> string")
def char_at(text: str, index: int) -> str:
    if not 0 <= index <= len(text):
        raise EvalError(f"index out of range: {index}")
    return text[index : index + 1]


@function("string.indexOf(string) -> int", "string.indexOf(string, int) -> int")
def index_of(text: str, part: str, start: int = 0) -> int:
    if not 0 <= start <= len(text):
        raise EvalError(f"index out of range: {start}")
    return text.find(part, start)


@function("string.lastIndexOf(string) -> int", "string.lastIndexOf(string, int) -> int")
def last_index_of(text: str, part: str, start: int = INT64_MAX) -> int:
    if start == INT64_MAX:
        return text.rfind(part)
    if not 0 <= start <= len(text):
        raise EvalError(f"index out of range: {start}")
    return text.rfind(part, 0, start + len(part))


@function("string.substring(int) -> string", "string.substring(int, int) -> string")
def substring(text: str, start: int, end: int | None = None) -> str:
    stop = len(text) if end is None else end
    for index in (start, stop):
        if not 0 <= index <= len(text):
            raise EvalError(f"index out of range: {index}")
    if start > stop:
        raise EvalError(f"invalid substring range. start: {start}, end: {stop}")
    return text[start:stop]


@function("string.split(string) -> list(string)", "string.split(string, int) -> list(string)")
def split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if separator == "":
        return list(text) if limit < 0 or limit >= len(text) else _head(text, limit)
    return text.split(separator, limit - 1 if limit > 0 else -1)


def _head(text: str, limit: int) -> list[str]:
    return [*text[: limit - 1], text[limit - 1 :]]


def _replace_work(text: str, old: str, new: str, *_: Any) -> int:
    count = text.count(old) if old else len(text) + 1
    return 1 + (len(text) + count * len(new)) // 10


@function(
    "string.replace(string, string) -> string",
    "string.replace(string, string, int) -> string",
    estimate=_replace_work,
)
def replace(text: str, old: str, new: str, limit: int = -1) -> str:
    return text.replace(old, new, limit)


def _join_work(items: list[Any], separator: str = "") -> int:
    return 1 + sum(len(str(item)) + len(separator) for item in items) // 10


@function(
    "list(string).join() -> string", "list(string).join(string) -> string", estimate=_join_work
)
def join(items: list[str], separator: str = "") -> str:
    return separator.join(items)


@function("strings.quote(string) -> string")
def quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _format_work(template: str, values: list[Any]) -> int:
    return 1 + len(template) // 10 + sum(_rendered(value) for value in values) // 10


def _rendered(value: Any) -> int:
    if isinstance(value, list):
        return 2 + sum(map(_rendered, value))
    if isinstance(value, dict):
        return 2 + sum(_rendered(k) + _rendered(v) for k, v in value.items())
    return len(value) if isinstance(value, str | bytes) else 32


@function("string.format(list(dyn)) -> string", estimate=_format_work)
def format_text(template: str, values: list[Any]) -> str:
    """``%s %d %f %.2f %e %b %x %X %o %%``, one argument each."""
    out: list[str] = []
    rest, position = template, 0
    while True:
        before, percent, rest = rest.partition("%")
        out.append(before)
        if not percent:
            return "".join(out)
        if rest.startswith("%"):
            out.append("%")
            rest = rest[1:]
            continue
        precision, rest = _precision(rest)
        if not rest:
            raise EvalError("unexpected end of string")
        if position >= len(values):
            raise EvalError(f"index {position} out of range")
        out.append(_directive(rest[0], precision, values[position]))
        rest, position = rest[1:], position + 1


def _precision(rest: str) -> tuple[int, str]:
    if not rest.startswith("."):
        return 6, rest
    digits = rest[1:]
    count = len(digits) - len(digits.lstrip("0123456789"))
    if not 0 < count <= 3:
        raise EvalError("invalid precision in format string")
    return int(digits[:count]), digits[count:]


def _directive(verb: str, precision: int, value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    whole = isinstance(value, int) and not isinstance(value, bool)
    match verb:
        case "s":
            return _shown(value)
        case "d" if whole:
            return str(int(value))
        case "d" if isinstance(value, float) and value.is_integer():
            return str(int(value))
        case "f" if number:
            return f"{value:.{precision}f}"
        case "e" if number:
            return f"{value:.{precision}e}"
        case "b" if isinstance(value, int):
            return f"{int(value):b}"
        case "o" if whole:
            return f"{value:o}"
        case "x" | "X" if isinstance(value, str | bytes):
            digits = (value.encode() if isinstance(value, str) else value).hex()
            return digits.upper() if verb == "X" else digits
        case "x" | "X" if whole:
            return format(int(value), verb)
    raise EvalError(
        f"error during formatting: %{verb} clause does not take an argument of type {kind(value)}"
    )


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, dict):
        inner = ", ".join(f"{_shown(k)}: {_shown(v)}" for k, v in sorted(value.items()))
        return f"{{{inner}}}"
    return "null" if value is None else to_string(value)
