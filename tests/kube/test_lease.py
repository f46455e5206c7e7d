"""One leader at a time, whatever the API server does."""

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.kube.errors import Conflict, ServerError, Unreachable
from rollouts.kube.guard import GuardedApi, NotLeader
from rollouts.kube.lease import Action, Election, LeaseLost, Seen, Timing, decide, lease_name
from rollouts.kube.resources import LEASES, ROLLOUTS
from rollouts.simulate.loop import run_virtual, virtual_clock
from tests.kube.memory_api import MemoryApi

OTHERS = Seen("other", 15.0, since=100.0)
MINE = Seen("me", 15.0, since=100.0)
FREE = Seen("", 1.0, since=100.0)


@pytest.mark.parametrize(
    ("seen", "now", "renewed_at", "action"),
    [
        (None, 100, None, Action.CREATE),
        (FREE, 100, None, Action.TAKE),
        (MINE, 100, None, Action.TAKE),
        (OTHERS, 114.9, None, Action.WAIT),
        (OTHERS, 115, None, Action.TAKE),
        (MINE, 105, 100, Action.RENEW),
        (MINE, 110, 100, Action.STEP_DOWN),
        (OTHERS, 105, 100, Action.STEP_DOWN),
        (None, 105, 100, Action.CREATE),
    ],
)
def test_the_rule(seen: Seen | None, now: float, renewed_at: float | None, action: Action) -> None:
    assert decide("me", seen, now, renewed_at, Timing()) is action


def test_timings_that_could_make_two_leaders_are_refused() -> None:
    with pytest.raises(ValueError, match="duration > renew deadline > retry"):
        Timing(duration=10, deadline=10)


def test_instances_lead_side_by_side() -> None:
    assert lease_name() == "argo-rollouts-controller-lock"
    assert lease_name("blue") == "argo-rollouts-controller-lock-blue"


def candidate(api: Any, name: str) -> tuple[Election, "asyncio.Task[None]"]:
    election = Election(api, virtual_clock(), name, "argo")
    return election, asyncio.create_task(election.run())


def record(api: MemoryApi) -> dict[str, Any]:
    (lease,) = api.of(LEASES)
    spec: dict[str, Any] = lease["spec"]
    return spec


def test_leading_following_and_a_clean_hand_over() -> None:
    async def main() -> None:
        api = MemoryApi()
        first, task = candidate(api, "first")
        await first.acquired()
        second, _ = candidate(api, "second")
        await asyncio.sleep(60)
        assert (first.leading(), second.leading()) == (True, False)
        spec = record(api)
        assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("first", 0)
        assert spec["leaseDurationSeconds"] == 15
        assert len(spec["renewTime"]) == len("2026-01-01T00:00:00.000000Z")
        task.cancel()
        await first.release()
        assert not first.leading()
        assert record(api)["holderIdentity"] == ""
        await asyncio.sleep(5)
        assert second.leading()
        assert record(api)["leaseTransitions"] == 1

    run_virtual(main())


def test_a_leader_that_vanished_is_followed_after_its_lease() -> None:
    async def main() -> None:
        api = MemoryApi()
        first, task = candidate(api, "first")
        await first.acquired()
        second, _ = candidate(api, "second")
        await asyncio.sleep(10)
        task.cancel()
        loop = asyncio.get_running_loop()
        died = loop.time()
        await second.acquired()
        assert 12 <= loop.time() - died <= 20
        assert not first.leading()

    run_virtual(main())


def test_a_leader_cut_off_stops_by_the_clock_and_says_so() -> None:
    async def main() -> None:
        api = MemoryApi()
        election, task = candidate(api, "me")
        await election.acquired()

        def away(_verb: str, _committed: bool) -> None:
            raise Unreachable("away")

        api.fault = away
        await asyncio.sleep(9)
        assert election.leading()
        await asyncio.sleep(2)
        assert not election.leading()
        await asyncio.sleep(3)
        with pytest.raises(LeaseLost):
            task.result()

    run_virtual(main())


