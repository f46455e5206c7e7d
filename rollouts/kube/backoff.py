"""How long to wait before the next try: exponential, bounded, with jitter.

Owns the arithmetic only; whoever waits brings the clock. Used by reflectors, the client, the lease
and the event recorder.
"""

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Seconds from ``first`` doubling to ``limit``, each drawn from the upper half of its step."""

    rng: random.Random
    first: float = 0.2
    limit: float = 30.0
    failures: int = field(default=0, init=False)

    def next(self, at_least: float | None = None) -> float:
        """Seconds to wait after one more failure; never less than a server's Retry-After."""
        step = min(self.limit, self.first * 2.0 ** min(self.failures, 32))
        self.failures += 1
        return max(at_least or 0.0, step * (0.5 + self.rng.random() / 2))

    def reset(self) -> None:
        self.failures = 0
