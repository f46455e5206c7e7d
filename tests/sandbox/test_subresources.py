"""Scale, binding and eviction: the small doors beside the main one."""

import pytest

from rollouts.kube.api import PatchType
from rollouts.kube.errors import BadRequest, Conflict, Invalid, ServerError, Throttled
from rollouts.kube.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from rollouts.sandbox.builtins import POD_DISRUPTION_BUDGETS
from rollouts.sandbox.options import Options
from tests.sandbox.serverworld import World, deployment, pod, replica_set


@pytest.fixture
def world() -> World:
    return World()


def test_a_scale_shows_replicas_and_selector_of_a_workload(world):
    world.create(DEPLOYMENTS, deployment("web", replicas=3))
    scale = world.get(DEPLOYMENTS, "web", "scale")
    assert (scale["apiVersion"], scale["kind"]) == ("autoscaling/v1", "Scale")
    assert scale["spec"] == {"replicas": 3}
    assert scale["status"] == {"replicas": 0, "selector": "app=web"}


@pytest.mark.parametrize("kind", [PatchType.MERGE, PatchType.STRATEGIC])
def test_patching_a_scale_scales(world, kind):
    world.create(DEPLOYMENTS, deployment("web"))
    answer = world.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 7}}, kind, "scale")
    assert answer["spec"] == {"replicas": 7}
    scaled = world.get(DEPLOYMENTS, "web")
    assert (scaled["spec"]["replicas"], scaled["metadata"]["generation"]) == (7, 2)


def test_a_scale_written_from_an_old_reading_is_a_conflict(world):
    world.create(REPLICA_SETS, replica_set("web"))
    scale = world.get(REPLICA_SETS, "web", "scale")
    world.patch(REPLICA_SETS, "web", {"spec": {"replicas": 9}})
    with pytest.raises(Conflict, match="the object has been modified"):
        world.update(REPLICA_SETS, {**scale, "spec": {"replicas": 1}}, "scale")


def test_a_scale_below_zero_is_refused(world):
    world.create(REPLICA_SETS, replica_set("web"))
    with pytest.raises(Invalid, match="greater than or equal to 0"):
        world.patch(REPLICA_SETS, "web", {"spec": {"replicas": -1}}, subresource="scale")
    with pytest.raises(BadRequest, match="must be an integer"):
        world.patch(REPLICA_SETS, "web", {"spec": {"replicas": "many"}}, subresource="scale")


def bind(world: World, name: str, node: str) -> dict:
    body = {"apiVersion": "v1", "kind": "Binding", "target": {"kind": "Node", "name": node}}
    return world.server.create(
        world.info(PODS), "default", body, Options(), name=name, subresource="binding"
    )


def test_binding_puts_a_pod_on_a_node_once(world):
    world.create(PODS, pod("a"))
    bind(world, "a", "node-1")
    bound = world.get(PODS, "a")
    assert bound["spec"]["nodeName"] == "node-1"
    assert [(c["type"], c["status"]) for c in bound["status"]["conditions"]] == [
        ("PodScheduled", "True")
    ]
    with pytest.raises(Conflict, match='already assigned to node "node-1"'):
        bind(world, "a", "node-2")


def running(world: World, name: str, *, ready: bool = True) -> None:
    world.create(PODS, pod(name, nodeName="node-1"))
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    world.patch(
        PODS,
        name,
        {"status": {"phase": "Running", "conditions": [condition]}},
        subresource="status",
    )


def budget(world: World, name: str = "pdb", **spec) -> None:
    world.create(
        POD_DISRUPTION_BUDGETS,
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec},
        },
    )


def evict(world: World, name: str, version: str = "v1", **more) -> dict:
    body = {
        "apiVersion": f"policy/{version}",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": "default"},
    } | more
    return world.server.create(
        world.info(PODS), "default", body, Options(), name=name, subresource="eviction"
    )


def dying(world: World, name: str) -> bool:
    return "deletionTimestamp" in world.get(PODS, name)["metadata"]


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_without_a_budget_an_eviction_is_a_graceful_deletion(world, version):
    running(world, "a")
    assert evict(world, "a", version)["status"] == "Success"
    assert dying(world, "a")


def test_a_budget_lets_go_of_what_it_can_spare_and_no_more(world):
    for name in "abc":
        running(world, name)
    budget(world, minAvailable=2)
    evict(world, "a")
    with pytest.raises(Throttled) as caught:
        evict(world, "b")
    assert caught.value.status["code"] == 429
    assert caught.value.message == (
        "Cannot evict pod as it would violate the pod's disruption budget."
    )
    assert caught.value.status["details"]["causes"][0] == {
        "reason": "DisruptionBudget",
        "message": "The disruption budget pdb needs 2 healthy pods and has 2 currently",
    }
    assert not dying(world, "b")


def test_a_share_counts_what_the_controller_wants(world):
    owner = world.create(REPLICA_SETS, replica_set("web", replicas=4))
    reference = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "web",
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }
    for name in "abc":
        running(world, name)
        world.patch(PODS, name, {"metadata": {"ownerReferences": [reference]}})
    budget(world, maxUnavailable="25%")
    with pytest.raises(Throttled, match="disruption budget"):
        evict(world, "a")


def test_a_pod_that_does_not_serve_anyway_may_go(world):
    running(world, "a")
    running(world, "b", ready=False)
    budget(world, minAvailable=1)
    evict(world, "b")
    assert dying(world, "b")


def test_two_budgets_over_one_pod_are_an_error_as_in_a_real_cluster(world):
    running(world, "a")
    budget(world, "one", minAvailable=0)
    budget(world, "two", minAvailable=0)
    with pytest.raises(ServerError, match="more than one PodDisruptionBudget"):
        evict(world, "a")


def test_a_dry_eviction_asks_only(world):
    running(world, "a")
    evict(world, "a", deleteOptions={"dryRun": ["All"]})
    assert not dying(world, "a")
