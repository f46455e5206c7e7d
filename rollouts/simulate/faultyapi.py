"""A KubeApi through which one controller process sees a server that fails as planned.

Owns making faults happen: errors before and after the server acted, the death of the process, and
watches that break off, repeat themselves or stand still. Order within one watch is kept, as etcd
keeps it. Decides nothing: the journal does. One per controller process.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final, NoReturn

from rollouts.kube.api import KubeApi, Obj, WatchEvent
from rollouts.kube.errors import Conflict, Gone, ServerError, Throttled, Unreachable
from rollouts.kube.forwarding import Call, ForwardingApi, Send
from rollouts.kube.resources import Resource
from rollouts.simulate.faults import (
    CRASHES,
    RETRY_AFTER_SECONDS,
    SLOW_SECONDS,
    TIMEOUT_SECONDS,
    Crash,
    Fault,
    Journal,
)

_REPEATED: Final = 3  # events a confused watch sends again


class FaultyApi(ForwardingApi):
    """``lag``: seconds by which everything watched or listed arrives late, always."""

    def __init__(self, api: KubeApi, journal: Journal, actor: str, *, lag: float = 0.0) -> None:
        super().__init__(api)
        self.died = asyncio.Event()
        self._journal = journal
        self._actor = actor
        self._lag = lag
        self._watches = 0

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        timeout_seconds: float = 300.0,
    ) -> AsyncIterator[WatchEvent]:
        self._alive()
        self._watches += 1
        name = f"{self._actor}/{self._watches}"
        self._journal.watching(name)
        recent: deque[WatchEvent] = deque(maxlen=_REPEATED)
        stream = self._api.watch(
            resource,
            namespace,
            labels=labels,
            fields=fields,
            resource_version=resource_version,
            timeout_seconds=timeout_seconds,
        )
        async for event in stream:
            await self._arrival(resource, event)
            recent.append(event)
            match self._journal.watch_fault(resource, name):
                case Fault.DISCONNECT:
                    return
                case Fault.GONE:
                    raise Gone("too old resource version: the simulation has compacted it")
                case Fault.DUPLICATE:
                    for again in tuple(recent):
                        yield again
                case _:
                    yield event

    async def _around(self, call: Call, send: Send) -> Obj:
        self._alive()
        fault = self._journal.arrive(self._actor, call.verb, call.resource, call.name)
        await self._before(fault)
        answer = await send()
        self._journal.committed(call.verb, call.resource, call.name)
        self._alive()  # killed meanwhile by what happened to another request
        await self._after(fault)
        if call.verb == "list":
            await self._arrival(call.resource)
        return answer

    async def _before(self, fault: Fault | None) -> None:
        """What happens instead of the request, if anything does."""
        match fault:
            case Fault.CRASH_BEFORE:
                self._die()
            case Fault.TIMEOUT_BEFORE:
                await asyncio.sleep(TIMEOUT_SECONDS)
                raise Unreachable("simulated: no answer, and nothing was done")
            case Fault.CONFLICT:
                raise Conflict("simulated: the object has been modified")
            case Fault.THROTTLED:
                raise Throttled("simulated: too many requests", retry_after=RETRY_AFTER_SECONDS)
            case Fault.SERVER_ERROR:
                raise ServerError("simulated: internal error")
            case Fault.UNAVAILABLE:
                raise ServerError("simulated: unavailable", code=503, reason="ServiceUnavailable")
            case Fault.SLOW:
                await asyncio.sleep(SLOW_SECONDS)
                self._alive()
            case _:
                pass

    async def _after(self, fault: Fault | None) -> None:
        """What happens to the answer."""
        if fault in CRASHES:
            self._die()
        if fault is Fault.TIMEOUT_AFTER:
            await asyncio.sleep(TIMEOUT_SECONDS)
            raise Unreachable("simulated: no answer, but it was done")

    async def _arrival(self, resource: Resource, event: WatchEvent | None = None) -> None:
        """Wait until news of that kind gets through."""
        if self._lag:
            now = self._journal.now()
            happened = now if event is None else self._journal.time_of(event.object)
            await asyncio.sleep(max(0.0, happened + self._lag - now))
        await asyncio.sleep(max(0.0, self._journal.stuck_until(resource) - self._journal.now()))
        self._alive()

    def _alive(self) -> None:
        if self.died.is_set():
            raise Crash

    def _die(self) -> NoReturn:
        self.died.set()
        raise Crash
