"""The embedded Prometheus against the real one: same samples, same questions, same answers."""

import json
import math
import random

import pytest

from rollouts.runtime.clock import SystemClock
from rollouts.sandbox.promql.answer import PromApi
from rollouts.sandbox.promql.model import NAME, labels_of
from rollouts.sandbox.promql.store import SeriesStore
from tests.sandbox.promql_oracle import Samples, ask, prometheus, require_prometheus

pytestmark = pytest.mark.prometheus

# Scrapes happen 137 ms past the step: no sample sits exactly on the edge of a range, where
# Prometheus 2 (closed) and 3 (left-open) disagree.
BASE = 1_700_000_000_000
SCRAPE = 5_000
END = BASE + 120 * SCRAPE


def dataset() -> Samples:
    rng = random.Random(7)
    times = [BASE + k * SCRAPE + 137 for k in range(120)]
    data: dict[tuple[str, tuple[tuple[str, str], ...]], list[tuple[int, float]]] = {}
    for version, pods in (("blue", 3), ("green", 2)):
        for pod in range(pods):
            for code in ("200", "404", "500"):
                key = (("code", code), ("pod", f"{version}-{pod}"), ("version", version))
                begin, stop = (40, 120) if (version, pod) == ("green", 1) else (0, 120)
                stop = 70 if (version, pod) == ("blue", 2) else stop
                # Far from zero at first: where a counter starts late *and* near zero, Prometheus 2
                # and 3 extrapolate differently. The fall to 3 below tests the limit at zero.
                count, points = float(1000 + rng.randrange(50)), []
                for k in range(begin, stop):
                    count += rng.randrange(20) * (10 if code == "200" else 1)
                    if (version, pod) == ("blue", 1) and k == 60:
                        count = 3.0
                    points.append((times[k], count))
                data["http_requests_total", key] = points
    for version in ("blue", "green"):
        counts = [0.0, 0.0, 0.0, 0.0]
        series: list[list[tuple[int, float]]] = [[], [], [], []]
        for time in times:
            grown = 0.0
            for i in range(4):
                grown += rng.randrange(9)
                counts[i] += grown
                series[i].append((time, counts[i]))
        for le, points in zip(("0.05", "0.1", "0.5", "+Inf"), series, strict=True):
            data["latency_bucket", (("le", le), ("version", version))] = points
        gauge = [(t, round(rng.uniform(-5, 5), 3)) for t in times]
        data["temperature", (("version", version),)] = gauge
        data["capacity", (("owner", f"team-{version}"), ("version", version))] = [
            (t, 10.0 if version == "blue" else 0.0) for t in times
        ]
    data["temperature", (("version", "odd"),)] = [
        (t, math.nan if k % 5 == 0 else float(k)) for k, t in enumerate(times)
    ]
    return data


QUERIES = [
    "http_requests_total",
    'http_requests_total{code="500",version!="green"}',
    'http_requests_total{pod=~"blue-.|green-0",code!~"4.*"}',
    '{__name__=~"temp.*|capa.*"}',
    "http_requests_total{code='200'} offset 1m",
    "http_requests_total{code='200'} offset -30s",
    "http_requests_total{code='500'} @ 1700000300",
    "sum(rate(http_requests_total[1m] @ end()))",
    "rate(http_requests_total[1m])",
    "rate(http_requests_total[17s] offset 20s)",
    "increase(http_requests_total{code='500'}[2m])",
    "irate(http_requests_total{code='200'}[30s])",
    "delta(temperature[1m])",
    "idelta(temperature[1m])",
    "sum_over_time(temperature[1m])",
    "avg_over_time(temperature[45s])",
    "min_over_time(temperature[1m])",
    "max_over_time(temperature[1m])",
    "count_over_time(http_requests_total[1m])",
    "last_over_time(temperature[1m])",
    "present_over_time(http_requests_total{code='404'}[10s])",
    "changes(capacity[1m]) + resets(temperature[1m])",
    "sum by (version) (rate(http_requests_total[1m]))",
    "sum without (pod, code) (http_requests_total)",
    "avg(http_requests_total) by (version, nosuch)",
    "min by (code) (temperature or http_requests_total)",
    "max(temperature)",
    "count by (version) (http_requests_total > 100)",
    "group by (version) (http_requests_total)",
    "quantile by (version) (0.3, http_requests_total)",
    "topk by (version) (2, http_requests_total{code='200'})",
    "bottomk(2, temperature)",
    "histogram_quantile(0.9, sum by (le) (rate(latency_bucket[1m])))",
    "histogram_quantile(0.99, rate(latency_bucket[1m]))",
    "histogram_quantile(0.01, latency_bucket)",
    "histogram_quantile(2, latency_bucket)",
    "histogram_quantile(0.5, latency_bucket{le!='+Inf'})",
    "sum(rate(http_requests_total{code!~'5..'}[1m])) / sum(rate(http_requests_total[1m]))",
    "sum by (version)(rate(http_requests_total{code='500'}[1m])) / on(version) sum by (version)(rate(http_requests_total[1m]))",
    "http_requests_total / ignoring(pod) group_left(owner) capacity{nosuch=''}",
    "http_requests_total / on(version) group_left(owner) capacity",
    "capacity * on(version) group_right() http_requests_total",
    "temperature % 3",
    "2 ^ temperature",
    "-temperature",
    "-1 ^ 2 + temperature * 0",
    "temperature / capacity",
    "temperature / ignoring(owner) capacity",
    "temperature > 1",
    "3 > temperature",
    "temperature > bool 1",
    "temperature != temperature",
    "temperature >= ignoring(owner) capacity",
    "temperature >= bool on(version) capacity",
    "1 > bool 2",
    "atan2(1, 2)",
    "temperature and on(version) capacity > 5",
    "temperature or capacity",
    "http_requests_total unless on(version) (capacity == 0)",
    "scalar(temperature{version='blue'}) + 1",
    "scalar(temperature)",
    "vector(3) + time()",
    "time() - 1.7e9",
    "abs(temperature)",
    "ceil(temperature) - floor(temperature)",
    "round(temperature)",
    "round(temperature, 0.2)",
    "sgn(temperature) * sqrt(temperature) + ln(temperature) + log2(temperature) + log10(temperature)",
    "exp(temperature)",
    "clamp(temperature, -1, 2)",
    "clamp(temperature, 2, 1)",
    "clamp_min(temperature, 0)",
    "clamp_max(temperature, 0)",
    "absent(nosuch{a='b',c=~'d',e='f'})",
    "absent(temperature)",
    "absent(sum(nosuch))",
    "sum(nosuch) or vector(0)",
    "label_replace(temperature, 'colour', '$1-${1}x', 'version', '(.)(.*)')",
    "label_replace(temperature, 'version', '', 'version', 'b.*')",
    "sort_desc(temperature)",
    "NaN",
    "0x1F + Inf",
    "'text'",
    "temperature[20s]",
]

