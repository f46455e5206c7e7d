"""Kubernetes events, without getting in anybody's way.

Owns aggregation (the same thing said again raises a count), the spam filter (per object and reason
a burst of 25, then one in five minutes, so that chatter never drowns an abort) and a bounded
background queue. A few are written at once, those about one object one after the other, so that
they read in the order in which things happened. Recording never blocks and never fails; an event
that cannot be written is dropped and counted. Used by reconcilers through ``record``; the manager
runs ``run`` and awaits ``flush`` when it stops.
"""

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import structlog

from analysis.times import format_time
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import (
    AlreadyExists,
    ApiError,
    NotFound,
    ServerError,
    Throttled,
    Unreachable,
)
from rollouts.kube.guard import NotLeader
from rollouts.kube.resources import EVENTS
from rollouts.runtime.clock import Clock
from rollouts.runtime.ids import IdFactory

COMPONENT: Final = "rollouts-controller"
_BURST: Final = 25
_REFILL_SECONDS: Final = 300.0
_SAME_SECONDS: Final = 600.0  # said again after this long it is a new event
_LONGEST_MESSAGE: Final = 1024  # characters; the API server refuses more
_REMEMBERED: Final = 4096
_ATTEMPTS: Final = 3
_WRITERS: Final = 8
_WAITING: Final = 10_000  # what a thousand Rollouts have to say when all are released at once

_log = structlog.get_logger("kube.events")

# What makes two events the same: uid of the object, type, reason, message.
_Identity: TypeAlias = tuple[str, str, str, str]


@dataclass(slots=True)
class _Written:
    """An event the server has."""

    namespace: str
    name: str
    count: int
    last: float


@dataclass(slots=True)
class _Pending:
    """An event on its way under a name of its own; ``count`` grows while it waits."""

    involved: Obj
    name: str
    count: int
    first: float
    last: float


class EventRecorder:
    """``heard`` is told of every event recorded (object, type, reason), written or not."""

    def __init__(
        self,
        api: KubeApi,
        clock: Clock,
        ids: IdFactory,
        *,
        component: str = COMPONENT,
        capacity: int = _WAITING,
        heard: Callable[[Obj, str, str], None] | None = None,
    ) -> None:
        self.dropped = 0
        self._api = api
        self._clock = clock
        self._ids = ids
        self._component = component
        self._capacity = capacity
        self._heard = heard
        self._pending: dict[_Identity, _Pending] = {}
        self._lanes: dict[str, deque[_Identity]] = {}
        """By object: what is to be written about it, in order; also while one is being written."""
        self._turns: asyncio.Queue[str] = asyncio.Queue()
        self._led = True
        self._written: OrderedDict[_Identity, _Written] = OrderedDict()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._idle = asyncio.Event()
        self._idle.set()

    def normal(self, obj: Obj, reason: str, message: str) -> None:
        self.record(obj, "Normal", reason, message)

    def warning(self, obj: Obj, reason: str, message: str) -> None:
        self.record(obj, "Warning", reason, message)

    def record(self, obj: Obj, kind: str, reason: str, message: str) -> None:
        """``kind`` is Normal or Warning. ``obj`` needs apiVersion, kind and metadata."""
        if self._heard:
            self._heard(obj, kind, reason)
        metadata, now = obj["metadata"], self._clock.wall()
        if len(message) > _LONGEST_MESSAGE:
            message = message[: _LONGEST_MESSAGE - 1] + "…"
        identity = (metadata.get("uid") or metadata["name"], kind, reason, message)
        waiting = self._pending.get(identity)
        if waiting is not None:
            waiting.count += 1
            waiting.last = now
            return
        if len(self._pending) >= self._capacity or not self._take_token(f"{identity[0]}/{reason}"):
            self.dropped += 1
            return
        # The name is fixed here, so that a create whose answer was lost is not repeated as another.
        name = f"{metadata['name'][:200].rstrip('.-')}.{self._ids()}"
        self._pending[identity] = _Pending(_reference(obj), name, 1, now, now)
        self._idle.clear()
        about = identity[0]
        if about not in self._lanes:
            self._lanes[about] = deque()
            self._turns.put_nowait(about)
        self._lanes[about].append(identity)

    async def run(self) -> None:
        """Write what is recorded, for ever."""
        async with asyncio.TaskGroup() as writers:
            for _ in range(_WRITERS):
                writers.create_task(self._write_in_turn())

    async def _write_in_turn(self) -> None:
        while True:
            about = await self._turns.get()
            lane = self._lanes[about]
            identity = lane.popleft()
            await self._write(identity, self._pending.pop(identity))
            if lane:
                self._turns.put_nowait(about)
                continue
            del self._lanes[about]
            if not self._lanes:
                self._idle.set()

    async def flush(self, seconds: float = 5.0) -> None:
        """Wait until everything recorded is written, but no longer than ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            self.dropped += len(self._pending)
            _log.warning("events lost at stop", count=len(self._pending))

    def _take_token(self, said: str) -> bool:
        now = self._clock.monotonic()
        tokens, since = self._buckets.pop(said, (float(_BURST), now))
        tokens = min(_BURST, tokens + (now - since) / _REFILL_SECONDS)
        allowed = tokens >= 1
        _remember(self._buckets, said, (tokens - 1 if allowed else tokens, now))
        return allowed

    async def _write(self, identity: _Identity, pending: _Pending) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                await self._write_once(identity, pending)
                self._led = True
                return
            except (Throttled, ServerError, Unreachable) as error:
                await asyncio.sleep(min(30.0, error.retry_after or 2.0**attempt))
            except NotLeader as error:
                if self._led:
                    _log.info("no event is written", error=error.message)
                self._led = False
                break
            except ApiError as error:
                _log.warning("event refused", reason=identity[2], error=error.message)
                break
        self.dropped += 1

    async def _write_once(self, identity: _Identity, pending: _Pending) -> None:
        known = self._written.get(identity)
        if known is not None and pending.last - known.last < _SAME_SECONDS:
            count = known.count + pending.count
            patch = {"count": count, "lastTimestamp": format_time(pending.last)}
            try:
                await self._api.patch(EVENTS, known.name, patch, known.namespace)
            except NotFound:  # events are deleted after an hour or by hand
                del self._written[identity]
            else:
                known.count, known.last = count, pending.last
                return
        event = self._event(identity, pending)
        metadata = event["metadata"]
        with contextlib.suppress(AlreadyExists):
            await self._api.create(EVENTS, event, metadata["namespace"])
        written = _Written(metadata["namespace"], metadata["name"], pending.count, pending.last)
        _remember(self._written, identity, written)

    def _event(self, identity: _Identity, pending: _Pending) -> Obj:
        _, kind, reason, message = identity
        namespace = pending.involved.get("namespace") or "default"
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"name": pending.name, "namespace": namespace},
            "involvedObject": pending.involved,
            "type": kind,
            "reason": reason,
            "message": message,
            "count": pending.count,
            "firstTimestamp": format_time(pending.first),
            "lastTimestamp": format_time(pending.last),
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": "",
        }


def _reference(obj: Obj) -> Obj:
    """As much of an object as an event keeps; the object itself may be large, and outdated soon."""
    metadata = obj["metadata"]
    kept = ("namespace", "name", "uid", "resourceVersion")
    named = {field: metadata[field] for field in kept if metadata.get(field)}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], **named}


def _remember(memory: "OrderedDict[Any, Any]", key: Any, value: Any) -> None:
    """Keep the most recent entries only."""
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > _REMEMBERED:
        memory.popitem(last=False)
