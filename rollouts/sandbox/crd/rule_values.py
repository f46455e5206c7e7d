"""How a schema's values look to a rule: their static types, and the conversion of JSON.

Owns which fields a rule can reach and under which (escaped) name, and the kinds JSON lacks: times,
durations, bytes, doubles, lists that are sets or maps. Most values need no conversion at all.
"""

import base64
import binascii
import re
from typing import Any, Final

from rollouts.sandbox.crd.cel.library.times import parse_duration, parse_timestamp
from rollouts.sandbox.crd.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    CelType,
    Field,
    list_of,
    map_of,
    object_of,
)
from rollouts.sandbox.crd.cel.values import MapList, SetList
from rollouts.sandbox.crd.node import Node

_KEYWORDS: Final = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
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
    ]
)
_ESCAPES: Final = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SCALARS: Final = {"integer": INT, "number": DOUBLE, "boolean": BOOL}
_STRINGS: Final = {
    "byte": BYTES, "duration": DURATION, "date": TIMESTAMP, "date-time": TIMESTAMP,
}  # fmt: skip

_METADATA: Final = object_of(
    {"name": Field("name", STRING), "generateName": Field("generateName", STRING)}
)
_RESOURCE: Final = {
    "apiVersion": Field("apiVersion", STRING),
    "kind": Field("kind", STRING),
    "metadata": Field("metadata", _METADATA),
}


def escape(name: str) -> str | None:
    """A property's name in an expression; None when it cannot be written there."""
    if name in _KEYWORDS:
        return f"__{name}__"
    escaped = re.sub(r"__|[./-]", lambda match: _ESCAPES[match.group()], name)
    return escaped if _IDENTIFIER.fullmatch(escaped) else None


class Types:
    """The types of one version's schema, each node's computed once."""

    def __init__(self) -> None:
        self._types: dict[int, CelType | None] = {}
        self._plain: dict[int, bool] = {}

    def of(self, node: Node, *, root: bool = False) -> CelType | None:
        """The type a rule sees, or None when it cannot see the node at all."""
        if root:
            return self._object(node, resource=True)
        if id(node) not in self._types:
            self._types[id(node)] = self._compute(node)
        return self._types[id(node)]

    def _compute(self, node: Node) -> CelType | None:
        if node.int_or_string:
            return DYN
        type_ = node.raw.get("type")
        if type_ == "string":
            return _STRINGS.get(node.raw.get("format") or "", STRING)
        if type_ == "array":
            element = self.of(node.items) if node.items is not None else None
            return list_of(element) if element is not None else None
        if type_ == "object":
            if node.additional is not None:
                value = self.of(node.additional)
                return map_of(STRING, value) if value is not None else None
            return self._object(node, resource=node.embedded)
        return _SCALARS.get(type_ or "")

    def _object(self, node: Node, *, resource: bool) -> CelType:
        fields: dict[str, Field] = dict(_RESOURCE) if resource else {}
        for name, inner in node.properties.items():
            escaped, type_ = escape(name), self.of(inner)
            if escaped is not None and type_ is not None and not (resource and name in _RESOURCE):
                fields[escaped] = Field(name, type_)
        return object_of(fields)

    def value(self, value: Any, node: Node, *, root: bool = False) -> Any:
        """The JSON value as rules compute with it. A value of the wrong kind stays as it is."""
        if not root and self._is_plain(node):
            return value
        match value:
            case dict():
                return {key: self._member(key, item, node) for key, item in value.items()}
            case list():
                return self._list(value, node)
            case str():
                return _text(value, node)
            case int() if node.types == {"number"} and not isinstance(value, bool):
                return _double(value)
            case float() if node.types == {"integer"} and value.is_integer():
                return int(value)
            case _:
                return value

    def _member(self, key: str, value: Any, node: Node) -> Any:
        inner = node.property(key)
        return value if inner is None else self.value(value, inner)

    def _list(self, value: list[Any], node: Node) -> list[Any]:
        inner = node.items
        items = value if inner is None else [self.value(item, inner) for item in value]
        if node.list_type == "set":
            return SetList(items)
        if node.list_type == "map":
            keyed = MapList(items)
            keyed.keys = node.list_keys
            return keyed
        return items

    def _is_plain(self, node: Node) -> bool:
        """Whether JSON stands for itself here and everywhere below."""
        known = self._plain.get(id(node))
        if known is None:
            own = (
                node.list_type == "atomic"
                and not node.types & {"number", "integer"}
                and node.raw.get("format") not in _STRINGS
            )
            # Checked at every child, even when the answer is known: each has its own.
            below = [self._is_plain(inner) for inner in node.children]
            known = self._plain[id(node)] = own and all(below)
        return known


def _double(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _text(value: str, node: Node) -> Any:
    """Times, durations and bytes; text that is none stays text, and its rule says so."""
    match node.raw.get("format"):
        case "byte":
            try:
                return base64.b64decode(value)
            except binascii.Error:
                return value
        case "duration":
            return parse_duration(value) or value
        case "date-time":
            return parse_timestamp(value) or value
        case "date":
            return parse_timestamp(f"{value}T00:00:00Z") or value
    return value
