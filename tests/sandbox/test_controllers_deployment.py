"""Deployments: updates within their limits, and what kubectl rollout reads."""

import asyncio
from typing import Any

import pytest

from rollouts.kube.resources import DEPLOYMENTS, REPLICA_SETS
from rollouts.sandbox.controllers.objects import annotations, condition, labels, meta, spec, status
from rollouts.sandbox.controllers.revisions import HASH_LABEL, REVISION
from rollouts.simulate.loop import run_virtual
from tests.sandbox.controllers_world import World, deployment, virtual, world


def strategy(surge: Any, unavailable: Any) -> dict[str, Any]:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {"type": "RollingUpdate", "rollingUpdate": rolling}


async def images(w: World) -> set[str]:
    return {spec(pod)["containers"][0]["image"] for pod in await w.pods("app=web")}


async def reason(w: World) -> str:
    found = condition(await w.get(DEPLOYMENTS, "web"), "Progressing")
    return str((found or {}).get("reason"))


@virtual
async def test_a_deployment_becomes_complete() -> None:
    async with world() as w:
        await w.create(DEPLOYMENTS, deployment(replicas=3))
        await w.until(w.complete)
        await w.settle(5)
        found = await w.get(DEPLOYMENTS, "web")
        assert annotations(found)[REVISION] == "1"
        assert await reason(w) == "NewReplicaSetAvailable"
        assert (condition(found, "Available") or {})["status"] == "True"
        (only,) = await w.sets_of()
        assert meta(only)["name"] == f"web-{labels(only)[HASH_LABEL]}"
        assert all(labels(pod)[HASH_LABEL] == labels(only)[HASH_LABEL] for pod in await w.pods())
        assert "ScalingReplicaSet" in await w.reasons("web")


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable"), [(4, 1, 0), (4, 0, 1), (5, "25%", "25%"), (3, "100%", 0)]
)
def test_an_update_keeps_its_limits_at_every_moment(
    replicas: int, surge: Any, unavailable: Any
) -> None:
    async def main() -> None:
        async with world(profile="slow") as w:
            body = deployment(replicas=replicas, strategy=strategy(surge, unavailable))
            await w.create(DEPLOYMENTS, body)
            await w.until(w.complete)
            least, most = replicas, replicas

            async def watch() -> None:
                nonlocal least, most
                while True:
                    least = min(least, len(await w.ready_pods("app=web")))
                    most = max(most, len(await w.pods("app=web")))
                    await asyncio.sleep(0.05)

            watching = asyncio.ensure_future(watch())
            await w.set_image("web", "web:2")
            await w.until(w.complete, within=300)
            watching.cancel()
            bounds = {"25%": (2, 1), "100%": (3, 0)}.get(str(surge), (surge, unavailable))
            assert least >= replicas - bounds[1]
            assert most <= replicas + bounds[0]
            assert await images(w) == {"web:2"}

    run_virtual(main())


@virtual
async def test_recreate_never_mixes_versions() -> None:
    async with world() as w:
        await w.create(DEPLOYMENTS, deployment(replicas=3, strategy={"type": "Recreate"}))
        await w.until(w.complete)
        await w.set_image("web", "web:2")

        async def complete_and_pure() -> bool:
            assert len(await images(w)) <= 1
            return await w.complete()

        await w.until(complete_and_pure, every=0.02)
        assert await images(w) == {"web:2"}


@virtual
async def test_a_broken_version_leaves_the_old_one_and_is_reported() -> None:
    async with world() as w:
        body = deployment(replicas=4, progressDeadlineSeconds=30, strategy=strategy(1, 0))
        await w.create(DEPLOYMENTS, body)
        await w.until(w.complete)
        await w.set_image("web", "web:never-ready")
        await w.settle(60)
        assert await reason(w) == "ProgressDeadlineExceeded"
        assert len(await w.ready_pods("app=web")) == 4
        assert (condition(await w.get(DEPLOYMENTS, "web"), "Available") or {})["status"] == "True"

        await w.set_image("web", "web:1")
        await w.until(w.complete)
        await w.settle(5)
        assert await images(w) == {"web:1"}
        assert await reason(w) == "NewReplicaSetAvailable"


