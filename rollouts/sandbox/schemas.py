"""Schemas of the built-in kinds, derived at run time from kubernetes-asyncio's model classes.

Owns what a built-in object may contain: published as OpenAPI, explained to users, and compared
with what they send (strict field validation). Refuses to judge values beyond their JSON type, and
to know custom resources. The model classes cost half a second and 70 MB to import, so nothing is
derived before somebody asks, and the result is kept in a per-user cache file whose name changes
with the package's version and with this file. Called by ``sandbox.http`` and ``sandbox.apiserver``.
"""

import contextlib
import functools
import hashlib
import os
import re
import threading
from collections.abc import Container, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import orjson

from rollouts.kube.api import Obj
from rollouts.sandbox.mergekeys import merge_strategy

_PACKAGE: Final = "kubernetes-asyncio"
_MODEL: Final = re.compile(
    r"(?P<prefix>[A-Z]\w*?)??(?P<version>V\d+(?:(?:alpha|beta)\d+)?)(?P<kind>[A-Z]\w*)"
)
_CONTAINER: Final = re.compile(r"(?P<outer>list\[|dict\(str, )(?P<inner>.+)[\])]")
_SCALARS: Final[Mapping[str, Obj]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "datetime": {"type": "string", "format": "date-time"},
}
_INT_OR_STRING: Final[Obj] = {
    "oneOf": [{"type": "integer"}, {"type": "string"}],
    "format": "int-or-string",
}
_QUANTITY: Final[Obj] = {"oneOf": [{"type": "string"}, {"type": "number"}]}
# The models say "object" for both an object of any shape and a value of any type.
_INT_OR_STRING_FIELDS: Final = frozenset(
    {"port", "targetPort", "maxSurge", "maxUnavailable", "minAvailable"}
)
_ANY_FIELDS: Final = frozenset(
    {"default", "example", "items", "additionalItems", "additionalProperties", "enum"}
)
# ... and "string" for quantities.
_QUANTITY_FIELDS: Final = frozenset(
    {
        "allocatable",
        "capacity",
        "default",
        "defaultRequest",
        "divisor",
        "hard",
        "limits",
        "max",
        "maxLimitRequestRatio",
        "min",
        "overhead",
        "requests",
        "sizeLimit",
        "used",
        "averageValue",
    }
)
_QUANTITY_OWNERS: Final = (
    "Resource",
    "Node",
    "Limit",
    "Quota",
    "EmptyDir",
    "PodSpec",
    "Metric",
    "Volume",
)
_lock = threading.Lock()


def release() -> tuple[int, int]:
    """The Kubernetes release whose API the schemas describe, e.g. ``(1, 36)``."""
    return 1, int(metadata.version(_PACKAGE).split(".")[0])


def definitions() -> Mapping[str, Obj]:
    """Every schema by its name in ``#/components/schemas/``. Slow at the first call, ever."""
    with _lock:
        return _definitions()


def name_of(group: str, version: str, kind: str) -> str | None:
    """The name of a built-in kind's schema, or None when the models do not know it."""
    known = definitions()
    prefix = (group or "core").split(".")[0]
    for name in (f"io.k8s.{prefix}.{version}.{kind}", f"io.k8s.{version}.{kind}"):
        if name in known:
            return name
    return None


def references(schema: Any) -> Iterator[str]:
    """Names of the schemas that ``schema`` refers to directly, with repetitions."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value.rpartition("/")[2]
            else:
                yield from references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from references(item)


def unknown_fields(gvk: tuple[str, str, str], obj: Obj) -> list[str]:
    """Paths of fields the kind ``(group, version, kind)`` does not have, e.g. ``spec.replicsa``."""
    name = name_of(*gvk)
    return [] if name is None else [path for path, what in _faults(name, obj) if what == "unknown"]


def type_error(gvk: tuple[str, str, str], obj: Obj) -> str:
    """What keeps ``obj`` from being decoded, in an API server's words; empty when nothing does."""
    name = name_of(*gvk)
    if name is not None:
        for path, what in _faults(name, obj):
            if what != "unknown":
                return f"json: cannot unmarshal {what.format(path=f'{gvk[2]}.{path}')}"
    return ""


def _faults(name: str, obj: Obj) -> Iterator[tuple[str, str]]:
    return _walk({"$ref": f"#/components/schemas/{name}"}, obj, "")


