"""No writes without the lease.

Owns one rule: a write is sent only while we lead, and is given up when the lease could pass to
somebody else. Reads pass through. Everything the controller writes goes through here; the election
itself does not.
"""

import asyncio
from collections.abc import Callable

from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import ApiError, Unreachable
from rollouts.kube.forwarding import Call, ForwardingApi, Send


class NotLeader(ApiError):
    """The write was not sent: another process may be leading."""

    code, reason = 0, "NotLeader"


class GuardedApi(ForwardingApi):
    """``remaining``: seconds for which writes are allowed, 0 or less where they are not."""

    def __init__(self, api: KubeApi, remaining: Callable[[], float]) -> None:
        super().__init__(api)
        self._remaining = remaining

    async def _around(self, call: Call, send: Send) -> Obj:
        if not call.writes:
            return await send()
        seconds = self._remaining()
        if seconds <= 0:
            raise NotLeader("not the leader: nothing is written")
        try:
            async with asyncio.timeout(seconds):
                return await send()
        except TimeoutError as error:
            raise Unreachable("the lease ended while a write was on its way") from error
