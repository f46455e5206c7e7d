"""Providers that take their time, or never answer, are alone with that."""

import asyncio
import itertools
import random

import pytest

from analysis.providers.http import HttpClient, Response
from analysis.times import parse_time
from rollouts.controllers.wiring import controller_set
from rollouts.kube.resources import ANALYSIS_RUNS
from rollouts.sandbox.cluster import Cluster
from rollouts.simulate.loop import run_virtual, virtual_clock
from tests.controllers.runs_world import NAMESPACE, Script, metric, story

ANSWER = b'{"status":"success","data":{"resultType":"vector","result":[{"value":[0,"1"]}]}}'


class Http(HttpClient):
    """Addresses that hang do so until the request's own time is over; all others answer at once."""

    async def send(self, request):
        if "hangs" in request.url:
            async with asyncio.timeout(request.timeout):
                await asyncio.Event().wait()
        return Response(200, ANSWER)


def run_of(name, *metrics):
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisRun",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"metrics": list(metrics)},
    }


def asked_at(name, address, **fields):
    prometheus = {"query": "up", "address": f"http://{address}", **fields.pop("prometheus", {})}
    return {"name": name, "interval": "10s", "provider": {"prometheus": prometheus}, **fields}


def play(tell):
    """Run a story beside a whole controller in virtual time."""

    async def main():
        clock = virtual_clock()
        cluster = Cluster(clock, random.Random(1))
        (manager,) = controller_set(cluster.api, clock, random.Random(2), http=Http())
        await cluster.start()
        running = asyncio.create_task(manager.run())
        try:
            return await tell(cluster.api)
        finally:
            manager.stop()
            await running
            await cluster.stop()

    return run_virtual(main())


async def result_of(api, run, name):
    status = (await api.get(ANALYSIS_RUNS, run, NAMESPACE)).get("status") or {}
    return next((r for r in status.get("metricResults", ()) if r["name"] == name), {})


def gaps(result):
    times = [parse_time(one["startedAt"]) for one in result["measurements"]]
    return {after - before for before, after in itertools.pairwise(times)}


def test_a_metric_that_hangs_does_not_delay_the_others_of_its_run():
    async def tell(api):
        bad = asked_at("bad", "hangs", consecutiveErrorLimit=100)
        await api.create(ANALYSIS_RUNS, run_of("run", bad, asked_at("good", "fine")), NAMESPACE)
        await asyncio.sleep(125)
        return await result_of(api, "run", "good"), await result_of(api, "run", "bad")

    good, bad = play(tell)
    assert good["count"] == 13
    assert gaps(good) <= {10.0, 11.0}
    assert bad["error"] == 3


def test_a_thousand_runs_that_hang_delay_no_other():
    async def tell(api):
        for number in range(1000):
            bad = asked_at("m", "hangs", consecutiveErrorLimit=100)
            await api.create(ANALYSIS_RUNS, run_of(f"bad-{number}", bad), NAMESPACE)
        await asyncio.sleep(20)
        await api.create(ANALYSIS_RUNS, run_of("run", asked_at("good", "fine")), NAMESPACE)
        await asyncio.sleep(65)
        return await result_of(api, "run", "good")

    good = play(tell)
    assert good["count"] == 7
    assert gaps(good) <= {10.0, 11.0}


def test_an_answer_may_take_longer_than_a_pass():
    async def tell(api):
        slow = asked_at("m", "hangs", prometheus={"timeout": 90}, consecutiveErrorLimit=100)
        await api.create(ANALYSIS_RUNS, run_of("run", slow), NAMESPACE)
        await asyncio.sleep(95)
        return await result_of(api, "run", "m")

    (measurement,) = play(tell)["measurements"]
    assert measurement["phase"] == "Error"
    assert parse_time(measurement["finishedAt"]) - parse_time(measurement["startedAt"]) == 90


def test_a_run_that_fails_does_not_wait_for_a_metric_that_hangs():
    async def tell(api):
        bad = asked_at("bad", "fine", successCondition="result[0] > 2")
        hangs = asked_at("slow", "hangs", prometheus={"timeout": 600})
        await api.create(ANALYSIS_RUNS, run_of("run", hangs, bad), NAMESPACE)
        await asyncio.sleep(8)
        return await api.get(ANALYSIS_RUNS, "run", NAMESPACE)

    run = play(tell)
    assert run["status"]["phase"] == "Failed"
    assert [result["name"] for result in run["status"]["metricResults"]] == ["bad"]


@story(lambda: Script([[1.0]], seconds=1e6))
async def test_a_provider_that_never_answers_is_an_error_in_the_end(world):
    await world.apply({"metrics": [metric(consecutiveErrorLimit=0)]})
    status = await world.completed(3700)
    (measurement,) = status["metricResults"][0]["measurements"]
    assert (status["phase"], measurement["message"]) == ("Error", "no answer within 3600 s")


@story(lambda: Script([[1.0]], seconds=3.0))
async def test_what_is_under_way_when_a_run_is_stopped_still_counts(world):
    await world.apply({"metrics": [metric()]})
    await asyncio.sleep(1)
    await world.truth.patch(ANALYSIS_RUNS, "run", {"spec": {"terminate": True}}, NAMESPACE)
    status = await world.completed(10)
    assert status["metricResults"][0]["count"] == 1
    assert len(world.script.asked) == 1


@story(lambda: Script([[1.0]], seconds=30.0))
async def test_an_answer_for_a_run_that_is_gone_is_not_given_to_its_namesake(world):
    await world.apply({"metrics": [metric(query="first")]})
    await asyncio.sleep(5)
    await world.truth.delete(ANALYSIS_RUNS, "run", NAMESPACE)
    await world.apply({"metrics": [metric(query="second")]})
    await asyncio.sleep(28)
    assert "metricResults" not in await world.status()
    status = await world.completed(10)
    assert status["metricResults"][0]["measurements"][0]["metadata"]["query"] == "second"


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.3, 2.0])
def test_however_long_answers_take_each_is_counted_once(seconds):
    @story(lambda: Script([[1.0]], seconds=seconds))
    async def tell(world):
        await world.apply({"metrics": [metric(name, count=5, interval="10s") for name in "abc"]})
        status = await world.completed(100)
        assert [result["count"] for result in status["metricResults"]] == [5, 5, 5]
        assert len(world.script.asked) == 15

    tell()
