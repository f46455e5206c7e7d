"""Metrics that make no sense are refused in Argo Rollouts' order and words."""

import pytest

from analysis.decode import decode
from analysis.plan import SpecError, plan_run
from analysis.spec import RunSpec
from analysis.validation import validate_metrics

PROVIDER = {"prometheus": {"query": "up"}}


def problems(*metrics):
    spec, unreadable = decode(RunSpec, {"metrics": list(metrics)})
    assert unreadable == ()
    return [str(problem) for problem in validate_metrics(spec.metrics)]


def metric(**fields):
    return {"name": "m", "provider": PROVIDER, **fields}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"interval": "1m"},
        {"count": 3, "interval": "1m"},
        {"count": "3", "interval": "1m", "failureLimit": "2", "inconclusiveLimit": 3},
        {"count": 5, "interval": "1m", "failureLimit": 2, "consecutiveSuccessLimit": 3},
        {"count": 5, "interval": "1m", "failureLimit": -1, "consecutiveSuccessLimit": 5},
        {"interval": "1m", "failureLimit": 100},
        {"initialDelay": "1h30m"},
    ],
)
def test_what_makes_sense(fields):
    assert problems(metric(**fields)) == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"count": "many"}, 'invalid count: strconv.Atoi: parsing "many": invalid syntax'),
        (
            {"failureLimit": "1.5"},
            'invalid failureLimit: strconv.Atoi: parsing "1.5": invalid syntax',
        ),
        ({"consecutiveSuccessLimit": -1}, "consecutiveSuccessLimit must be >= 0"),
        ({"failureLimit": -2}, "failureLimit must be >= -1"),
        (
            {"failureLimit": -1},
            "failureLimit -1 needs a consecutiveSuccessLimit > 0, or nothing decides the metric",
        ),
        ({"inconclusiveLimit": -1}, "inconclusiveLimit must be >= 0"),
        ({"consecutiveErrorLimit": -1}, "consecutiveErrorLimit must be >= 0"),
        ({"count": 1, "failureLimit": 2}, "count must be >= failureLimit"),
        (
            {"count": 4, "interval": "1m", "failureLimit": 2, "consecutiveSuccessLimit": 3},
            "count must be >= failureLimit + consecutiveSuccessLimit",
        ),
        (
            {"count": 2, "interval": "1m", "failureLimit": -1, "consecutiveSuccessLimit": 3},
            "count must be >= consecutiveSuccessLimit",
        ),
        ({"count": 1, "inconclusiveLimit": 2}, "count must be >= inconclusiveLimit"),
        ({"count": 2}, "interval must be specified when count > 1"),
        ({"count": "2"}, "interval must be specified when count > 1"),
        ({"interval": "soon"}, 'invalid interval string: time: invalid duration "soon"'),
        ({"interval": "-5s"}, "interval must be >= 0"),
        ({"initialDelay": "5"}, 'invalid initialDelay string: time: invalid duration "5"'),
        ({"provider": {}}, "no provider specified"),
        ({"provider": {**PROVIDER, "web": {"url": "x"}}}, "multiple providers specified"),
    ],
)
def test_what_does_not(fields, message):
    assert problems(metric(**fields)) == [f"metrics[0]: {message}"]


def test_all_problems_are_listed_first_metric_first():
    assert problems(metric(count=2), metric(provider={})) == [
        "metrics[0]: interval must be specified when count > 1",
        "metrics[1]: duplicate name 'm'",
        "metrics[1]: no provider specified",
    ]


def test_no_metrics():
    assert problems() == ["no metrics specified"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "Analysis spec invalid: no metrics specified"),
        (
            {"metrics": [metric()], "measurementRetention": [{"metricName": "x", "limit": 1}]},
            "Analysis spec invalid: measurementRetention[0]: Rule didn't match any metric name(s)",
        ),
        (
            {"metrics": [metric()], "dryRun": [{"metricName": "("}]},
            "Analysis spec invalid: dryRun[0]: error parsing regexp: missing ): (",
        ),
        (
            {"metrics": [metric()], "args": [{"name": "a"}]},
            'Unable to resolve metric arguments: argument "a" was not supplied',
        ),
    ],
)
def test_runs_that_can_never_measure(spec, message):
    with pytest.raises(SpecError) as error:
        plan_run(decode(RunSpec, spec)[0])
    assert str(error.value) == message


