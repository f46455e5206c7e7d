"""Measurements that are being made, beside the passes over their runs.

Owns starting them, waiting a moment for those that answer at once, and handing out what has come
of them; so a provider that takes its time, or never answers, keeps neither a worker nor the other
metrics of its run waiting. Refuses to decide or to write. What is under way is only in memory:
after a restart it is asked again. Used by the reconciler of runs.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from analysis.measure import Done, Given, Measurer
from analysis.providers.base import RunRef
from analysis.schedule import Task
from rollouts.kube.queue import Key

GRACE_SECONDS: Final = 0.2  # what answers within it is written by the pass that asked
_MOST_PATIENT: Final = 8  # passes that wait at once, so that there are always workers left
STOP_SECONDS: Final = 5.0  # what is under way when a run ends may still answer within it


@dataclass(slots=True)
class _Going:
    """One measurement under way. ``awaited``: the pass that started it still waits for it."""

    uid: str
    answer: "asyncio.Task[list[Done]]"
    awaited: bool = True


class Underway:
    """``wake`` is called with a run's key when something has come that no pass waits for."""

    def __init__(self, measurer: Measurer, wake: Callable[[Key], None]) -> None:
        self._measurer = measurer
        self._wake = wake
        self._going: dict[Key, dict[str, _Going]] = {}
        self._deadlines: dict[Key, float] = {}
        self._aside: set[asyncio.Task[None]] = set()
        self._patient = 0  # passes that wait for an answer right now

    def busy(self, key: Key) -> frozenset[str]:
        """Metrics that are being measured, answered or not."""
        return frozenset(self._going.get(key, ()))

    async def measure(self, key: Key, run: RunRef, due: Sequence[Task], given: Given) -> None:
        """Start what is due and wait a moment for it."""
        going = self._going.setdefault(key, {})
        started = []
        for task in due:
            answer = asyncio.create_task(self._measurer.measure(run, [task], given))
            one = going[task.plan.name] = _Going(run.uid, answer)
            answer.add_done_callback(partial(self._answered, key, one))
            started.append(one)
        if started and self._patient < _MOST_PATIENT:
            self._patient += 1
            try:
                await asyncio.wait([one.answer for one in started], timeout=GRACE_SECONDS)
            finally:
                self._patient -= 1
        for one in started:
            one.awaited = False

    def take(self, key: Key) -> list[Done]:
        """What has come, each once. Raises what went wrong beyond a measurement's own errors."""
        going = self._going.get(key, {})
        answered = [name for name, one in going.items() if one.answer.done()]
        taken = [going.pop(name).answer for name in answered]
        if not going:
            self._going.pop(key, None)
        return [done for answer in taken if not answer.cancelled() for done in answer.result()]

    def keep(self, key: Key, uid: str) -> None:
        """Forget what was asked for another run of that name."""
        if any(one.uid != uid for one in self._going.get(key, {}).values()):
            self.drop(key)

    def deadline(self, key: Key, now: float) -> float:
        """Until when a run that ends waits for what is under way (seconds since the epoch)."""
        return self._deadlines.setdefault(key, now + STOP_SECONDS)

    def drop(self, key: Key) -> None:
        """Forget everything about a run; what is under way is cancelled."""
        self._deadlines.pop(key, None)
        for one in self._going.pop(key, {}).values():
            one.awaited = True
            one.answer.cancel()

    def aside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something for a run that nobody waits for."""
        task = asyncio.create_task(work)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    async def close(self) -> None:
        """Cancel everything."""
        ending: list[asyncio.Task[Any]] = [*self._aside]
        ending += [one.answer for going in self._going.values() for one in going.values()]
        for key in list(self._going):
            self.drop(key)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    def _answered(self, key: Key, one: _Going, _: object) -> None:
        if not one.awaited:
            self._wake(key)
