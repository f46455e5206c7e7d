"""Jobs of metrics that run in another cluster."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.providers.base import ProviderError, RunRef
from analysis.providers.job import KUBECONFIG_VARIABLE, JobProvider
from analysis.spec import Metric, Phase
from rollouts.controllers.job_cluster import Opened, RemoteJobRunner, over_http
from rollouts.controllers.wiring import controller_set
from rollouts.kube.api import KubeApi
from rollouts.kube.config import ConfigError
from rollouts.kube.errors import Forbidden, Unreachable
from rollouts.kube.guard import GuardedApi, NotLeader
from rollouts.kube.resources import ANALYSIS_RUNS, JOBS
from rollouts.sandbox.cluster import Cluster
from rollouts.simulate.loop import run_virtual, virtual_clock

RUN = RunRef("default", "run", "2f5c7a1e-9b7b-4c37-8d0e-0123456789ab")
CONTAINER = {"name": "main", "image": "smoke:1"}
POD = {"restartPolicy": "Never", "containers": [CONTAINER]}
METRIC = Metric.model_validate(
    {"name": "smoke", "provider": {"job": {"spec": {"template": {"spec": POD}}}}}
)


class Elsewhere:
    """The other cluster. ``wrong``: what opening it raises; ``opened``: how often it was."""

    def __init__(self) -> None:
        self.clock = virtual_clock()
        self.api: KubeApi = Cluster(self.clock, random.Random(1)).api
        self.wrong: Exception | None = None
        self.opened = self.closed = 0
        self.leading = 60.0
        self.runner = RemoteJobRunner(self._open, lambda api: GuardedApi(api, self._remaining))
        self.provider = JobProvider(self.runner, self.clock.wall, elsewhere=True)

    async def _open(self) -> Opened:
        await asyncio.sleep(1)
        if self.wrong is not None:
            raise self.wrong
        self.opened += 1
        return self.api, self._close

    async def _close(self) -> None:
        self.closed += 1

    def _remaining(self) -> float:
        return self.leading

    async def jobs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.api.list(JOBS, "default"))["items"]
        return found


def told(story: Callable[[Elsewhere], Awaitable[None]]) -> None:
    async def main() -> None:
        await story(Elsewhere())

    run_virtual(main())


def test_a_job_runs_there_and_belongs_to_nobody() -> None:
    async def story(there: Elsewhere) -> None:
        assert there.opened == 0
        both = [there.provider.run(RUN, METRIC, number) for number in (1, 2)]
        going, _ = await asyncio.gather(*both)
        assert there.opened == 1
        job, other = await there.jobs()
        assert "ownerReferences" not in job["metadata"]
        ended = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
        name = job["metadata"]["name"]
        await there.api.patch(JOBS, name, ended, "default", subresource="status")
        over = await there.provider.resume(RUN, METRIC, going)
        assert over.phase is Phase.SUCCESSFUL
        await there.provider.garbage_collect(RUN, METRIC, 0)
        left = [one for one in await there.jobs() if not one["metadata"].get("deletionTimestamp")]
        assert [one["metadata"]["name"] for one in left] == [other["metadata"]["name"]]
        await there.runner.close()
        assert there.closed == 1

    told(story)


def test_a_job_is_ended_there() -> None:
    async def story(there: Elsewhere) -> None:
        going = await there.provider.run(RUN, METRIC, 1)
        stopped = await there.provider.terminate(RUN, METRIC, going)
        assert stopped.phase is Phase.INCONCLUSIVE
        assert all(job["metadata"].get("deletionTimestamp") for job in await there.jobs())

    told(story)


def test_a_way_that_is_not_there_is_an_error_that_quotes_nothing_and_may_heal() -> None:
    async def story(there: Elsewhere) -> None:
        there.wrong = ConfigError("cannot load kubeconfig: near 'token: canary'")
        with pytest.raises(ProviderError, match="ARGO_ROLLOUTS_ANALYSIS_JOB_KUBECONFIG") as raised:
            await there.provider.run(RUN, METRIC, 1)
        assert "canary" not in str(raised.value)
        there.wrong = None
        assert (await there.provider.run(RUN, METRIC, 1)).phase is Phase.RUNNING

    told(story)


@pytest.mark.parametrize("error", [Unreachable("no answer"), Forbidden("jobs are forbidden")])
def test_a_cluster_that_is_away_or_refuses_is_an_error_of_the_measurement(error: Exception) -> None:
    async def story(there: Elsewhere) -> None:
        there.wrong = error
        with pytest.raises(ProviderError, match=f"the cluster for Jobs: {error}"):
            await there.provider.run(RUN, METRIC, 1)

    told(story)


def test_who_does_not_lead_starts_no_job_there() -> None:
    async def story(there: Elsewhere) -> None:
        there.leading = 0.0
        with pytest.raises(NotLeader):
            await there.provider.run(RUN, METRIC, 1)
        assert await there.jobs() == []

    told(story)


async def test_a_file_that_is_not_there_is_an_error_of_the_measurement(tmp_path: Path) -> None:
    runner = RemoteJobRunner(over_http(str(tmp_path / "none"), random.Random(1)), lambda api: api)
    with pytest.raises(ProviderError, match="there is no way to the cluster for Jobs"):
        await runner.get("default", "job")
    await runner.close()


def test_the_environment_of_the_controller_says_where_and_nothing_runs_here_instead() -> None:
    async def main() -> None:
        clock = virtual_clock()
        cluster = Cluster(clock, random.Random(1))
        await cluster.start()
        environ = {KUBECONFIG_VARIABLE: "/nonexistent/kubeconfig"}
        (manager,) = controller_set(cluster.api, clock, random.Random(2), environ=environ)
        running = asyncio.create_task(manager.run())
        run = {"metadata": {"name": "run"}, "spec": {"metrics": [METRIC.to_obj()]}}
        kind = {"apiVersion": ANALYSIS_RUNS.api_version, "kind": ANALYSIS_RUNS.kind}
        await cluster.api.create(ANALYSIS_RUNS, {**kind, **run}, "default")
        await asyncio.sleep(120)
        status = (await cluster.api.get(ANALYSIS_RUNS, "run", "default"))["status"]
        assert status["phase"] == "Error"
        assert "there is no way to the cluster for Jobs" in status["message"]
        assert (await cluster.api.list(JOBS, "default"))["items"] == []
        manager.stop()
        await running
        await cluster.stop()

    run_virtual(main())
