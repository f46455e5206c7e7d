"""Events: counted, filtered, bounded, and never in the way."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from structlog.testing import capture_logs

from rollouts.kube.errors import Forbidden, Unreachable
from rollouts.kube.events import EventRecorder
from rollouts.kube.guard import NotLeader
from rollouts.kube.resources import EVENTS
from rollouts.simulate.loop import run_virtual, virtual_clock
from tests.kube.memory_api import MemoryApi

ROLLOUT: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Rollout",
    "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": "7"},
}


def play(
    story: Callable[[MemoryApi, EventRecorder], Awaitable[None]], **options: Any
) -> tuple[MemoryApi, EventRecorder]:
    async def main() -> tuple[MemoryApi, EventRecorder]:
        api, numbers = MemoryApi(), itertools.count(1)
        recorder = EventRecorder(api, virtual_clock(), lambda: f"{next(numbers):04x}", **options)  # type: ignore[arg-type]
        task = asyncio.create_task(recorder.run())
        await story(api, recorder)
        await recorder.flush(120)
        task.cancel()
        return api, recorder

    return run_virtual(main())


def test_an_event_as_kubectl_describe_shows_it() -> None:
    async def story(_: MemoryApi, recorder: EventRecorder) -> None:
        recorder.normal(ROLLOUT, "RolloutUpdated", "Rollout updated to revision 2")

    (event,) = play(story)[0].of(EVENTS)
    assert event["metadata"]["name"] == "web.0001"
    assert event["metadata"]["namespace"] == "shop"
    assert event["involvedObject"] == {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "name": "web",
        "namespace": "shop",
        "uid": "u1",
        "resourceVersion": "7",
    }
    assert (event["type"], event["reason"]) == ("Normal", "RolloutUpdated")
    assert event["message"] == "Rollout updated to revision 2"
    assert event["source"] == {"component": "rollouts-controller"}
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-01-01T00:00:00Z"
    assert event["count"] == 1


def test_the_same_thing_said_again_is_counted() -> None:
    async def story(_: MemoryApi, recorder: EventRecorder) -> None:
        for _again in range(3):
            recorder.warning(ROLLOUT, "ReconciliationError", "no such service")
            await asyncio.sleep(60)

    (event,) = play(story)[0].of(EVENTS)
    assert event["count"] == 3
    assert event["firstTimestamp"] == "2026-01-01T00:00:00Z"
    assert event["lastTimestamp"] == "2026-01-01T00:02:00Z"


def test_an_event_deleted_meanwhile_is_written_anew() -> None:
    async def story(api: MemoryApi, recorder: EventRecorder) -> None:
        recorder.normal(ROLLOUT, "A", "a")
        await asyncio.sleep(1)
        api.objects.clear()
        recorder.normal(ROLLOUT, "A", "a")

    (event,) = play(story)[0].of(EVENTS)
    assert event["count"] == 1


def test_one_object_cannot_flood() -> None:
    async def story(_: MemoryApi, recorder: EventRecorder) -> None:
        for number in range(100):
            recorder.normal(ROLLOUT, "Chatter", f"message {number}")
            await asyncio.sleep(1)
        other = {**ROLLOUT, "metadata": {**ROLLOUT["metadata"], "name": "quiet", "uid": "u2"}}
        recorder.normal(other, "Chatter", "let through")
        await asyncio.sleep(300)
        recorder.normal(ROLLOUT, "Chatter", "five minutes later")

    api, recorder = play(story)
    messages = [event["message"] for event in api.of(EVENTS)]
    assert len(messages) == 27
    assert {"let through", "five minutes later", "message 24"} <= set(messages)
    assert recorder.dropped == 75


def test_chatter_never_drowns_another_reason() -> None:
    async def story(_: MemoryApi, recorder: EventRecorder) -> None:
        for number in range(100):
            recorder.normal(ROLLOUT, "ScalingReplicaSet", f"message {number}")
        recorder.warning(ROLLOUT, "RolloutAborted", "the error rate is too high")

    api, _ = play(story)
    assert "RolloutAborted" in {event["reason"] for event in api.of(EVENTS)}


def test_recording_never_waits_for_a_server_that_is_away() -> None:
    def away(_verb: str, _committed: bool) -> None:
        raise Unreachable("away")

    async def story(api: MemoryApi, recorder: EventRecorder) -> None:
        api.fault = away
        for number in range(40):
            metadata = {**ROLLOUT["metadata"], "uid": f"u{number}"}
            recorder.normal({**ROLLOUT, "metadata": metadata}, "A", "a")

    api, recorder = play(story, capacity=10)
    assert api.of(EVENTS) == []
    assert recorder.dropped == 30 + 10


def test_a_lost_answer_does_not_make_two_events() -> None:
    lost = iter([True])

    def fault(_verb: str, committed: bool) -> None:
        if committed and next(lost, False):
            raise Unreachable("the answer was lost")

    async def story(api: MemoryApi, recorder: EventRecorder) -> None:
        api.fault = fault
        recorder.normal(ROLLOUT, "A", "a")

    assert len(play(story)[0].of(EVENTS)) == 1


def test_a_refused_event_does_not_stop_the_next() -> None:
    refusals = iter([True])

    def fault(_verb: str, committed: bool) -> None:
        if next(refusals, False):
            raise Forbidden("namespace is terminating")

    async def story(api: MemoryApi, recorder: EventRecorder) -> None:
        api.fault = fault
        recorder.normal(ROLLOUT, "A", "refused")
        recorder.normal(ROLLOUT, "B", "written " + "x" * 2000)

    (event,) = play(story)[0].of(EVENTS)
    assert event["reason"] == "B"
    assert len(event["message"]) == 1024


def about(number: int) -> dict[str, Any]:
    named = {"name": f"web-{number}", "uid": f"u{number}"}
    return {**ROLLOUT, "metadata": {**ROLLOUT["metadata"], **named}}


def test_what_a_thousand_rollouts_have_to_say_at_once_is_all_written_and_soon() -> None:
    spoken = [f"step {number}" for number in range(8)]
    ended: list[float] = []

    async def story(_: MemoryApi, recorder: EventRecorder) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        for message in spoken:
            for number in range(1000):
                recorder.normal(about(number), "Step", message)
        await recorder.flush(120)
        ended.append(loop.time() - started)

    api, recorder = play(story)
    assert recorder.dropped == 0
    assert ended[0] < 15  # one after the other would take eighty seconds here
    by_object: dict[str, list[tuple[int, str]]] = {}
    for event in api.of(EVENTS):
        version = int(event["metadata"]["resourceVersion"])
        lane = by_object.setdefault(event["involvedObject"]["name"], [])
        lane.append((version, event["message"]))
    assert len(by_object) == 1000
    assert all([said for _, said in sorted(lane)] == spoken for lane in by_object.values())


def test_an_object_whose_event_is_held_up_holds_up_no_other() -> None:
    async def slow(verb: str, committed: bool) -> None:
        if verb == "create" and not committed and not stuck.is_set():
            stuck.set()
            await asyncio.sleep(100)

    stuck = asyncio.Event()

    async def story(api: MemoryApi, recorder: EventRecorder) -> None:
        api.fault = slow
        recorder.normal(about(1), "A", "first")
        recorder.normal(about(1), "A", "second")
        recorder.normal(about(2), "A", "of another")
        await asyncio.sleep(1)
        assert [event["message"] for event in api.of(EVENTS)] == ["of another"]

    api, _ = play(story)
    assert [event["message"] for event in api.of(EVENTS)] == ["first", "second", "of another"]


def test_whoever_does_not_lead_says_so_once() -> None:
    def follower(_verb: str, _committed: bool) -> None:
        raise NotLeader("not the leader: nothing is written")

    async def story(api: MemoryApi, recorder: EventRecorder) -> None:
        api.fault = follower
        for number in range(50):
            recorder.normal(about(number), "A", "a")
        await recorder.flush(60)
        api.fault = lambda _verb, _committed: None
        recorder.normal(about(1), "A", "leading again")

    with capture_logs() as logs:
        api, recorder = play(story)
    assert [entry["event"] for entry in logs] == ["no event is written"]
    assert recorder.dropped == 50
    assert [event["message"] for event in api.of(EVENTS)] == ["leading again"]
