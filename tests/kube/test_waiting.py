"""Backoff and rate limits: never too early, never for ever."""

import asyncio
import random

from hypothesis import given
from hypothesis import strategies as st

from rollouts.kube.backoff import Backoff
from rollouts.kube.limits import RateLimit
from rollouts.simulate.loop import run_virtual, virtual_clock


@given(st.integers(0, 1000), st.integers(1, 200))
def test_backoff_grows_to_its_limit_with_jitter(seed: int, failures: int) -> None:
    backoff = Backoff(random.Random(seed), first=0.2, limit=30.0)
    waits = [backoff.next() for _ in range(failures)]
    for number, wait in enumerate(waits):
        step = min(30.0, 0.2 * 2.0**number)
        assert step / 2 <= wait <= step
    backoff.reset()
    assert backoff.next() <= 0.2


def test_a_servers_retry_after_is_the_least() -> None:
    backoff = Backoff(random.Random(1))
    assert backoff.next(12.5) == 12.5
    assert backoff.next(0.001) > 0.1


@given(st.integers(1, 20), st.integers(1, 60), st.sampled_from([1.0, 5.0, 40.0]))
def test_a_burst_passes_and_then_the_rate_holds(burst: int, requests: int, qps: float) -> None:
    async def main() -> list[float]:
        limit, times = RateLimit(virtual_clock(), qps, burst), list[float]()

        async def one() -> None:
            await limit.take()
            times.append(asyncio.get_running_loop().time())

        await asyncio.gather(*(one() for _ in range(requests)))
        return times

    times = run_virtual(main())
    assert sum(time == 0 for time in times) == min(burst, requests)
    late = max(0, requests - burst)
    assert abs(max(times) - late / qps) < 1e-6
