"""Watches on the wire: one JSON line per event, as the object, a Table or metadata.

Owns the open watches of one server, so that a stop ends them at once. An error after the first
byte becomes an ERROR line; one before it is an ordinary answer.
"""

import contextlib
from typing import Final

import orjson
from aiohttp import web

from rollouts.kube.api import Obj, WatchEvent
from rollouts.kube.errors import ApiError
from rollouts.runtime.clock import Clock
from rollouts.sandbox.http.negotiate import Answer
from rollouts.sandbox.http.tables import Tables
from rollouts.sandbox.registry import ResourceInfo
from rollouts.sandbox.watching import Watch

_HEADERS: Final = {"Content-Type": "application/json", "Cache-Control": "no-cache, private"}


class Streams:
    """Every watch that is open now."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock
        self._open: set[Watch] = set()

    def close_all(self) -> None:
        for watch in tuple(self._open):
            watch.close()

    async def serve(
        self, request: web.Request, watch: Watch, info: ResourceInfo, answer: Answer
    ) -> web.StreamResponse:
        """Write events until the watch ends or the client leaves."""
        response = web.StreamResponse(headers=_HEADERS)
        self._open.add(watch)
        try:
            await response.prepare(request)
            include = request.query.get("includeObject", "")
            # A client that left is noticed at the next write; nobody is there to tell.
            with contextlib.suppress(ConnectionResetError):
                await self._write(response, watch, info, answer, include)
        finally:
            watch.close()
            self._open.discard(watch)
        return response

    async def _write(
        self,
        response: web.StreamResponse,
        watch: Watch,
        info: ResourceInfo,
        answer: Answer,
        include: str,
    ) -> None:
        try:
            async for event in watch:
                shown = self._shown(event, info, answer, include)
                await response.write(_line(event.type, shown))
        except ApiError as error:
            await response.write(_line("ERROR", error.status))

    def _shown(self, event: WatchEvent, info: ResourceInfo, answer: Answer, include: str) -> Obj:
        if event.type == "BOOKMARK":
            return self._tables.bookmark(event.object, info, answer)
        return self._tables.shaped(event.object, info, answer, self._clock.wall(), include)


def _line(kind: str, obj: Obj) -> bytes:
    return orjson.dumps({"type": kind, "object": obj}, option=orjson.OPT_APPEND_NEWLINE)
