"""Requests per second, as ``--qps`` and ``--burst`` mean it: a token bucket.

Off unless asked for; the server's own priority and fairness does better. Used by the client.
"""

import asyncio
from typing import Final

from rollouts.runtime.clock import Clock


class RateLimit:
    """``qps`` requests per second in the long run, ``burst`` at once."""

    def __init__(self, clock: Clock, qps: float, burst: int) -> None:
        self._clock: Final = clock
        self._qps = qps
        self._burst = float(max(1, burst))
        self._tokens = self._burst
        self._at = clock.monotonic()

    async def take(self) -> None:
        """Wait for a turn. Turns are given in the order of asking."""
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._qps) - 1
        self._at = now
        if self._tokens < 0:  # the debt is the queue: each asker waits for its own token
            await asyncio.sleep(-self._tokens / self._qps)
