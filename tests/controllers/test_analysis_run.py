"""AnalysisRuns against a whole cluster in virtual time: what the store says in the end."""

import asyncio
import itertools
import math

from analysis.times import parse_time
from rollouts.kube.errors import Conflict, Unreachable
from rollouts.kube.resources import ANALYSIS_RUNS, JOBS
from tests.controllers.runs_world import NAMESPACE, Script, away, metric, story


def scripted(*answers, seconds=0.0):
    return lambda: Script(list(answers), seconds)


@story(scripted([0.99]))
async def test_one_good_measurement_is_a_success(world):
    await world.apply({"metrics": [metric(successCondition="result[0] > 0.9")]})
    status = await world.completed()
    assert status["phase"] == "Successful"
    assert status["runSummary"] == {"count": 1, "successful": 1}
    (result,) = status["metricResults"]
    assert (result["count"], result["successful"]) == (1, 1)
    assert result["metadata"] == {"ResolvedPrometheusQuery": "up"}
    (measurement,) = result["measurements"]
    assert measurement["value"] == "[0.99]"
    assert measurement["startedAt"] == measurement["finishedAt"]
    assert status["startedAt"]
    assert status["completedAt"]
    assert "dryRunSummary" not in status
    assert world.events == [
        ("Normal", "MetricSuccessful", "Metric 'errors' Completed. Result: Successful"),
        ("Normal", "AnalysisRunSuccessful", "Analysis Completed. Result: Successful"),
    ]


@story(scripted([0.5]))
async def test_one_bad_measurement_fails_the_run_and_says_why(world):
    await world.apply({"metrics": [metric(successCondition="result[0] > 0.9")]})
    status = await world.completed()
    assert status["phase"] == "Failed"
    assert (
        status["message"] == 'Metric "errors" assessed Failed due to failed (1) > failureLimit (0)'
    )
    assert world.events[-1] == (
        "Warning",
        "AnalysisRunFailed",
        "Analysis Completed. Result: Failed",
    )


@story(scripted([0.99]))
async def test_metrics_follow_a_run_until_it_is_gone(world):
    def told():
        lines = world.metrics.text().decode().splitlines()
        return [line for line in lines if line.startswith("analysis_run_info{")]

    await world.apply({"metrics": [metric(successCondition="result[0] > 0.9")]})
    await world.completed()
    await asyncio.sleep(1)
    labels = f'name="run",namespace="{NAMESPACE}",phase="Successful"'
    assert told() == [f"analysis_run_info{{{labels}}} 1.0"]
    await world.truth.delete(ANALYSIS_RUNS, "run", NAMESPACE)
    await asyncio.sleep(1)
    assert told() == []


@story(scripted([1.0]))
async def test_measurements_keep_their_interval(world):
    await world.apply({"metrics": [metric(count=4, interval="30s", initialDelay="1m")]})
    status = await world.completed()
    times = [parse_time(m["startedAt"]) for m in status["metricResults"][0]["measurements"]]
    assert times[0] - parse_time(status["startedAt"]) == 60
    assert [b - a for a, b in itertools.pairwise(times)] == [30, 30, 30]


@story(scripted(away(), [1.0]))
async def test_an_error_is_asked_again_after_ten_seconds_and_does_not_count(world):
    await world.apply({"metrics": [metric(count=2, interval="5m")]})
    status = await world.completed(900)
    (result,) = status["metricResults"]
    first, second, third = result["measurements"]
    assert (first["phase"], first["message"]) == ("Error", "server_error: server error: 503")
    assert parse_time(second["startedAt"]) - parse_time(first["finishedAt"]) == 10
    assert parse_time(third["startedAt"]) - parse_time(second["finishedAt"]) == 300
    assert (status["phase"], result["count"], result["error"]) == ("Successful", 2, 1)


@story(scripted(away()))
async def test_a_provider_that_stays_away_is_an_error_never_a_success(world):
    await world.apply({"metrics": [metric(failureCondition="result[0] > 0.1")]})
    status = await world.completed()
    assert status["phase"] == "Error"
    assert status["message"] == (
        'Metric "errors" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4)'
        ': "Error Message: server_error: server error: 503"'
    )


