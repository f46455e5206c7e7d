"""Virtual time: it jumps, it repeats, and it says why it cannot go on."""

import asyncio

import pytest

from rollouts.simulate.loop import EPOCH, VirtualTimeError, run_virtual, virtual_clock


def test_a_year_of_sleep_takes_no_time() -> None:
    async def main() -> float:
        await asyncio.sleep(365 * 86400)
        return asyncio.get_running_loop().time()

    assert run_virtual(main(), limit=366 * 86400) == 365 * 86400


def test_both_clocks_move_together() -> None:
    async def main() -> tuple[float, float]:
        clock = virtual_clock()
        await asyncio.sleep(1.5)
        return clock.wall(), clock.monotonic()

    assert run_virtual(main()) == (EPOCH + 1.5, 1.5)


def test_sleepers_wake_in_the_order_of_their_timers() -> None:
    woken: list[float] = []

    async def sleeper(seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append(asyncio.get_running_loop().time())

    async def main() -> None:
        await asyncio.gather(*(sleeper(s) for s in (3, 1, 2, 0.5, 1e9)))

    run_virtual(main(), limit=1e10)
    assert woken == [0.5, 1, 2, 3, 1e9]


def test_a_deadlock_is_an_error_that_names_who_waits() -> None:
    async def main() -> None:
        await asyncio.create_task(stuck(), name="the-culprit")

    async def stuck() -> None:
        await asyncio.Event().wait()

    with pytest.raises(VirtualTimeError, match=r"deadlock: nothing is scheduled.*the-culprit"):
        run_virtual(main())


def test_a_program_that_never_ends_is_given_up_at_the_limit() -> None:
    async def main() -> None:
        for _ in range(1_000_000):
            await asyncio.sleep(60)

    with pytest.raises(VirtualTimeError, match="still running after 3600 virtual seconds"):
        run_virtual(main(), limit=3600)


def test_sockets_and_threads_are_refused_with_the_remedy() -> None:
    async def connect() -> None:
        await asyncio.open_connection("127.0.0.1", 1)

    async def thread() -> None:
        await asyncio.to_thread(print)

    for main in (connect, thread):
        with pytest.raises(VirtualTimeError, match="in virtual time: use an in-process stand-in"):
            run_virtual(main())


def test_what_main_leaves_behind_is_cancelled() -> None:
    ended: list[str] = []

    async def background() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append("background")

    async def main() -> asyncio.Task[None]:
        task = asyncio.create_task(background())
        await asyncio.sleep(1)
        return task

    run_virtual(main())
    assert ended == ["background"]


def interleaving(seed: int) -> list[int]:
    order: list[int] = []

    async def worker(number: int) -> None:
        for _ in range(3):
            order.append(number)
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(worker(n) for n in range(6)))

    run_virtual(main(), seed=seed, shuffle=True)
    return order


def test_the_same_seed_repeats_and_others_differ() -> None:
    assert interleaving(7) == interleaving(7)
    assert len({tuple(interleaving(seed)) for seed in range(10)}) > 5


def test_timeouts_fire_at_their_virtual_moment() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 30


def test_a_timer_never_finds_that_it_is_too_early() -> None:
    async def until(moment: float) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < moment:  # noqa: ASYNC110 - time itself is what is waited for
            await asyncio.sleep(moment - loop.time())

    async def main() -> float:
        await asyncio.gather(until(10 - 1e-7), until(10), until(10 + 1e-7))
        return asyncio.get_running_loop().time()

    assert run_virtual(main(), limit=20) == pytest.approx(10)
