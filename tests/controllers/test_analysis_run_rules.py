"""Rules of AnalysisRuns that take time, each as a story against a cluster in virtual time."""

import asyncio

import pytest

from analysis.times import parse_time
from rollouts.kube.resources import ANALYSIS_RUNS, JOBS
from tests.controllers.runs_world import NAMESPACE, Script, away, metric, story

GOOD, BAD = [1.0], [0.0]
CONDITION = {"successCondition": "result[0] > 0.5"}


def scripted(*answers, seconds=0.0):
    return lambda: Script(list(answers), seconds)


def counted(result):
    return result.get("count", 0), result.get("error", 0)


@story(scripted(BAD, GOOD, GOOD, BAD, GOOD, GOOD, GOOD))
async def test_successes_in_a_row_decide_before_the_count_is_reached(world):
    await world.apply(
        {
            "metrics": [
                metric(
                    interval="10s", count=20, failureLimit=5, consecutiveSuccessLimit=3, **CONDITION
                )
            ]
        }
    )
    status = await world.completed()
    (result,) = status["metricResults"]
    assert (status["phase"], result["count"]) == ("Successful", 7)
    assert (result["consecutiveSuccess"], result["failed"]) == (3, 2)


@story(scripted(GOOD, BAD))
async def test_a_count_without_enough_successes_in_a_row_cannot_tell(world):
    fields = {"interval": "10s", "count": 4, "failureLimit": 2, "consecutiveSuccessLimit": 2}
    world.script.answers[:] = [GOOD, BAD, GOOD, BAD]
    await world.apply({"metrics": [metric(**fields, **CONDITION)]})
    assert (await world.completed())["phase"] == "Inconclusive"


@story(scripted(BAD))
async def test_without_a_failure_limit_only_successes_in_a_row_pass(world):
    fields = {"interval": "10s", "count": 4, "failureLimit": -1, "consecutiveSuccessLimit": 2}
    await world.apply({"metrics": [metric(**fields, **CONDITION)]})
    status = await world.completed()
    assert status["phase"] == "Failed"
    assert status["metricResults"][0]["failed"] == 4


@story(scripted([0.5]))
async def test_answers_between_the_conditions_are_inconclusive_beyond_their_limit(world):
    between = {"successCondition": "result[0] > 0.9", "failureCondition": "result[0] < 0.1"}
    await world.apply(
        {"metrics": [metric(interval="10s", count=9, inconclusiveLimit=2, **between)]}
    )
    status = await world.completed()
    assert status["phase"] == "Inconclusive"
    assert status["message"] == (
        'Metric "errors" assessed Inconclusive due to inconclusive (3) > inconclusiveLimit (2)'
    )
    measurement = status["metricResults"][0]["measurements"][0]
    assert measurement["metadata"]["reason"] == (
        "result[0] > 0.9 is false and result[0] < 0.1 is false: result = [0.5]"
    )


@story(scripted(away(), away(), GOOD, away(), away(), GOOD))
async def test_errors_count_only_in_a_row(world):
    await world.apply({"metrics": [metric(interval="1m", count=2, consecutiveErrorLimit=2)]})
    status = await world.completed()
    assert (status["phase"], counted(status["metricResults"][0])) == ("Successful", (2, 4))


@story(scripted(GOOD))
async def test_numbers_may_come_from_arguments(world):
    await world.apply(
        {
            "metrics": [metric(interval="{{args.pace}}", count="{{args.times}}")],
            "args": [{"name": "pace", "value": "20s"}, {"name": "times", "value": "3"}],
        }
    )
    status = await world.completed(45)
    assert status["metricResults"][0]["count"] == 3


@story(scripted(GOOD))
async def test_a_field_reference_of_a_run_is_resolved_by_nobody(world):
    ref = {"fieldRef": {"fieldPath": "metadata.name"}}
    await world.apply({"metrics": [metric()], "args": [{"name": "x", "valueFrom": ref}]})
    assert (await world.completed())["message"] == (
        'Unable to resolve metric arguments: argument "x" was not supplied'
    )