WRONG = [
    "",
    "sum(",
    "rate(temperature)",
    "nosuch(temperature)",
    "temperature{",
    "1 == 1",
    'temperature{a=~"("}',
    "temperature + on(nosuch) temperature",
    "temperature * on(version) http_requests_total",
    "http_requests_total * on(version) temperature",
    "label_replace(temperature, 'version', 'same', 'version', '.*')",
    "sum by (version) (temperature) + 'a'",
    "{version=~'.*'}",
]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory):
    require_prometheus()
    samples = dataset()
    store = SeriesStore()
    for (name, labels), points in samples.items():
        for time, value in points:
            store.append(labels_of(dict(labels) | {NAME: name}), time, value)
    with prometheus(tmp_path_factory.mktemp("prometheus"), samples) as base:
        yield base, PromApi(store, SystemClock())


def both(servers, path, parameters):
    base, embedded = servers
    answer = embedded.answer(path, parameters)
    return ask(base, path, parameters), (answer.status, json.loads(answer.body))


def comparable(data, *, ordered=False):
    """Series by label set, numbers as floats."""
    kind, result = data["resultType"], data["result"]
    if kind in {"scalar", "string"}:
        return kind, [result[0], float(result[1]) if kind == "scalar" else result[1]]
    rows = [(sorted(row["metric"].items()), row.get("values") or [row["value"]]) for row in result]
    rows = [(labels, [(t, float(v)) for t, v in points]) for labels, points in rows]
    return kind, rows if ordered else sorted(rows)


def close(left, right):
    if isinstance(left, float) and isinstance(right, float):
        if math.isnan(left) or math.isnan(right):
            return math.isnan(left) and math.isnan(right)
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(close, left, right))
    return left == right


@pytest.mark.parametrize("query", QUERIES)
def test_instant_answers_are_the_same(servers, query):
    for time in (BASE + 20_000, BASE + 310_000, BASE + 420_000, END + 200_000, END + 400_000):
        (want_status, want), (status, got) = both(
            servers, "/api/v1/query", {"query": query, "time": str(time / 1000)}
        )
        assert status == want_status, got
        if want_status == 200:
            ordered = query.startswith("sort")
            expected = comparable(want["data"], ordered=ordered)
            actual = comparable(got["data"], ordered=ordered)
            assert close(actual, expected), f"{actual}\n  but Prometheus: {expected}"
        else:
            assert got["errorType"] == want["errorType"]


@pytest.mark.parametrize("query", QUERIES)
def test_range_answers_are_the_same(servers, query):
    parameters = {
        "query": query,
        "start": str(BASE / 1000),
        "end": str((END + 330_000) / 1000),
        "step": "7s",
    }
    (want_status, want), (status, got) = both(servers, "/api/v1/query_range", parameters)
    assert status == want_status, got
    if want_status == 200:
        expected, actual = comparable(want["data"]), comparable(got["data"])
        assert close(actual, expected)
    else:
        assert got["errorType"] == want["errorType"]


@pytest.mark.parametrize("query", WRONG)
def test_what_prometheus_refuses_is_refused_with_the_same_status(servers, query):
    at = {"query": query, "time": str(BASE / 1000 + 300)}
    (want_status, want), (status, got) = both(servers, "/api/v1/query", at)
    assert (status, got["status"], got["errorType"]) == (
        want_status,
        want["status"],
        want["errorType"],
    )


@pytest.mark.parametrize(
    "parameters",
    [
        {"query": "up", "start": "1", "end": "0", "step": "1"},
        {"query": "up", "start": "0", "end": "1", "step": "0"},
        {"query": "up", "start": "0", "end": "1", "step": "x"},
        {"query": "up", "start": "x", "end": "1", "step": "1"},
        {"query": "up", "start": "0", "end": "100000", "step": "1"},
    ],
)
def test_bad_range_parameters_are_refused_with_the_same_words(servers, parameters):
    (want_status, want), (status, got) = both(servers, "/api/v1/query_range", parameters)
    assert (status, got) == (want_status, want)