def test_rules_match_anywhere_in_a_name_and_the_first_retention_wins():
    plan = plan_run(
        decode(
            RunSpec,
            {
                "metrics": [metric(name="errors-5xx"), metric(name="latency")],
                "dryRun": [{"metricName": "5x+"}],
                "measurementRetention": [
                    {"metricName": "lat", "limit": 3},
                    {"metricName": ".*", "limit": 20},
                ],
            },
        )[0]
    )
    assert [(m.name, m.dry_run, m.retention) for m in plan.metrics] == [
        ("errors-5xx", True, 20),
        ("latency", False, 3),
    ]


def test_a_secret_cannot_name_or_pace_a_metric():
    ref = {"secretKeyRef": {"name": "s", "key": "k"}}
    spec = {
        "metrics": [metric(name="{{args.s}}", interval="{{args.s}}")],
        "args": [{"name": "s", "valueFrom": ref}],
    }
    with pytest.raises(SpecError, match='invalid duration "a-secret-value"'):
        plan_run(decode(RunSpec, spec)[0])


# --- providers ---

THRESHOLD = {"pass": 90, "marginal": 75}


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ({"datadog": {"query": "q"}}, []),
        ({"datadog": {"query": "q", "apiVersion": "v2", "aggregator": "sum"}}, []),
        ({"datadog": {"queries": {"a": "q"}, "apiVersion": "v2"}}, []),
        (
            {"datadog": {"queries": {"a": "q", "b": "r"}, "formula": "a/b", "apiVersion": "v2"}},
            [],
        ),
        (
            {"datadog": {"query": "q", "queries": {"a": "q"}, "apiVersion": "v2"}},
            ["datadog: query and queries exclude each other"],
        ),
        ({"datadog": {}}, ["datadog: query is empty: query or queries must say what to measure"]),
        ({"datadog": {"queries": {"a": "q"}}}, ["datadog: queries need apiVersion v2"]),
        (
            {"datadog": {"queries": {"a": "q", "b": "r"}, "apiVersion": "v2"}},
            ["datadog: several queries need a formula"],
        ),
        (
            {"datadog": {"query": "q", "formula": "a", "apiVersion": "v2"}},
            ["datadog: a formula needs queries"],
        ),
        (
            {"datadog": {"query": "q", "aggregator": "sum"}},
            ["datadog: aggregator needs apiVersion v2"],
        ),
        (
            {"datadog": {"query": "q", "apiVersion": "v3"}},
            ["datadog: apiVersion 'v3' must be v1 or v2"],
        ),
        ({"skywalking": {"query": "q", "interval": "5m"}}, []),
        (
            {"skywalking": {"query": "q"}},
            ["skywalking: interval is required: how far the query looks back"],
        ),
        ({"kayenta": {"threshold": THRESHOLD, "scopes": [{"name": "a"}, {"name": "b"}]}}, []),
        (
            {"kayenta": {"threshold": {"pass": 75, "marginal": 90}}},
            ["kayenta: threshold.pass (75) must be >= threshold.marginal (90)"],
        ),
        ({"kayenta": {}}, ["kayenta: threshold is required: without one every score would pass"]),
        (
            {"kayenta": {"threshold": THRESHOLD, "scopes": [{"name": "a"}, {"name": "a"}]}},
            ["kayenta: scope 'a' is there more than once"],
        ),
    ],
)
def test_providers(provider, expected):
    assert problems(metric(provider=provider)) == [f"metrics[0]: {text}" for text in expected]


def test_a_run_with_such_a_provider_is_refused_before_anything_is_asked():
    provider = {"datadog": {"queries": {"a": "q"}}}
    with pytest.raises(SpecError) as error:
        plan_run(RunSpec.model_validate({"metrics": [metric(provider=provider)]}))
    expected = "Analysis spec invalid: metrics[0]: datadog: queries need apiVersion v2"
    assert str(error.value) == expected
