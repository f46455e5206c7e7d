"""Request bodies: from bytes and a Content-Type to JSON values.

Owns the media types that are read, the size limit's error, and fields that occur twice in one
object (which a decoder would silently merge). Refuses other media types with a 415. Pure.
"""

import json
from typing import Any, Final

import orjson
import yaml

from rollouts.kube.api import Obj, PatchType
from rollouts.kube.errors import ApiError, BadRequest
from rollouts.sandbox.http import protobuf
from rollouts.sandbox.options import Options
from rollouts.sandbox.patching import unsupported_apply

LIMIT: Final = 3 * 1024 * 1024
_PROTOBUF: Final = "application/vnd.kubernetes.protobuf"
_JSON: Final = frozenset({"", "application/json", "text/json"})
_YAML: Final = frozenset({"application/yaml", "application/x-yaml", "text/yaml"})
_APPLY: Final = frozenset({"application/apply-patch+yaml", "application/apply-patch+cbor"})


class _Twice(dict[str, Any]):
    """An object in which some names occurred more than once."""

    names: list[str]


def object_of(data: bytes, content_type: str, options: Options, kind: str) -> Any:
    """The object in a body, ``kind`` for the errors. Duplicates warn or refuse by ``options``."""
    media = media_type(content_type)
    if media == _PROTOBUF:
        return protobuf.decode(data)
    if media in _YAML:
        return _yaml(data)
    if media not in _JSON:
        raise unsupported(media, ("application/json", "application/yaml", _PROTOBUF))
    value = _json(data, kind)
    if options.field_validation != "Ignore":
        _check_duplicates(data, options, kind)
    return value


def options_of(data: bytes, content_type: str) -> Obj | None:
    """The DeleteOptions of a request, if it has any."""
    if not data.strip():
        return None
    found = object_of(data, content_type, Options(), "DeleteOptions")
    if not isinstance(found, dict):
        raise BadRequest("DeleteOptions must be an object")
    return found


def patch_of(data: bytes, content_type: str) -> tuple[PatchType, Any]:
    """The kind of a patch and the patch itself."""
    media = media_type(content_type)
    if media in _APPLY:
        raise unsupported_apply()
    try:
        kind = PatchType(media)
    except ValueError:
        raise unsupported(media, tuple(one.value for one in PatchType)) from None
    return kind, _json(data, "patch")


def media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def too_large() -> ApiError:
    return ApiError(
        f"Request entity too large: limit is {LIMIT}", code=413, reason="RequestEntityTooLarge"
    )


def unsupported(media: str, accepted: tuple[str, ...]) -> ApiError:
    """415, in the words of a real server."""
    return ApiError(
        f"the body of the request was in an unknown format ({media or 'no Content-Type'}) - "
        f"accepted media types include: {', '.join(accepted)}",
        code=415,
        reason="UnsupportedMediaType",
    )


def _json(data: bytes, kind: str) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not a {kind} in JSON: {error}") from None


def _yaml(data: bytes) -> Any:
    try:
        loaded = yaml.load(data, Loader=yaml.CSafeLoader)
        return orjson.loads(orjson.dumps(loaded, default=str))
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise BadRequest(f"the body is not YAML: {error}") from None


def _check_duplicates(data: bytes, options: Options, kind: str) -> None:
    lines = [
        f'duplicate field "{path}"'
        for path in _duplicates(json.loads(data, object_pairs_hook=_pairs), "")
    ]
    if lines and options.field_validation == "Strict":
        raise BadRequest(
            f"{kind} in the request cannot be handled as a {kind}: strict decoding error: "
            + ", ".join(lines)
        )
    options.warnings.extend(lines)


def _pairs(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    twice = _Twice(found)
    names = [name for name, _ in pairs]
    twice.names = sorted({name for name in names if names.count(name) > 1})
    return twice


def _duplicates(value: Any, path: str) -> list[str]:
    found: list[str] = []
    if isinstance(value, _Twice):
        found += [f"{path}.{name}".lstrip(".") for name in value.names]
    if isinstance(value, dict):
        for name, item in value.items():
            found += _duplicates(item, f"{path}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += _duplicates(item, f"{path}[{index}]")
    return found
