"""The queue: nothing lost, nothing twice at once, the earliest delay wins."""

import asyncio
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rollouts.kube.queue import Key, Priority, WorkQueue
from rollouts.runtime.clock import LoopClock
from rollouts.simulate.loop import VirtualTimeLoop, run_virtual, virtual_clock

A, B, C = (Key("shop", name) for name in "abc")


def test_what_is_added_while_in_work_comes_back_after() -> None:
    async def main() -> None:
        queue = WorkQueue(virtual_clock())
        queue.add(A)
        queue.add(A)
        assert await queue.get() == A
        queue.add(A)
        assert len(queue) == 0
        queue.done(A)
        assert await queue.get() == A
        queue.done(A)
        assert len(queue) == 0

    run_virtual(main())


def test_a_change_overtakes_the_first_list() -> None:
    async def main() -> list[Key | None]:
        queue = WorkQueue(virtual_clock())
        queue.add(A, Priority.LOW)
        queue.add(B, Priority.LOW)
        queue.add(C)
        queue.add(B)
        return [await queue.get() for _ in range(3)]

    assert run_virtual(main()) == [C, B, A]


def test_the_earliest_delay_counts() -> None:
    async def main() -> list[float]:
        queue, times = WorkQueue(virtual_clock()), []
        for seconds in (60, 10, 30):
            queue.add_after(A, seconds)
        queue.add_after(B, 20)
        for _ in range(2):
            await queue.get()
            times.append(asyncio.get_running_loop().time())
        return times

    assert run_virtual(main()) == [10, 20]


def test_backoff_doubles_to_its_limit_and_is_forgotten() -> None:
    async def main() -> None:
        queue = WorkQueue(virtual_clock())
        delays = []
        for _ in range(15):
            delays.append(queue.retry(A))
            assert await queue.get() == A
            queue.done(A)
        assert delays[:4] == [0.005, 0.01, 0.02, 0.04]
        assert delays[-1] == 30.0
        queue.forget(A)
        assert queue.retry(A) == 0.005

    run_virtual(main())


def test_shut_down_lets_everybody_go() -> None:
    async def main() -> None:
        queue = WorkQueue(virtual_clock())
        queue.add_after(A, 5)
        waiters = [asyncio.create_task(queue.get()) for _ in range(3)]
        await asyncio.sleep(1)
        queue.shut_down()
        assert await asyncio.gather(*waiters) == [None] * 3
        queue.add(B)
        assert await queue.get() is None

    run_virtual(main())


def test_a_cancelled_worker_takes_no_key_with_it() -> None:
    async def main() -> None:
        queue = WorkQueue(virtual_clock())
        first, second = (asyncio.create_task(queue.get()) for _ in range(2))
        await asyncio.sleep(1)
        queue.add(A)
        first.cancel()
        assert await second == A

    run_virtual(main())


def test_the_age_of_what_is_in_work() -> None:
    async def main() -> None:
        queue = WorkQueue(virtual_clock())
        queue.add(A)
        await queue.get()
        await asyncio.sleep(2)
        queue.add(B)
        await queue.get()
        await asyncio.sleep(1)
        assert queue.unfinished_seconds() == (4.0, 3.0)

    run_virtual(main())


class QueueMachine(RuleBasedStateMachine):
    """A queue beside its model: sets of keys and one due time per key."""

    keys = st.sampled_from([A, B, C])

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()
        self.queue = WorkQueue(LoopClock(self.loop, 0.0))
        self.waiting: set[Key] = set()
        self.working: set[Key] = set()
        self.again: set[Key] = set()
        self.due: dict[Key, float] = {}
        self.failures: dict[Key, int] = {}

    def teardown(self) -> None:
        self.loop.close()

    def run(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    def model_add(self, key: Key) -> None:
        (self.again if key in self.working else self.waiting).add(key)

    def model_delay(self, key: Key, seconds: float) -> None:
        due = self.loop.time() + seconds
        self.due[key] = min(due, self.due.get(key, due))

    @rule(key=keys, priority=st.sampled_from(Priority))
    def add(self, key: Key, priority: Priority) -> None:
        self.queue.add(key, priority)
        self.model_add(key)

    @rule(key=keys, seconds=st.sampled_from([0.5, 1.0, 2.0, 40.0]))
    def add_after(self, key: Key, seconds: float) -> None:
        async def call() -> None:
            self.queue.add_after(key, seconds)

        self.run(call())
        self.model_delay(key, seconds)

    @rule(key=keys)
    def retry(self, key: Key) -> None:
        async def call() -> float:
            return self.queue.retry(key)

        failures = self.failures.get(key, 0)
        assert self.run(call()) == min(30.0, 0.005 * 2**failures)
        self.failures[key] = failures + 1
        self.model_delay(key, min(30.0, 0.005 * 2**failures))

    @rule(key=keys)
    def forget(self, key: Key) -> None:
        self.queue.forget(key)
        self.failures.pop(key, None)

    @rule(seconds=st.sampled_from([0.25, 1.0, 5.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))
        for key, due in sorted(self.due.items(), key=lambda item: item[1]):
            if due <= self.loop.time() + 1e-6:
                del self.due[key]
                self.model_add(key)

    @precondition(lambda self: self.waiting)
    @rule()
    def get(self) -> None:
        key = self.run(self.queue.get())
        assert key in self.waiting
        assert key not in self.working, "one worker per key"
        self.waiting.remove(key)
        self.working.add(key)

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.working)))
        self.queue.done(key)
        self.working.remove(key)
        if key in self.again:
            self.again.remove(key)
            self.waiting.add(key)

    @invariant()
    def nothing_is_lost(self) -> None:
        assert len(self.queue) == len(self.waiting)
        assert self.queue.processing == len(self.working)


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
