"""Jobs: run to completion, fail for a stated reason, clean up after themselves."""

from typing import Any

from rollouts.kube.api import Obj
from rollouts.kube.resources import JOBS, PODS
from rollouts.sandbox.controllers.objects import condition, is_true, labels, status
from tests.sandbox.controllers_world import NS, World, virtual, world


def job(image: str = "task:1", restart: str = "Never", **more: Any) -> Obj:
    pod = {"restartPolicy": restart, "containers": [{"name": "task", "image": image}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "task", "namespace": NS},
        "spec": {"template": {"spec": pod}, **more},
    }


async def failure(w: World) -> str:
    return str((condition(await w.get(JOBS, "task"), "Failed") or {}).get("reason"))


@virtual
async def test_a_job_completes() -> None:
    async with world() as w:
        await w.create(JOBS, job(completions=3, parallelism=2))
        await w.settle()
        found = await w.get(JOBS, "task")
        assert is_true(found, "Complete")
        seen = status(found)
        assert (seen["succeeded"], seen.get("active", 0), seen.get("failed", 0)) == (3, 0, 0)
        assert seen["startTime"] <= seen["completionTime"]
        pods = await w.all(PODS, "job-name=task")
        assert [status(pod)["phase"] for pod in pods] == ["Succeeded"] * 3
        assert all(labels(pod)["batch.kubernetes.io/job-name"] == "task" for pod in pods)


@virtual
async def test_a_failing_job_stops_at_its_limit() -> None:
    async with world() as w:
        await w.create(JOBS, job("task:fail", backoffLimit=2))
        await w.settle(15)
        assert status(await w.get(JOBS, "task"))["failed"] in (1, 2)
        await w.settle(60)
        assert await failure(w) == "BackoffLimitExceeded"
        assert status(await w.get(JOBS, "task"))["failed"] == 3
        before = w.revision
        await w.settle(3600)
        assert w.revision == before


@virtual
async def test_restarts_in_place_count_towards_the_limit() -> None:
    async with world() as w:
        await w.create(JOBS, job("task:fail", restart="OnFailure", backoffLimit=2))
        await w.settle(120)
        assert await failure(w) == "BackoffLimitExceeded"
        assert status(await w.get(JOBS, "task")).get("active", 0) == 0


@virtual
async def test_a_deadline_ends_a_job_that_hangs() -> None:
    async with world() as w:
        await w.create(JOBS, job("task:never-ready", activeDeadlineSeconds=20))
        await w.settle(15)
        assert status(await w.get(JOBS, "task"))["active"] == 1
        await w.settle(10)
        assert await failure(w) == "DeadlineExceeded"
        await w.settle(10)
        assert await w.all(PODS) == []


@virtual
async def test_a_suspended_job_waits() -> None:
    async with world() as w:
        await w.create(JOBS, job(suspend=True))
        await w.settle()
        assert is_true(await w.get(JOBS, "task"), "Suspended")
        assert await w.all(PODS) == []
        await w.patch(JOBS, "task", {"spec": {"suspend": False}})
        await w.settle()
        assert is_true(await w.get(JOBS, "task"), "Complete")


@virtual
async def test_a_finished_job_goes_after_its_time() -> None:
    async with world() as w:
        await w.create(JOBS, job(ttlSecondsAfterFinished=60))
        await w.settle(30)
        assert is_true(await w.get(JOBS, "task"), "Complete")
        await w.settle(90)
        assert not await w.exists(JOBS, "task")
        assert await w.all(PODS) == []


@virtual
async def test_an_indexed_job_is_refused_in_words() -> None:
    async with world() as w:
        await w.create(JOBS, job(completionMode="Indexed", completions=2))
        await w.settle()
        found = condition(await w.get(JOBS, "task"), "Failed") or {}
        assert found["reason"] == "NotSupported"
        assert "use completionMode NonIndexed" in found["message"]


@virtual
async def test_killing_the_controllers_does_not_run_a_job_twice() -> None:
    async with world() as w:
        await w.create(JOBS, job(completions=2, parallelism=1))
        for pause in (0.02, 0.1, 0.2, 0.4, 0.4):
            await w.settle(pause)
            await w.restart()
        await w.settle()
        assert is_true(await w.get(JOBS, "task"), "Complete")
        assert len(await w.all(PODS)) == 2
