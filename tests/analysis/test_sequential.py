"""The provider of the sequential test: one measurement, many looks, nothing forgotten or doubled."""

import json
import urllib.parse

import pytest

from analysis.plan import plan_run
from analysis.providers.base import ProviderError, RunRef
from analysis.providers.http import Response
from analysis.providers.registry import default_providers
from analysis.providers.tools import Tools
from analysis.spec import Metric, Phase, RunSpec
from analysis.times import parse_time
from analysis.validation import validate_metric

START = 1_767_323_045.0
RUN = RunRef("team", "run", "u")
COUNTERS = {
    "canary": {"bad": "canary_bad", "total": "canary_total"},
    "stable": {"bad": "stable_bad", "total": "stable_total"},
}
SERVER = {"address": "http://prometheus.example:9090"}


def metric(**changes):
    config = {"prometheus": SERVER, "duration": "2m", **COUNTERS, **changes}
    return Metric.model_validate({"name": "errors", "provider": {"sequential": config}})


class World:
    """A Prometheus whose counters the tests turn, and the time."""

    def __init__(self):
        self.now = START
        self.series = {
            "canary_bad": {},
            "canary_total": {"c1": 1000},
            "stable_bad": {"s1": 7},
            "stable_total": {"s1": 5000, "s2": 5000},
        }
        self.label = "pod"
        self.down = False
        self.asked = []
        self.provider = default_providers(Tools(self, lambda: self.now, {}), None).by_name[
            "sequential"
        ]

    async def send(self, request):
        form = dict(urllib.parse.parse_qsl(request.body.decode()))
        self.asked.append(form)
        if self.down:
            raise ProviderError("connection refused")
        result = [
            {"metric": self.labels(key), "value": [self.now, str(value)]}
            for key, value in self.series[form["query"]].items()
        ]
        document = {"status": "success", "data": {"resultType": "vector", "result": result}}
        return Response(200, json.dumps(document).encode())

    def labels(self, key):
        if isinstance(key, tuple):
            return {"pod": key[0], "le": key[1]}
        return {self.label: key} if self.label else {}

    def serve(self, canary=50, canary_bad=0, stable=450, stable_bad=2):
        """Ten seconds pass."""
        self.now += 10
        for name, pod, more in (
            ("canary_total", "c1", canary),
            ("canary_bad", "c1", canary_bad),
            ("stable_total", "s1", stable),
            ("stable_bad", "s1", stable_bad),
        ):
            if more:
                self.series[name][pod] = self.series[name].get(pod, 0) + more

    async def looks(self, metric, times=1000, measurement=None, run=RUN, **served):
        """Begin, or go on, and look until it is over."""
        if measurement is None:
            measurement = await self.provider.run(run, metric, 1)
        for _ in range(times):
            if measurement.finished_at is not None:
                break
            self.serve(**served)
            measurement = await self.provider.resume(run, metric, measurement)
        return measurement


@pytest.fixture
def world():
    return World()


async def test_a_bad_canary_fails_and_says_why(world):
    found = await world.looks(metric(), canary_bad=4, stable_bad=2)
    assert found.phase is Phase.FAILED
    assert found.finished_at is not None
    assert "worse than stable by more than 10%" in found.message
    assert "canary 8.00% bad" in found.message
    assert parse_time(found.finished_at) - START < 60
    assert found.value.startswith("E=")
    assert " of 100; canary " in found.value


async def test_a_good_canary_passes_when_its_time_is_up(world):
    found = await world.looks(metric(), stable_bad=2)
    assert found.phase is Phase.SUCCESSFUL
    assert parse_time(found.finished_at) - START == 120
    assert "nothing speaks against the canary" in found.metadata["reason"]
    assert found.message == ""


async def test_each_look_is_told_while_it_goes_on(world):
    found = await world.looks(metric(), times=3)
    assert found.phase is Phase.RUNNING
    assert parse_time(found.resume_at) == world.now + 10
    assert "canary 0/150 bad, stable 6/1350" in found.value
    assert found.metadata["reason"].endswith("decided in 90 s at the latest")
    assert "canary.bad: canary_bad" in found.metadata["query"]
    assert found.metadata["alpha"] == "0.01"


async def test_all_questions_of_a_look_are_asked_for_the_same_moment(world):
    await world.looks(metric(), times=1)
    assert len({form["time"] for form in world.asked[-4:]}) == 1


