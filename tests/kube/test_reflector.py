"""Whatever the server does, the store ends up equal to the truth, and the server is not hammered."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.kube.errors import Forbidden, Gone, ServerError, Throttled, Unreachable
from rollouts.kube.reflector import Reflector
from rollouts.kube.resources import REPLICA_SETS
from rollouts.kube.store import Change, Store
from rollouts.simulate.loop import run_virtual, virtual_clock
from tests.kube.fake_server import CLOSE, SILENT, FakeServer

Story = Callable[[FakeServer, Store, Reflector], Awaitable[None]]


def play(story: Story, prepare: Callable[[FakeServer], None] | None = None) -> FakeServer:
    """Run a reflector against a server while ``story`` happens, then let 15 quiet minutes pass."""

    async def main() -> FakeServer:
        server, store = FakeServer(), Store(REPLICA_SETS)
        if prepare:
            prepare(server)
        reflector = Reflector(server, store, clock=virtual_clock(), rng=random.Random(1))  # type: ignore[arg-type]
        task = asyncio.create_task(reflector.run())
        await story(server, store, reflector)
        await asyncio.sleep(900)
        assert not task.done()
        assert versions(store) == truth(server)
        return server

    return run_virtual(main())


def versions(store: Store) -> list[tuple[str, str]]:
    return [(o["metadata"]["name"], o["metadata"]["resourceVersion"]) for o in store.list()]


def truth(server: FakeServer) -> list[tuple[str, str]]:
    return sorted((k[1], o["metadata"]["resourceVersion"]) for k, o in server.objects.items())


def three(server: FakeServer) -> None:
    for name in ("a", "b", "c"):
        server.write(name)


def test_the_first_list_then_changes() -> None:
    async def story(server: FakeServer, store: Store, reflector: Reflector) -> None:
        heard: list[tuple[str, bool]] = []
        store.subscribe(lambda c: heard.append((c.object["metadata"]["name"], c.initial)))
        await reflector.wait_synced()
        assert store.synced
        assert store.seen_rv == 103
        await asyncio.sleep(1)
        server.write("d")
        server.delete("a")
        await asyncio.sleep(1)
        assert heard == [("a", True), ("b", True), ("c", True), ("d", False), ("a", False)]

    server = play(story, three)
    assert len(server.lists) == 1


def test_a_large_list_comes_in_pages() -> None:
    def prepare(server: FakeServer) -> None:
        for number in range(1201):
            server.write(f"rs-{number:04}")

    async def story(_: FakeServer, store: Store, reflector: Reflector) -> None:
        await reflector.wait_synced()
        assert len(store) == 1201

    assert play(story, prepare).list_limits == [500, 500, 500]


def test_a_page_that_expired_starts_over_with_one_big_page() -> None:
    def prepare(server: FakeServer) -> None:
        for number in range(501):
            server.write(f"rs-{number:04}")
        server.list_faults.extend([None, Gone("continue token expired")])

    async def story(_: FakeServer, __: Store, reflector: Reflector) -> None:
        await reflector.wait_synced()

    assert play(story, prepare).list_limits == [500, 500, 0]


def test_bookmarks_advance_the_version_seen() -> None:
    async def story(server: FakeServer, store: Store, reflector: Reflector) -> None:
        await reflector.wait_synced()
        server.revision = 5000
        server.bookmark()
        await asyncio.sleep(1)
        assert store.seen_rv == 5001

    play(story, three)


@pytest.mark.parametrize(
    "fault",
    [Gone("too old"), (0, Gone("too old")), (2, Gone("in the stream"))],
    ids=["on connect", "first event", "later event"],
)
def test_after_410_the_difference_is_told(fault: Any) -> None:
    async def story(server: FakeServer, store: Store, reflector: Reflector) -> None:
        await reflector.wait_synced()
        changes: list[Change] = []
        store.subscribe(changes.append)
        changes.clear()
        server.watch_faults.append(Gone("at first"))
        server.write("b", generation=2)
        server.delete("a")
        server.write("new")
        server.compact()
        await asyncio.sleep(60)
        told = sorted((c.object["metadata"]["name"], c.old is None, c.new is None) for c in changes)
        assert told == [("a", False, True), ("b", False, False), ("new", True, False)]

    def prepare(server: FakeServer) -> None:
        three(server)
        server.watch_faults.append(fault)

    play(story, prepare)


def test_a_namesake_born_while_we_were_away_is_another_object() -> None:
    async def story(server: FakeServer, store: Store, reflector: Reflector) -> None:
        await reflector.wait_synced()
        changes: list[Change] = []
        store.subscribe(changes.append)
        changes.clear()
        server.watch_faults.append(Gone("missed it all"))
        server.delete("a")
        server.write("a")
        server.compact()
        await asyncio.sleep(60)
        assert [(c.old is None, c.new is None) for c in changes] == [(False, True), (True, False)]

    def prepare(server: FakeServer) -> None:
        three(server)
        server.watch_faults.append((0, Unreachable("cut")))

    play(story, prepare)


@pytest.mark.parametrize(
    "fault", [Throttled("later", retry_after=20), ServerError("starting", retry_after=20)]
)
def test_retry_after_is_honoured(fault: Any) -> None:
    async def story(_: FakeServer, __: Store, reflector: Reflector) -> None:
        await reflector.wait_synced()

    def prepare(server: FakeServer) -> None:
        server.list_faults.append(fault)

    first, second, *_ = play(story, prepare).lists
    assert 20 <= second - first <= 21


@pytest.mark.parametrize(
    "fault",
    [CLOSE, Throttled("no"), ServerError("no"), Unreachable("no"), Forbidden("no"), Gone("no")],
)
def test_no_hot_loop(fault: Any) -> None:
    """Ten minutes of a server that fails at once cost a few requests, and then all is well."""

    async def story(server: FakeServer, _: Store, reflector: Reflector) -> None:
        await reflector.wait_synced()
        server.watch_faults.extend([fault] * 10_000)
        server.write("d")  # ends nothing: the first watch may still be running
        await asyncio.sleep(600)
        server.watch_faults.clear()

    def prepare(server: FakeServer) -> None:
        three(server)
        server.watch_faults.append(fault)

    server = play(story, prepare)
    assert len([t for t in server.watches if t < 600]) < 50
    assert len([t for t in server.watches if t < 10]) >= 4, "the first retries come quickly"


def test_a_stream_that_delivers_and_closes_is_followed_slowly() -> None:
    async def story(server: FakeServer, store: Store, reflector: Reflector) -> None:
        await reflector.wait_synced()
        server.watch_faults.extend([(1, Unreachable("proxy"))] * 200)
        for number in range(60):
            server.write(f"x{number}")
            await asyncio.sleep(1)
        server.watch_faults.clear()

    assert len(play(story, three).lists) == 1, "nothing was lost, so nothing is listed again"


def test_a_silent_stream_is_given_up() -> None:
    async def story(server: FakeServer, _: Store, reflector: Reflector) -> None:
        await reflector.wait_synced()
        await asyncio.sleep(5)
        server.write("d")

    def prepare(server: FakeServer) -> None:
        three(server)
        server.watch_faults.append(SILENT)

    first, second, *_ = play(story, prepare).watches
    assert 330 <= second - first <= 631


def test_watches_end_at_random_times() -> None:
    async def story(_: FakeServer, __: Store, reflector: Reflector) -> None:
        await reflector.wait_synced()
        await asyncio.sleep(10_000)

    watches = play(story, three).watches
    gaps = [round(b - a, 3) for a, b in itertools.pairwise(watches)]
    assert all(300 <= gap <= 601 for gap in gaps)
    assert len(set(gaps)) == len(gaps)


def test_a_server_restored_from_a_backup_is_believed() -> None:
    async def story(server: FakeServer, store: Store, reflector: Reflector) -> None:
        await reflector.wait_synced()
        await asyncio.sleep(5)
        server.revision = 50
        server.objects.clear()
        server.write("a")
        server.compacted = 50
        server.history.clear()
        await asyncio.sleep(1200)
        assert store.seen_rv == 51

    def prepare(server: FakeServer) -> None:
        three(server)
        server.watch_faults.extend(
            [None, ServerError("Too large resource version: 103, current: 51")]
        )

    play(story, prepare)


def test_verification_finds_what_the_watch_missed_and_mends_it() -> None:
    async def story(server: FakeServer, store: Store, reflector: Reflector) -> None:
        await reflector.wait_synced()
        await asyncio.sleep(5)
        assert await reflector.verify() == 0
        old = server.objects["default", "a"]  # from here on nobody is told of anything
        changed = {**old["metadata"], "resourceVersion": "999"}
        server.objects["default", "a"] = {**old, "metadata": changed}
        del server.objects["default", "b"]
        server.objects["default", "lost"] = {
            "metadata": {
                "name": "lost",
                "namespace": "default",
                "uid": "l",
                "resourceVersion": "998",
            }
        }
        server.revision = 1000
        assert await reflector.verify() == 3
        assert reflector.drift == 3
        await asyncio.sleep(1)
        assert versions(store) == truth(server)

    def prepare(server: FakeServer) -> None:
        three(server)

    play(story, prepare)


def test_verification_is_not_confused_by_changes_meanwhile() -> None:
    async def story(server: FakeServer, _: Store, reflector: Reflector) -> None:
        await reflector.wait_synced()
        verifying = asyncio.create_task(reflector.verify())
        for number in range(2000):
            server.write(f"x{number % 7}")
            server.delete(f"x{(number + 3) % 7}")
            if number == 1:
                server.delete("a")
            await asyncio.sleep(0.1)
        assert await verifying == 0

    play(story, three)


names = st.sampled_from(["a", "b", "c", "d"])
steps = st.one_of(
    st.tuples(st.just("write"), names),
    st.tuples(st.just("write"), names),
    st.tuples(st.just("delete"), names),
    st.tuples(st.just("repeat"), st.integers(1, 4)),
    st.tuples(st.just("bookmark")),
    st.tuples(st.just("compact")),
    st.tuples(st.just("sleep"), st.sampled_from([0.0, 0.02, 0.5, 3.0, 700.0])),
)
faults = st.one_of(
    st.none(),
    st.sampled_from([CLOSE, SILENT]),
    st.builds(Gone, st.just("gone")),
    st.builds(Throttled, st.just("busy"), retry_after=st.sampled_from([None, 1.0, 7.0])),
    st.builds(Unreachable, st.just("away")),
    st.tuples(st.integers(0, 3), st.sampled_from([Gone("gone"), Unreachable("cut")])),
)


@settings(max_examples=120, deadline=None)
@given(
    history=st.lists(steps, max_size=25),
    watch_faults=st.lists(faults, max_size=8),
    list_faults=st.lists(
        st.sampled_from([None, ServerError("x"), Unreachable("y"), Throttled("z")]), max_size=4
    ),
)
def test_the_store_ends_equal_to_the_truth(
    history: list[Any], watch_faults: list[Any], list_faults: list[Any]
) -> None:
    async def story(server: FakeServer, store: Store, _: Reflector) -> None:
        heard: dict[str, str] = {}

        def hear(change: Change) -> None:
            metadata = change.object["metadata"]
            if change.new is None:
                assert heard.pop(metadata["name"]) == metadata["uid"]
            else:
                assert (change.old is None) == (metadata["name"] not in heard)
                heard[metadata["name"]] = metadata["uid"]

        store.subscribe(hear)
        for number, (verb, *args) in enumerate(history):
            match verb:
                case "write":
                    server.write(args[0], generation=number)
                case "sleep":
                    await asyncio.sleep(args[0])
                case _:
                    getattr(server, verb)(*args)
        await asyncio.sleep(10_000)
        assert heard == {key[1]: obj["metadata"]["uid"] for key, obj in server.objects.items()}

    def prepare(server: FakeServer) -> None:
        three(server)
        server.watch_faults.extend(watch_faults)
        server.list_faults.extend(list_faults)

    play(story, prepare)
