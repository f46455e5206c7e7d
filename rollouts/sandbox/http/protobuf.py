"""Kubernetes' protobuf envelope, decoded for the few kinds whose kubectl commands insist on it.

kubectl's typed commands (``auth can-i``, ``create namespace``, ``create deployment``) send
protobuf and do not fall back to JSON. Owns the wire format and a table of field numbers. Refuses
every other kind, and every field the table does not know, with a 415 that says what works instead:
a field silently dropped would be a wrong success. Pure.
"""

import base64
import struct
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rollouts.kube.api import Obj
from rollouts.kube.errors import ApiError, BadRequest
from rollouts.sandbox.http.protofields import MESSAGES, OMIT_ZERO, ROOTS

MAGIC: Final = b"k8s\x00"
_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5


def decode(body: bytes) -> Obj:
    """The object in an envelope, as it would be in JSON. Raises BadRequest, or a 415 error."""
    if not body.startswith(MAGIC):
        raise BadRequest("the body does not start with the protobuf envelope's prefix")
    try:
        envelope = dict(_wire(body[len(MAGIC) :]))
        meta = dict(_wire(envelope[1]))
        api_version, kind = meta[1].decode(), meta[2].decode()
        if (api_version, kind) not in ROOTS:
            raise _unsupported(f"{api_version} {kind}")
        found = _message(kind, envelope.get(2, b""))
    except (KeyError, IndexError, ValueError, AttributeError, TypeError, struct.error) as error:
        raise BadRequest(f"the protobuf body cannot be decoded: {error!r}") from error
    return {"apiVersion": api_version, "kind": kind, **found}


def _unsupported(what: str) -> ApiError:
    return ApiError(
        f"the sandbox does not read {what} in protobuf: write it as YAML and use kubectl apply -f",
        code=415,
        reason="UnsupportedMediaType",
    )


def _wire(data: bytes) -> Iterator[tuple[int, Any]]:
    """Pairs of field number and raw value (an int, or bytes)."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
        elif wire == _BYTES:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise ValueError("a field is longer than the message")
            yield number, data[at : at + length]
            at += length
        elif wire in {_FIXED64, _FIXED32}:
            size = 8 if wire == _FIXED64 else 4
            yield number, struct.unpack("<q" if size == 8 else "<i", data[at : at + size])[0]
            at += size
        else:
            raise ValueError(f"unknown wire type {wire}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _message(kind: str, data: bytes) -> Obj:
    """Decode by the table; a field's type is ``name:type``, ``name:[type]`` or ``name:{type}``."""
    table: Mapping[int, str] = MESSAGES[kind]
    found: Obj = {}
    for number, raw in _wire(data):
        spec = table.get(number)
        if spec is None:
            if raw in (b"", 0):
                continue  # nothing is lost: Go writes empty strings, too
            raise _unsupported(f"field {number} of {kind}")
        name, _, declared = spec.partition(":")
        if declared.startswith("["):
            found.setdefault(name, []).append(_value(declared[1:-1], raw))
        elif declared.startswith("{"):
            entry = dict(_wire(raw))
            key = entry.get(1, b"").decode()
            found.setdefault(name, {})[key] = _value(declared[1:-1], entry.get(2, b""))
        else:
            value = _value(declared, raw)
            # Go encodes an absent struct as an empty message and an absent string as "".
            if value not in ("", {}, None) and (value or name not in OMIT_ZERO):
                found[name] = value
    return found


def _value(declared: str, raw: Any) -> Any:
    match declared:
        case "string":
            return raw.decode()
        case "int":
            return raw - (1 << 64) if raw >= 1 << 63 else raw
        case "bool":
            return bool(raw)
        case "bytes":
            return base64.b64encode(raw).decode()
        case "quantity":
            return dict(_wire(raw)).get(1, b"").decode()
        case "time":
            seconds = dict(_wire(raw)).get(1)
            moment = None if seconds is None else datetime.fromtimestamp(seconds, UTC)
            return moment and moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        case "intstr":
            parts = dict(_wire(raw))
            return parts.get(3, b"").decode() if parts.get(1) else parts.get(2, 0)
        case _:
            return _message(declared, raw)
