"""Refuses a schema that is not structural, in the API server's words.

Owns the form of a schema: every node typed, nothing the server ignores, value validations only
inside anyOf, oneOf, allOf and not. Whether defaults and rules are right is asked later, of the
built nodes. Called once per version when a CRD is loaded.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from rollouts.kube.api import Obj
from rollouts.sandbox.crd import causes
from rollouts.sandbox.crd.causes import Cause
from rollouts.sandbox.crd.jsonvalues import kind_of
from rollouts.sandbox.crd.lists_form import check_list_form
from rollouts.sandbox.crd.patterns import regex

_X: Final = "x-kubernetes-"
_TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")
_UNSUPPORTED: Final = (
    "id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref",
)  # fmt: skip
_EMPTY: Final = "must be empty to be structural"
_UNDEFINED: Final = "must be undefined to be structural"
_FALSE: Final = "must be false to be structural"
# What may not appear inside a value validation.
_OUTSIDE_ONLY: Final = {
    "additionalProperties": _UNDEFINED, "default": _UNDEFINED,
    "title": _EMPTY, "description": _EMPTY, "nullable": _FALSE,
    f"{_X}preserve-unknown-fields": _FALSE, f"{_X}embedded-resource": _FALSE,
    f"{_X}int-or-string": _FALSE, f"{_X}list-map-keys": _EMPTY,
    f"{_X}list-type": _UNDEFINED, f"{_X}map-type": _UNDEFINED, f"{_X}validations": _EMPTY,
}  # fmt: skip
_KINDS: Final = {
    **dict.fromkeys(
        ("type", "format", "pattern", "title", "description", f"{_X}list-type", f"{_X}map-type"),
        "string",
    ),
    **dict.fromkeys(("properties", "not"), "object"),
    **dict.fromkeys(
        ("required", "enum", "allOf", "anyOf", "oneOf", f"{_X}list-map-keys", f"{_X}validations"),
        "array",
    ),
    **dict.fromkeys(
        ("nullable", "uniqueItems", "exclusiveMinimum", "exclusiveMaximum",
         f"{_X}preserve-unknown-fields", f"{_X}embedded-resource", f"{_X}int-or-string"),
        "boolean",
    ),
    **dict.fromkeys(
        ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
        "integer",
    ),
    **dict.fromkeys(("minimum", "maximum", "multipleOf"), "number"),
}  # fmt: skip

_INTEGER_OR_STRING: Final = [{"type": "integer"}, {"type": "string"}]
_ALLOWED_AT_ROOT: Final = frozenset(
    {"type", "properties", "description", "required", "title", "example", "externalDocs",
     f"{_X}preserve-unknown-fields", f"{_X}validations"}
)  # fmt: skip

ROOT: Final = "root"
_FIELD: Final = "field"
_ITEM: Final = "item"
_UNTYPED: Final = {
    ROOT: "must not be empty at the root",
    _FIELD: "must not be empty for specified object fields",
    _ITEM: "must not be empty for specified array items",
}


def check_structural(schema: Any, path: str, *, has_status: bool) -> list[Cause]:
    """What keeps this schema from being accepted; empty when it is structural.

    ``path`` is where the schema is in its CRD; ``has_status`` whether the version has the status
    subresource, which narrows what the root may say.
    """
    out: list[Cause] = []
    if not _well_formed(schema, path, out):
        return out
    _check_root(schema, path, has_status, out)
    _check(schema, ROOT, path, out)
    return out


def _well_formed(schema: Any, path: str, out: list[Cause], depth: int = 0) -> bool:
    """Whether every part has the JSON kind it must have, so that the rest may rely on it."""
    if not isinstance(schema, dict):
        out.append(_not_a(schema, "object", path))
        return False
    if depth > 100:
        out.append(causes.forbidden(path, "must not be nested deeper than 100 schemas"))
        return False
    before = len(out)
    for key, value in schema.items():
        wanted = _KINDS.get(key)
        if wanted and value is not None and not _is_kind(value, wanted):
            out.append(_not_a(value, wanted, f"{path}.{key}"))
    if len(out) == before:
        for inner, where in _inner_schemas(schema, path):
            _well_formed(inner, where, out, depth + 1)
        for key in ("required", f"{_X}list-map-keys"):
            for i, name in enumerate(schema.get(key) or ()):
                if not isinstance(name, str):
                    out.append(_not_a(name, "string", f"{path}.{key}[{i}]"))
    return len(out) == before


def _is_kind(value: Any, wanted: str) -> bool:
    actual = kind_of(value)
    return actual == wanted or (wanted == "number" and actual == "integer")


def _not_a(value: Any, wanted: str, path: str) -> Cause:
    actual = kind_of(value)
    return causes.wrong_type(path, actual, f'{path} in body must be of type {wanted}: "{actual}"')


def _inner_schemas(schema: Obj, path: str) -> Iterator[tuple[Any, str]]:
    for name, inner in (schema.get("properties") or {}).items():
        yield inner, f"{path}.properties[{name}]"
    additional = schema.get("additionalProperties")
    if additional is not None and not isinstance(additional, bool):
        yield additional, f"{path}.additionalProperties"
    items = schema.get("items")
    if items is not None and not isinstance(items, list):
        yield items, f"{path}.items"
    yield from _alternatives(schema, path)


def _alternatives(schema: Obj, path: str) -> Iterator[tuple[Any, str]]:
    for key in ("allOf", "anyOf", "oneOf"):
        for i, inner in enumerate(schema.get(key) or ()):
            yield inner, f"{path}.{key}[{i}]"
    if schema.get("not") is not None:
        yield schema["not"], f"{path}.not"


def _check_root(schema: Obj, path: str, has_status: bool, out: list[Cause]) -> None:
    type_ = schema.get("type") or ""
    if type_ not in ("", "object"):
        out.append(causes.invalid(f"{path}.type", type_, "must be object at the root"))
    if schema.get("additionalProperties") is not None:
        where = f"{path}.additionalProperties"
        out.append(causes.forbidden(where, "must not be used at the root"))
    if schema.get("nullable"):
        out.append(causes.forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    extra = [k for k, v in schema.items() if v and k not in _ALLOWED_AT_ROOT]
    if has_status and extra:
        detail = (
            f"only {sorted(_ALLOWED_AT_ROOT)} fields are allowed at the root of the schema if the"
            f" status subresource is enabled; found {extra[0]}"
        )
        out.append(causes.invalid_unshown(path, detail))


def _check(schema: Obj, level: str, path: str, out: list[Cause]) -> None:
    """One structural node and everything below it."""
    _check_common(schema, path, out)
    _check_type(schema, level, path, out)
    _check_resource(schema, level, path, out)
    check_list_form(schema, path, out)
    additional = schema.get("additionalProperties")
    if additional is not None and schema.get("properties") and additional is not True:
        detail = "additionalProperties and properties are mutual exclusive"
        out.append(causes.forbidden(f"{path}.additionalProperties", detail))
    _check_alternatives(schema, path, out)
    for name, inner in (schema.get("properties") or {}).items():
        _check(inner, _FIELD, f"{path}.properties[{name}]", out)
    if isinstance(additional, dict):
        _check(additional, _FIELD, f"{path}.additionalProperties", out)
    items = schema.get("items")
    if isinstance(items, dict):
        _check(items, _ITEM, f"{path}.items", out)


def _check_common(schema: Obj, path: str, out: list[Cause]) -> None:
    """What holds in every schema, structural or nested in a value validation."""
    out.extend(
        causes.forbidden(f"{path}.{key}", f"{key} is not supported")
        for key in _UNSUPPORTED
        if schema.get(key)
    )
    if schema.get("uniqueItems"):
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        out.append(causes.forbidden(f"{path}.uniqueItems", detail))
    if isinstance(schema.get("items"), list):
        detail = "items must be a schema object and not an array"
        out.append(causes.forbidden(f"{path}.items", detail))
    type_ = schema.get("type")
    if type_ == "null":
        detail = "type cannot be set to null, use nullable as an alternative"
        out.append(causes.forbidden(f"{path}.type", detail))
    elif type_ and type_ not in _TYPES:
        out.append(causes.not_supported(f"{path}.type", type_, _TYPES))
    pattern = schema.get("pattern")
    if pattern:
        _check_pattern(pattern, path, out)


def _check_pattern(pattern: str, path: str, out: list[Cause]) -> None:
    try:
        regex(pattern)
    except ValueError as error:
        detail = f"must be a valid regular expression, but isn't: {error}"
        out.append(causes.invalid(f"{path}.pattern", pattern, detail))


def _check_type(schema: Obj, level: str, path: str, out: list[Cause]) -> None:
    where = f"{path}.type"
    type_ = schema.get("type") or ""
    int_or_string = schema.get(f"{_X}int-or-string")
    preserve = schema.get(f"{_X}preserve-unknown-fields")
    if type_ == "array" and schema.get("items") is None:
        out.append(causes.required(f"{path}.items", "must be specified"))
    if schema.get(f"{_X}embedded-resource") and type_ != "object":
        detail = "must be object if x-kubernetes-embedded-resource is true"
        cause = causes.invalid(where, type_, detail) if type_ else causes.required(where, detail)
        out.append(cause)
    elif not type_ and not int_or_string and not preserve:
        out.append(causes.required(where, _UNTYPED[level]))
    if int_or_string:
        if type_:
            detail = "must be empty if x-kubernetes-int-or-string is true"
            out.append(causes.invalid(where, type_, detail))
        for key in (f"{_X}preserve-unknown-fields", f"{_X}embedded-resource"):
            if schema.get(key):
                detail = "must be false if x-kubernetes-int-or-string is true"
                out.append(causes.invalid(f"{path}.{key}", value=True, detail=detail))
    if preserve is False:
        where = f"{path}.{_X}preserve-unknown-fields"
        out.append(causes.invalid(where, value=False, detail="must be true or undefined"))


def _check_resource(schema: Obj, level: str, path: str, out: list[Cause]) -> None:
    """apiVersion, kind and metadata of the root and of embedded resources."""
    embedded = bool(schema.get(f"{_X}embedded-resource"))
    properties = schema.get("properties") or {}
    if embedded and schema.get("additionalProperties") is not None:
        detail = "must not be used if x-kubernetes-embedded-resource is set"
        out.append(causes.forbidden(f"{path}.additionalProperties", detail))
    if embedded and not schema.get(f"{_X}preserve-unknown-fields") and not properties:
        detail = (
            "must not be empty if x-kubernetes-embedded-resource is true without"
            " x-kubernetes-preserve-unknown-fields"
        )
        out.append(causes.required(f"{path}.properties", detail))
    if level != ROOT and not embedded:
        return
    for name in ("kind", "apiVersion"):
        type_ = properties[name].get("type") if name in properties else "string"
        if type_ != "string":
            where = f"{path}.properties[{name}].type"
            out.append(causes.invalid(where, type_ or "", "must be string"))
    metadata = properties.get("metadata")
    if metadata is None:
        return
    where = f"{path}.properties[metadata]"
    if metadata.get("type") != "object":
        out.append(causes.invalid(f"{where}.type", metadata.get("type") or "", "must be object"))
    stated = {k for k, v in metadata.items() if v} - {"type", "description", "properties"}
    if stated or not set(metadata.get("properties") or ()) <= {"name", "generateName"}:
        detail = (
            "must not specify anything other than name and generateName, but metadata is"
            " implicitly specified"
        )
        out.append(causes.forbidden(where, detail))


def _check_alternatives(schema: Obj, path: str, out: list[Cause]) -> None:
    nested = _ValueValidations(_int_or_string_forms(schema, path), out)
    for inner, where in _alternatives(schema, path):
        nested.check(inner, schema, where, path)


def _int_or_string_forms(schema: Obj, path: str) -> Callable[[str], bool]:
    """Which nested schemas may state a type: the two spellings of int-or-string."""
    if not schema.get(f"{_X}int-or-string"):
        return lambda _: False
    prefixes: tuple[str, ...] = ()
    if schema.get("anyOf") == _INTEGER_OR_STRING:
        prefixes = (f"{path}.anyOf[",)
    elif schema.get("allOf") and schema["allOf"][0].get("anyOf") == _INTEGER_OR_STRING:
        prefixes = (f"{path}.allOf[0].anyOf[",)
    return lambda where: where.startswith(prefixes) if prefixes else False


class _ValueValidations:
    """What is inside anyOf, oneOf, allOf and not of one structural node."""

    def __init__(self, may_state_type: Callable[[str], bool], out: list[Cause]) -> None:
        self.may_state_type = may_state_type
        self.out = out

    def check(self, schema: Obj, outer: Obj | None, path: str, outer_path: str) -> None:
        """A nested schema states nothing structural, and only about what is declared outside."""
        _check_common(schema, path, self.out)
        if schema.get("type") and not self.may_state_type(path):
            self.out.append(causes.forbidden(f"{path}.type", _EMPTY))
        self.out.extend(
            causes.forbidden(f"{path}.{key}", detail)
            for key, detail in _OUTSIDE_ONLY.items()
            if schema.get(key)
        )
        if "metadata" in (schema.get("properties") or {}) and outer_path.endswith("Schema"):
            where = f"{path}.properties[metadata]"
            detail = "must not be specified in a nested context"
            self.out.append(causes.forbidden(where, detail))
        if outer is None:
            self.out.append(causes.required(outer_path, f"because it is defined in {path}"))
            return
        for inner, where in _alternatives(schema, path):
            self.check(inner, outer, where, outer_path)
        declared = outer.get("properties") or {}
        for name, inner in (schema.get("properties") or {}).items():
            step = f".properties[{name}]"
            self.check(inner, declared.get(name), path + step, outer_path + step)
        items = schema.get("items")
        if isinstance(items, dict):
            self.check(items, outer.get("items"), f"{path}.items", f"{outer_path}.items")