@story(scripted([math.nan]))
async def test_nan_is_never_a_silent_pass(world):
    await world.apply({"metrics": [metric(failureCondition="result[0] > 0.1")]})
    assert (await world.completed())["phase"] == "Error"


@story(scripted([]))
async def test_no_data_is_never_a_silent_pass(world):
    await world.apply({"metrics": [metric(failureCondition="result[0] > 0.1")]})
    status = await world.completed()
    assert status["phase"] == "Error"
    assert "no data returned from the metric provider" in status["message"]


@story(scripted([1.0]))
async def test_a_failing_metric_ends_the_others(world):
    await world.apply(
        {
            "metrics": [
                metric("endless", interval="10s"),
                metric("later", initialDelay="1h"),
                metric("bad", initialDelay="25s", successCondition="result[0] > 2"),
            ]
        }
    )
    status = await world.completed()
    assert status["phase"] == "Failed"
    phases = {result["name"]: result["phase"] for result in status["metricResults"]}
    assert phases == {"endless": "Successful", "bad": "Failed"}
    assert len(world.script.asked) == 4


@story(scripted([1.0], seconds=20.0))
async def test_due_measurements_are_taken_at_the_same_time(world):
    await world.apply({"metrics": [metric("a"), metric("b"), metric("c")]})
    status = await world.completed(25)
    starts = {r["measurements"][0]["startedAt"] for r in status["metricResults"]}
    assert len(starts) == 1


@story(scripted([1.0]))
async def test_terminating_ends_an_endless_run(world):
    await world.apply({"metrics": [metric(interval="10s")]})
    await asyncio.sleep(35)
    await world.truth.patch(ANALYSIS_RUNS, "run", {"spec": {"terminate": True}}, NAMESPACE)
    status = await world.completed(5)
    assert (status["phase"], status["message"]) == ("Successful", "Run Terminated")
    assert status["metricResults"][0]["count"] == 4


@story(scripted([1.0]))
async def test_only_ten_measurements_are_kept_unless_asked(world):
    await world.apply(
        {
            "metrics": [
                metric("few", count=15, interval="1s"),
                metric("many", count=15, interval="1s"),
            ],
            "measurementRetention": [{"metricName": "^many$", "limit": 12}],
        }
    )
    status = await world.completed()
    kept = {r["name"]: (len(r["measurements"]), r["count"]) for r in status["metricResults"]}
    assert kept == {"few": (10, 15), "many": (12, 15)}


@story(scripted([1.0]))
async def test_a_dry_run_metric_never_decides(world):
    await world.apply(
        {
            "metrics": [metric("try", successCondition="result[0] > 2"), metric("real")],
            "dryRun": [{"metricName": "^try"}],
        }
    )
    status = await world.completed()
    assert status["phase"] == "Successful"
    assert status["dryRunSummary"] == {"count": 1, "failed": 1}
    assert status["runSummary"] == {"count": 1, "successful": 1}
    result = next(r for r in status["metricResults"] if r["name"] == "try")
    assert (result["phase"], result["dryRun"]) == ("Failed", True)
    assert result["message"] == "Metric assessed Failed due to failed (1) > failureLimit (0)"


@story(scripted([1.0]))
async def test_a_spec_that_makes_no_sense_is_an_error_that_names_it(world):
    await world.apply({"metrics": [metric(interval="soon")]})
    await world.apply({"metrics": [metric(query="{{args.nobody}}")]}, name="args")
    await world.apply({"metrics": [metric()], "dryRun": [{"metricName": "x"}]}, name="dry")
    assert (await world.completed())["message"] == (
        'Analysis spec invalid: metrics[0]: invalid interval string: time: invalid duration "soon"'
    )
    assert (await world.completed(name="args"))["message"] == (
        "Unable to resolve metric arguments: failed to resolve {{args.nobody}}"
    )
    assert (await world.completed(name="dry"))["message"] == (
        "Analysis spec invalid: dryRun[0]: Rule didn't match any metric name(s)"
    )
    assert world.script.asked == []
    assert ("Warning", "AnalysisRunError", "Analysis Completed. Result: Error") in world.events