def _walk(schema: Obj, value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Pairs of a path and either "unknown" or a sentence about a wrong type."""
    for part in schema.get("allOf", ()):
        schema = part
    if "$ref" in schema:
        schema = definitions()[schema["$ref"].rpartition("/")[2]]
    expected = schema.get("type")
    if value is None or expected is None:
        return
    if not _is(expected, value):
        yield path, f"{_json_type(value)} into Go struct field {{path}} of type {_go_type(schema)}"
    elif expected == "array":
        for index, item in enumerate(value):
            yield from _walk(schema["items"], item, f"{path}[{index}]")
    elif "additionalProperties" in schema:
        for key, item in value.items():
            yield from _walk(schema["additionalProperties"], item, f"{path}.{key}")
    elif "properties" in schema:
        for key, item in value.items():
            below = f"{path}.{key}" if path else key
            if key in schema["properties"]:
                yield from _walk(schema["properties"][key], item, below)
            else:
                yield below, "unknown"


def _is(expected: str, value: Any) -> bool:
    match expected:
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            whole = isinstance(value, float) and value.is_integer()
            return whole or (isinstance(value, int) and not isinstance(value, bool))
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return isinstance(value, str)


def _json_type(value: Any) -> str:
    names = {bool: "bool", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "number")


def _go_type(schema: Obj) -> str:
    if schema["type"] == "array":
        return "[]" + _go_type({"type": "object"} | schema["items"])
    names = {"integer": "int32", "boolean": "bool", "object": "struct", "number": "float64"}
    return names.get(schema["type"], "string")


# --- deriving and keeping -------------------------------------------------------------------------


@functools.cache
def _definitions() -> Mapping[str, Obj]:
    path = _cache_file()
    if path is not None:
        try:
            kept: dict[str, Obj] = orjson.loads(path.read_bytes())
            return kept
        except (OSError, ValueError):
            pass  # absent, unreadable or torn: derive again
    derived = derive()
    if path is not None:
        _keep(path, orjson.dumps(derived))
    return derived


def _cache_file() -> Path | None:
    root = os.environ.get("XDG_CACHE_HOME")
    if not root:
        home = os.environ.get("HOME")
        if not home:
            return None
        root = str(Path(home) / ".cache")
    here = hashlib.sha256()
    for source in ("schemas.py", "mergekeys.py"):
        here.update((Path(__file__).parent / source).read_bytes())
    version = metadata.version(_PACKAGE)
    return Path(root) / "rollouts" / f"schemas-{version}-{here.hexdigest()[:12]}.json"


def _keep(path: Path, content: bytes) -> None:
    """Write beside and rename, so that a reader never sees half; a read-only home is no error."""
    beside = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside.write_bytes(content)
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()


def derive() -> dict[str, Obj]:
    """Read every model class of the package into a schema."""
    from kubernetes_asyncio.client import models

    classes = {
        name: model
        for name, model in vars(models).items()
        if isinstance(model, type) and _MODEL.fullmatch(name)
    }
    return {
        _schema_name(name): _derive_one(name, model, classes) for name, model in classes.items()
    }


def _schema_name(model: str) -> str:
    match = _MODEL.fullmatch(model)
    if match is None:
        raise ValueError(f"{model} is not the name of a model class")
    prefix = f"{match['prefix'].lower()}." if match["prefix"] else ""
    return f"io.k8s.{prefix}{match['version'].lower()}.{match['kind']}"


def _derive_one(name: str, model: Any, known: Container[str]) -> Obj:
    kind = _schema_name(name).rpartition(".")[2]
    properties: Obj = {}
    required: list[str] = []
    for attribute, declared in model.openapi_types.items():
        field = model.attribute_map[attribute]
        accessor = getattr(model, attribute)
        schema = _field(kind, field, declared, known)
        description = _description(accessor.fget.__doc__ or "")
        extra = merge_strategy(kind, field)
        if description or extra:
            schema = {"allOf": [schema]} if "$ref" in schema else dict(schema)
            schema |= ({"description": description} if description else {}) | extra
        properties[field] = schema
        if any("must not be `None`" in str(text) for text in accessor.fset.__code__.co_consts):
            required.append(field)
    found: Obj = {"type": "object", "properties": properties}
    return found | ({"required": required} if required else {})


def _field(kind: str, field: str, declared: str, known: Container[str]) -> Obj:
    if match := _CONTAINER.fullmatch(declared):
        inner = _field(kind, field, match["inner"], known)
        if match["outer"] == "list[":
            return {"type": "array", "items": inner}
        return {"type": "object", "additionalProperties": inner}
    if declared == "object":
        if field in _INT_OR_STRING_FIELDS:
            return _INT_OR_STRING
        return {} if field in _ANY_FIELDS else {"type": "object"}
    if declared == "str" and field in _QUANTITY_FIELDS and kind.startswith(_QUANTITY_OWNERS):
        return _QUANTITY
    if declared in _SCALARS:
        return _SCALARS[declared]
    # The package refers to a class or two that it does not have.
    if declared not in known:
        return {"type": "object"}
    return {"$ref": f"#/components/schemas/{_schema_name(declared)}"}


def _description(doc: str) -> str:
    """The sentence between a getter's title and its ``:return:``."""
    body = doc.partition("\n")[2].partition(":return:")[0]
    return body.replace("# noqa: E501", "").strip()
