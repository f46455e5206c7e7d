"""The manager: order at start, care at work, order at stop."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rollouts.controllers.manager import Controller, Manager, own_key, owner_key
from rollouts.controllers.metrics import Metrics
from rollouts.kube.errors import Conflict, Forbidden, ServerError, Throttled, Unreachable
from rollouts.kube.events import EventRecorder
from rollouts.kube.guard import GuardedApi
from rollouts.kube.lease import Election, LeaseLost
from rollouts.kube.queue import Key, WorkQueue
from rollouts.kube.reflector import Reflector
from rollouts.kube.resources import LEASES, REPLICA_SETS
from rollouts.kube.store import Store
from rollouts.simulate.loop import EPOCH, run_virtual, virtual_clock
from tests.kube.fake_server import FakeServer
from tests.kube.memory_api import MemoryApi


class Scripted:
    """A reconciler that remembers when it was called and does what the script says next."""

    name = "rollout"

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.calls: list[tuple[float, str]] = []
        self.busy: set[Key] = set()

    async def reconcile(self, key: Key) -> float | None:
        assert key not in self.busy, "one worker per key"
        self.busy.add(key)
        try:
            self.calls.append((asyncio.get_running_loop().time(), key.name))
            step = self.script.pop(0) if self.script else None
            if isinstance(step, Exception):
                raise step
            if callable(step):
                result = step()
                return await result if asyncio.iscoroutine(result) else result  # type: ignore[no-any-return]
            return step
        finally:
            self.busy.discard(key)

    def gaps(self) -> list[float]:
        times = [time for time, _ in self.calls]
        return [round(b - a, 3) for a, b in itertools.pairwise(times)]


class House:
    """A manager over one store of ReplicaSets, with everything it touches."""

    def __init__(self, reconciler: Scripted, *, elect: bool = False, **options: Any) -> None:
        clock = virtual_clock()
        self.server = FakeServer()
        self.api = MemoryApi()
        self.store = Store(REPLICA_SETS)
        self.queue = WorkQueue(clock)
        self.metrics = Metrics()
        self.election = Election(self.api, clock, "me", "argo") if elect else None  # type: ignore[arg-type]
        writer = GuardedApi(self.api, self.election.remaining) if self.election else self.api  # type: ignore[arg-type]
        self.recorder = EventRecorder(writer, clock, lambda: "id")  # type: ignore[arg-type]
        reflector = Reflector(self.server, self.store, clock=clock, rng=random.Random(1))  # type: ignore[arg-type]
        self.manager = Manager(
            [Controller(reconciler, self.queue, [(self.store, own_key)], workers=3)],
            [reflector],
            clock=clock,
            metrics=self.metrics,
            election=self.election,
            recorder=self.recorder,
            **options,
        )

    def sample(self, series: str, /, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(series, labels)


def live(
    reconciler: Scripted,
    story: Callable[[House], Awaitable[None]],
    *,
    prepare: Callable[[House], None] | None = None,
    **options: Any,
) -> House:
    """Run a manager while ``story`` happens, then stop it."""

    async def main() -> House:
        house = House(reconciler, **options)
        house.server.write("web")
        if prepare:
            prepare(house)
        running = asyncio.create_task(house.manager.run())
        await story(house)
        house.manager.stop()
        await running
        return house

    return run_virtual(main())


async def ten_minutes(_: House) -> None:
    await asyncio.sleep(550)


def test_every_object_is_looked_at_and_then_only_news() -> None:
    async def story(house: House) -> None:
        await asyncio.sleep(5)
        assert house.manager.not_ready() == ""
        house.server.write("web")
        house.server.delete("web")
        await asyncio.sleep(500)

    reconciler = Scripted()
    live(reconciler, story)
    assert [name for _, name in reconciler.calls] == ["web", "web"]


def test_a_wake_up_time_is_kept_to_the_moment() -> None:
    reconciler = Scripted(EPOCH + 100.0, None)
    live(reconciler, ten_minutes)
    assert [round(time, 3) for time, _ in reconciler.calls][1:] == [100.0]


def test_a_wake_up_in_the_past_does_not_spin() -> None:
    reconciler = Scripted(*[EPOCH - 5.0] * 100)
    live(reconciler, ten_minutes)
    assert all(gap >= 0.005 for gap in reconciler.gaps())


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (Conflict("moved on"), False),
        (ServerError("etcd"), True),
        (Unreachable("away"), True),
        (Forbidden("rbac"), True),
        (ValueError("a bug"), True),
    ],
)
def test_failures_back_off_and_success_forgets_them(error: Exception, counted: bool) -> None:
    reconciler = Scripted(*[error] * 4, None)
    house = live(reconciler, ten_minutes)
    assert reconciler.gaps() == [0.005, 0.01, 0.02, 0.04]
    failures = house.sample("rollout_reconcile_error", name="web", namespace="default")
    assert failures == (4.0 if counted else None)
    assert house.queue.failures(Key("default", "web")) == 0


def test_a_server_that_names_a_time_is_obeyed() -> None:
    reconciler = Scripted(Throttled("busy", retry_after=7), None)
    live(reconciler, ten_minutes)
    assert reconciler.gaps() == [7.0]


def test_a_reconcile_that_hangs_is_ended_and_others_go_on() -> None:
    reconciler = Scripted(lambda: asyncio.sleep(10_000), None, None)

    async def story(house: House) -> None:
        await asyncio.sleep(1)
        house.server.write("other")
        await asyncio.sleep(200)

    live(reconciler, story)
    times = {name: time for time, name in reconciler.calls}
    assert times["other"] < 2
    assert 60 <= times["web"] < 61


def test_the_sweep_looks_at_everything_now_and_then() -> None:
    async def story(_: House) -> None:
        await asyncio.sleep(1000)

    reconciler = Scripted()
    live(reconciler, story, sweep=300)
    assert len(reconciler.calls) == 4


def test_nobody_works_before_the_caches_are_filled() -> None:
    def prepare(house: House) -> None:
        house.server.list_faults.extend([Unreachable("away")] * 5)

    async def story(house: House) -> None:
        await asyncio.sleep(0.1)
        assert house.manager.not_ready() == "caches are filling"
        assert reconciler.calls == []
        await asyncio.sleep(30)
        assert house.manager.not_ready() == ""

    reconciler = Scripted()
    live(reconciler, story, prepare=prepare)
    assert len(reconciler.calls) == 1


def test_caches_that_never_fill_end_the_process_with_a_reason() -> None:
    async def main() -> None:
        house = House(Scripted())
        house.server.list_faults.extend([Forbidden("no")] * 1000)
        with pytest.raises(TimeoutError, match=r"no first list of replicasets\.apps within 120 s"):
            await house.manager.run()

    run_virtual(main())


def test_only_the_leader_works_and_it_hands_over_cleanly() -> None:
    async def story(house: House) -> None:
        await asyncio.sleep(1)
        assert [lease["spec"]["holderIdentity"] for lease in house.api.of(LEASES)] == ["me"]

    reconciler = Scripted()
    house = live(reconciler, story, elect=True)
    assert len(reconciler.calls) == 1
    assert house.api.of(LEASES)[0]["spec"]["holderIdentity"] == ""


def test_a_lost_lease_ends_the_process_and_the_work_in_hand() -> None:
    ended: list[str] = []

    async def long_work() -> None:
        try:
            await asyncio.sleep(50)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def main() -> None:
        house = House(Scripted(long_work), elect=True)
        house.server.write("web")
        running = asyncio.create_task(house.manager.run())
        await asyncio.sleep(2)

        def away(_verb: str, _committed: bool) -> None:
            raise Unreachable("away")

        house.api.fault = away
        with pytest.raises(LeaseLost):
            await running
        assert ended == ["cancelled"]
        assert asyncio.get_running_loop().time() < 20

    run_virtual(main())


def test_stopping_finishes_work_releases_the_lease_and_flushes_events() -> None:
    reconciler = Scripted(lambda: asyncio.sleep(5))

    async def story(house: House) -> None:
        await asyncio.sleep(1)
        obj = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"}}
        house.recorder.normal(obj, "Last", "words")
        house.server.write("never looked at")

    closed: list[str] = []

    async def close() -> None:
        closed.append("sessions")

    def prepare(house: House) -> None:
        house.manager.on_stop = close

    house = live(reconciler, story, prepare=prepare, elect=True)
    assert house.sample("rollout_reconcile_count", name="web", namespace="default") == 1.0
    assert [event["reason"] for event in house.api.objects.values() if "reason" in event] == [
        "Last"
    ]
    assert house.manager.not_ready() == "stopping"
    assert closed == ["sessions"]


def test_stopping_twice_does_not_wait() -> None:
    async def main() -> float:
        house = House(Scripted(lambda: asyncio.sleep(15)))
        house.server.write("web")
        running = asyncio.create_task(house.manager.run())
        await asyncio.sleep(1)
        house.manager.stop()
        await asyncio.sleep(1)
        assert not running.done()
        house.manager.stop()
        with pytest.raises(asyncio.CancelledError):
            await running
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) < 3


def test_a_watch_that_dies_ends_the_process() -> None:
    async def main() -> None:
        house = House(Scripted())

        def broken(_: Any) -> None:
            raise ZeroDivisionError("a bug in a subscriber")

        house.store.subscribe(broken)
        house.server.write("web")
        with pytest.raises(ZeroDivisionError):
            await house.manager.run()

    run_virtual(main())


def test_key_mappers() -> None:
    metadata = {
        "name": "web-1",
        "namespace": "shop",
        "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "Rollout", "name": "no", "controller": True},
            {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "ref"},
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Rollout",
                "name": "web",
                "controller": True,
            },
        ],
    }
    obj = {"metadata": metadata}
    assert list(own_key(obj)) == [Key("shop", "web-1")]
    assert list(owner_key("Rollout", "argoproj.io")(obj)) == [Key("shop", "web")]
