"""Schedule and assessment: the tables, and a machine that plays whole runs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.assess import assess_metric, conclude, record, transitions
from analysis.decode import decode
from analysis.plan import plan_run
from analysis.schedule import Action, is_terminating, tasks, wake_at
from analysis.spec import Measurement, MetricResult, Phase, RunSpec, RunStatus
from analysis.times import format_time, parse_time

NOW = 1_767_323_045.0
S, F, I, E, R, P = (  # noqa: E741 - a table
    Phase.SUCCESSFUL,
    Phase.FAILED,
    Phase.INCONCLUSIVE,
    Phase.ERROR,
    Phase.RUNNING,
    Phase.PENDING,
)


def planned(*metrics, **spec):
    provider = {"prometheus": {"query": "up"}}
    body = [{"name": f"m{i}", "provider": provider, **m} for i, m in enumerate(metrics)]
    value, problems = decode(RunSpec, {"metrics": body, **spec})
    assert problems == ()
    return plan_run(value)


def finished(phase, at=NOW, message=""):
    stamp = format_time(at)
    return Measurement(phase=phase, started_at=stamp, finished_at=stamp, message=message)


def played(plan, *phases, status=None):
    """The status after these measurements of the first metric."""
    status = status or RunStatus()
    for phase in phases:
        status = record(status, plan.metrics[0], finished(phase), {})
    return status


@pytest.mark.parametrize(
    ("fields", "phases", "stopping", "expected"),
    [
        ({}, [], False, P),
        ({}, [], True, S),
        ({}, [S], False, S),
        ({}, [F], False, F),
        ({}, [I], False, I),
        ({}, [E], False, R),
        ({}, [E] * 4 + [S], False, S),
        ({}, [E] * 5, False, E),
        ({"consecutiveErrorLimit": 0}, [E], False, E),
        ({"interval": "1s"}, [S] * 50, False, R),
        ({"interval": "1s"}, [S] * 5, True, S),
        ({"interval": "1s", "failureLimit": 2}, [F, F], False, R),
        ({"interval": "1s", "failureLimit": 2}, [F, F, F], False, F),
        ({"interval": "1s", "failureLimit": 2}, [F, F], True, S),
        ({"interval": "1s", "inconclusiveLimit": 1}, [I, S, I], False, I),
        ({"interval": "1s", "failureLimit": 0, "inconclusiveLimit": 0}, [F, I], False, I),
        ({"interval": "1s"}, [F, E, E, E, E, E], False, E),
        ({"count": 3, "interval": "1s"}, [S, S], False, R),
        ({"count": 3, "interval": "1s"}, [S, E, S], False, R),
        ({"count": 3, "interval": "1s", "failureLimit": 1}, [S, F, S], False, S),
        ({"interval": "1s", "consecutiveSuccessLimit": 3}, [S, S], False, R),
        ({"interval": "1s", "consecutiveSuccessLimit": 3}, [S, S, S], False, S),
        ({"interval": "1s", "consecutiveSuccessLimit": 2}, [S, E, S], False, R),
        ({"interval": "1s", "consecutiveSuccessLimit": 2, "failureLimit": -1}, [F] * 9, False, R),
        ({"interval": "1s", "consecutiveSuccessLimit": 2, "failureLimit": -1}, [F, S, S], False, S),
        (
            {"interval": "1s", "count": 3, "consecutiveSuccessLimit": 2, "failureLimit": 1},
            [S, F, S],
            False,
            I,
        ),
        (
            {"interval": "1s", "count": 3, "consecutiveSuccessLimit": 2, "failureLimit": -1},
            [S, F, S],
            False,
            F,
        ),
    ],
)
def test_the_phase_of_a_metric(fields, phases, stopping, expected):
    plan = planned(fields)
    status = played(plan, *phases)
    result = status.metric_results[0] if status.metric_results else None
    assert assess_metric(plan.metrics[0], result, stopping=stopping).phase is expected


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ([F], 'Metric "m0" assessed Failed due to failed (1) > failureLimit (0)'),
        ([I], 'Metric "m0" assessed Inconclusive due to inconclusive (1) > inconclusiveLimit (0)'),
        (
            [E] * 5,
            'Metric "m0" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4)',
        ),
    ],
)
def test_messages(phases, message):
    plan = planned({})
    assert conclude(plan, played(plan, *phases), NOW, stopping=False).message == message


def test_the_last_measurement_may_say_why():
    plan = planned({})
    status = record(RunStatus(), plan.metrics[0], finished(F, message="too slow"), {})
    assert conclude(plan, status, NOW, stopping=False).message.endswith(
        'failureLimit (0): "Error Message: too slow"'
    )


def test_counters():
    plan = planned({"interval": "1s", "failureLimit": 9, "inconclusiveLimit": 9})
    result = played(plan, S, S, F, E, E, I, E, S).metric_results[0]
    assert (result.count, result.successful, result.failed, result.inconclusive, result.error) == (
        5, 3, 1, 1, 3,
    )  # fmt: skip
    assert (result.consecutive_success, result.consecutive_error) == (1, 0)


def test_an_unfinished_measurement_is_replaced_and_counted_once():
    plan = planned({})
    going = Measurement(phase=R, started_at=format_time(NOW), resume_at=format_time(NOW))
    status = record(RunStatus(), plan.metrics[0], going, {"a": "b"})
    assert status.metric_results[0].count == 0
    status = record(status, plan.metrics[0], finished(S), {"ignored": "later"})
    (result,) = status.metric_results
    assert (result.count, len(result.measurements), result.metadata) == (1, 1, {"a": "b"})


def test_the_worst_metric_decides():
    plan = planned({}, {}, {})
    status = RunStatus()
    for metric, phase in zip(plan.metrics, [S, I, F], strict=True):
        status = record(status, metric, finished(phase), {})
    concluded = conclude(plan, status, NOW, stopping=False)
    assert concluded.phase is F
    assert concluded.message.startswith('Metric "m2" assessed Failed')
    summary = concluded.run_summary
    assert (summary.count, summary.successful, summary.inconclusive, summary.failed) == (3, 1, 1, 1)


def test_a_run_of_dry_metrics_only_succeeds_when_they_are_done():
    plan = planned({"count": 2, "interval": "1s", "failureLimit": 1}, dryRun=[{"metricName": "m"}])
    assert conclude(plan, played(plan, F), NOW, stopping=False).phase is R
    assert conclude(plan, played(plan, F, F), NOW, stopping=False).phase is S


def test_a_metric_nobody_measured_keeps_the_run_going():
    plan = planned({}, {"initialDelay": "1h"})
    assert conclude(plan, played(plan, S), NOW, stopping=False).phase is R


def test_what_ended_is_told_once():
    plan = planned({})
    done = conclude(plan, played(plan, F), NOW, stopping=False)
    assert [(t.warning, t.reason) for t in transitions(RunStatus(), done)] == [
        (True, "MetricFailed"),
        (True, "AnalysisRunFailed"),
    ]
    assert transitions(done, done) == []


def test_an_error_is_told_when_it_begins_and_not_each_time():
    plan = planned({})
    once = record(RunStatus(), plan.metrics[0], finished(E, message="refused"), {})
    (told,) = transitions(RunStatus(), once)
    assert (told.warning, told.reason) == (True, "MeasurementError")
    assert told.message == "Metric 'm0' could not be measured: refused"
    assert transitions(once, played(plan, E, status=once)) == []


# --- schedule ---


def test_first_measurements_wait_for_their_delay():
    plan = planned({}, {"initialDelay": "1m"})
    assert [t.plan.name for t in tasks(plan, RunStatus(), NOW)] == ["m0"]
    started = RunStatus(started_at=format_time(NOW))
    assert [t.plan.name for t in tasks(plan, started, NOW + 59)] == ["m0"]
    assert [t.plan.name for t in tasks(plan, started, NOW + 60)] == ["m0", "m1"]


@pytest.mark.parametrize(("phase", "wait"), [(S, 300), (F, 300), (I, 300), (E, 10)])
def test_the_next_measurement_follows_the_interval_but_errors_are_asked_again_soon(phase, wait):
    plan = planned({"interval": "5m", "failureLimit": 9, "inconclusiveLimit": 9})
    status = conclude(plan, played(plan, phase), NOW, stopping=False)
    assert tasks(plan, status, NOW + wait - 1) == []
    assert [t.action for t in tasks(plan, status, NOW + wait)] == [Action.MEASURE]
    assert wake_at(plan, status, NOW) == NOW + wait


@pytest.mark.parametrize("interval", ["500ms", "1ms", "0s"])
def test_a_metric_is_measured_once_a_second_at_most(interval):
    plan = planned({"interval": interval})
    status = conclude(plan, played(plan, S), NOW, stopping=False)
    assert wake_at(plan, status, NOW + 0.25) == NOW + 1
    assert tasks(plan, status, NOW + 0.75) == []
    assert [t.action for t in tasks(plan, status, NOW + 1)] == [Action.MEASURE]


def test_an_error_without_an_interval_is_asked_again_too():
    plan = planned({})
    assert wake_at(plan, played(plan, E), NOW) == NOW + 10


def test_unfinished_measurements_are_resumed_when_they_asked_for_it():
    plan = planned({})
    going = Measurement(phase=R, started_at=format_time(NOW), resume_at=format_time(NOW + 30))
    status = record(RunStatus(), plan.metrics[0], going, {})
    assert tasks(plan, status, NOW + 29) == []
    (task,) = tasks(plan, status, NOW + 30)
    assert (task.action, task.measurement) == (Action.RESUME, going)


def test_terminating_ends_what_goes_on_and_starts_nothing():
    plan = planned({}, {}, terminate=True)
    going = Measurement(phase=R, started_at=format_time(NOW), resume_at=format_time(NOW + 30))
    status = record(RunStatus(), plan.metrics[0], going, {})
    assert [t.action for t in tasks(plan, status, NOW)] == [Action.TERMINATE]


@pytest.mark.parametrize(
    ("phase", "stops"), [(S, False), (R, False), (F, True), (E, True), (I, True)]
)
def test_a_metric_that_failed_ends_the_others(phase, stops):
    plan = planned({}, {})
    status = RunStatus(metric_results=[MetricResult(name="m0", phase=phase)])
    assert is_terminating(plan, status) is stops


def test_a_dry_metric_that_failed_ends_nothing():
    plan = planned({}, {}, dryRun=[{"metricName": "m0"}])
    status = RunStatus(metric_results=[MetricResult(name="m0", phase=F)])
    assert not is_terminating(plan, status)


# --- whole runs ---

METRIC = st.fixed_dictionaries(
    {},
    optional={
        "interval": st.sampled_from(["1s", "7s", "1m"]),
        "initialDelay": st.sampled_from(["3s", "2m"]),
        "failureLimit": st.integers(0, 3),
        "inconclusiveLimit": st.integers(0, 3),
        "consecutiveErrorLimit": st.integers(0, 5),
        "consecutiveSuccessLimit": st.integers(0, 3),
    },
).flatmap(
    lambda fields: st.integers(0, 8).map(
        lambda count: {
            **fields,
            **({"count": max(count, 6)} if "interval" in fields and count else {}),
        }
    )
)


@settings(max_examples=150, deadline=None)
@given(st.lists(METRIC, min_size=1, max_size=3), st.data())
def test_runs_played_to_their_end(metrics, data):
    """Whatever the answers: no phase without its reason, counts add up, and it ends or waits."""
    plan = planned(*metrics)
    status, now = RunStatus(), NOW
    for _ in range(60):
        stopping = is_terminating(plan, status)
        for task in tasks(plan, status, now):
            assert task.action is Action.MEASURE
            phase = data.draw(st.sampled_from([S, S, S, F, I, E]))
            status = record(status, task.plan, finished(phase, now), {})
        before = status
        status = conclude(plan, status, now, stopping=stopping)
        assert conclude(plan, status, now, stopping=stopping) == status, "concluding is idempotent"
        check(plan, before, status)
        wake = wake_at(plan, status, now)
        if status.phase.completed:
            assert wake is None
            assert tasks(plan, status, now + 1e6) == []
            return
        assert wake is not None, "a run that goes on always knows when"
        assert wake >= now
        now = max(wake, now + 0.001)


def check(plan, before, status):
    limits = {metric.name: metric.limits for metric in plan.metrics}
    for result in status.metric_results:
        assert result.count == result.successful + result.failed + result.inconclusive
        assert len(result.measurements) == min(10, result.count + result.error)
        if result.phase is S and status.phase is S:
            assert result.failed <= limits[result.name].failure
            assert result.inconclusive <= limits[result.name].inconclusive
    if status.phase is S:
        assert len(status.metric_results) == len(plan.metrics), "success needs every metric"
        assert all(result.successful > 0 or result.count > 0 for result in status.metric_results)
        assert parse_time(status.completed_at) is not None
    if status.phase in (F, E, I):
        assert status.message
    assert status.started_at
