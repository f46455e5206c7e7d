"""The store: indexed, trimmed, sorted, and never changed by the past."""

from typing import Any

from rollouts.kube.api import Obj, WatchEvent
from rollouts.kube.resources import PODS, REPLICA_SETS
from rollouts.kube.store import Change, Store, by_label, by_owner, trim_pod

HASH = "rollouts-pod-template-hash"


def replica_set(name: str, version: int = 1, *, owner: str = "", value: str = "") -> Obj:
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": "shop",
        "uid": name,
        "resourceVersion": str(version),
    }
    if owner:
        metadata["ownerReferences"] = [{"uid": "other"}, {"uid": owner, "controller": True}]
    if value:
        metadata["labels"] = {HASH: value}
    return {"metadata": metadata}


def names(objects: list[Obj]) -> list[str]:
    return [obj["metadata"]["name"] for obj in objects]


def test_indexes_follow_changes() -> None:
    store = Store(REPLICA_SETS, {"owner": by_owner, "hash": by_label(HASH)})
    store.put(replica_set("b", owner="u1", value="x"))
    store.put(replica_set("a", owner="u1", value="y"))
    assert names(store.by_index("owner", "u1")) == ["a", "b"]
    assert names(store.by_index("hash", "shop/x")) == ["b"]
    store.put(replica_set("b", 2, owner="u2", value="x"))
    assert names(store.by_index("owner", "u1")) == ["a"]
    assert names(store.by_index("owner", "u2")) == ["b"]
    store.delete(("shop", "a"))
    assert store.by_index("owner", "u1") == []


def test_listed_objects_say_what_they_are() -> None:
    store = Store(REPLICA_SETS)
    store.put(replica_set("a"))
    found = store.get("shop", "a")
    assert found is not None
    assert (found["apiVersion"], found["kind"]) == ("apps/v1", "ReplicaSet")


def test_what_nobody_reads_is_not_kept_and_the_input_is_untouched() -> None:
    obj = replica_set("a")
    obj["metadata"]["managedFields"] = [{}]
    obj["metadata"]["annotations"] = {
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "keep": "me",
    }
    store = Store(REPLICA_SETS)
    store.put(obj)
    found = store.get("shop", "a")
    assert found is not None
    assert "managedFields" not in found["metadata"]
    assert found["metadata"]["annotations"] == {"keep": "me"}
    assert len(obj["metadata"]["annotations"]) == 2


def test_a_pod_is_reduced_to_what_explains_a_rollout() -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "shop", "labels": {"a": "b"}},
        "spec": {
            "nodeName": "n1",
            "volumes": [{}],
            "containers": [{"name": "c", "image": "i:1", "env": [{"name": "X"}]}],
        },
        "status": {"phase": "Running", "podIP": "10.0.0.1", "conditions": [], "qosClass": "x"},
    }
    store = Store(PODS, trim=trim_pod)
    store.put(pod)
    assert store.get("shop", "p") == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "shop", "labels": {"a": "b"}},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i:1"}]},
        "status": {"phase": "Running", "conditions": []},
    }


def test_of_a_pods_state_what_it_waits_for_is_kept() -> None:
    ready = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    placed = {"type": "PodScheduled", "status": "True", "lastProbeTime": None}
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    states = [
        {"name": "main", "imageID": "sha256:1", "state": {"waiting": waiting}},
        {"name": "side", "imageID": "sha256:2", "state": {"running": {}}},
    ]
    pod = {
        "metadata": {"name": "p", "namespace": "shop"},
        "status": {"conditions": [placed, ready], "containerStatuses": states},
    }
    assert trim_pod(pod)["status"] == {
        "conditions": [ready],
        "containerStatuses": [{"name": "main", "state": {"waiting": waiting}}],
    }
    assert len(pod["status"]["containerStatuses"]) == 2


def test_repeated_events_change_nothing() -> None:
    store, heard = Store(REPLICA_SETS), list[Change]()
    store.listed("1")
    store.subscribe(heard.append)
    added = WatchEvent("ADDED", replica_set("a", 2))
    changed = WatchEvent("MODIFIED", replica_set("a", 3))
    gone = WatchEvent("DELETED", replica_set("a", 4))
    for event in (added, changed, added, changed, gone, added, changed, gone):
        store.observe(event)
    assert len(store) == 0
    assert len(heard) == 3
    assert store.seen_rv == 4


def test_a_late_subscriber_hears_what_is_here() -> None:
    store, heard = Store(REPLICA_SETS), list[Change]()
    store.put(replica_set("a"))
    store.subscribe(heard.append)
    assert [(c.old, names([c.object]), c.initial) for c in heard] == [(None, ["a"], True)]
