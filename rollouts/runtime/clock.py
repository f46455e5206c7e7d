"""The two clocks of the process.

Wall time (seconds since the epoch) is for what is written into objects and compared with it;
monotonic time is for measuring how long something took or when to wake up. They may drift apart,
so nobody may mix them. Everything that needs time takes a Clock as a parameter; this module holds
the only calls to the operating system's clocks.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """What time it is, asked for rather than looked up."""

    def wall(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        ...


class SystemClock:
    """The operating system's clocks."""

    def wall(self) -> float:
        return time.time()  # noqa: TID251 - the one place

    def monotonic(self) -> float:
        return time.monotonic()  # noqa: TID251 - the one place


@dataclass(frozen=True, slots=True)
class LoopClock:
    """Follows an event loop's own time, so that virtual time moves both clocks together.

    ``epoch``: the wall time, in seconds, at which the loop's time was zero.
    """

    loop: asyncio.AbstractEventLoop
    epoch: float

    def wall(self) -> float:
        return self.epoch + self.loop.time()

    def monotonic(self) -> float:
        return self.loop.time()
