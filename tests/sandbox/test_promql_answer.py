"""The embedded Prometheus by itself: what it says, what it refuses, what it forgets."""

import asyncio

import httpx
import orjson
import pytest

from rollouts.runtime.clock import LoopClock, SystemClock
from rollouts.sandbox.promql.answer import PromApi, number
from rollouts.sandbox.promql.model import NAME, labels_of
from rollouts.sandbox.promql.scrape import ScrapeFailed, Scraper, Target
from rollouts.sandbox.promql.server import serve
from rollouts.sandbox.promql.store import SeriesStore


class Still:
    """A clock that stands at a moment, until moved."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


def filled(points, **labels):
    store = SeriesStore()
    for time, value in points:
        store.append(labels_of({NAME: "m", **labels}), round(time * 1000), value)
    return store


def ask(api, query, **parameters):
    answer = api.answer("/api/v1/query", {"query": query, **parameters})
    return answer.status, orjson.loads(answer.body)


def value(api, query, **parameters):
    """The only value of an answer, as a float, or None when there is none."""
    status, body = ask(api, query, **parameters)
    assert status == 200, body
    rows = body["data"]["result"]
    return float(rows[0]["value"][1]) if rows else None


def test_rate_by_hand():
    # 10 per 5 s, first sample 2 s into the 20 s range, last 3 s before its end: 30 in 15 s,
    # extended over both gaps as they are shorter than 1.1 intervals.
    store = filled([(1002, 100), (1007, 110), (1012, 120), (1017, 130)])
    assert value(PromApi(store, Still(1020)), "increase(m[20s])") == pytest.approx(40)
    assert value(PromApi(store, Still(1020)), "rate(m[20s])") == pytest.approx(2)


def test_a_late_start_is_extended_by_half_an_interval_only():
    store = filled([(1010, 100), (1015, 110), (1020, 120)])
    assert value(PromApi(store, Still(1020)), "increase(m[20s])") == pytest.approx(20 * 12.5 / 10)


def test_a_counter_is_not_extended_to_before_it_was_zero():
    store = filled([(1002, 1), (1007, 11), (1012, 21)])
    # zero would have been reached 0.5 s before the first sample
    assert value(PromApi(store, Still(1012)), "increase(m[12s])") == pytest.approx(20 * 10.5 / 10)


def test_a_sample_on_the_left_edge_is_outside_the_range():
    store = filled([(1000, 1), (1010, 2)])
    assert value(PromApi(store, Still(1010)), "count_over_time(m[10s])") == 1


def test_a_value_is_stale_after_five_minutes_or_at_once_when_its_series_ended():
    store = filled([(1000, 7)])
    assert value(PromApi(store, Still(1299.9)), "m") == 7
    assert value(PromApi(store, Still(1300)), "m") is None
    store.end(labels_of({NAME: "m"}), 1_010_000)
    assert value(PromApi(store, Still(1009)), "m") == 7
    assert value(PromApi(store, Still(1010)), "m") is None


def test_an_empty_answer_is_an_empty_vector():
    assert ask(PromApi(SeriesStore(), Still()), "sum(m)") == (
        200,
        {"status": "success", "data": {"resultType": "vector", "result": []}},
    )


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("max_over_time(m[5m:1m])", "SubqueryExpr"),
        ("stddev(m)", "stddev"),
        ('count_values("v", m)', "count_values"),
        ("predict_linear(m[1m], 3)", "predict_linear"),
        ("day_of_week()", "day_of_week"),
        ('label_join(m, "a", "b", "c")', "label_join"),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(query, named):
    status, body = ask(PromApi(filled([(999_999, 1)]), Still()), query)
    assert (status, body["status"], body["errorType"]) == (422, "error", "execution")
    assert named in body["error"]


def test_a_catastrophic_regular_expression_costs_linear_time():
    store = filled([(999_999, 1)], path="a" * 5000 + "!")
    assert value(PromApi(store, Still()), 'm{path=~"(a+)+b"}') is None


def test_times_are_read_as_seconds_or_as_rfc_3339():
    api = PromApi(filled([(1000, 7)]), Still())
    assert value(api, "m", time="1000.5") == 7
    assert value(api, "m", time="1970-01-01T00:16:41Z") == 7
    status, body = ask(api, "m", time="yesterday")
    assert status == 400
    assert (
        body["error"] == 'invalid parameter "time": cannot parse "yesterday" to a valid timestamp'
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (0.1, "0.1"),
        (1e21, "1000000000000000000000"),
        (1e-7, "0.0000001"),
        (-2.5, "-2.5"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        (float("nan"), "NaN"),
        (0.0, "0"),
        (100.0, "100"),
    ],
)
def test_numbers_are_written_without_exponents(value, text):
    assert number(value) == text


def test_the_newest_samples_are_kept_and_old_series_forgotten():
    store = SeriesStore(capacity=3)
    for time in range(10):
        store.append(labels_of({NAME: "m"}), time * 1000, float(time))
    store.append(labels_of({NAME: "n"}), 1000, 1.0)
    store.forget_before(5000)
    assert value(PromApi(store, Still(9)), "count_over_time(m[1m])") == 3
    assert store.names() == {"m"}


PAGE = """# HELP hits_total Requests.
# TYPE hits_total counter
hits_total{code="200",instance="mine"} 5
# TYPE wait histogram
wait_bucket{le="1.0"} 3
wait_bucket{le="+Inf"} 4
wait_sum 2.5
wait_count 4
"""


def scraper(pages, clock, store):
    async def fetch(url: str) -> str:
        if url not in pages:
            raise ScrapeFailed(url)
        return pages[url]

    targets = [Target(url, labels_of({"instance": url})) for url in ("a", "b")]
    return Scraper(store, clock, lambda: targets, fetch)


async def test_scraped_series_carry_the_targets_labels_and_end_with_their_page():
    clock, store, pages = Still(), SeriesStore(), {"a": PAGE}
    scraping = scraper(pages, clock, store)
    await scraping.scrape()
    api = PromApi(store, clock, scraping)
    assert value(api, 'hits_total{instance="a",exported_instance="mine"}') == 5
    assert value(api, 'up{instance="a"}') == 1
    assert value(api, 'up{instance="b"}') == 0
    assert value(api, 'wait_bucket{le="+Inf"}') == 4
    pages["a"] = "hits_total 1\n"
    clock.now += 1
    await scraping.scrape()
    assert value(api, 'hits_total{exported_instance="mine"}') is None
    assert value(api, "hits_total") == 1


async def test_a_page_that_is_not_metrics_counts_as_down():
    clock, store = Still(), SeriesStore()
    await scraper({"a": "<html>busy</html>\n"}, clock, store).scrape()
    assert value(PromApi(store, clock), 'up{instance="a"}') == 0


async def test_a_target_that_is_gone_ends_all_its_series():
    clock, store, targets = Still(), SeriesStore(), [Target("a", labels_of({"instance": "a"}))]

    async def fetch(url: str) -> str:
        return PAGE

    scraping = Scraper(store, clock, lambda: targets, fetch)
    await scraping.scrape()
    targets.clear()
    clock.now += 1
    await scraping.scrape()
    assert value(PromApi(store, clock), "up") is None
    assert value(PromApi(store, clock), "hits_total") is None


async def test_metadata_lists_what_was_scraped():
    clock, store = Still(), SeriesStore()
    scraping = scraper({"a": PAGE}, clock, store)
    await scraping.scrape()
    answer = PromApi(store, clock, scraping).answer("/api/v1/metadata", {"metric": "hits_total"})
    assert orjson.loads(answer.body)["data"] == {
        "hits_total": [{"type": "counter", "help": "Requests.", "unit": ""}]
    }


async def test_it_speaks_http_by_get_and_by_form():
    clock = LoopClock(asyncio.get_running_loop(), SystemClock().wall())
    store = filled([(clock.wall(), 4)])
    runner, base = await serve(PromApi(store, clock))
    try:
        async with httpx.AsyncClient(base_url=base) as client:
            assert (await client.get("/-/ready")).status_code == 200
            assert (await client.get("/-/healthy")).status_code == 200
            assert (await client.get("/graph")).status_code == 404
            got = await client.get("/api/v1/query", params={"query": "m * 2"})
            posted = await client.post("/api/v1/query", data={"query": "m * 2"})
            refused = await client.post("/api/v1/query", data={"query": "m *"})
    finally:
        await runner.cleanup()
    assert got.json()["data"]["result"][0]["value"][1] == "8"
    assert posted.json()["data"]["result"][0]["value"][1] == "8"
    assert (refused.status_code, refused.json()["errorType"]) == (400, "bad_data")
