"""Label and field selectors: parse, match, format.

Owns the three spellings of a label selector (a set-based string, a LabelSelector object, a map of
equal labels) and the string form of field selectors. Which fields a resource type supports is the
server's business. Used by stores, by the sandbox's list and watch, and by controllers that select.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from rollouts.kube.errors import BadRequest


class Operator(StrEnum):
    """What a requirement asks of one label."""

    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    NOT_EXISTS = "!"
    GREATER = "gt"
    LESS = "lt"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label. ``values`` is empty for the two existence operators."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case Operator.EXISTS:
                return value is not None
            case Operator.NOT_EXISTS:
                return value is None
            case Operator.IN:
                return value is not None and value in self.values
            case Operator.NOT_IN:
                return value is None or value not in self.values
            case Operator.GREATER | Operator.LESS:
                number = _integer(value)
                bound = _integer(self.values[0])
                if number is None or bound is None:
                    return False
                return number > bound if self.operator is Operator.GREATER else number < bound

    def __str__(self) -> str:
        match self.operator:
            case Operator.EXISTS:
                return self.key
            case Operator.NOT_EXISTS:
                return f"!{self.key}"
            case Operator.GREATER:
                return f"{self.key}>{self.values[0]}"
            case Operator.LESS:
                return f"{self.key}<{self.values[0]}"
            case Operator.IN if len(self.values) == 1:
                return f"{self.key}={self.values[0]}"
            case Operator.NOT_IN if len(self.values) == 1:
                return f"{self.key}!={self.values[0]}"
            case _:
                return f"{self.key} {self.operator} ({','.join(self.values)})"


def _integer(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[+-]?\d{1,19}", text, re.ASCII) else None


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All requirements hold. Without requirements it matches everything, unless ``nothing``."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        present = labels or {}
        return not self.nothing and all(r.matches(present) for r in self.requirements)

    def __bool__(self) -> bool:
        """False where it matches everything."""
        return self.nothing or bool(self.requirements)

    def __str__(self) -> str:
        return ",".join(str(r) for r in self.requirements)


EVERYTHING: Final = LabelSelector()
NOTHING: Final = LabelSelector(nothing=True)

_WORD: Final = re.compile(r"\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+)")
_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", re.ASCII)
_PREFIX: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)


def parse_labels(text: str) -> LabelSelector:
    """A selector from its string form, as in ``kubectl -l``.

    Forms: ``k=v k==v k!=v``, ``k in (a,b)``, ``k notin (a,b)``, ``k``, ``!k``, ``k>1``, ``k<1``,
    joined by commas. Raises BadRequest naming what was wrong.
    """
    if not text.strip():
        return EVERYTHING
    return LabelSelector(tuple(_Parser(text).requirements()))


class _Parser:
    """Reads one string selector from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._words = [m.group(1) for m in _WORD.finditer(text.strip())]
        self._at = 0

    def requirements(self) -> Iterable[Requirement]:
        while True:
            yield self._requirement()
            word = self._next()
            if word is None:
                return
            if word != ",":
                raise self._error(f"found '{word}', expected: ',' or end of string")
            if self._peek() is None:
                raise self._error("found '', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        if self._peek() == "!":
            self._next()
            return Requirement(self._key(), Operator.NOT_EXISTS)
        key = self._key()
        match self._peek():
            case None | ",":
                return Requirement(key, Operator.EXISTS)
            case "=" | "==":
                return Requirement(key, Operator.IN, (self._equal(),))
            case "!=":
                return Requirement(key, Operator.NOT_IN, (self._equal(),))
            case "in":
                return Requirement(key, Operator.IN, self._set())
            case "notin":
                return Requirement(key, Operator.NOT_IN, self._set())
            case ">":
                return Requirement(key, Operator.GREATER, (self._number(),))
            case "<":
                return Requirement(key, Operator.LESS, (self._number(),))
            case word:
                raise self._error(f"found '{word}', expected: in, notin, =, ==, !=, gt, lt")

    def _key(self) -> str:
        word = self._next()
        if word is None or not valid_label_key(word):
            raise self._error(f"'{word or ''}' is not a label key")
        return word

    def _equal(self) -> str:
        self._next()
        word = self._peek()
        return "" if word is None or word == "," else self._value()

    def _value(self) -> str:
        word = self._next() or ""
        if not valid_label_value(word):
            raise self._error(f"'{word}' is not a label value")
        return word

    def _number(self) -> str:
        self._next()
        word = self._next()
        if word is None or _integer(word) is None:
            raise self._error(f"'{word or ''}' is not an integer")
        return word

    def _set(self) -> tuple[str, ...]:
        self._next()
        if (word := self._next()) != "(":
            raise self._error(f"found '{word or ''}', expected: '('")
        values: list[str] = []
        while True:
            values.append("" if self._peek() in (",", ")") else self._value())
            word = self._next()
            if word == ")":
                return tuple(sorted(set(values)))
            if word != ",":
                raise self._error(f"found '{word or ''}', expected: ',' or ')'")

    def _peek(self) -> str | None:
        return self._words[self._at] if self._at < len(self._words) else None

    def _next(self) -> str | None:
        word = self._peek()
        self._at += 1
        return word

    def _error(self, why: str) -> BadRequest:
        return BadRequest(f"unable to parse requirement: {why} in label selector '{self._text}'")


def valid_label_key(key: str) -> bool:
    """``name`` or ``prefix/name`` with the limits of Kubernetes' qualified names."""
    prefix, slash, name = key.rpartition("/")
    return bool(_NAME.fullmatch(name)) and (not slash or bool(_PREFIX.fullmatch(prefix)))


def valid_label_value(value: str) -> bool:
    """Empty, or up to 63 letters, digits, ``-_.`` that starts and ends with a letter or digit."""
    return value == "" or bool(_NAME.fullmatch(value))


_OBJECT_OPERATORS: Final = {
    "In": Operator.IN,
    "NotIn": Operator.NOT_IN,
    "Exists": Operator.EXISTS,
    "DoesNotExist": Operator.NOT_EXISTS,
}


def from_object(selector: Mapping[str, Any] | None) -> LabelSelector:
    """A selector from a LabelSelector object: absent matches nothing, empty matches everything.

    Raises BadRequest for an operator that does not exist or values that do not fit it.
    """
    if selector is None:
        return NOTHING
    found = [
        Requirement(key, Operator.IN, (str(value),))
        for key, value in sorted((selector.get("matchLabels") or {}).items())
    ]
    for expression in selector.get("matchExpressions") or ():
        key, values = expression.get("key", ""), tuple(expression.get("values") or ())
        operator = _OBJECT_OPERATORS.get(expression.get("operator", ""))
        if operator is None:
            raise BadRequest(
                f'"{expression.get("operator", "")}" is not a valid label selector operator'
            )
        needs_values = operator in (Operator.IN, Operator.NOT_IN)
        if needs_values != bool(values):
            must = "must be specified" if needs_values else "may not be specified"
            raise BadRequest(
                f"values {must} when `operator` is '{expression['operator']}' (label key '{key}')"
            )
        found.append(Requirement(key, operator, tuple(sorted(set(values)))))
    return LabelSelector(tuple(found))


def from_map(labels: Mapping[str, str] | None) -> LabelSelector:
    """A selector from a map of equal labels (a Service's): empty or absent matches nothing."""
    if not labels:
        return NOTHING
    return LabelSelector(
        tuple(Requirement(key, Operator.IN, (value,)) for key, value in sorted(labels.items()))
    )


def format_object(selector: Mapping[str, Any] | None) -> str:
    """The string form of a LabelSelector object, for a list request."""
    return str(from_object(selector))


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One field equals a value, or with ``negated`` differs from it."""

    field: str
    value: str
    negated: bool = False

    def __str__(self) -> str:
        escaped = re.sub(r"([\\,=])", r"\\\1", self.value)
        return f"{self.field}{'!=' if self.negated else '='}{escaped}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All requirements hold; without any it matches everything."""

    requirements: tuple[FieldRequirement, ...] = ()

    def matches(self, value_of: Callable[[str], str]) -> bool:
        """``value_of`` gives the text of a field, or ``""`` where it is absent."""
        return all((value_of(r.field) == r.value) != r.negated for r in self.requirements)

    def matches_object(self, obj: Mapping[str, Any]) -> bool:
        return self.matches(lambda path: field_value(obj, path))

    def __bool__(self) -> bool:
        return bool(self.requirements)

    def __str__(self) -> str:
        return ",".join(str(r) for r in self.requirements)


_FIELD_TERM: Final = re.compile(r"((?:[^\\,=!]|\\.)+)(==|!=|=)((?:[^\\,=]|\\[\\,=])*)", re.DOTALL)
_FIELD_SPLIT: Final = re.compile(r"(?:[^\\,]|\\.|\\$)+", re.DOTALL)


def parse_fields(text: str) -> FieldSelector:
    r"""``a.b=v,c!=w``; a backslash escapes ``\``, ``,`` and ``=`` in values. Raises BadRequest."""
    found = []
    for term in _FIELD_SPLIT.findall(text):
        match = _FIELD_TERM.fullmatch(term)
        if match is None:
            raise BadRequest(f"invalid field selector: '{text}'; can't understand '{term}'")
        field, operator, value = match.groups()
        found.append(FieldRequirement(field, re.sub(r"\\([\\,=])", r"\1", value), operator == "!="))
    return FieldSelector(tuple(found))


def field_value(obj: Mapping[str, Any], path: str) -> str:
    """The text of a dotted field path in an object, ``""`` where it is absent."""
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
