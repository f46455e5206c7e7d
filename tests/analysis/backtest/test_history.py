"""What is fetched together, and that every instant still has the value it had."""

import asyncio

import pytest

from analysis.backtest.history import MAX_POINTS, History
from analysis.backtest.query import Form, form_of
from analysis.backtest.window import chosen_starts, parse_instant, parse_span, regular_starts
from analysis.providers.base import ProviderError
from analysis.providers.config import Prometheus
from tests.analysis.backtest.memory import MemoryServer

NOON = 1_767_268_800
DAY = 86_400


def history(server, query="rate", until=NOON + DAY):
    return History(server, Prometheus(query=query), until)


def second(name, moment):
    return f"{ord(name)}.{moment - NOON}"


def values(answer):
    kind, data = answer
    assert kind == "vector"
    return [sample["value"][1] for sample in data]


def test_a_week_of_releases_is_one_request():
    server = MemoryServer(second)
    past = history(server, until=NOON + 8 * DAY)

    async def main():
        spans = [(NOON + hour * 3600, NOON + hour * 3600 + 300) for hour in range(7 * 24)]
        await past.announce(spans, 60)
        for first, last in spans:
            for moment in range(first, last + 1, 60):
                assert values(await past.instant(moment, 60)) == [second("a", moment)]

    asyncio.run(main())
    assert server.ranges == [MAX_POINTS, 26]


def test_instants_nobody_announced_are_fetched_ahead_more_and_more():
    server = MemoryServer(second)
    past = history(server)

    async def main():
        for moment in range(NOON, NOON + 2000 * 7, 7):
            assert values(await past.instant(moment, 7)) == [second("a", moment)]

    asyncio.run(main())
    assert server.ranges == [64, 256, 1024, 4096]


def test_nothing_is_asked_of_the_future():
    server = MemoryServer(second)
    past = history(server, until=NOON + 100)
    asyncio.run(past.announce([(NOON, NOON + 1000)], 10))
    assert server.ranges == [11]


@pytest.mark.parametrize(
    "says",
    [
        "execution: query processing would load too many samples into memory",
        "http://p sent more than 400000 elements",
        "http://p did not answer within 120 s",
    ],
)
def test_a_chunk_that_is_too_much_is_halved(says):
    server = MemoryServer(second, most=500, says=says)
    past = history(server)

    async def main():
        await past.announce([(NOON, NOON + 3999)], 1)
        assert values(await past.instant(NOON + 3999, 1)) == [second("a", NOON + 3999)]
        assert values(await past.instant(NOON + 250, 1)) == [second("a", NOON + 250)]

    asyncio.run(main())
    assert [points for points in server.ranges if points <= 500] == [500] * 8


def test_a_server_that_refuses_the_query_is_asked_once():
    class Refusing(MemoryServer):
        async def range(self, _config, start, end, step):
            self.ranges.append((end - start) // step)
            raise ProviderError("bad_data: parse error")

    server = Refusing(second)
    with pytest.raises(ProviderError, match="parse error"):
        asyncio.run(history(server).announce([(NOON, NOON + 9000)], 1))
    assert len(server.ranges) == 1


def test_series_come_and_go():
    def value(name, moment):
        return "1" if name == "a" or moment >= NOON + 60 else None

    past = history(MemoryServer(value, series=("a", "b")))

    async def main():
        return [values(await past.instant(NOON + late, 60)) for late in (0, 60)]

    assert asyncio.run(main()) == [["1"], ["1", "1"]]


def test_no_sample_is_an_empty_vector():
    past = history(MemoryServer(lambda *_: None))
    assert asyncio.run(past.instant(NOON, 60)) == ("vector", [])
    assert not past.had_data


def test_a_scalar_is_no_vector():
    past = history(MemoryServer(second), "scalar(rate)")
    assert asyncio.run(past.instant(NOON, 60)) == ("scalar", [NOON, second("a", NOON)])


def test_what_a_range_would_change_is_asked_instant_by_instant():
    server = MemoryServer(second)
    past = history(server, "topk(3, rate)")

    async def main():
        await past.announce([(NOON, NOON + 600)], 60)
        return [values(await past.instant(NOON + late, 60)) for late in (0, 60, 0)]

    assert asyncio.run(main()) == [[second("a", NOON + late)] for late in (0, 60, 0)]
    assert (server.ranges, server.instants) == ([], [NOON, NOON + 60])


def test_a_range_is_put_together_from_the_same_points():
    server = MemoryServer(second, series=("b", "a"))
    past = history(server)

    async def main():
        return [await past.range(NOON + late, NOON + late + 30, 15) for late in (0, 60)]

    answers = asyncio.run(main())
    for late, (kind, data) in zip((0, 60), answers, strict=True):
        assert kind == "matrix"
        wanted = [NOON + late + more for more in (0, 15, 30)]
        assert [[v for _, v in one["values"]] for one in data] == [
            [second(name, moment) for moment in wanted] for name in "ab"
        ]
    assert len(server.ranges) == 1


@pytest.mark.parametrize(
    ("query", "form"),
    [
        ("sum(rate(x[5m])) / sum(rate(y[5m]))", Form.VECTOR),
        ("histogram_quantile(0.95, sum by (le) (rate(x_bucket[1m])))", Form.VECTOR),
        ("x > bool 2", Form.VECTOR),
        ("scalar(x)", Form.SCALAR),
        ("-(1 + time())", Form.SCALAR),
        ("2 * x", Form.VECTOR),
        ("sum(topk(2, x))", Form.VECTOR),
        ("bottomk(2, x)", Form.EXACT),
        ("sort_desc(x)", Form.EXACT),
        ("x @ end()", Form.EXACT),
        ("x[5m]", Form.EXACT),
        ('"text"', Form.EXACT),
        ("some_dialect(x keep_metric_names", Form.EXACT),
    ],
)
def test_queries_are_asked_in_bulk_only_where_that_is_the_same(query, form):
    assert form_of(query) is form


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7d", 7 * DAY), ("1w2d", 9 * DAY), ("36h", 1.5 * DAY), ("1d12h", 1.5 * DAY), ("90m", 5400)],
)
def test_spans(text, seconds):
    assert parse_span(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-7d", "7", "7days", "d", "0s"])
def test_no_spans(text):
    with pytest.raises(ValueError, match="write it like 7d"):
        parse_span(text)


@pytest.mark.parametrize(
    "text",
    ["2026-01-01T12:00:00Z", "2026-01-01 12:00", "2026-01-01T13:00:00+01:00", "2026-01-01T12:00Z"],
)
def test_instants(text):
    assert parse_instant(text) == NOON


def test_releases_begin_at_whole_multiples_and_end_before_now():
    assert regular_starts(4 * 3600, 3600, 600, NOON + 300) == [
        NOON - hours * 3600 for hours in (3, 2, 1)
    ]
    with pytest.raises(ValueError, match="none that began within the last 1h"):
        regular_starts(3600, 3600, 7200, NOON)
    with pytest.raises(ValueError, match="too many"):
        regular_starts(365 * DAY, 60, 60, NOON)


def test_chosen_releases_lie_in_the_window():
    assert chosen_starts(["2026-01-01 12:00", "2026-01-01 11:00"], DAY, NOON + 1) == [
        NOON - 3600,
        NOON,
    ]
    with pytest.raises(ValueError, match="is not within the last 1h"):
        chosen_starts(["2026-01-01 09:00"], 3600, NOON)
    with pytest.raises(ValueError, match="is no instant"):
        chosen_starts(["yesterday"], 3600, NOON)
