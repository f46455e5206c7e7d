"""A structural schema as a tree of nodes, ready to walk.

Owns reading the JSON form once; says nothing about what is right (``structural``) or what a value
must satisfy (``validate``). Built when a CRD is loaded, read by every walk over objects.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rollouts.kube.api import Obj
from rollouts.sandbox.crd.formats import string_format

MISSING: Final = object()
META_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata"})


@dataclass(slots=True)
class Node:
    """One schema. ``types`` is empty when any kind is allowed.

    ``transforms``, ``unique`` and ``embeds`` say whether anything at or below this node has a
    default or drops nulls, is a set or map list, or is an embedded resource: walks skip the rest.
    """

    raw: Obj
    types: frozenset[str]
    nullable: bool = False
    preserve: bool = False
    embedded: bool = False
    int_or_string: bool = False
    default: Any = MISSING
    properties: Mapping[str, "Node"] = field(default_factory=dict)
    additional: "Node | None" = None
    any_additional: bool = False
    items: "Node | None" = None
    required: tuple[str, ...] = ()
    list_type: str = "atomic"
    list_keys: tuple[str, ...] = ()
    all_of: tuple["Node", ...] = ()
    any_of: tuple["Node", ...] = ()
    one_of: tuple["Node", ...] = ()
    none_of: "Node | None" = None
    format: str = ""
    accepts: Callable[[str], bool] | None = None
    limits: bool = False
    unique: bool = False
    embeds: bool = False
    rules: tuple[Any, ...] = ()
    has_rules: bool = False
    has_transitions: bool = False

    @property
    def children(self) -> list["Node"]:
        """The structural children: properties, additional properties, items."""
        return [
            *self.properties.values(),
            *(n for n in (self.additional, self.items) if n is not None),
        ]

    def property(self, name: str) -> "Node | None":
        """The schema of a field: declared, or the one of additional properties."""
        return self.properties.get(name) or self.additional


_LIMITS: Final = frozenset(
    [
        "enum",
        "minimum",
        "maximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
    ]
)


def build(raw: Obj) -> Node:
    """The node of a schema that ``structural`` found no fault with."""
    int_or_string = bool(raw.get("x-kubernetes-int-or-string"))
    type_ = raw.get("type") or ""
    types = frozenset({"integer", "string"} if int_or_string else {type_} - {""})
    additional = raw.get("additionalProperties")
    node = Node(
        raw,
        types,
        nullable=bool(raw.get("nullable")),
        preserve=bool(raw.get("x-kubernetes-preserve-unknown-fields")),
        embedded=bool(raw.get("x-kubernetes-embedded-resource")),
        int_or_string=int_or_string,
        default=MISSING if raw.get("default") is None else raw["default"],
        properties={k: build(v) for k, v in raw["properties"].items()}
        if raw.get("properties")
        else {},
        additional=build(additional) if isinstance(additional, dict) else None,
        any_additional=additional is True,
        items=build(raw["items"]) if isinstance(raw.get("items"), dict) else None,
        required=tuple(raw.get("required") or ()),
        list_type=raw.get("x-kubernetes-list-type") or "atomic",
        list_keys=tuple(raw.get("x-kubernetes-list-map-keys") or ()),
        limits=not _LIMITS.isdisjoint(raw),
    )
    _add_alternatives(node, raw)
    _add_format(node, type_)
    node.unique = node.list_type != "atomic" or any(c.unique for c in node.children)
    node.embeds = node.embedded or any(c.embeds for c in node.children)
    return node


def _add_alternatives(node: Node, raw: Obj) -> None:
    if "allOf" in raw:
        node.all_of = tuple(map(build, raw["allOf"] or ()))
    if "anyOf" in raw:
        node.any_of = tuple(map(build, raw["anyOf"] or ()))
    if "oneOf" in raw:
        node.one_of = tuple(map(build, raw["oneOf"] or ()))
    if raw.get("not") is not None:
        node.none_of = build(raw["not"])


def _add_format(node: Node, type_: str) -> None:
    name = node.raw.get("format") or ""
    if not name:
        return
    if type_ in ("", "string"):
        node.accepts = string_format(name)
    if node.accepts is not None or (type_, name) in _NUMBER_FORMATS:
        node.format = name


_NUMBER_FORMATS: Final = frozenset(
    {("integer", "int32"), ("integer", "int64"), ("number", "float"), ("number", "double")}
)
