"""A scripted API server for one resource type: the truth, its history, and planned misfortune."""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from rollouts.kube.api import Obj, WatchEvent
from rollouts.kube.errors import ApiError, Gone, NotFound

SILENT = "the stream is open but says nothing"
CLOSE = "the stream ends at once"


class FakeServer:
    """Only list and watch: what a reflector asks for.

    ``list_faults`` and ``watch_faults`` are consumed one per request: an error is raised at once,
    SILENT and CLOSE do what they say, (n, error) is raised in the stream after n events, and None
    lets the request through. ``history`` is what a watch can resume from.
    """

    def __init__(self) -> None:
        self.revision = 100
        self.objects: dict[tuple[str, str], Obj] = {}
        self.history: list[WatchEvent] = []
        self.compacted = 100
        self.list_faults: deque[Any] = deque()
        self.watch_faults: deque[Any] = deque()
        self.lists: list[float] = []
        self.watches: list[float] = []
        self.list_limits: list[int] = []
        self._changed = asyncio.Event()
        self._uids = itertools.count(1)
        self._snapshots: dict[str, tuple[list[Obj], str]] = {}

    def write(self, name: str, namespace: str = "default", **fields: Any) -> Obj:
        self.revision += 1
        old = self.objects.get((namespace, name))
        metadata = {
            "name": name,
            "namespace": namespace,
            "uid": old["metadata"]["uid"] if old else f"uid-{next(self._uids)}",
            "resourceVersion": str(self.revision),
        }
        obj = {"metadata": metadata, **fields}
        self.objects[namespace, name] = obj
        self._record("MODIFIED" if old else "ADDED", obj)
        return obj

    def delete(self, name: str, namespace: str = "default") -> None:
        old = self.objects.pop((namespace, name), None)
        if old is not None:
            self.revision += 1
            metadata = {**old["metadata"], "resourceVersion": str(self.revision)}
            self._record("DELETED", {**old, "metadata": metadata})

    def bookmark(self) -> None:
        self.revision += 1
        self._record("BOOKMARK", {"metadata": {"resourceVersion": str(self.revision)}})

    def repeat(self, back: int) -> None:
        """Deliver an old event once more, as a reconnect through a lagging server does."""
        if len(self.history) >= back:
            self._record_again(self.history[-back])

    def compact(self) -> None:
        """Forget the history: watches that start before now are Gone; running ones go on."""
        self.compacted = self.revision

    def _record(self, kind: str, obj: Obj) -> None:
        self.history.append(WatchEvent(kind, obj))
        self._wake()

    def _record_again(self, event: WatchEvent) -> None:
        self.history.append(event)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def list(
        self, _resource: Any, namespace: str | None = None, *, limit: int = 0,
        continue_token: str = "", **_: Any,
    ) -> Obj:  # fmt: skip
        self.lists.append(asyncio.get_running_loop().time())
        self.list_limits.append(limit)
        await asyncio.sleep(0.01)
        fault = self.list_faults.popleft() if self.list_faults else None
        if isinstance(fault, ApiError):
            raise fault
        if continue_token:
            snapshot, version = self._snapshots.pop(continue_token)
        else:
            keys = sorted(k for k in self.objects if namespace in (None, k[0]))
            snapshot, version = [self.objects[k] for k in keys], str(self.revision)
        metadata = {"resourceVersion": version}
        if limit and len(snapshot) > limit:
            metadata["continue"] = f"next-{len(snapshot)}"
            self._snapshots[metadata["continue"]] = (snapshot[limit:], version)
            snapshot = snapshot[:limit]
        return {"metadata": metadata, "items": snapshot}

    async def get(self, _resource: Any, name: str, namespace: str | None = None) -> Obj:
        await asyncio.sleep(0.01)
        if (namespace or "", name) not in self.objects:
            raise NotFound(f"{name} not found")
        return self.objects[namespace or "", name]

    async def watch(
        self, _resource: Any, _namespace: str | None = None, *, resource_version: str = "",
        timeout_seconds: float = 300.0, **_: Any,
    ) -> AsyncIterator[WatchEvent]:  # fmt: skip
        loop = asyncio.get_running_loop()
        self.watches.append(loop.time())
        await asyncio.sleep(0.01)
        fault = self.watch_faults.popleft() if self.watch_faults else None
        if isinstance(fault, ApiError):
            raise fault
        if fault == CLOSE:
            return
        if fault == SILENT:
            await asyncio.Event().wait()
        start = int(resource_version)
        if start < self.compacted:
            raise Gone(f"too old resource version: {start} ({self.compacted})")
        log, at = self.history, 0
        while at < len(log) and int(log[at].object["metadata"]["resourceVersion"]) <= start:
            at += 1
        end = loop.time() + timeout_seconds
        for sent in itertools.count():
            if isinstance(fault, tuple) and sent >= fault[0]:
                raise fault[1]
            while at >= len(self.history):
                try:
                    async with asyncio.timeout_at(end):
                        await self._changed.wait()
                except TimeoutError:
                    return
                at = min(at, len(self.history) - 1) if self.history else 0
            yield self.history[at]
            at += 1