@story(scripted([1.0]))
async def test_a_provider_nobody_has_is_an_error(world):
    await world.apply({"metrics": [{"name": "m", "provider": {"graphite": {"query": "x"}}}]})
    status = await world.completed()
    assert status["phase"] == "Error"
    assert "metric provider 'graphite' is not supported here" in status["message"]


# --- secrets ---

SECRET_ARG = {"name": "token", "valueFrom": {"secretKeyRef": {"name": "creds", "key": "token"}}}


@story(lambda: Script([away(), RuntimeError("boom with s3cr&t/x in s3cr%26t%2Fx")]))
async def test_a_secret_reaches_the_provider_and_nothing_else(world):
    await world.secret("creds", token="s3cr&t/x")
    await world.apply({"metrics": [metric(query="q{{args.token}}")], "args": [SECRET_ARG]})
    status = await world.until(lambda s: s.get("metricResults", [{}])[0].get("error") == 2)
    assert world.script.asked[0].provider.prometheus.query == "qs3cr&t/x"
    (result,) = status["metricResults"]
    assert result["metadata"] == {"ResolvedPrometheusQuery": "q*****"}
    assert result["measurements"][1]["message"] == "RuntimeError: boom with ***** in *****"
    assert "s3cr" not in str(await world.run()) + str(world.events)


@story(scripted([1.0]))
async def test_a_missing_secret_is_named_and_heals_when_it_appears(world):
    await world.apply({"metrics": [metric(query="{{args.token}}")], "args": [SECRET_ARG]})
    status = await world.until(lambda s: s.get("metricResults"))
    assert status["metricResults"][0]["measurements"][0]["message"] == (
        'Unable to resolve metric arguments: secrets "creds" not found in namespace default'
    )
    assert world.events == [
        (
            "Warning",
            "MeasurementError",
            (
                "Metric 'errors' could not be measured: Unable to resolve metric arguments: "
                'secrets "creds" not found in namespace default'
            ),
        )
    ]
    await world.secret("creds", token="x")
    assert (await world.completed())["phase"] == "Successful"


@story(scripted([1.0]))
async def test_a_secret_that_never_appears_is_an_error(world):
    await world.apply({"metrics": [metric(query="{{args.token}}")], "args": [SECRET_ARG]})
    status = await world.completed()
    assert status["phase"] == "Error"
    assert 'secrets "creds" not found' in status["message"]
    assert world.script.asked == []


@story(scripted([1.0]))
async def test_a_secret_of_another_namespace_cannot_be_named(world):
    ref = {"name": "../kube-system/secrets/creds", "key": "token"}
    args = [{"name": "token", "valueFrom": {"secretKeyRef": ref}}]
    await world.apply({"metrics": [metric()], "args": args})
    assert "is not valid" in (await world.completed())["message"]


# --- whose run, how long ---


@story(scripted([1.0]), instance_id="blue")
async def test_only_runs_of_this_instance_are_touched(world):
    label = "argo-rollouts.argoproj.io/controller-instance-id"
    await world.apply({"metrics": [metric()]}, name="mine", labels={label: "blue"})
    await world.apply({"metrics": [metric()]}, name="theirs", labels={label: "green"})
    await world.apply({"metrics": [metric()]}, name="nobodys")
    assert (await world.completed(name="mine"))["phase"] == "Successful"
    assert await world.status("theirs") == await world.status("nobodys") == {}


@story(scripted([1.0]))
async def test_a_completed_run_expires(world):
    ttl = {"secondsAfterCompletion": 600, "secondsAfterSuccess": 60}
    await world.apply({"metrics": [metric()], "ttlStrategy": ttl})
    await world.apply({"metrics": [metric()]}, name="kept")
    await world.completed()
    await asyncio.sleep(55)
    assert not await world.gone()
    await asyncio.sleep(10)
    assert await world.gone()
    assert not await world.gone("kept")