def test_a_stuck_loop_does_not_lead_after_it_wakes() -> None:
    async def main() -> None:
        election, task = candidate(MemoryApi(), "me")
        await election.acquired()
        task.cancel()  # as if it never got to run
        await asyncio.sleep(10)
        assert not election.leading()

    run_virtual(main())


def test_a_lease_deleted_by_hand_is_made_again() -> None:
    async def main() -> None:
        api = MemoryApi()
        election, _ = candidate(api, "me")
        await election.acquired()
        api.objects.clear()
        await asyncio.sleep(10)
        assert election.leading()
        assert record(api)["holderIdentity"] == "me"

    run_virtual(main())


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    failing=st.floats(0, 0.9),
    deaths=st.lists(st.tuples(st.integers(0, 2), st.floats(1, 120)), max_size=4),
)
def test_never_two_leaders_and_in_quiet_times_always_one(
    seed: int, failing: float, deaths: list[tuple[int, float]]
) -> None:
    """Three candidates, requests that fail, hang or lose their answer, and sudden deaths."""

    async def main() -> None:
        rng = random.Random(seed)
        calm = False

        def misfortune(_verb: str, _committed: bool) -> Any:
            if calm or rng.random() > failing:
                return None
            match rng.randrange(4):
                case 0:
                    raise Unreachable("reset")
                case 1:
                    raise ServerError("storage")
                case 2:
                    raise Conflict("moved on")
                case _:
                    return asyncio.sleep(rng.uniform(0, 30))

        api = MemoryApi(misfortune)
        running: dict[int, tuple[Election, asyncio.Task[None]]] = {}
        everybody: list[Election] = []
        births = 0
        end = asyncio.get_running_loop().time() + 150
        plan = sorted(((when, who) for who, when in deaths), reverse=True)
        while asyncio.get_running_loop().time() < end:
            for slot in range(3):
                if slot not in running or running[slot][1].done():
                    births += 1
                    running[slot] = candidate(api, f"c{births}")
                    everybody.append(running[slot][0])
            while plan and plan[-1][0] <= asyncio.get_running_loop().time():
                running[plan.pop()[1]][1].cancel()
            await asyncio.sleep(0.25)
            assert sum(e.leading() for e in everybody) <= 1
        calm = True
        await asyncio.sleep(60)
        alive = [pair for pair in running.values() if not pair[1].done()]
        if alive:
            assert sum(e.leading() for e, _ in alive) == 1
        for _, task in running.values():
            task.cancel()
        await asyncio.gather(*(task for _, task in running.values()), return_exceptions=True)

    run_virtual(main(), seed=seed)


def test_no_write_without_the_lease() -> None:
    async def main() -> None:
        api, seconds = MemoryApi(), [0.0]
        guarded = GuardedApi(api, lambda: seconds[0])  # type: ignore[arg-type]
        body = {"metadata": {"name": "a"}}
        writes = (
            lambda: guarded.create(ROLLOUTS, body, "shop"),
            lambda: guarded.update(ROLLOUTS, body, "shop"),
            lambda: guarded.patch(ROLLOUTS, "a", {}, "shop"),
            lambda: guarded.apply(ROLLOUTS, body, "shop", field_manager="me"),
            lambda: guarded.delete(ROLLOUTS, "a", "shop"),
        )
        for write in writes:
            with pytest.raises(NotLeader):
                await write()
        assert api.calls == []
        seconds[0] = 5.0
        await guarded.create(ROLLOUTS, body, "shop")
        assert (await guarded.get(ROLLOUTS, "a", "shop"))["metadata"]["name"] == "a"
        api.fault = lambda _verb, _committed: asyncio.sleep(60)
        with pytest.raises(Unreachable, match="lease ended"):
            await guarded.patch(ROLLOUTS, "a", {}, "shop")
        assert asyncio.get_running_loop().time() < 10

    run_virtual(main())
