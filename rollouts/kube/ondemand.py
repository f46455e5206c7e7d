"""A cache that is filled only once somebody needs it.

Owns the waiting until then. For kinds that most clusters have thousands of and most controllers
never look at: nothing is listed, watched or kept before ``want``. Since few objects need it, nobody
is kept waiting for a list that the server does not allow. Used by ``controllers.wiring``.
"""

import asyncio
from typing import Any

from rollouts.kube.errors import ApiError, Forbidden
from rollouts.kube.reflector import Reflector


class OnDemandReflector(Reflector):
    """A Reflector that starts with the first ``want``; it never stops again."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._wanted = asyncio.Event()
        self._refused = asyncio.Event()

    def want(self) -> None:
        """Somebody needs the cache from now on."""
        self._wanted.set()

    async def run(self) -> None:
        """As a Reflector, once wanted."""
        await self._wanted.wait()
        await super().run()

    async def wait_synced(self) -> None:
        """Returns at once while nobody wants the cache, and when it is refused to us."""
        if not self._wanted.is_set():
            return
        answers = [asyncio.ensure_future(each) for each in (super().wait_synced(), self._no())]
        try:
            await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for answer in answers:
                answer.cancel()

    async def _no(self) -> None:
        await self._refused.wait()

    def _failed(self, error: ApiError) -> None:
        super()._failed(error)
        if isinstance(error, Forbidden):
            self._refused.set()

    async def verify(self) -> int:
        """As a Reflector; an unwanted cache is right."""
        return await super().verify() if self._wanted.is_set() else 0
