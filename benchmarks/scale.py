"""Many Rollouts at once, and what they cost the controller.

Two processes: the embedded cluster with instant pods, and ``rollouts controller`` talking HTTP to
it, so that what is measured of the controller is the controller's alone. All Rollouts get a new
image at the same time and go through five steps, two of which are pauses of two seconds. There is
no client-side rate limit, or it would be what is measured.
"""

import asyncio
import math
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Final

from benchmarks import objects
from benchmarks.processes import Report, client, controller, cpu_seconds, memory, sandbox
from benchmarks.table import Row, say
from rollouts.kube.api import KubeApi, PatchType
from rollouts.kube.reflector import Reflector
from rollouts.kube.resources import EVENTS, ROLLOUTS
from rollouts.kube.store import Change, Store
from rollouts.runtime.clock import SystemClock

COUNTS: Final = (200,)
FULL_COUNTS: Final = (200, 1000)
_REPLICAS = 5
_P99_MS = 3.0
_MB = 250.0
_WAIT_SECONDS = 600.0
_LOOK_SECONDS = 5.0  # how often somebody looks whether the controller lives


@dataclass(frozen=True, slots=True)
class Measured:
    """``seconds`` from the first new image to the last promotion; of these the CPU seconds of the
    controller and of the cluster.
    """

    count: int
    seconds: float
    cpu: float
    cluster_cpu: float
    report: Report

    @property
    def requests(self) -> int:
        """Requests of the controller, from its start on. Events aside: how many of them are written
        depends on how much time there is, and what does not fit is dropped.
        """
        return sum(n for asked, n in self.report.requests.items() if not _about_events(asked))

    @property
    def events(self) -> int:
        return sum(n for asked, n in self.report.requests.items() if _about_events(asked))

    def milliseconds(self, percentile: float) -> float:
        """CPU of one reconcile."""
        ordered = sorted(self.report.reconciles)
        return ordered[min(len(ordered) - 1, math.ceil(percentile * len(ordered)) - 1)] * 1000


def _about_events(asked: str) -> bool:
    return asked.endswith(f" {EVENTS.plural}")


class _Fleet:
    """All Rollouts, and waiting until they are healthy with their newest spec."""

    def __init__(self) -> None:
        self.store = Store(ROLLOUTS)
        self._done: set[str] = set()
        self._changed = asyncio.Event()
        self.store.subscribe(self._hear)

    def _hear(self, change: Change) -> None:
        obj = change.object
        status, name = obj.get("status") or {}, obj["metadata"]["name"]
        current = str(obj["metadata"]["generation"])
        if (status.get("observedGeneration"), status.get("phase")) == (current, "Healthy"):
            self._done.add(name)
        else:
            self._done.discard(name)
        self._changed.set()

    async def until_healthy(self, count: int, controller: Popen[bytes]) -> None:
        """Raises RuntimeError when the controller ends before that."""
        async with asyncio.timeout(_WAIT_SECONDS):
            while len(self._done) < count:
                if controller.poll() is not None:
                    raise RuntimeError(f"the controller ended: {controller.returncode}")
                self._changed.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), _LOOK_SECONDS)

    def forget(self) -> None:
        """What was healthy is about to change."""
        self._done.clear()


@asynccontextmanager
async def following(api: KubeApi) -> AsyncIterator[_Fleet]:
    """All Rollouts of the cluster, kept up to date."""
    fleet = _Fleet()
    reflector = Reflector(api, fleet.store, clock=SystemClock(), rng=random.Random(1))
    task = asyncio.create_task(reflector.run())
    try:
        await reflector.wait_synced()
        yield fleet
    finally:
        task.cancel()


def names(count: int) -> list[str]:
    return [f"shop-{number:04}" for number in range(count)]


async def create(api: KubeApi, count: int) -> None:
    """Create the Rollouts."""
    bodies = [objects.rollout(name, _REPLICAS) for name in names(count)]
    await asyncio.gather(*(api.create(ROLLOUTS, body, objects.NAMESPACE) for body in bodies))


async def _release(api: KubeApi, count: int) -> None:
    patch = objects.new_image(2)
    calls = (
        api.patch(ROLLOUTS, name, patch, objects.NAMESPACE, type=PatchType.JSON)
        for name in names(count)
    )
    await asyncio.gather(*calls)


async def _drive(
    kubeconfig: Path, cluster: int, process: Popen[bytes], count: int
) -> tuple[float, float, float]:
    """Create, wait, release, wait; (seconds, controller CPU, cluster CPU) of the release."""
    clock, pids = SystemClock(), (process.pid, cluster)
    async with client(kubeconfig) as api, following(api) as fleet:
        await create(api, count)
        await fleet.until_healthy(count, process)
        say(f"  {count} Rollouts are healthy; controller {memory(pids[0])[0]:.0f} MB")
        before = [cpu_seconds(pid) for pid in pids]
        started = clock.monotonic()
        fleet.forget()
        await _release(api, count)
        await fleet.until_healthy(count, process)
        seconds = clock.monotonic() - started
        after = [cpu_seconds(pid) for pid in pids]
    return seconds, after[0] - before[0], after[1] - before[1]


def measure(count: int, *, limited: bool = False) -> Measured:
    """One fleet. ``limited``: with the client-side rate limit Argo Rollouts has by default."""
    say(f"scale: {count} Rollouts x {_REPLICAS} pods")
    options = ("--qps", "40", "--burst", "80") if limited else ()
    with sandbox() as (cluster, kubeconfig), controller(kubeconfig, *options) as (process, report):
        seconds, cpu, cluster_cpu = asyncio.run(_drive(kubeconfig, cluster, process, count))
    return Measured(count, seconds, cpu, cluster_cpu, report)


def by_verb(report: Report) -> str:
    verbs: Counter[str] = Counter()
    for asked, times in report.requests.items():
        verbs[asked.split()[0]] += times
    return ", ".join(f"{verb} {times}" for verb, times in sorted(verbs.items()))


def rows(found: Measured) -> Iterator[Row]:
    at = f"{found.count} Rollouts: "
    say(f"  requests: {by_verb(found.report)}")
    yield Row(f"{at}all updated after", found.seconds, "s")
    yield Row(f"{at}controller", found.cpu, "s CPU")
    yield Row(f"{at}embedded cluster", found.cluster_cpu, "s CPU")
    yield Row(f"{at}requests per Rollout for two releases", found.requests / found.count)
    yield Row(f"{at}events written per Rollout", found.events / found.count)
    yield Row(f"{at}reconciles per Rollout", len(found.report.reconciles) / found.count)
    yield Row(f"{at}reconcile p50", found.milliseconds(0.5), "ms CPU")
    yield Row(f"{at}reconcile p99", found.milliseconds(0.99), "ms CPU", below=_P99_MS)
    yield Row(f"{at}controller's peak memory", found.report.peak, "MB", below=_MB)


def run(counts: tuple[int, ...] = COUNTS) -> Iterator[Row]:
    """Rows of every count, and how much the requests per Rollout grow with the count."""
    per_rollout = []
    for count in counts:
        found = measure(count)
        yield from rows(found)
        per_rollout.append(found.requests / count)
    if len(counts) > 1:
        growth = (per_rollout[-1] / per_rollout[0] - 1) * 100
        yield Row(
            f"requests per Rollout, {counts[-1]} against {counts[0]}", growth, "% more", at_most=5
        )
