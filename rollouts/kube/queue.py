"""Which object to look at next.

Owns coalescing (a key waits at most once), exclusion (a key has at most one worker), delays and
per-key backoff, as client-go's work queue defines them. It carries keys, never events. Without
locks: one event loop owns it. Used by the manager's workers and by whatever hears of changes.
"""

import asyncio
import heapq
import itertools
from collections import deque
from enum import IntEnum
from typing import Final, NamedTuple, Protocol

from rollouts.runtime.clock import Clock


class Key(NamedTuple):
    """Namespace (empty for cluster-scoped) and name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Priority(IntEnum):
    """NORMAL overtakes LOW, which is for first lists and sweeps."""

    NORMAL = 0
    LOW = 1


class QueueObserver(Protocol):
    """Hears what the queue's metrics need; durations in seconds."""

    def waited(self, seconds: float) -> None: ...

    def worked(self, seconds: float) -> None: ...


class WorkQueue:
    """``first`` and ``limit``: the backoff of ``retry`` in seconds, doubling in between."""

    def __init__(
        self,
        clock: Clock,
        *,
        first: float = 0.005,
        limit: float = 30.0,
        observer: QueueObserver | None = None,
    ) -> None:
        self.adds = 0
        self.retries = 0
        self._clock: Final = clock
        self._first = first
        self._limit = limit
        self._observer = observer
        # Insertion order is the order of service; the value is when the key began to wait.
        self._waiting: tuple[dict[Key, float], dict[Key, float]] = ({}, {})
        self._processing: dict[Key, float] = {}
        self._again: dict[Key, Priority] = {}
        self._due: dict[Key, tuple[float, Priority]] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._order = itertools.count()
        self._failures: dict[Key, int] = {}
        self._getters: deque[asyncio.Future[None]] = deque()
        self._stopped = False

    def __len__(self) -> int:
        """Keys that wait for a worker."""
        return sum(map(len, self._waiting))

    @property
    def processing(self) -> int:
        return len(self._processing)

    def unfinished_seconds(self) -> tuple[float, float]:
        """How long the keys in work have been in work: the sum, and the longest."""
        now = self._clock.monotonic()
        ages = [now - since for since in self._processing.values()]
        return sum(ages), max(ages, default=0.0)

    def add(self, key: Key, priority: Priority = Priority.NORMAL) -> None:
        """The key needs a look. Adding it again before a worker takes it changes nothing."""
        if self._stopped:
            return
        if key in self._processing:
            self._again[key] = min(priority, self._again.get(key, priority))
            return
        normal, low = self._waiting
        if key in normal or (key in low and priority is Priority.LOW):
            return
        since = low.pop(key, self._clock.monotonic())
        self._waiting[priority][key] = since
        self.adds += 1
        self._wake_one()

    def add_after(self, key: Key, seconds: float, priority: Priority = Priority.NORMAL) -> None:
        """The key needs a look in ``seconds``; of several delays the earliest counts."""
        if self._stopped:
            return
        if seconds <= 0:
            self.add(key, priority)
            return
        due = self._clock.monotonic() + seconds
        if key in self._due and self._due[key][0] <= due:
            return
        self._due[key] = (due, priority)
        heapq.heappush(self._heap, (due, next(self._order), key))
        self._set_timer()

    async def get(self) -> Key | None:
        """The next key, now in work until ``done``; None once the queue is shut down."""
        while not self._stopped:
            for waiting in self._waiting:
                if waiting:
                    key = next(iter(waiting))
                    now = self._clock.monotonic()
                    since = waiting.pop(key)
                    self._processing[key] = now
                    if self._observer:
                        self._observer.waited(now - since)
                    return key
            getter = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                # Woken and cancelled at once: the key that woke us must wake somebody else.
                if getter.done() and not getter.cancelled():
                    self._wake_one()
                raise
        return None

    def done(self, key: Key) -> None:
        """The worker is finished with the key; it waits again if it was added meanwhile."""
        since = self._processing.pop(key)
        if self._observer:
            self._observer.worked(self._clock.monotonic() - since)
        again = self._again.pop(key, None)
        if again is not None:
            self.add(key, again)

    def retry(self, key: Key) -> float:
        """The key failed: look again after its backoff. Returns the delay in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.retries += 1
        delay = min(self._limit, self._first * 2.0 ** min(failures, 64))
        self.add_after(key, delay)
        return delay

    def forget(self, key: Key) -> None:
        """The key succeeded: its next failure starts the backoff again."""
        self._failures.pop(key, None)

    def failures(self, key: Key) -> int:
        """Failures in a row."""
        return self._failures.get(key, 0)

    def shut_down(self) -> None:
        """No more keys are handed out or taken in; keys in work may still be done."""
        self._stopped = True
        if self._timer:
            self._timer.cancel()
        for getter in self._getters:
            if not getter.done():
                getter.set_result(None)
        self._getters.clear()

    def _wake_one(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def _set_timer(self) -> None:
        """One timer for the earliest delay."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        while self._heap and self._due.get(self._heap[0][2], (None,))[0] != self._heap[0][0]:
            heapq.heappop(self._heap)  # an earlier delay took its place
        if self._heap:
            wait = max(0.0, self._heap[0][0] - self._clock.monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait, self._release_due)

    def _release_due(self) -> None:
        now = self._clock.monotonic() + 1e-6  # timers may fire a hair early
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            if self._due.get(key, (None,))[0] == due:
                self.add(key, self._due.pop(key)[1])
        self._set_timer()
