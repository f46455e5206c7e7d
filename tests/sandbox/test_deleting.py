"""The end of objects: at once, gracefully, or when the last finalizer lets go."""

import pytest

from rollouts.kube.errors import Conflict, Forbidden, Invalid, NotFound
from rollouts.kube.resources import CONFIG_MAPS, JOBS, NAMESPACES, PODS, REPLICA_SETS
from rollouts.sandbox.options import DeleteOptions, ListOptions, Options
from tests.sandbox.serverworld import World, config_map, drained, pod, replica_set, spelled


@pytest.fixture
def world() -> World:
    return World()


def finalizers(obj: dict) -> list[str]:
    return obj["metadata"].get("finalizers", [])


def held(name: str) -> dict:
    body = config_map(name)
    body["metadata"]["finalizers"] = ["example.com/guard"]
    return body


def test_a_plain_object_is_gone_at_once_and_the_answer_says_which(world):
    made = world.create(CONFIG_MAPS, config_map("a"))
    answer = world.delete(CONFIG_MAPS, "a")
    assert answer["status"] == "Success"
    assert answer["details"]["uid"] == made["metadata"]["uid"]
    with pytest.raises(NotFound):
        world.get(CONFIG_MAPS, "a")


async def test_a_finalizer_holds_the_object_until_it_is_removed(world):
    world.create(CONFIG_MAPS, held("a"))
    watch = world.watch(CONFIG_MAPS)
    marked = world.delete(CONFIG_MAPS, "a")
    assert marked["metadata"]["deletionTimestamp"] == "2026-01-01T12:00:00Z"
    world.delete(CONFIG_MAPS, "a")
    assert world.exists(CONFIG_MAPS, "a")
    world.patch(CONFIG_MAPS, "a", {"metadata": {"finalizers": None}})
    assert not world.exists(CONFIG_MAPS, "a")
    assert spelled(await drained(watch)) == ["ADDED a", "MODIFIED a", "DELETED a"]


def test_no_new_finalizer_once_an_object_is_being_deleted(world):
    world.create(CONFIG_MAPS, held("a"))
    world.delete(CONFIG_MAPS, "a")
    more = {"metadata": {"finalizers": ["example.com/guard", "example.com/late"]}}
    with pytest.raises(Invalid, match="no new finalizers can be added"):
        world.patch(CONFIG_MAPS, "a", more)


def test_a_running_pod_gets_its_grace_and_the_kubelet_ends_it(world):
    world.create(PODS, pod("a", nodeName="node-1"))
    dying = world.delete(PODS, "a")["metadata"]
    assert dying["deletionGracePeriodSeconds"] == 30
    assert dying["deletionTimestamp"] == "2026-01-01T12:00:30Z"
    world.delete(PODS, "a", grace_period_seconds=0)
    assert not world.exists(PODS, "a")


def test_a_second_deletion_may_shorten_the_grace_but_not_lengthen_it(world):
    world.create(PODS, pod("a", nodeName="node-1"))
    world.delete(PODS, "a")
    assert (
        world.delete(PODS, "a", grace_period_seconds=5)["metadata"]["deletionGracePeriodSeconds"]
        == 5
    )
    longer = world.delete(PODS, "a", grace_period_seconds=60)["metadata"]
    assert longer["deletionGracePeriodSeconds"] == 5
    assert longer["deletionTimestamp"] == "2026-01-01T12:00:05Z"


def test_a_pod_that_was_never_scheduled_is_gone_at_once(world):
    world.create(PODS, pod("a"))
    world.delete(PODS, "a")
    assert not world.exists(PODS, "a")


def test_a_pod_that_has_ended_needs_no_grace(world):
    world.create(PODS, pod("a", nodeName="node-1"))
    world.patch(PODS, "a", {"status": {"phase": "Succeeded"}}, subresource="status")
    world.delete(PODS, "a")
    assert not world.exists(PODS, "a")


def test_a_dying_pod_outlives_its_finalizers_until_the_kubelet_is_done(world):
    body = pod("a", nodeName="node-1")
    body["metadata"]["finalizers"] = ["example.com/guard"]
    world.create(PODS, body)
    world.delete(PODS, "a")
    world.patch(PODS, "a", {"metadata": {"finalizers": None}})
    assert world.exists(PODS, "a")
    world.delete(PODS, "a", grace_period_seconds=0)
    assert not world.exists(PODS, "a")


