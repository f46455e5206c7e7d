"""A run with the sequential test in the cluster: one long measurement, kept in its status."""

import asyncio
import json
import urllib.parse

from analysis import words
from analysis.providers import judge, sequential
from analysis.providers.http import Response
from analysis.providers.tools import Tools
from analysis.times import parse_time
from rollouts.kube.resources import ANALYSIS_RUNS
from tests.controllers.runs_world import story
from tests.controllers.test_analysis_run import Flaky

SERVER = {"address": "http://prometheus.example:9090"}
RATES = {"canary_total": 5.0, "canary_bad": 0.0, "stable_total": 45.0, "stable_bad": 0.2}


class Shop:
    """Counters that only depend on the time, so whoever looks whenever sees the same."""

    def __init__(self, now, **rates):
        self.now, self.rates = now, RATES | rates

    async def send(self, request):
        form = dict(urllib.parse.parse_qsl(request.body.decode()))
        if "start" in form:
            start, end, step = (float(form[name]) for name in ("start", "end", "step"))
            times = [start + n * step for n in range(int((end - start) / step) + 1)]
            values = [[at, str(self.value(form["query"], at))] for at in times]
            return self.answer("matrix", {"values": values})
        at = float(form["time"])
        return self.answer("vector", {"value": [at, str(int(self.value(form["query"], at)))]})

    def value(self, query, at):
        return self.rates[query] * (at % 1_000_000)

    def answer(self, kind, series):
        result = {"resultType": kind, "result": [{"metric": {"pod": "a"}, **series}]}
        return Response(200, json.dumps({"status": "success", "data": result}).encode())


def shop(**rates):
    def providers(now):
        tools = Tools(Shop(now, **rates), now, {})
        return {"sequential": sequential.provider(tools), "judge": judge.provider(tools)}

    return providers


def metric(name="errors", **changes):
    sides = {
        side: {"bad": f"{side}_bad", "total": f"{side}_total"} for side in ("canary", "stable")
    }
    config = {"prometheus": SERVER, "duration": "3m", **sides, **changes}
    return {"name": name, "provider": {"sequential": config}}


def the_measurement(status):
    (result,) = status["metricResults"]
    (only,) = result["measurements"]
    return only


@story(more=shop())
async def test_a_long_measurement_is_told_at_every_look(world):
    await world.apply({"metrics": [metric()]})
    values = []
    await asyncio.sleep(1)
    for _ in range(5):
        await asyncio.sleep(10)
        status = await world.status()
        values.append(the_measurement(status)["value"])
        assert status["phase"] == "Running"
    assert len(set(values)) == 5
    assert "canary 0/200 bad" in values[3]
    (told,) = words.worth_telling(await world.run())
    assert words.sentence(told).startswith("errors Running: canary 0.00% bad (0/250)")


class Counted:
    """An API that counts writes of status."""

    def __init__(self, api):
        self.api, self.writes = api, 0

    def __getattr__(self, name):
        return getattr(self.api, name)

    async def patch(self, *arguments, **options):
        self.writes += 1
        return await self.api.patch(*arguments, **options)


@story(api=Counted, more=shop())
async def test_a_look_is_one_write(world):
    await world.apply({"metrics": [metric()]})
    status = await world.completed()
    seconds = parse_time(status["completedAt"]) - parse_time(status["startedAt"])
    assert (status["phase"], seconds) == ("Successful", 180)
    assert world.api.writes == 19  # the first look, and one every ten seconds


@story(more=shop())
async def test_a_controller_killed_again_and_again_counts_everything_once(world):
    await world.apply({"metrics": [metric()]})
    for _ in range(20):
        await asyncio.sleep(7.3)
        await world.kill_controller()
        world.start_controller()
    status = await world.completed()
    only = the_measurement(status)
    seconds = parse_time(only["finishedAt"]) - parse_time(only["startedAt"])
    assert status["phase"] == "Successful"
    assert f"canary 0/{seconds * 5:.0f} bad" in only["value"]
    assert f"/{seconds * 45:.0f}" in only["value"]


@story(api=Flaky, more=shop(canary_bad=0.5))
async def test_lost_writes_count_nothing_twice(world):
    await world.apply({"metrics": [metric()]})
    status = await world.completed()
    only = the_measurement(status)
    assert status["phase"] == "Failed"
    seconds = parse_time(only["finishedAt"]) - parse_time(only["startedAt"])
    assert f"/{seconds * 5:.0f} bad" in only["value"]
    assert "worse than stable by more than 10%" in status["message"]


@story(more=shop(canary_bad=0.0))
async def test_a_run_that_is_ended_says_what_it_has_seen(world):
    await world.apply({"metrics": [metric()], "terminate": False})
    await asyncio.sleep(65)
    run = await world.run()
    run["spec"]["terminate"] = True
    await world.truth.update(ANALYSIS_RUNS, run, "default")
    status = await world.completed()
    assert status["phase"] == "Successful"
    assert "nothing speaks against the canary" in the_measurement(status)["metadata"]["reason"]


def judged(**changes):
    latency = {"name": "latency", "canary": "canary_total", "stable": "stable_total"}
    config = {
        "prometheus": SERVER,
        "duration": "10m",
        "step": "30s",
        "metrics": [latency | changes],
    }
    return {"name": "series", "provider": {"judge": config}}


@story(more=shop(canary_total=1.0, stable_total=1.0))
async def test_series_that_are_alike_pass_at_the_end(world):
    await world.apply({"metrics": [judged()]})
    await asyncio.sleep(300)
    assert (await world.status())["phase"] == "Running"
    status = await world.completed(900)
    only = the_measurement(status)
    assert (status["phase"], only["value"]) == ("Successful", "100")
    assert parse_time(only["finishedAt"]) - parse_time(only["startedAt"]) == 600


@story(more=shop(canary_total=5.0, stable_total=1.0))
async def test_a_series_that_is_higher_fails_with_its_name(world):
    await world.apply({"metrics": [judged(direction="increase")]})
    status = await world.completed(900)
    assert status["phase"] == "Failed"
    assert "score 0, less than marginal 75: latency is High" in status["message"]
    assert "latency High: shift" in the_measurement(status)["metadata"]["comparisons"]


@story(more=shop())
async def test_a_judge_that_is_stopped_has_not_judged(world):
    await world.apply({"metrics": [judged()]})
    await asyncio.sleep(65)
    run = await world.run()
    run["spec"]["terminate"] = True
    await world.truth.update(ANALYSIS_RUNS, run, "default")
    assert (await world.completed())["phase"] == "Inconclusive"
