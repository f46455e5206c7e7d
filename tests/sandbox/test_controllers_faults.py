"""Controllers whose API server fails: the end is the same, only later."""

import random
from typing import Any

import pytest

from rollouts.kube.api import KubeApi
from rollouts.kube.errors import ServerError, Throttled, Unreachable
from rollouts.kube.resources import DEPLOYMENTS, JOBS, NAMESPACES, PODS, REPLICA_SETS
from rollouts.sandbox.controllers.objects import is_true, ready, spec
from rollouts.simulate.loop import run_virtual
from tests.sandbox.controllers_world import World, deployment, replica_set
from tests.sandbox.test_controllers_job import job

WRITES = ("create", "update", "patch", "delete")
FAULTS = ("refused", "throttled", "answer lost")


class Flaky:
    """A KubeApi of which one call in five fails: before it is done, or after."""

    def __init__(self, api: KubeApi, seed: int) -> None:
        self._api, self._dice, self.failures = api, random.Random(seed), 0
        self.calm = False

    def __getattr__(self, verb: str) -> Any:
        call = getattr(self._api, verb)
        if verb not in (*WRITES, "get", "list"):
            return call

        async def shaky(*given: Any, **more: Any) -> Any:
            fault = self._dice.choice(FAULTS) if self._dice.random() < 0.2 else ""
            if self.calm or not fault:
                return await call(*given, **more)
            self.failures += 1
            if fault == "refused":
                raise ServerError("the server is having a bad day")
            if fault == "throttled":
                raise Throttled("too many requests", retry_after=1.0)
            await call(*given, **more)
            raise Unreachable("the answer was lost")

        return shaky


@pytest.mark.parametrize("seed", range(6))
def test_a_server_that_fails_one_call_in_five_changes_nothing_in_the_end(seed: int) -> None:
    async def main() -> None:
        w = World(seed)
        flaky = Flaky(w.api, seed)
        w.start(flaky)  # type: ignore[arg-type]
        await w.create(REPLICA_SETS, replica_set("plain", replicas=5))
        await w.create(DEPLOYMENTS, deployment(replicas=4))
        await w.create(JOBS, job(completions=3, parallelism=3))
        team = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
        await w.create(NAMESPACES, team)
        inside = deployment("inside", replicas=2)
        inside["metadata"]["namespace"] = "team"
        await w.create(DEPLOYMENTS, inside, "team")
        await w.settle(20)
        await w.set_image("web", "web:2")
        await w.api.delete(NAMESPACES, "team")
        await w.settle(600)
        assert flaky.failures > 50

        plain, web = await w.pods("app=plain"), await w.pods("app=web")
        assert [len(plain), len(web)] == [5, 4]
        assert all(ready(pod) for pod in (*plain, *web))
        assert {spec(pod)["containers"][0]["image"] for pod in web} == {"web:2"}
        assert is_true(await w.get(JOBS, "task"), "Complete")
        assert await w.complete()
        assert not await w.exists(NAMESPACES, "team")
        assert len(await w.sets_of()) == 2
        await w.stop()

    run_virtual(main(), seed=seed, shuffle=True)


def test_deleting_everything_while_controllers_are_killed_leaves_nothing() -> None:
    async def main() -> None:
        w = World(9)
        w.start()
        await w.create(DEPLOYMENTS, deployment(replicas=4))
        await w.until(w.complete)
        await w.api.delete(DEPLOYMENTS, "web", "default", propagation="Foreground")
        for pause in (0.001, 0.01, 0.02, 0.1, 0.1, 0.2):
            await w.settle(pause)
            await w.restart()
        await w.settle(60)
        for kind in (DEPLOYMENTS, REPLICA_SETS, PODS):
            assert await w.all(kind) == []
        await w.stop()

    run_virtual(main())
