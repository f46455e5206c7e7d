"""Garbage collection and namespaces: what goes, what stays, and in which order."""

from typing import Any

from rollouts.kube.api import Obj
from rollouts.kube.resources import (
    CONFIG_MAPS,
    CRDS,
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    Resource,
)
from rollouts.sandbox.controllers.objects import (
    condition,
    deleting,
    meta,
    owner_reference,
    status,
    uid,
)
from tests.sandbox.controllers_world import NS, World, deployment, virtual, world

WIDGETS = Resource("example.com", "v1", "widgets", "Widget")


def config_map(name: str, *owners: Obj, namespace: str = NS, **metadata: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "ownerReferences": list(owners),
            **metadata,
        },
    }


async def family(w: World) -> list[int]:
    """How many Deployments, ReplicaSets and pods there are."""
    return [len(await w.all(kind)) for kind in (DEPLOYMENTS, REPLICA_SETS, PODS)]


@virtual
async def test_background_takes_everything_below() -> None:
    async with world() as w:
        await w.create(DEPLOYMENTS, deployment(replicas=2))
        await w.until(w.complete)
        await w.api.delete(DEPLOYMENTS, "web", NS)
        assert not await w.exists(DEPLOYMENTS, "web")
        await w.settle()
        assert await family(w) == [0, 0, 0]


@virtual
async def test_foreground_takes_the_owner_last() -> None:
    async with world() as w:
        await w.create(DEPLOYMENTS, deployment(replicas=2))
        await w.until(w.complete)
        await w.api.delete(DEPLOYMENTS, "web", NS, propagation="Foreground")
        assert deleting(await w.get(DEPLOYMENTS, "web"))

        async def gone() -> bool:
            deployments, sets, pods = await family(w)
            assert (deployments, sets) >= (int(sets > 0), int(pods > 0))
            return not deployments

        await w.until(gone, every=0.01)
        assert await family(w) == [0, 0, 0]


@virtual
async def test_orphans_stay_and_lose_their_owner() -> None:
    async with world() as w:
        await w.create(DEPLOYMENTS, deployment(replicas=2))
        await w.until(w.complete)
        await w.api.delete(DEPLOYMENTS, "web", NS, propagation="Orphan")
        await w.settle()
        assert await family(w) == [0, 1, 2]
        (left,) = await w.all(REPLICA_SETS)
        assert not meta(left).get("ownerReferences")


@virtual
async def test_an_owner_that_never_was_is_absent() -> None:
    async with world() as w:
        fantasy = {"apiVersion": "v1", "kind": "ConfigMap", "name": "no", "uid": "no-such-uid"}
        await w.create(CONFIG_MAPS, config_map("child", fantasy))
        await w.settle()
        assert not await w.exists(CONFIG_MAPS, "child")


@virtual
async def test_a_namesake_is_not_the_owner() -> None:
    async with world() as w:
        owner = await w.create(CONFIG_MAPS, config_map("owner"))
        reference = owner_reference(CONFIG_MAPS, owner) | {"controller": False}
        await w.create(CONFIG_MAPS, config_map("child", reference))
        await w.settle()
        assert await w.exists(CONFIG_MAPS, "child")
        await w.api.delete(CONFIG_MAPS, "owner", NS)
        await w.create(CONFIG_MAPS, config_map("owner"))
        await w.settle()
        assert await w.exists(CONFIG_MAPS, "owner")
        assert not await w.exists(CONFIG_MAPS, "child")


@virtual
async def test_one_of_two_owners_is_enough() -> None:
    async with world() as w:
        one = await w.create(CONFIG_MAPS, config_map("one"))
        two = await w.create(CONFIG_MAPS, config_map("two"))
        references = [
            owner_reference(CONFIG_MAPS, owner) | {"controller": False} for owner in (one, two)
        ]
        await w.create(CONFIG_MAPS, config_map("child", *references))
        await w.settle(2)
        await w.api.delete(CONFIG_MAPS, "one", NS)
        await w.settle()
        kept = meta(await w.get(CONFIG_MAPS, "child"))["ownerReferences"]
        assert [reference["uid"] for reference in kept] == [uid(two)]


@virtual
async def test_an_owner_in_another_namespace_is_no_owner() -> None:
    async with world() as w:
        other = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}
        await w.create(NAMESPACES, other)
        owner = await w.create(CONFIG_MAPS, config_map("owner"))
        child = config_map("child", owner_reference(CONFIG_MAPS, owner), namespace="other")
        await w.create(CONFIG_MAPS, child, "other")
        await w.settle()
        assert not await w.exists(CONFIG_MAPS, "child", "other")
        assert await w.exists(CONFIG_MAPS, "owner")


