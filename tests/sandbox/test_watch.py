"""List and watch: from any revision, through selectors, until time is up."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.kube.errors import ApiError, BadRequest, Gone, Invalid, NotFound
from rollouts.kube.resources import CONFIG_MAPS, EVENTS, PODS
from rollouts.simulate.loop import run_virtual
from tests.sandbox.serverworld import World, config_map, drained, pod, spelled


@pytest.fixture
def world() -> World:
    return World()


async def test_a_watch_without_a_revision_begins_with_what_is_there(world):
    world.create(CONFIG_MAPS, config_map("a"))
    watch = world.watch(CONFIG_MAPS)
    world.create(CONFIG_MAPS, config_map("b"))
    assert spelled(await drained(watch)) == ["ADDED a", "ADDED b"]


async def test_a_watch_continues_exactly_where_a_list_ended(world):
    world.create(CONFIG_MAPS, config_map("a"))
    revision = world.list(CONFIG_MAPS)["metadata"]["resourceVersion"]
    world.patch(CONFIG_MAPS, "a", {"data": {"x": "1"}})
    world.delete(CONFIG_MAPS, "a")
    events = await drained(world.watch(CONFIG_MAPS, resource_version=revision))
    assert spelled(events) == ["MODIFIED a", "DELETED a"]
    assert events[-1].object["data"] == {"x": "1"}
    assert events[-1].object["metadata"]["resourceVersion"] == str(world.server.store.revision)


async def test_a_write_that_changes_nothing_is_no_event(world):
    made = world.create(CONFIG_MAPS, config_map("a", x="1"))
    watch = world.watch(CONFIG_MAPS, resource_version=made["metadata"]["resourceVersion"])
    again = world.patch(CONFIG_MAPS, "a", {"data": {"x": "1"}})
    world.update(CONFIG_MAPS, config_map("a", x="1"))
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert await drained(watch) == []


async def test_a_label_that_changes_moves_the_object_into_and_out_of_a_watch(world):
    world.create(CONFIG_MAPS, config_map("a", {"track": "stable"}))
    watch = world.watch(
        CONFIG_MAPS, labels="track=canary", resource_version=str(world.server.store.revision)
    )
    world.patch(CONFIG_MAPS, "a", {"metadata": {"labels": {"track": "canary"}}})
    world.patch(CONFIG_MAPS, "a", {"data": {"x": "1"}})
    world.patch(CONFIG_MAPS, "a", {"metadata": {"labels": {"track": "stable"}}})
    events = await drained(watch)
    assert spelled(events) == ["ADDED a", "MODIFIED a", "DELETED a"]
    assert events[-1].object["metadata"]["labels"] == {"track": "canary"}


async def test_a_watch_of_one_namespace_hears_nothing_of_another(world):
    watch = world.watch(CONFIG_MAPS, "kube-system")
    world.create(CONFIG_MAPS, config_map("here"), "default")
    world.create(CONFIG_MAPS, config_map("there"), "kube-system")
    assert spelled(await drained(watch)) == ["ADDED there"]


async def test_a_field_selector_follows_one_object(world):
    world.create(CONFIG_MAPS, config_map("a"))
    world.create(CONFIG_MAPS, config_map("b"))
    watch = world.watch(CONFIG_MAPS, fields="metadata.name=b")
    assert spelled(await drained(watch)) == ["ADDED b"]


def test_a_field_a_type_is_not_selected_by_is_refused(world):
    with pytest.raises(BadRequest, match=r"field label not supported: spec\.nodeName"):
        world.list(CONFIG_MAPS, fields="spec.nodeName=x")


def test_pods_are_selected_by_node_and_phase(world):
    world.create(PODS, pod("a"))
    world.create(PODS, pod("b", nodeName="node-1"))
    assert world.names(PODS, fields="spec.nodeName=node-1,status.phase=Pending") == ["b"]
    assert world.names(PODS, fields="spec.nodeName!=node-1") == ["a"]


def test_events_are_selected_by_what_they_are_about(world):
    for name, about in (("e1", "web"), ("e2", "db")):
        world.create(
            EVENTS,
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": name},
                "involvedObject": {"kind": "Pod", "name": about, "namespace": "default"},
                "source": {"component": "kubelet"},
            },
        )
    assert world.names(EVENTS, fields="involvedObject.name=web,source=kubelet") == ["e1"]


async def test_a_revision_that_fell_out_of_the_window_is_gone():
    world = World(window=3)
    for value in range(6):
        world.create(CONFIG_MAPS, config_map(f"c{value}"))
    with pytest.raises(Gone, match=r"too old resource version: 1 \(\d+\)") as caught:
        world.watch(CONFIG_MAPS, resource_version="1")
    assert caught.value.status["reason"] == "Expired"


async def test_a_reader_slower_than_the_window_is_told_to_list_again():
    world = World(window=3)
    watch = world.watch(CONFIG_MAPS)
    await drained(watch)
    for value in range(6):
        world.create(CONFIG_MAPS, config_map(f"c{value}"))
    with pytest.raises(Gone, match="too old resource version"):
        await anext(watch)


def test_a_revision_from_the_future_is_a_timeout_worth_retrying(world):
    for ask in (world.list, world.watch):
        with pytest.raises(ApiError, match="Too large resource version: 9999") as caught:
            ask(CONFIG_MAPS, resource_version="9999")
        status = caught.value.status
        assert (status["code"], status["reason"]) == (504, "Timeout")
        assert status["details"]["retryAfterSeconds"] == 1


async def test_initial_events_end_with_a_marked_bookmark(world):
    world.create(CONFIG_MAPS, config_map("a"))
    watch = world.watch(
        CONFIG_MAPS, send_initial_events=True, resource_version_match="NotOlderThan"
    )
    events = await drained(watch)
    assert spelled(events) == ["ADDED a", "BOOKMARK"]
    assert events[-1].object["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_initial_events_without_a_match_rule_are_refused(world):
    with pytest.raises(Invalid, match="requires setting resourceVersionMatch to NotOlderThan"):
        world.watch(CONFIG_MAPS, send_initial_events=True)


def test_a_quiet_watch_sends_bookmarks_and_ends_on_time():
    async def story() -> list[tuple[float, str]]:
        world, loop = World(), asyncio.get_running_loop()
        watch = world.watch(
            CONFIG_MAPS, resource_version="1", allow_bookmarks=True, timeout_seconds=100
        )
        started = loop.time()
        world.create(PODS, pod("elsewhere"))
        return [(round(loop.time() - started), event.type) async for event in watch]

    assert run_virtual(story()) == [(60, "BOOKMARK"), (98, "BOOKMARK")]


def test_what_happens_at_the_moment_of_a_bookmark_is_not_skipped():
    async def story() -> list[str]:
        world, loop = World(), asyncio.get_running_loop()
        options = {"allow_bookmarks": True, "timeout_seconds": 70}
        watch = world.watch(CONFIG_MAPS, resource_version="1", **options)
        first = asyncio.ensure_future(anext(watch))
        loop.call_at(loop.time() + 60, lambda: world.create(CONFIG_MAPS, config_map("a")))
        return spelled([await first, *[event async for event in watch]])

    assert run_virtual(story())[:2] == ["ADDED a", "BOOKMARK"]


def test_closing_a_watch_ends_it_for_whoever_waits():
    async def story() -> list[str]:
        world = World()
        watch = world.watch(CONFIG_MAPS)
        asyncio.get_running_loop().call_later(5, watch.close)
        return [event.type async for event in watch]

    assert run_virtual(story()) == []


def test_pages_tell_one_consistent_story_while_the_world_moves_on(world):
    for name in "abcde":
        world.create(CONFIG_MAPS, config_map(name))
    first = world.list(CONFIG_MAPS, limit=2)
    assert first["metadata"]["remainingItemCount"] == 3
    world.delete(CONFIG_MAPS, "d")
    world.create(CONFIG_MAPS, config_map("cc"))
    names, token = [], first["metadata"]["continue"]
    while token:
        page = world.list(CONFIG_MAPS, limit=2, continue_token=token)
        names += [one["metadata"]["name"] for one in page["items"]]
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        token = page["metadata"].get("continue")
    assert names == ["c", "d", "e"]


def test_a_page_too_old_comes_with_a_token_to_go_on_anyway():
    world = World(window=2)
    for name in "abcd":
        world.create(CONFIG_MAPS, config_map(name))
    token = world.list(CONFIG_MAPS, limit=2)["metadata"]["continue"]
    for name in "wxyz":
        world.create(CONFIG_MAPS, config_map(name))
    with pytest.raises(Gone, match="continue parameter is too old") as caught:
        world.list(CONFIG_MAPS, continue_token=token)
    again = caught.value.status["metadata"]["continue"]
    assert world.names(CONFIG_MAPS, continue_token=again) == ["c", "d", "w", "x", "y", "z"]


def test_with_a_selector_nobody_counts_the_rest(world):
    for name in "abc":
        world.create(CONFIG_MAPS, config_map(name, {"x": "y"}))
    page = world.list(CONFIG_MAPS, labels="x=y", limit=1)["metadata"]
    assert "remainingItemCount" not in page
    assert page["continue"]


def test_a_token_of_another_make_is_refused(world):
    with pytest.raises(BadRequest, match="continue key is not valid"):
        world.list(CONFIG_MAPS, continue_token="bm9uc2Vuc2U")


@pytest.mark.parametrize(
    "options",
    [
        {"resource_version_match": "Sometimes", "resource_version": "1"},
        {"resource_version_match": "Exact"},
        {"resource_version_match": "Exact", "resource_version": "0"},
    ],
)
def test_a_match_rule_that_makes_no_sense_is_refused(world, options):
    with pytest.raises(Invalid, match="resourceVersionMatch"):
        world.list(CONFIG_MAPS, **options)


def test_a_list_can_be_of_an_exact_revision(world):
    made = world.create(CONFIG_MAPS, config_map("a"))
    world.create(CONFIG_MAPS, config_map("b"))
    version = made["metadata"]["resourceVersion"]
    exact = {"resource_version": version, "resource_version_match": "Exact"}
    assert world.names(CONFIG_MAPS, **exact) == ["a"]


def test_an_object_that_is_not_there_is_not_found_by_name(world):
    with pytest.raises(NotFound) as caught:
        world.get(CONFIG_MAPS, "nobody")
    assert caught.value.status["message"] == 'configmaps "nobody" not found'
    assert caught.value.status["details"] == {"name": "nobody", "kind": "configmaps"}


WRITES = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["in", "out", "gone"]),
        st.sampled_from("123"),
    ),
    max_size=25,
)


@settings(max_examples=50)
@given(writes=WRITES, cut=st.integers(0, 25))
def test_a_selective_watch_from_any_list_ends_with_the_same_objects_as_a_new_list(writes, cut):
    async def story() -> None:
        world = World()
        seen: dict[str, str] = {}
        watch = None
        for step, (name, track, value) in enumerate([*writes, ("a", "gone", "1")]):
            if step == min(cut, len(writes)):
                listed = world.list(CONFIG_MAPS, labels="track=in")
                seen = {o["metadata"]["name"]: o["data"]["x"] for o in listed["items"]}
                version = listed["metadata"]["resourceVersion"]
                watch = world.watch(CONFIG_MAPS, labels="track=in", resource_version=version)
            if track == "gone":
                if world.exists(CONFIG_MAPS, name):
                    world.delete(CONFIG_MAPS, name)
            elif world.exists(CONFIG_MAPS, name):
                world.update(CONFIG_MAPS, config_map(name, {"track": track}, x=value))
            else:
                world.create(CONFIG_MAPS, config_map(name, {"track": track}, x=value))
        for event in await drained(watch):
            name = event.object["metadata"]["name"]
            assert (event.type == "ADDED") == (name not in seen)
            if event.type == "DELETED":
                del seen[name]
            else:
                seen[name] = event.object["data"]["x"]
        final = world.list(CONFIG_MAPS, labels="track=in")["items"]
        assert seen == {o["metadata"]["name"]: o["data"]["x"] for o in final}

    run_virtual(story())