async def test_without_enough_requests_nobody_knows(world):
    found = await world.looks(metric(), canary=5)
    assert found.phase is Phase.INCONCLUSIVE
    assert "too few requests to say: 60 of the canary" in found.message
    assert "each needs 100" in found.message


async def test_without_any_series_nobody_knows(world):
    for name in world.series:
        world.series[name] = {}
    measurement = await world.provider.run(RUN, metric(), 1)
    while measurement.finished_at is None:
        world.now += 10
        measurement = await world.provider.resume(RUN, metric(), measurement)
    assert measurement.phase is Phase.INCONCLUSIVE
    assert "canary no requests, stable no requests" in measurement.message


async def test_requests_of_one_version_at_a_time_compare_nothing(world):
    # First all traffic goes to stable, then all of it to a canary that answers nothing but errors.
    found = await world.looks(metric(), times=5, canary=0)
    found = await world.looks(metric(), measurement=found, canary=500, canary_bad=500, stable=0)
    assert found.phase is Phase.INCONCLUSIVE
    assert "too few requests to say: 0 of the canary and 0 of stable" in found.message


async def test_a_stable_version_alone_is_not_called_flawless(world):
    found = await world.looks(metric(), canary=0, stable_bad=2)
    assert "0.00% bad" not in found.message


async def test_another_controller_goes_on_where_the_first_one_stopped(world):
    half = await world.looks(metric(), times=5, canary_bad=1)
    stored = type(half).model_validate(json.loads(half.model_dump_json(by_alias=True)))
    one, other = World(), World()
    for each in (one, other):
        each.now = world.now
        each.series = json.loads(json.dumps(world.series))
    went_on = await one.looks(metric(), measurement=half, canary_bad=1)
    restarted = await other.looks(metric(), measurement=stored, canary_bad=1)
    assert restarted == went_on


async def test_a_look_that_is_repeated_counts_once(world):
    """A crash before the status was written: the same state is looked at again."""
    half = await world.looks(metric(), times=3)
    world.serve(canary_bad=2)
    lost = await world.provider.resume(RUN, metric(), half)
    again = await world.provider.resume(RUN, metric(), half)
    assert again == lost


async def test_a_look_without_an_answer_is_made_up_for_by_the_next(world):
    half = await world.looks(metric(), times=2)
    world.down = True
    missed = await world.looks(metric(), times=3, measurement=half)
    assert missed.phase is Phase.RUNNING
    assert missed.metadata["reason"] == (
        "no answer (3 in a row, 5 are tolerated): connection refused"
    )
    world.down = False
    found = await world.looks(metric(), times=1, measurement=missed)
    assert "canary 0/300 bad, stable 12/2700" in found.value
    assert "no answer" not in found.metadata["reason"]


async def test_a_server_that_stays_away_is_an_error(world):
    world.down = True
    found = await world.looks(metric())
    assert found.phase is Phase.ERROR
    assert found.message == "connection refused"
    assert world.now - START == 50


async def test_a_pod_that_restarts_is_no_storm_of_errors(world):
    half = await world.looks(metric(), times=2)
    world.series["stable_total"]["s1"] = 3
    world.series["stable_bad"]["s1"] = 1
    found = await world.provider.resume(RUN, metric(), half)
    assert "stable 4/900" in found.value


async def test_plain_sums_without_labels_are_fine(world):
    world.label = ""
    world.series["stable_total"] = {"s1": 5000}
    found = await world.looks(metric(), canary_bad=4)
    assert found.phase is Phase.FAILED


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"canary_bad": {"x": 1}}, "canary.bad has 1 series that canary.total has not"),
        ({"canary_total": {"c1": 10.5}}, "canary.total is 10.5, which is no whole number"),
        ({"stable_bad": {"s1": 90_000}}, "stable.bad (90000) exceeds stable.total (5000)"),
        (
            {"stable_total": {f"s{n}": 10**9 for n in range(400)}, "stable_bad": {}},
            "stable has 400 series, too many to remember",
        ),
    ],
)
async def test_what_cannot_be_counted_is_told_with_its_remedy(world, change, message):
    world.series |= change
    try:
        told = (await world.provider.run(RUN, metric(), 1)).metadata["reason"]
    except ProviderError as error:
        told = str(error)
    assert message in told


async def test_metrics_of_a_run_share_its_alpha(world):
    run = RunRef("team", "run", "u", sharing=4)
    found = await world.looks(metric(), times=1, run=run)
    assert found.metadata["alpha"] == "0.0025 (0.01 shared by 4 metrics)"
    assert " of 400; " in found.value