@story(scripted(GOOD))
async def test_a_delay_counts_from_the_start_also_after_a_restart(world):
    await world.apply({"metrics": [metric(initialDelay="5m")]})
    await asyncio.sleep(100)
    assert await world.status() | {"startedAt": ""} == {
        "phase": "Running",
        "runSummary": {"count": 1},
        "startedAt": "",
    }
    await world.kill_controller()
    await asyncio.sleep(100)
    world.start_controller()
    status = await world.completed()
    first = status["metricResults"][0]["measurements"][0]
    assert parse_time(first["startedAt"]) - parse_time(status["startedAt"]) == 300


@story(scripted(GOOD))
async def test_nothing_measured_and_told_to_stop_is_a_success_of_nothing(world):
    await world.apply({"metrics": [metric(initialDelay="1h")]})
    await asyncio.sleep(5)
    await world.truth.patch(ANALYSIS_RUNS, "run", {"spec": {"terminate": True}}, NAMESPACE)
    status = await world.completed(5)
    assert (status["phase"], status["message"]) == ("Successful", "Run Terminated")
    assert "metricResults" not in status


@story()
async def test_a_job_that_is_stopped_is_deleted_and_could_not_tell(world):
    container = {"name": "c", "image": "busybox", "command": ["sleep", "3600"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    job = {"name": "load", "provider": {"job": {"spec": {"template": template}}}}
    await world.apply({"metrics": [job]})
    await world.until(lambda status: status.get("metricResults"))
    await world.truth.patch(ANALYSIS_RUNS, "run", {"spec": {"terminate": True}}, NAMESPACE)
    status = await world.completed(5)
    assert status["phase"] == "Inconclusive"
    assert status["metricResults"][0]["measurements"][0]["message"] == "Metric Terminated"
    await asyncio.sleep(30)
    assert (await world.truth.list(JOBS, NAMESPACE))["items"] == []


@pytest.mark.parametrize(
    ("answer", "ttl", "seconds"),
    [
        (GOOD, {"secondsAfterSuccess": 30, "secondsAfterCompletion": 999}, 30),
        (GOOD, {"secondsAfterFailure": 30, "secondsAfterCompletion": 90}, 90),
        (BAD, {"secondsAfterFailure": 30, "secondsAfterCompletion": 999}, 30),
        (BAD, {"secondsAfterSuccess": 30, "secondsAfterCompletion": 90}, 90),
        (away(), {"secondsAfterFailure": 30, "secondsAfterCompletion": 90}, 90),
    ],
)
def test_how_long_a_run_is_kept_depends_on_its_end(answer, ttl, seconds):
    @story(scripted(answer))
    async def tell(world):
        fields = {"consecutiveErrorLimit": 0, **CONDITION}
        await world.apply({"metrics": [metric(**fields)], "ttlStrategy": ttl})
        await world.completed()
        await asyncio.sleep(seconds - 1)
        assert not await world.gone()
        await asyncio.sleep(4)
        assert await world.gone()

    tell()


@story(scripted(GOOD))
async def test_a_run_that_made_no_sense_expires_as_well(world):
    await world.apply({"metrics": [], "ttlStrategy": {"secondsAfterCompletion": 10}})
    status = await world.completed()
    assert status["message"] == "Analysis spec invalid: no metrics specified"
    await asyncio.sleep(15)
    assert await world.gone()


@story(scripted([0.81]))
async def test_every_measurement_says_what_was_asked_when_and_why_it_came_out_so(world):
    await world.apply({"metrics": [metric(query="rate()", successCondition="result[0] >= 0.95")]})
    status = await world.completed()
    (measurement,) = status["metricResults"][0]["measurements"]
    assert measurement["metadata"] == {
        "query": "rate()",
        "window": measurement["startedAt"],
        "reason": "result[0] >= 0.95 is false: result = [0.81]",
    }


@story(lambda: Script([[1.0] * 2000]))
async def test_a_status_stays_small_whatever_is_measured(world):
    names = [f"m{number}" for number in range(20)]
    long = "x" * 3000
    await world.apply(
        {"metrics": [metric(name, query=long, interval="10s", count=12) for name in names]}
    )
    status = await world.completed()
    assert len(str(await world.status())) < 256 * 1024
    for result in status["metricResults"]:
        assert result["count"] == 12
        older, latest = result["measurements"][0], result["measurements"][-1]
        assert latest["value"].endswith("characters)")
        assert older["value"].endswith("(10000 characters)")
        assert older["metadata"]["query"].endswith("(3000 characters)")
