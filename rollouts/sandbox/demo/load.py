"""Bounded load: so many requests a second at one URL, counted by the version that answered.

Owns the pacing and the counts. It never sends faster than asked, never has more than
``concurrency`` requests in flight (a slow application slows it down), and stops after ``seconds``.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

from rollouts.runtime.clock import Clock

NOBODY = "(no answer)"


@dataclass(slots=True)
class Tally:
    """What users saw: requests and errors per version."""

    requests: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    def copy(self) -> "Tally":
        return Tally(Counter(self.requests), Counter(self.errors))

    def since(self, before: "Tally") -> "Tally":
        return Tally(self.requests - before.requests, self.errors - before.errors)

    def shares(self) -> Mapping[str, float]:
        """Each version's share of the requests, from 0 to 1."""
        total = self.requests.total()
        return {version: count / total for version, count in self.requests.items()} if total else {}


class LoadGenerator:
    """Sends GETs to ``url`` and counts the answers in ``tally``."""

    def __init__(
        self, url: str, clock: Clock, *, rate: float = 100.0, concurrency: int = 32
    ) -> None:
        """``rate``: requests per second."""
        self.tally = Tally()
        self._url, self._clock, self._rate = url, clock, rate
        self._slots = asyncio.Semaphore(concurrency)

    async def run(self, seconds: float = 600.0) -> None:
        """Send for so many seconds, then wait for the last answers."""
        timeout = aiohttp.ClientTimeout(total=5)
        began = self._clock.monotonic()
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            sent = 0
            while (elapsed := self._clock.monotonic() - began) < seconds:
                due = sent / self._rate
                if due > elapsed:
                    await asyncio.sleep(due - elapsed)
                await self._slots.acquire()
                group.create_task(self._one(session))
                # After a stall, go on at the pace; do not catch up with a burst.
                sent = max(sent + 1, int((elapsed - 0.5) * self._rate))

    async def _one(self, session: aiohttp.ClientSession) -> None:
        version, failed = NOBODY, True
        try:
            async with session.get(self._url) as answer:
                await answer.read()
                version = answer.headers.get("X-Version", NOBODY)
                failed = answer.status >= 500
        except (aiohttp.ClientError, TimeoutError):
            pass
        finally:
            self._slots.release()
        self.tally.requests[version] += 1
        self.tally.errors[version] += failed
