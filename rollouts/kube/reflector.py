"""Keeps a Store equal to the server: list once, then watch, for ever.

Owns versions, paging, reconnects and waiting; knows nothing of who reads the store. Whatever a
server or a network does (410, 429, 5xx, a stream that ends at once, one that says nothing), the
store ends up equal to the truth and the server is not hammered. One per Store.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Final

import structlog

from rollouts.kube.api import KubeApi, Obj, WatchEvent
from rollouts.kube.backoff import Backoff
from rollouts.kube.errors import ApiError, Forbidden, Gone, NotFound, Unreachable
from rollouts.kube.store import ObjectKey, Store, key_of
from rollouts.runtime.clock import Clock

_PAGE: Final = 500  # objects of one list request
_STRIDE: Final = 100  # objects taken over before others may run: about 3 ms
_WATCH_SECONDS: Final = (300.0, 600.0)  # random, so that many watches do not end together
_GRACE_SECONDS: Final = 30.0  # a silent connection is given up this long after its watch's end
_LIST_SECONDS: Final = 120.0
_SHORT_SECONDS: Final = 1.0  # a watch that ends sooner did not work, whatever it says
_LONGEST_RETRY_AFTER: Final = 300.0
_MOMENT_SECONDS: Final = 5.0
_SETTLE_SECONDS: Final = 90.0  # longer than the time between two bookmarks

_log = structlog.get_logger("kube.reflector")


class Reflector:
    """``namespace=None`` is all namespaces; ``labels`` and ``fields`` restrict at the server."""

    def __init__(
        self,
        api: KubeApi,
        store: Store,
        *,
        namespace: str | None = None,
        labels: str = "",
        fields: str = "",
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.store: Final = store
        self.lists = 0  # full lists finished
        self.failures = 0  # lists and watches that ended in an error
        self.drift = 0  # objects found different from the truth by ``verify``
        self._api = api
        self._namespace = namespace
        self._labels = labels
        self._fields = fields
        self._clock = clock
        self._rng = rng
        self._backoff = Backoff(rng)
        self._version: str | None = None
        self._small_pages = True
        self._synced = asyncio.Event()
        self._deadline: asyncio.Timeout | None = None

    async def wait_synced(self) -> None:
        """Returns once the first list is in the store."""
        await self._synced.wait()

    async def run(self) -> None:
        """For ever; ends by cancellation, or by what an indexer or a subscriber raises."""
        while True:
            before = self._version
            failure, lasted = await self._round()
            if lasted >= _SHORT_SECONDS:
                self._backoff.reset()
                if failure is None:
                    continue
            elif failure is None and before not in (None, self._version):
                # It ended at once but did deliver something: go on slowly, but no slower.
                self._backoff.reset()
                await asyncio.sleep(_SHORT_SECONDS)
                continue
            asked = failure.retry_after if failure and failure.retry_after else 0.0
            await asyncio.sleep(self._backoff.next(min(_LONGEST_RETRY_AFTER, asked)))

    async def _round(self) -> tuple[ApiError | None, float]:
        """A list if one is due, then one watch: what went wrong, and the seconds it watched."""
        started = self._clock.monotonic()
        try:
            if self._version is None:
                self._version = await self._list()
                started = self._clock.monotonic()
            await self._watch()
        except ApiError as error:
            lasted = self._clock.monotonic() - started if self._version is not None else 0.0
            self._failed(error)
            return error, lasted
        return None, self._clock.monotonic() - started

    def _failed(self, error: ApiError) -> None:
        self.failures += 1
        self.store.withheld = error.message if isinstance(error, Forbidden) else ""
        # A server restored from a backup does not know our version yet, and might never.
        relist = isinstance(error, Gone) or "Too large resource version" in error.message
        if relist:
            self._version = None
        if relist or self._backoff.failures in (0, 5):
            _log.warning(
                "watch broken, will be resumed",
                resource=self.store.resource.group_resource,
                reason=error.reason,
                error=error.message,
                relist=relist,
            )

    async def _list(self) -> str:
        """Take over a full list page by page; returns the version to watch from."""
        keys: set[ObjectKey] = set()
        version = ""
        async for page in self._pages():
            version = page["metadata"].get("resourceVersion", "")
            for at, item in enumerate(page.get("items") or ()):
                if at % _STRIDE == 0:
                    await asyncio.sleep(0)
                keys.add(self.store.put(item, initial=not self.store.synced))
        self.store.keep_only(keys)
        self.store.listed(version)
        self.lists += 1
        self._small_pages = True
        self.store.withheld = ""
        self._synced.set()
        return version

    async def _pages(self) -> AsyncIterator[Obj]:
        token = ""
        while True:
            try:
                async with asyncio.timeout(_LIST_SECONDS):
                    page = await self._api.list(
                        self.store.resource,
                        self._namespace,
                        labels=self._labels,
                        fields=self._fields,
                        limit=_PAGE if self._small_pages else 0,
                        continue_token=token,
                    )
            except TimeoutError as error:
                raise Unreachable(f"no answer to a list within {_LIST_SECONDS:g} s") from error
            except Gone:
                # The next page's snapshot is already compacted: one big page cannot expire.
                self._small_pages = not token
                raise
            yield page
            token = page["metadata"].get("continue") or ""
            if not token:
                return

    async def verify(self) -> int:
        """Compare the store with a fresh list; how many objects differ and stay different.

        A difference is a bug, here or in between; it is counted, said, and mended by a new list.
        Raises ApiError where the list fails.
        """
        truth: dict[ObjectKey, str] = {}
        async for page in self._pages():
            for item in page.get("items") or ():
                truth[key_of(item)] = item["metadata"].get("resourceVersion", "")
        suspects = {
            key: self.store.version(key)
            for key in truth.keys() | self.store.keys()
            if self.store.version(key) != truth.get(key)
        }
        if not suspects:
            return 0
        await asyncio.sleep(_SETTLE_SECONDS)  # most were on their way, or changed after the list
        wrong = [
            key
            for key, was in sorted(suspects.items())
            if self.store.version(key) == was and not await self._is_true(key)
        ]
        found = len(wrong)
        if found:
            self.drift += found
            _log.error("cache differs from the server", count=found, example=wrong[0])
            self._version = None
            if self._deadline is not None:
                self._deadline.reschedule(asyncio.get_running_loop().time())
        return found

    async def _is_true(self, key: ObjectKey) -> bool:
        """Ask for one object, leave the watch a moment, and compare."""
        live: str | None = None
        with contextlib.suppress(NotFound):
            found = await self._api.get(self.store.resource, key[1], key[0] or None)
            live = found["metadata"].get("resourceVersion", "")
        was = self.store.version(key)
        await asyncio.sleep(_MOMENT_SECONDS)
        return self.store.version(key) == live or self.store.version(key) != was

    async def _watch(self) -> None:
        """One watch, until the server or our own deadline ends it."""
        seconds = self._rng.uniform(*_WATCH_SECONDS)
        stream = self._api.watch(
            self.store.resource,
            self._namespace,
            labels=self._labels,
            fields=self._fields,
            resource_version=self._version or "",
            timeout_seconds=seconds,
        )
        try:
            async with asyncio.timeout(seconds + _GRACE_SECONDS) as self._deadline:
                await self._follow(stream)
        except TimeoutError:
            if self._version is not None:
                resource = self.store.resource.group_resource
                _log.warning("watch silent past its end", resource=resource)
        finally:
            self._deadline = None
            if (close := getattr(stream, "aclose", None)) is not None:
                await close()

    async def _follow(self, stream: AsyncIterator[WatchEvent]) -> None:
        async for event in stream:
            self.store.observe(event)
            self._version = event.object["metadata"].get("resourceVersion") or self._version
