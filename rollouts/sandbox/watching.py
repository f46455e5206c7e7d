"""One watch: a cursor over a bucket's changes, seen through a namespace and selectors.

Owns the translation of changes into events, bookmarks, and the end of a watch. A watch keeps no
queue of its own: it reads the store's window from where it stopped, so a slow reader costs no
memory and, once it has fallen out of the window, is told so (Gone). Made by ``reading.Reader``.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from rollouts.kube.api import Obj, WatchEvent
from rollouts.kube.errors import Gone
from rollouts.sandbox.options import WatchOptions
from rollouts.sandbox.registry import ResourceInfo
from rollouts.sandbox.revisions import Change, Compacted, stamped

if TYPE_CHECKING:
    from rollouts.sandbox.core import Core

BOOKMARK_EVERY: Final = 60.0
LAST_BOOKMARK_BEFORE_END: Final = 2.0
INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"


class Watch:
    """An async iterator of events; iterate once, then ``close`` (its own end closes it too)."""

    def __init__(
        self,
        core: "Core",
        info: ResourceInfo,
        namespace: str | None,
        matches: Callable[[Obj], bool] | None,
        options: WatchOptions,
        *,
        revision: int,
        initial: bool,
    ) -> None:
        self._core = core
        self._info = info
        self._namespace = namespace
        self._matches = matches
        self._options = options
        self._cursor = revision
        self._ready: deque[WatchEvent] = deque()
        self._news = asyncio.Event()
        self._closed = False
        self._deadline: float | None = None
        self._bookmark_at: float | None = None
        self._stop = core.store.listen(info.bucket, self._news.set)
        if initial:
            self._start_from_now()

    def __aiter__(self) -> "Watch":
        return self

    async def __anext__(self) -> WatchEvent:
        self._set_timers()
        while not self._closed:
            if self._ready:
                return self._ready.popleft()
            self._news.clear()
            self._read()
            if self._ready:
                continue
            if not self._core.registry.in_bucket(self._info.bucket):
                self.close()
                break
            await self._wait()
        raise StopAsyncIteration

    def close(self) -> None:
        """End the watch; whoever waits for its next event sees the end."""
        self._closed = True
        self._stop()
        self._news.set()

    def _start_from_now(self) -> None:
        store, info = self._core.store, self._info
        self._cursor = store.revision
        for _, obj in store.items(info.bucket, self._namespace):
            shown = self._core.shown(info, obj)
            if self._selects(shown):
                self._ready.append(WatchEvent("ADDED", shown))
        if self._options.send_initial_events:
            self._ready.append(self._bookmark({INITIAL_EVENTS_END: "true"}))

    def _read(self) -> None:
        try:
            changes = self._core.store.after(self._info.bucket, self._cursor)
        except Compacted as past:
            self.close()
            raise Gone(f"too old resource version: {past.asked} ({past.oldest})") from None
        for change in changes:
            self._cursor = change.revision
            if self._namespace is None or change.key.namespace == self._namespace:
                self._translate(change)

    def _translate(self, change: Change) -> None:
        """A change of labels or fields adds or deletes the object as far as this watch can see."""
        shown = self._core.shown
        before = shown(self._info, change.old) if change.old is not None else None
        after = shown(self._info, change.new) if change.new is not None else None
        was = before is not None and self._selects(before)
        if after is not None and self._selects(after):
            self._ready.append(WatchEvent("MODIFIED" if was else "ADDED", after))
        elif before is not None and was:
            self._ready.append(WatchEvent("DELETED", stamped(before, change.revision)))

    def _selects(self, obj: Obj) -> bool:
        return self._matches is None or self._matches(obj)

    def _set_timers(self) -> None:
        if self._bookmark_at is not None:
            return
        now = asyncio.get_running_loop().time()
        timeout = self._options.timeout_seconds
        self._deadline = now + timeout if timeout > 0 else None
        self._bookmark_at = now + BOOKMARK_EVERY
        if timeout > LAST_BOOKMARK_BEFORE_END:
            self._bookmark_at = min(self._bookmark_at, now + timeout - LAST_BOOKMARK_BEFORE_END)

    async def _wait(self) -> None:
        """Until there is news, a bookmark is due, or the watch's time is up."""
        moments = [self._deadline] if self._deadline is not None else []
        if self._options.allow_bookmarks and self._bookmark_at is not None:
            moments.append(self._bookmark_at)
        try:
            async with asyncio.timeout_at(min(moments, default=None)):
                await self._news.wait()
        except TimeoutError:
            self._on_time(asyncio.get_running_loop().time())

    def _on_time(self, now: float) -> None:
        if self._deadline is not None and now >= self._deadline:
            self.close()
        elif self._bookmark_at is not None and now >= self._bookmark_at:
            # News may have come at this very moment: it goes before the bookmark that covers it.
            self._read()
            self._cursor = self._core.store.revision
            self._ready.append(self._bookmark())
            self._bookmark_at = now + BOOKMARK_EVERY
            if self._deadline is not None:
                last = self._deadline - LAST_BOOKMARK_BEFORE_END
                self._bookmark_at = min(self._bookmark_at, last if last > now else self._deadline)

    def _bookmark(self, annotations: dict[str, str] | None = None) -> WatchEvent:
        metadata: Obj = {"resourceVersion": str(self._cursor), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        resource = self._info.resource
        return WatchEvent(
            "BOOKMARK",
            {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata},
        )
