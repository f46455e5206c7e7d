# ruff: noqa: ARG002 - a stand-in takes what the seam gives it
"""The Job provider: what is created, and what a Job's end means."""

import pytest

from analysis.providers.base import ProviderError, RunRef
from analysis.providers.http import HttpClient
from analysis.providers.job import JobProvider, build_job
from analysis.providers.registry import default_providers
from analysis.providers.tools import Tools
from analysis.spec import Measurement, Metric, Phase
from analysis.times import parse_time

UID = "2f5c7a1e-9b7b-4c37-8d0e-0123456789ab"
RUN = RunRef("team", "canary-1", UID)
START = 1_767_323_045.0


def metric(name="smoke"):
    spec = {"template": {"metadata": {"labels": {"mine": "1"}}, "spec": {"containers": []}}}
    job = {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}, "spec": spec}
    return Metric.model_validate({"name": name, "provider": {"job": job}})


class Runner:
    def __init__(self):
        self.jobs = {}
        self.pod = {"metadata": {"name": "p"}, "status": {}}

    async def create(self, job):
        return self.jobs.setdefault(job["metadata"]["name"], job)

    async def get(self, namespace, name):
        return self.jobs.get(name)

    async def labelled(self, namespace, labels):
        return list(self.jobs.values())

    async def pods(self, namespace, job):
        return [self.pod]

    async def delete(self, namespace, name):
        self.jobs.pop(name, None)

    def ends(self, kind, message=""):
        for job in self.jobs.values():
            condition = {"type": kind, "status": "True", "message": message}
            job["status"] = {"conditions": [condition]}


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


@pytest.fixture
def runner():
    return Runner()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def provider(runner, clock):
    return JobProvider(runner, clock)


def test_the_job_is_named_labelled_and_owned():
    job = build_job(RUN, metric(), 3, "team", owned=True)
    assert job["metadata"]["name"] == f"{UID}.smoke.3"
    assert job["metadata"]["labels"] == {"a": "b", "analysisrun.argoproj.io/uid": UID}
    assert job["metadata"]["annotations"] == {
        "c": "d",
        "analysisrun.argoproj.io/name": "canary-1",
        "analysisrun.argoproj.io/namespace": "team",
        "analysisrun.argoproj.io/metric-name": "smoke",
    }
    assert job["spec"]["template"]["metadata"]["labels"] == {
        "mine": "1",
        "analysisrun.argoproj.io/uid": UID,
    }
    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("AnalysisRun", "canary-1", UID)


def test_a_long_name_fits():
    job = build_job(RUN, metric("m" * 100), 12, "team", owned=True)
    assert len(job["metadata"]["name"]) == 63
    assert job["metadata"]["name"].endswith("m.12")


def test_a_long_name_is_not_cut_into_one_the_api_server_refuses():
    # 24 characters are left for the metric, and each part of a name ends in a letter or digit.
    job = build_job(RUN, metric("a-very-long-metric-name-that-does-not-fit"), 1, "team", owned=True)
    assert job["metadata"]["name"].removeprefix(UID) == ".a-very-long-metric-name.1"


@pytest.mark.parametrize("where", [{"namespace": "jobs"}, {"elsewhere": True}])
async def test_a_job_elsewhere_has_no_owner(runner, clock, where):
    await JobProvider(runner, clock, **where).run(RUN, metric(), 1)
    (job,) = runner.jobs.values()
    assert "ownerReferences" not in job["metadata"]


def test_the_environment_says_where_jobs_run():
    def place(**environ):
        tools = Tools(HttpClient(), lambda: 0.0, environ)
        made = default_providers(tools, jobs=None).by_name["job"]
        return made.namespace, made.elsewhere

    assert place() == ("", False)
    assert place(ARGO_ROLLOUTS_ANALYSIS_JOB_NAMESPACE="jobs") == ("jobs", False)
    assert place(ARGO_ROLLOUTS_ANALYSIS_JOB_KUBECONFIG="in-cluster") == ("", True)


def test_the_metric_is_not_changed():
    given = metric()
    build_job(RUN, given, 1, "team", owned=True)
    assert given == metric()


@pytest.mark.parametrize(
    ("kind", "phase"), [("Complete", Phase.SUCCESSFUL), ("Failed", Phase.FAILED)]
)
async def test_how_it_ends(provider, runner, kind, phase):
    measurement = await provider.run(RUN, metric(), 1)
    assert (measurement.phase, measurement.finished_at) == (Phase.RUNNING, None)
    runner.ends(kind, "why")
    ended = await provider.resume(RUN, metric(), measurement)
    assert ended.phase is phase
    assert ended.finished_at
    assert ended.message == ("why" if phase is Phase.FAILED else "")


async def test_a_job_that_goes_on_is_looked_at_less_and_less(provider, clock):
    measurement = await provider.run(RUN, metric(), 1)
    looks = 0
    while clock.now < START + 600:
        measurement = await provider.resume(RUN, metric(), measurement)
        wait = parse_time(measurement.resume_at) - clock.now
        assert wait <= 35
        clock.now = max(clock.now + 0.01, parse_time(measurement.resume_at))
        looks += 1
    assert looks < 45


async def test_starting_twice_starts_one(provider, runner):
    first = await provider.run(RUN, metric(), 1)
    again = await provider.run(RUN, metric(), 1)
    assert first.metadata == again.metadata
    assert len(runner.jobs) == 1


async def test_an_image_that_cannot_be_pulled_is_inconclusive(provider, runner):
    measurement = await provider.run(RUN, metric(), 1)
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    runner.pod["status"] = {"containerStatuses": [{"name": "c", "state": {"waiting": waiting}}]}
    ended = await provider.resume(RUN, metric(), measurement)
    assert ended.phase is Phase.INCONCLUSIVE
    assert ended.message == (
        "Pod p, container c has terminal error (ImagePullBackOff): Back-off pulling image"
    )


async def test_a_job_that_vanished_is_an_error(provider, runner):
    measurement = await provider.run(RUN, metric(), 1)
    runner.jobs.clear()
    assert (await provider.resume(RUN, metric(), measurement)).phase is Phase.ERROR


async def test_a_measurement_without_a_job_is_an_error(provider):
    with pytest.raises(ProviderError):
        await provider.resume(RUN, metric(), Measurement(phase=Phase.RUNNING))


async def test_terminating_deletes_the_job(provider, runner):
    measurement = await provider.run(RUN, metric(), 1)
    ended = await provider.terminate(RUN, metric(), measurement)
    assert (ended.phase, ended.message) == (Phase.INCONCLUSIVE, "Metric Terminated")
    assert runner.jobs == {}


async def test_old_jobs_of_the_metric_are_removed(provider, runner):
    for ordinal in range(1, 6):
        await provider.run(RUN, metric(), ordinal)
        runner.jobs[f"{UID}.smoke.{ordinal}"]["metadata"]["creationTimestamp"] = f"2026-0{ordinal}"
    await provider.run(RUN, metric("other"), 1)
    runner.ends("Complete")
    await provider.run(RUN, metric(), 6)
    await provider.garbage_collect(RUN, metric(), 2)
    left = sorted(name.removeprefix(f"{UID}.") for name in runner.jobs)
    assert left == ["other.1", "smoke.4", "smoke.5", "smoke.6"]