async def test_ended_early_it_says_what_it_saw(world):
    half = await world.looks(metric(), times=4)
    passed = await world.provider.terminate(RUN, metric(), half)
    assert passed.phase is Phase.SUCCESSFUL
    young = await world.provider.run(RUN, metric(), 1)
    unknown = await world.provider.terminate(RUN, metric(), young)
    assert unknown.phase is Phase.INCONCLUSIVE


async def test_notes_that_were_tampered_with_are_an_error(world):
    half = await world.looks(metric(), times=1)
    spoilt = half.model_copy(update={"metadata": {**half.metadata, "state": "*****"}})
    with pytest.raises(ProviderError, match="cannot be read from the measurement any more"):
        await world.provider.resume(RUN, metric(), spoilt)


def latency(**changes):
    buckets = {"canary": "canary_total", "stable": "stable_total", "slowerThan": ["0.1", "1"]}
    config = {"prometheus": SERVER, "duration": "2m", "latency": buckets | changes}
    return Metric.model_validate({"name": "slow", "provider": {"sequential": config}})


def turn(world, slow, very_slow, *, requests=(50, 450)):
    """Ten seconds of a histogram; ``slow`` and ``very_slow``: of canary and stable."""
    world.now += 10
    for at, name in enumerate(("canary_total", "stable_total")):
        counts = world.series[name]
        for le, over in (("0.1", slow[at] + very_slow[at]), ("1", very_slow[at]), ("+Inf", 0)):
            counts["p", le] = counts.get(("p", le), 0) + requests[at] - over


async def test_a_canary_with_more_slow_requests_fails_at_the_bucket_that_shows_it(world):
    world.series["canary_total"], world.series["stable_total"] = {}, {}
    turn(world, (0, 0), (0, 0))
    found = await world.provider.run(RUN, latency(), 1)
    while found.finished_at is None:
        turn(world, (2, 18), (4, 1))
        found = await world.provider.resume(RUN, latency(), found)
    assert found.phase is Phase.FAILED
    assert "slower than 1 s" in found.message
    assert found.metadata["alpha"] == "0.005 (0.01 shared by 2 bounds)"


async def test_a_bucket_that_is_not_there_is_told_with_those_that_are(world):
    world.series["canary_total"], world.series["stable_total"] = {}, {}
    turn(world, (0, 0), (0, 0))
    found = await world.provider.run(RUN, latency(slowerThan=["0.3"]), 1)
    assert "latency.canary has no bucket 0.3; it has 0.1, 1, inf" in found.metadata["reason"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"canary": None}, "sequential: canary.bad and canary.total are required, or latency"),
        ({"alpha": "2"}, "sequential: alpha '2' must be above 0 and at most 0.5; 0.01 is usual"),
        (
            {"alpha": "x"},
            "sequential: alpha: 'x' is neither a number nor a percentage; write e.g. 0.01",
        ),
        ({"margin": "-1%"}, "sequential: margin: '-1%' must be 0 or more; write e.g. 10%"),
        (
            {"minimumRequests": 0},
            "sequential: minimumRequests must be at least 1, or nothing at all would pass",
        ),
        (
            {"interval": "2m"},
            "sequential: duration must be two intervals or more: the first look only sees where counters are",
        ),
        ({"duration": "0s"}, "sequential: duration must be longer than nothing, e.g. 10m"),
        (
            {"latency": {"canary": "a", "stable": "b", "slowerThan": ["1"]}},
            "sequential: latency excludes canary and stable: write two metrics to compare both",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_the_remedy(changes, message):
    assert message in validate_metric(metric(**changes))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("interval", "10s", "interval has no meaning: set provider.sequential.interval instead"),
        ("count", 3, "one measurement decides: leave out count"),
        ("successCondition", "true", "leave out successCondition and failureCondition"),
    ],
)
def test_what_would_decide_twice_is_refused(field, value, message):
    given = metric().to_obj() | {field: value, "interval": "10s"}
    assert any(message in text for text in validate_metric(Metric.model_validate(given)))


def test_metrics_that_only_try_do_not_share_the_alpha():
    metrics = [metric().to_obj() | {"name": name} for name in ("a", "b", "try")]
    web = {"name": "web", "provider": {"web": {"url": "http://x"}}}
    spec = {"metrics": [*metrics, web], "dryRun": [{"metricName": "try"}]}
    plan = plan_run(RunSpec.model_validate(spec))
    assert {one.sharing for one in plan.metrics} == {2}
