"""From the bytes of a watch to its events.

Owns framing and decoding: lines of any length, cut anywhere. Yields to the loop between large
amounts, so that a flood of events stalls nobody. Used by the HTTP client only.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
import orjson

from rollouts.kube.api import WatchEvent
from rollouts.kube.errors import ServerError, Unreachable, from_status

_LONGEST_LINE: Final = 64 << 20  # bytes; etcd holds objects of at most a few MiB
_STRIDE: Final = 128 << 10  # bytes decoded before others may run: about 3 ms


async def events_of(content: aiohttp.StreamReader) -> AsyncIterator[WatchEvent]:
    """Events until the stream ends. Raises the ApiError an ERROR line stands for."""
    decoded = 0
    async for line in _lines(content):
        if not line.strip():
            continue
        yield _event_of(line)
        decoded += len(line)
        if decoded > _STRIDE:
            decoded = 0
            await asyncio.sleep(0)


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    tail = bytearray()
    async for chunk in content.iter_any():
        first, *others = chunk.split(b"\n")
        tail += first
        if len(tail) > _LONGEST_LINE:
            raise ServerError("a watch line is longer than any object can be")
        for line in others:
            yield bytes(tail)
            tail = bytearray(line)
    if tail.strip():
        raise Unreachable("the watch was cut in the middle of an event")


def _event_of(line: bytes) -> WatchEvent:
    try:
        event = orjson.loads(line)
        kind, obj = event["type"], event["object"]
        if kind != "ERROR":
            obj["metadata"]["resourceVersion"]  # what every event must have
            return WatchEvent(kind, obj)
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ServerError("the watch delivered something that is not an event") from error
    raise from_status(obj)