def widgets() -> Obj:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [version],
        },
    }


def widget(name: str) -> Obj:
    head = {"name": name, "namespace": NS}
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": head}


@virtual
async def test_custom_types_that_come_later_own_and_are_owned() -> None:
    async with world() as w:
        await w.settle(5)
        await w.create(CRDS, widgets())
        await w.settle(2)
        owner = await w.create(WIDGETS, widget("owner"))
        await w.create(CONFIG_MAPS, config_map("child", owner_reference(WIDGETS, owner)))
        await w.settle()
        assert await w.exists(CONFIG_MAPS, "child")
        await w.api.delete(WIDGETS, "owner", NS)
        await w.settle()
        assert not await w.exists(CONFIG_MAPS, "child")


@virtual
async def test_a_day_with_custom_types_at_rest_costs_no_write() -> None:
    async with world() as w:
        await w.create(CRDS, widgets())
        unknown = {"apiVersion": "nobody.example/v1", "kind": "Ghost", "name": "g", "uid": "g"}
        await w.create(CONFIG_MAPS, config_map("child", unknown))
        await w.settle(60)
        before = w.revision
        await w.settle(24 * 3600)
        assert w.revision == before
        assert await w.exists(CONFIG_MAPS, "child")


@virtual
async def test_a_namespace_is_emptied_and_goes() -> None:
    async with world() as w:
        team = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
        await w.create(NAMESPACES, team)
        await w.create(CRDS, widgets())
        inside = deployment(replicas=3)
        inside["metadata"]["namespace"] = "team"
        await w.create(DEPLOYMENTS, inside, "team")
        await w.create(CONFIG_MAPS, config_map("c", namespace="team"), "team")
        await w.settle(5)
        await w.api.delete(NAMESPACES, "team")
        await w.settle()
        assert not await w.exists(NAMESPACES, "team")
        for kind in (DEPLOYMENTS, REPLICA_SETS, PODS, CONFIG_MAPS, SERVICES):
            assert await w.all(kind, namespace="team") == []


@virtual
async def test_a_namespace_that_hangs_says_what_holds_it() -> None:
    async with world() as w:
        team = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
        await w.create(NAMESPACES, team)
        held = config_map("held", namespace="team", finalizers=["example.com/hold"])
        await w.create(CONFIG_MAPS, held, "team")
        await w.api.delete(NAMESPACES, "team")
        await w.settle(10)
        found = await w.get(NAMESPACES, "team")
        assert status(found)["phase"] == "Terminating"
        remaining = condition(found, "NamespaceContentRemaining") or {}
        assert remaining["message"] == "still there: 1 configmaps"
        await w.api.patch(CONFIG_MAPS, "held", {"metadata": {"finalizers": None}}, "team")
        await w.settle(60)
        assert not await w.exists(NAMESPACES, "team")


@virtual
async def test_nobody_insists_on_pods_in_a_namespace_that_ends() -> None:
    async with world() as w:
        team = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
        await w.create(NAMESPACES, team)
        held = deployment(replicas=2)
        held["metadata"] |= {"namespace": "team", "finalizers": ["example.com/hold"]}
        await w.create(DEPLOYMENTS, held, "team")
        await w.settle(5)
        await w.api.delete(NAMESPACES, "team")
        await w.settle(120)
        assert await w.all(PODS, namespace="team") == []
        assert await w.exists(NAMESPACES, "team")
        await w.api.patch(DEPLOYMENTS, "web", {"metadata": {"finalizers": None}}, "team")
        await w.settle(60)
        assert not await w.exists(NAMESPACES, "team")


@virtual
async def test_killing_the_controllers_half_way_still_empties_the_namespace() -> None:
    async with world() as w:
        team = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
        await w.create(NAMESPACES, team)
        inside = deployment(replicas=3)
        inside["metadata"]["namespace"] = "team"
        await w.create(DEPLOYMENTS, inside, "team")
        await w.settle(5)
        await w.api.delete(NAMESPACES, "team")
        for pause in (0.005, 0.02, 0.1, 0.2):
            await w.settle(pause)
            await w.restart()
        await w.settle(60)
        assert not await w.exists(NAMESPACES, "team")
