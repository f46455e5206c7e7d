"""A pod template or a canary step as Go's API types would write it in JSON.

Owns the byte-exact serialisation behind both hashes: field order of the API types, omitted
empties, sorted map keys, escaped ``<>&``. Unknown fields drop out, as they do for any typed client.
The field tables are data (``*_fields.json``). ``misfits`` reads the same tables to say what drops
out. Pure; called by ``planner.hashing`` and by lint.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

from rollouts.kube.quantities import canonical_quantity


class _Field(NamedTuple):
    name: str
    type: str
    options: str


_BUILTIN_STRUCTS: Final = {
    "metav1.LabelSelector": (
        _Field("matchLabels", "map[string]string", "omitempty"),
        _Field("matchExpressions", "[]LabelSelectorRequirement", "omitempty"),
    ),
    "LabelSelectorRequirement": (
        _Field("key", "string", ""),
        _Field("operator", "string", ""),
        _Field("values", "[]string", "omitempty"),
    ),
}
_TABLES: Final = ("podtemplate_fields.json", "canarystep_fields.json")
_ESCAPES: Final = {
    "<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029",
}  # fmt: skip


@cache
def _tables() -> tuple[Mapping[str, tuple[_Field, ...]], Mapping[str, str]]:
    structs: dict[str, tuple[_Field, ...]] = dict(_BUILTIN_STRUCTS)
    aliases: dict[str, str] = {}
    for table in _TABLES:
        data = json.loads(files("rollouts.planner").joinpath(table).read_text())
        aliases |= data["aliases"]
        for name, fields in data["structs"].items():
            structs[name] = tuple(_Field(*field) for field in fields)
    structs["metav1.ObjectMeta"] = structs["ObjectMeta"]
    return structs, aliases


def encode(value: Any, type_name: str) -> str:
    """``value`` as compact JSON of the API type ``type_name`` (``PodTemplateSpec``)."""
    structs, aliases = _tables()
    kind = aliases.get(type_name, type_name)
    if kind.startswith("*"):
        return encode(value, kind[1:])
    if kind.startswith("[]"):
        items = value if isinstance(value, list) else []
        return "[" + ",".join(encode(item, kind[2:]) for item in items) + "]"
    if kind.startswith("map["):
        entries = value if isinstance(value, Mapping) else {}
        inner = kind[kind.index("]") + 1 :]
        return _object((key, encode(entries[key], inner)) for key in sorted(entries))
    if kind in structs:
        return _object(_members(value if isinstance(value, Mapping) else {}, structs[kind]))
    return _scalar(value, kind)


def _members(value: Mapping[str, Any], fields: tuple[_Field, ...]) -> list[tuple[str, str]]:
    members: list[tuple[str, str]] = []
    structs, _ = _tables()
    for field in fields:
        if "inline" in field.options:
            members += _members(value, structs[field.type.lstrip("*")])
        elif not _dropped(value.get(field.name), field):
            members.append((field.name, encode(value.get(field.name), field.type)))
    return members


def _dropped(value: Any, field: _Field) -> bool:
    structs, aliases = _tables()
    if "omitzero" in field.options:
        return not value
    if "omitempty" not in field.options:
        return False
    if field.type.startswith("*") or field.type == "RawMessage":
        return value is None
    return not value and aliases.get(field.type, field.type) not in structs


def _object(members: Any) -> str:
    return "{" + ",".join(f"{_text(key)}:{value}" for key, value in members) + "}"


def _scalar(value: Any, kind: str) -> str:
    match kind:
        case "bool":
            return "true" if value else "false"
        case "int32" | "int64":
            return str(int(value)) if isinstance(value, int | float) else "0"
        case "resource.Quantity":
            text = str(value if value is not None else 0)
            return _text(canonical_quantity(text) or text)
        case "RawMessage":
            return _escaped(
                json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
            )
        case "intstr.IntOrString":
            return str(int(value)) if isinstance(value, int | float) else _text(str(value or ""))
        case _:
            return "null" if value is None and kind == "Time" else _text(str(value or ""))


def _text(value: str) -> str:
    return _escaped(json.dumps(value, ensure_ascii=False))


def _escaped(quoted: str) -> str:
    for char, escape in _ESCAPES.items():
        if char in quoted:
            quoted = quoted.replace(char, escape)
    return quoted


class Misfit(NamedTuple):
    """A field the API type does not have (``known``: those it has), or a value of a wrong type."""

    path: str
    message: str
    known: tuple[str, ...] | None = None


# What a typed client refuses to read, by what the field wants.
_WANTED: Final[Mapping[str, tuple[type | tuple[type, ...], str]]] = {
    "string": (str, "a string"),
    "bool": (bool, "true or false"),
    "int32": (int, "an integer"),
    "int64": (int, "an integer"),
    "intstr.IntOrString": ((int, str), "an integer or a string"),
    "resource.Quantity": ((int, float, str), "a quantity"),
}


def misfits(value: Any, type_name: str, path: str) -> Iterator[Misfit]:
    """What of ``value``, which stands at ``path``, a client with Go's API types would refuse."""
    structs, aliases = _tables()
    kind = aliases.get(type_name, type_name).lstrip("*")
    kind = aliases.get(kind, kind)
    if value is None:
        return
    if kind.startswith("[]") and kind != "[]byte":
        if not isinstance(value, list):
            yield Misfit(path, "must be a list")
            return
        for index, item in enumerate(value):
            yield from misfits(item, kind[2:], f"{path}[{index}]")
    elif kind.startswith("map[") or kind in structs:
        if not isinstance(value, dict):
            yield Misfit(path, "must be an object")
            return
        fields = dict(_fields_of(kind)) if kind in structs else {}
        for key, item in value.items():
            at = f"{path}.{key}"
            if kind not in structs:
                yield from misfits(item, kind[kind.index("]") + 1 :], at)
            elif key in fields:
                yield from misfits(item, fields[key], at)
            else:
                yield Misfit(at, f'unknown field "{key}"', tuple(fields))
    elif kind in _WANTED:
        types, words = _WANTED[kind]
        if not isinstance(value, types) or (isinstance(value, bool) and types is not bool):
            yield Misfit(path, f"must be {words}")


def _fields_of(struct: str) -> Iterator[tuple[str, str]]:
    structs, _ = _tables()
    for field in structs[struct]:
        if "inline" in field.options:
            yield from _fields_of(field.type.lstrip("*"))
        else:
            yield field.name, field.type