def test_preconditions_protect_a_namesake(world):
    old = world.create(CONFIG_MAPS, config_map("a"))
    world.delete(CONFIG_MAPS, "a")
    world.create(CONFIG_MAPS, config_map("a"))
    with pytest.raises(Conflict, match="might have been deleted and then recreated"):
        world.delete(CONFIG_MAPS, "a", uid=old["metadata"]["uid"])
    with pytest.raises(Conflict, match="might have been modified"):
        world.delete(CONFIG_MAPS, "a", resource_version=old["metadata"]["resourceVersion"])
    assert world.exists(CONFIG_MAPS, "a")


def test_foreground_and_orphan_wait_for_the_garbage_collector(world):
    for policy, finalizer in (("Foreground", "foregroundDeletion"), ("Orphan", "orphan")):
        name = policy.lower()
        world.create(REPLICA_SETS, replica_set(name))
        marked = world.delete(REPLICA_SETS, name, propagation=policy)
        assert finalizers(marked) == [finalizer]
        assert marked["metadata"]["generation"] == 2
        world.patch(REPLICA_SETS, name, {"metadata": {"finalizers": None}})
        assert not world.exists(REPLICA_SETS, name)


def test_a_change_of_mind_to_background_ends_the_wait(world):
    world.create(REPLICA_SETS, replica_set("web"))
    world.delete(REPLICA_SETS, "web", propagation="Foreground")
    world.delete(REPLICA_SETS, "web", propagation="Background")
    assert not world.exists(REPLICA_SETS, "web")


def test_a_policy_nobody_knows_is_refused(world):
    world.create(CONFIG_MAPS, config_map("a"))
    with pytest.raises(Invalid, match='propagationPolicy: Unsupported value: "Sideways"'):
        world.delete(CONFIG_MAPS, "a", propagation="Sideways")


def test_a_job_deleted_without_a_policy_keeps_its_pods_and_says_so(world):
    spec = {"template": {"spec": {"restartPolicy": "Never", **pod("x")["spec"]}}}
    body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": spec}
    world.create(JOBS, body)
    options = Options()
    marked = world.server.delete(world.info(JOBS), "default", "j", DeleteOptions(), options)
    assert finalizers(marked) == ["orphan"]
    assert "child pods are preserved by default" in options.warnings[0]


def test_a_namespace_terminates_until_its_finalizer_is_lifted(world):
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
    world.create(NAMESPACES, body)
    marked = world.delete(NAMESPACES, "team")
    assert marked["status"]["phase"] == "Terminating"
    world.update(NAMESPACES, {**marked, "spec": {"finalizers": []}}, "finalize")
    assert not world.exists(NAMESPACES, "team")


def test_a_namespace_keeps_its_finalizer_on_the_main_endpoint(world):
    world.patch(NAMESPACES, "default", {"spec": {"finalizers": None}})
    assert world.get(NAMESPACES, "default")["spec"] == {"finalizers": ["kubernetes"]}


def test_the_default_namespace_stays(world):
    with pytest.raises(Forbidden, match="this namespace may not be deleted"):
        world.delete(NAMESPACES, "default")


def test_a_collection_goes_by_selector_and_by_namespace(world):
    for name, track in (("a", "old"), ("b", "new"), ("c", "old")):
        world.create(CONFIG_MAPS, config_map(name, {"track": track}))
    world.create(CONFIG_MAPS, config_map("d", {"track": "old"}), "kube-system")
    deleted = world.server.delete_collection(
        world.info(CONFIG_MAPS),
        "default",
        ListOptions(labels="track=old"),
        DeleteOptions(),
        Options(),
    )
    assert [one["metadata"]["name"] for one in deleted["items"]] == ["a", "c"]
    assert world.names(CONFIG_MAPS) == ["b"]
    assert world.names(CONFIG_MAPS, namespace="kube-system") == ["d"]


def test_a_dry_run_deletes_nothing(world):
    world.create(CONFIG_MAPS, config_map("a"))
    world.create(CONFIG_MAPS, held("b"))
    before = world.server.store.revision
    for name in "ab":
        world.server.delete(
            world.info(CONFIG_MAPS), "default", name, DeleteOptions(), Options(dry_run=True)
        )
    assert world.names(CONFIG_MAPS) == ["a", "b"]
    assert world.server.store.revision == before
