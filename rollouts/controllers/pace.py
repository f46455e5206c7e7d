"""How often a status that only counts pods anew is written.

Owns that measure, for each object: pods come and go in bursts, and what they add up to is written
at most once a second, unless a decision goes with it. Used by the controllers that sum up pods.
"""

from typing import Final

from rollouts.kube.queue import Key
from rollouts.planner.plan import Plan
from rollouts.runtime.clock import Clock

_SECONDS: Final = 1.0


class Pace:
    """One per controller."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._written: dict[Key, float] = {}

    def rest(self, key: Key, decided: Plan, *, counts_only: bool) -> float:
        """Seconds for which the plan can wait; 0 when it is to be carried out now.

        ``counts_only``: it writes nothing but numbers of pods.
        """
        now = self._clock.monotonic()
        if not decided.writes:
            return 0.0
        due = self._written.get(key, 0.0) + _SECONDS
        if counts_only and now < due:
            return due - now
        self._written[key] = now
        return 0.0

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._written.pop(key, None)