@virtual
async def test_undo_brings_the_old_replica_set_back_as_a_new_revision() -> None:
    async with world() as w:
        await w.create(DEPLOYMENTS, deployment(replicas=2))
        await w.until(w.complete)
        await w.set_image("web", "web:2")
        await w.until(w.complete)
        await w.set_image("web", "web:1")
        await w.until(w.complete)
        revisions = {
            spec(one)["template"]["spec"]["containers"][0]["image"]: annotations(one)[REVISION]
            for one in await w.sets_of()
        }
        assert revisions == {"web:1": "3", "web:2": "2"}
        assert annotations(await w.get(DEPLOYMENTS, "web"))[REVISION] == "3"


@virtual
async def test_a_paused_deployment_scales_but_does_not_roll() -> None:
    async with world() as w:
        await w.create(DEPLOYMENTS, deployment(replicas=2))
        await w.until(w.complete)
        await w.patch(DEPLOYMENTS, "web", {"spec": {"paused": True}})
        await w.set_image("web", "web:2")
        await w.scale(DEPLOYMENTS, "web", 5)
        await w.settle()
        assert await images(w) == {"web:1"}
        assert len(await w.ready_pods("app=web")) == 5
        assert await reason(w) == "DeploymentPaused"
        await w.patch(DEPLOYMENTS, "web", {"spec": {"paused": None}})
        await w.until(w.complete)
        assert await images(w) == {"web:2"}


@virtual
async def test_scaling_in_the_middle_of_an_update_is_shared_out() -> None:
    async with world() as w:
        await w.create(DEPLOYMENTS, deployment(replicas=10, strategy=strategy(2, 2)))
        await w.until(w.complete)
        await w.set_image("web", "web:never-ready")
        await w.settle()
        await w.scale(DEPLOYMENTS, "web", 20)
        await w.settle()
        # 4 new and 8 old of 12 become the same shares of 22.
        assert sorted(spec(one)["replicas"] for one in await w.sets_of()) == [7, 15]
        assert len(await w.ready_pods("app=web")) == 15


@virtual
async def test_history_is_cut() -> None:
    async with world(profile="instant") as w:
        await w.create(DEPLOYMENTS, deployment(replicas=1, revisionHistoryLimit=2))
        for number in range(6):
            await w.set_image("web", f"web:{number}")
            await w.settle(5)
        assert await w.complete()
        kept = sorted(int(annotations(one)[REVISION]) for one in await w.sets_of())
        assert len(kept) == 3
        assert kept[-1] - kept[0] == 2


@virtual
async def test_killing_the_controllers_in_the_middle_changes_nothing() -> None:
    async with world() as w:
        await w.create(DEPLOYMENTS, deployment(replicas=4))
        await w.until(w.complete)
        await w.set_image("web", "web:2")
        for pause in (0.01, 0.05, 0.11, 0.23, 0.31, 0.47):
            await w.settle(pause)
            await w.restart()
        await w.until(w.complete)
        assert await images(w) == {"web:2"}
        assert len(await w.sets_of()) == 2


@virtual
async def test_a_day_at_rest_costs_no_write() -> None:
    async with world() as w:
        await w.create(DEPLOYMENTS, deployment(replicas=3))
        await w.until(w.complete)
        await w.settle(60)
        before = w.revision
        await w.settle(24 * 3600)
        assert w.revision == before
        assert await w.complete()


@virtual
async def test_a_taken_name_gets_another_hash() -> None:
    async with world() as w:
        await w.create(DEPLOYMENTS, deployment(replicas=1))
        await w.until(w.complete)
        (first,) = await w.sets_of()
        await w.api.delete(DEPLOYMENTS, "web", "default", propagation="Orphan")
        await w.settle(5)
        stranger = {"metadata": {"labels": {"app": "other", HASH_LABEL: "other"}}}
        await w.patch(REPLICA_SETS, meta(first)["name"], stranger)
        await w.create(DEPLOYMENTS, deployment(replicas=1))
        await w.until(w.complete)
        assert status(await w.get(DEPLOYMENTS, "web"))["collisionCount"] == 1
