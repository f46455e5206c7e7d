"""The OpenAPI v2 document for kubectl before 1.27, which will not apply anything without one.

It is read in one binary form only and used for checks the server makes better itself, so the
document is valid and empty: a client that finds no schema in it goes on without. Refuses (404)
every other form. Pure.
"""

from collections.abc import Iterable

from aiohttp import web

from rollouts.kube.errors import NotFound
from rollouts.sandbox import schemas


def answer(accept: str) -> web.Response:
    """The document, if ``accept`` wants it in protobuf. Raises NotFound."""
    asked = [part.partition(";")[0].strip() for part in accept.split(",")]
    for media in asked:
        if media.startswith("application/com.github.proto-openapi.spec.v2"):
            return web.Response(body=document(), headers={"Content-Type": media})
    raise NotFound("the server could not find the requested resource")


def document() -> bytes:
    """Swagger 2.0 with a title, a version and no paths."""
    version = ".".join(map(str, schemas.release()))
    info = _field(1, b"Kubernetes API of the sandbox") + _field(2, version.encode())
    return b"".join((_field(1, b"2.0"), _field(2, info), _field(8, b""), _field(9, b"")))


def _field(number: int, value: bytes) -> bytes:
    return bytes(_varint(number << 3 | 2)) + bytes(_varint(len(value))) + value


def _varint(value: int) -> Iterable[int]:
    while value > 0x7F:
        yield value & 0x7F | 0x80
        value >>= 7
    yield value
