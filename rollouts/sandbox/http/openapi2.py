"""OpenAPI v2 in the one binary form kubectl before 1.27 reads: it will not apply without it.

Owns the translation of our v3 schemas and operations and their protobuf encoding (field numbers
of the public OpenAPIv2 messages). What v2 cannot say is left open rather than said wrongly: a
client of that age checks what it is told to check before it asks the server. Pure.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from rollouts.kube.api import Obj
from rollouts.sandbox import schemas

ASKED: Final = "application/com.github.proto-openapi.spec.v2"
# Old clients ask with an "@" that no parser of media types accepts in an answer.
MEDIA: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_EXTENSIONS: Final = (
    "x-kubernetes-group-version-kind",
    "x-kubernetes-patch-merge-key",
    "x-kubernetes-patch-strategy",
)
_METHODS: Final[Mapping[str, int]] = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}


def document(definitions: Mapping[str, Obj], paths: Mapping[str, Obj]) -> bytes:
    """The Document message of all schemas and operations."""
    version = ".".join(map(str, schemas.release()))
    info = _text(1, "Kubernetes API of the sandbox") + _text(2, version)
    served = b"".join(_bytes(2, _named(path, _path(item))) for path, item in paths.items())
    defined = b"".join(_bytes(1, _named(name, _schema(s))) for name, s in definitions.items())
    return b"".join((_text(1, "2.0"), _bytes(2, info), _bytes(8, served), _bytes(9, defined)))


def _schema(schema: Obj) -> bytes:
    return b"".join(_schema_parts(_flattened(schema)))


def _schema_parts(schema: Obj) -> Iterator[bytes]:
    if "$ref" in schema:
        yield _text(1, "#/definitions/" + schema["$ref"].rpartition("/")[2])
    for field, number in (("format", 2), ("description", 4)):
        if field in schema:
            yield _text(number, schema[field])
    for name in schema.get("required", ()):
        yield _text(19, name)
    if isinstance(schema.get("additionalProperties"), dict):
        yield _bytes(21, _bytes(1, _schema(schema["additionalProperties"])))
    if "type" in schema:
        yield _bytes(22, _text(1, schema["type"]))
    if "items" in schema:
        yield _bytes(23, _bytes(1, _schema(schema["items"])))
    if "properties" in schema:
        named = (_named(name, _schema(one)) for name, one in schema["properties"].items())
        yield _bytes(25, b"".join(_bytes(1, one) for one in named))
    for name in _EXTENSIONS:
        if name in schema:
            yield _bytes(31, _extension(name, schema[name]))


def _flattened(schema: Obj) -> Obj:
    """The schema without what v2 cannot say."""
    if len(schema.get("allOf", ())) == 1 and "$ref" in schema["allOf"][0]:
        return {**schema, "$ref": schema["allOf"][0]["$ref"]}
    kept: Obj = {key: schema[key] for key in ("description", *_EXTENSIONS) if key in schema}
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return kept | {"type": "string", "format": "int-or-string"}
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        # Without properties anything may be in it.
        return kept | ({"type": schema["type"]} if "type" in schema else {})
    if "type" not in schema:
        return kept | ({"$ref": schema["$ref"]} if "$ref" in schema else {})
    if schema["type"] == "array" and "items" not in schema:
        return kept
    return schema


def _path(item: Obj) -> bytes:
    return b"".join(
        _bytes(number, _operation(item[method]))
        for method, number in _METHODS.items()
        if method in item
    )


def _operation(operation: Obj) -> bytes:
    parameters = b"".join(_bytes(8, _query(one["name"])) for one in operation["parameters"])
    name = "x-kubernetes-group-version-kind"
    return parameters + _bytes(13, _extension(name, operation[name]))


def _query(name: str) -> bytes:
    """A ParametersItem that is a Parameter that is a NonBodyParameter in the query."""
    query = _text(2, "query") + _text(4, name) + _text(6, "string")
    return _bytes(1, _bytes(2, _bytes(3, query)))


def _extension(name: str, value: Any) -> bytes:
    return _named(name, _text(2, orjson.dumps(value).decode()))


def _named(name: str, value: bytes) -> bytes:
    return _text(1, name) + _bytes(2, value)


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode())


def _bytes(number: int, value: bytes) -> bytes:
    return bytes(_varint(number << 3 | 2)) + bytes(_varint(len(value))) + value


def _varint(value: int) -> Iterator[int]:
    while value > 0x7F:
        yield value & 0x7F | 0x80
        value >>= 7
    yield value
