"""The past is judged by the engine, not by something like it."""

import asyncio
import math

from hypothesis import given
from hypothesis import strategies as st

from analysis.backtest.replay import Replay, length_of, refusal
from analysis.driver import Pace, drive
from analysis.measure import Given, Measurer
from analysis.plan import plan_run
from analysis.providers.base import Providers, Queried, RunRef
from analysis.providers.prometheus import PrometheusSource
from analysis.redact import Redactor
from analysis.spec import Phase, RunSpec
from analysis.times import parse_time
from tests.analysis.backtest.memory import DirectSource, MemoryServer

NOON = 1_767_268_800
NOBODY = Given({}, Redactor())


def planned(*metrics, **spec):
    return plan_run(RunSpec.model_validate({"metrics": list(metrics), **spec}))


def metric(**changes):
    made = {
        "name": "rate",
        "interval": "1m",
        "count": 5,
        "successCondition": "result[0] >= 0.95",
        "provider": {"prometheus": {"address": "http://p", "query": "rate"}},
        **changes,
    }
    return {key: value for key, value in made.items() if value is not None}


def replayed(plan, server, starts, *, until=NOON + 86_400, length=math.inf, every=3600):
    async def main():
        source = PrometheusSource(None, lambda: 0.0)
        replay = Replay(plan, NOBODY, source, server, every=every, until=until, length=length)
        return [release async for release in replay.releases(starts)], replay

    return asyncio.run(main())


def bad_from(moment, worst="0.81"):
    return MemoryServer(lambda _, t: worst if t >= moment else "0.99")


def test_when_a_release_would_have_been_aborted_and_why():
    (release,), _ = replayed(planned(metric()), bad_from(NOON + 200), [NOON])
    assert release.run.phase is Phase.FAILED
    assert release.run.ended - release.start == 240
    assert release.run.decisive.value == "[0.81]"
    assert release.run.decisive.metadata["reason"].startswith("result[0] >= 0.95 is false")


def test_releases_before_and_after_something_broke():
    starts = range(NOON, NOON + 4 * 3600, 3600)
    releases, _ = replayed(planned(metric()), bad_from(NOON + 2 * 3600), starts)
    assert [release.run.passed for release in releases] == [True, True, False, False]


def test_each_metric_is_judged_by_itself_as_well():
    late = metric(name="late", failureLimit=1)
    never = metric(name="never", successCondition="true")
    plan = planned(metric(), late, never)
    (release,), _ = replayed(plan, bad_from(NOON + 60), [NOON])
    assert (release.run.metric, release.run.ended) == ("rate", NOON + 60)
    ends = {name: (one.phase, one.ended - NOON) for name, one in release.metrics.items()}
    assert ends == {
        "rate": (Phase.FAILED, 60),
        "late": (Phase.FAILED, 120),
        "never": (Phase.SUCCESSFUL, 240),
    }


def test_a_dry_run_metric_has_a_verdict_but_decides_nothing():
    plan = planned(
        metric(), metric(name="dry", successCondition="false"), dryRun=[{"metricName": "dry"}]
    )
    (release,), _ = replayed(plan, bad_from(math.inf), [NOON])
    assert release.run.passed
    assert release.metrics["dry"].phase is Phase.FAILED


def test_missing_data_is_an_error_after_as_many_tries_as_always():
    gone = MemoryServer(lambda *_: None)
    (release,), replay = replayed(planned(metric()), gone, [NOON])
    assert (release.run.phase, release.run.ended - NOON) == (Phase.ERROR, 40)
    assert replay.without_data() == ["rate"]


def test_a_metric_without_an_end_is_watched_as_long_as_a_release_takes():
    plan = planned(metric(count=None))
    expected, ends = length_of(plan)
    assert (expected, ends) == (1800, False)
    (release,), _ = replayed(plan, bad_from(math.inf), [NOON], length=expected)
    assert release.run.passed
    assert release.run.ended - NOON == 1800


def test_time_that_is_up_is_no_pass():
    (release,), _ = replayed(planned(metric()), bad_from(math.inf), [NOON], length=100)
    assert release.run.phase is Phase.SUCCESSFUL
    assert not release.run.passed
    assert "time was up before it was decided: rate" in release.run.message


def test_a_range_query_looks_back_from_the_virtual_moment():
    config = {
        "address": "http://p",
        "query": "rate",
        "rangeQuery": {"start": 'now() - duration("2m")', "end": "now()", "step": "30s"},
    }
    looking_back = metric(
        provider={"prometheus": config}, successCondition="len(result) == 5 && all(result, # > 0.9)"
    )
    (release,), _ = replayed(planned(looking_back), bad_from(NOON + 100), [NOON])
    assert (release.run.phase, release.run.ended - NOON) == (Phase.FAILED, 120)
    assert release.run.decisive.value == "[0.99,0.99,0.99,0.99,0.81]"


def test_a_metric_that_asks_without_a_pause_is_replayed_once_a_second_as_it_would_be_measured():
    plan = planned(metric(interval="500ms", count=3))
    (release,), _ = replayed(plan, bad_from(NOON + 2), [NOON])
    assert (release.run.phase, release.run.ended - NOON) == (Phase.FAILED, 2)


def test_what_cannot_be_replayed_says_why():
    (web,) = planned(metric(provider={"web": {"url": "http://x"}})).metrics
    assert "web keeps no history" in refusal(web)
    (fast,) = planned(metric(interval="1500ms")).metrics
    assert "whole seconds" in refusal(fast)
    (plain,) = planned(metric()).metrics
    assert refusal(plain) == ""


samples = st.sampled_from(["0.99", "0.95", "0.5", "0.1", "NaN", "+Inf", None])


@given(
    values=st.lists(samples, min_size=1, max_size=12),
    interval=st.integers(1, 90),
    delay=st.integers(0, 45),
    count=st.integers(1, 8),
    failures=st.integers(0, 2),
    inconclusive=st.integers(0, 2),
    errors=st.integers(0, 4),
    both=st.booleans(),
)
def test_the_past_comes_to_the_verdict_the_present_would_have_come_to(
    values, interval, delay, count, failures, inconclusive, errors, both
):
    """Asked in bulk or instant by instant: the same phase, at the same second, by the same value."""
    server = MemoryServer(lambda _, t: values[(t - NOON) // 17 % len(values)])
    plan = planned(
        metric(
            interval=f"{interval}s",
            initialDelay=f"{delay}s",
            count=max(count, failures, inconclusive),
            failureLimit=failures,
            inconclusiveLimit=inconclusive,
            consecutiveErrorLimit=errors,
            failureCondition="result[0] < 0.5" if both else None,
        )
    )
    (release,), _ = replayed(plan, server, [NOON])
    status = asyncio.run(in_the_present(plan, server))
    assert release.run.phase is status.phase
    assert release.run.ended == parse_time(status.completed_at)
    assert release.run.message == status.message
    assert release.run.decisive == status.metric_results[0].measurements[-1]


async def in_the_present(plan, server):
    moment = [float(NOON)]

    async def until(when):
        moment[0] = when

    def now():
        return moment[0]

    measurer = Measurer(Providers({"prometheus": Queried(DirectSource(server, now), now)}), now)
    pace = Pace(now, until, asyncio.Event())
    return await drive(plan, RunRef("", "r", "u"), NOBODY, measurer, pace, heard=lambda *_: None)