@story(scripted([1.0]))
async def test_a_completed_run_is_never_written_again(world):
    await world.apply({"metrics": [metric()]})
    await world.completed()
    version = (await world.run())["metadata"]["resourceVersion"]
    await asyncio.sleep(3600)
    assert (await world.run())["metadata"]["resourceVersion"] == version


# --- jobs ---


def job(*command):
    container = {"name": "c", "image": "busybox", "command": list(command)}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return {"name": "smoke", "provider": {"job": {"spec": {"template": template}}}}


@story()
async def test_a_job_that_completes_is_a_success(world):
    made = await world.apply({"metrics": [job("true")]})
    status = await world.completed()
    assert status["phase"] == "Successful"
    (found,) = (await world.truth.list(JOBS, NAMESPACE))["items"]
    assert found["metadata"]["name"] == f"{made['metadata']['uid']}.smoke.1"
    assert found["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
    (measurement,) = status["metricResults"][0]["measurements"]
    assert measurement["metadata"]["job-name"] == found["metadata"]["name"]


# --- misfortune ---


class Flaky:
    """An API whose writes of status sometimes fail: before, or after they took effect."""

    def __init__(self, api):
        self.api = api
        self.writes = 0

    def __getattr__(self, name):
        return getattr(self.api, name)

    async def patch(self, *arguments, **options):
        self.writes += 1
        if self.writes % 3 == 1:
            raise Unreachable("connection refused")
        written = await self.api.patch(*arguments, **options)
        if self.writes % 3 == 2:
            raise Unreachable("the answer was lost")
        return written


@story(scripted([1.0]), api=Flaky)
async def test_lost_writes_never_count_a_measurement_twice(world):
    await world.apply({"metrics": [metric(count=5, interval="30s")]})
    status = await world.completed()
    (result,) = status["metricResults"]
    assert (result["count"], result["successful"], len(result["measurements"])) == (5, 5, 5)
    times = [parse_time(m["startedAt"]) for m in result["measurements"]]
    assert all(b - a >= 30 for a, b in itertools.pairwise(times))


@story(scripted([1.0], seconds=3.0))
async def test_a_controller_killed_at_any_moment_finishes_the_run(world):
    await world.apply({"metrics": [metric(count=5, interval="20s")]})
    for _ in range(20):
        await asyncio.sleep(4.7)
        await world.kill_controller()
        world.start_controller()
    status = await world.completed()
    (result,) = status["metricResults"]
    assert (status["phase"], result["count"], len(result["measurements"])) == ("Successful", 5, 5)


@story(scripted([1.0], seconds=5.0))
async def test_a_label_added_while_measuring_loses_nothing(world):
    await world.apply({"metrics": [metric()]})
    await asyncio.sleep(2)
    await world.truth.patch(ANALYSIS_RUNS, "run", {"metadata": {"labels": {"a": "b"}}}, NAMESPACE)
    status = await world.completed()
    assert len(world.script.asked) == 1
    assert status["metricResults"][0]["count"] == 1


@story(scripted([1.0], seconds=5.0))
async def test_a_status_written_by_somebody_else_wins(world):
    await world.apply({"metrics": [metric()]})
    await asyncio.sleep(2)
    theirs = {"status": {"phase": "Failed", "message": "stopped by hand"}}
    await world.truth.patch(ANALYSIS_RUNS, "run", theirs, NAMESPACE)
    await asyncio.sleep(60)
    status = await world.status()
    assert (status["phase"], status["message"]) == ("Failed", "stopped by hand")
    assert "metricResults" not in status


class AlwaysConflicts:
    """An API on which this controller never wins a write."""

    def __init__(self, api):
        self.api = api
        self.patches = 0

    def __getattr__(self, name):
        return getattr(self.api, name)

    async def patch(self, *_arguments, **_options):
        self.patches += 1
        raise Conflict("the object has been modified")


@story(scripted([1.0]), api=AlwaysConflicts)
async def test_conflicts_that_never_end_are_no_hot_loop(world):
    await world.apply({"metrics": [metric()]})
    await asyncio.sleep(60)
    assert await world.status() == {}
    assert world.api.patches < 300
