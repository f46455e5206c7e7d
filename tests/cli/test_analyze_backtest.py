"""``analyze --backtest`` against a server that speaks Prometheus' HTTP API."""

import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from analysis.providers.address import AddressPolicy
from analysis.providers.http import HttpClient
from rollouts.cli.analyze import past
from rollouts.cli.analyze.output import Output
from rollouts.cli.common import FailedError
from tests.cli.analyses import material_of, metric, template

NOW = 1_767_268_800 + 600  # 2026-01-01T12:10:00Z
HOUR = 3600
DAY = 24 * HOUR
HEADLINE = (
    "check: 24 hypothetical releases, one every 1h, "
    "2025-12-31 13:00 to 2026-01-01 12:00 UTC, each judged for 4m"
)
WHY = "result[0] >= 0.95 is false: result = [0.81]"
CANARY = "canary-token-4711-never-shown"


class FakePrometheus:
    """``value(moment)``: a text, or None where there is no sample."""

    def __init__(self, value):
        self.value = value
        self.asked = []
        self.headers = []
        self.refusal = None
        self.warnings = []
        self.url = ""

    async def answer(self, request):
        form = dict(await request.post())
        self.asked.append((request.path, form))
        self.headers.append(dict(request.headers))
        if self.refusal:
            status, document = self.refusal
            return web.json_response(document, status=status)
        if request.path.endswith("query_range"):
            return self.ranged(*(int(float(form[name])) for name in ("start", "end", "step")))
        moment = int(float(form["time"]))
        found = [{"metric": {"app": "shop"}, "value": [moment, self.value(moment)]}]
        return self.success("vector", found if self.value(moment) else [])

    def ranged(self, start, end, step):
        if (end - start) // step > 11_000:
            text = "exceeded maximum resolution of 11,000 points per timeseries"
            document = {"status": "error", "errorType": "bad_data", "error": text}
            return web.json_response(document, status=400)
        values = [[t, v] for t in range(start, end + 1, step) if (v := self.value(t))]
        series = [{"metric": {"app": "shop"}, "values": values}] if values else []
        return self.success("matrix", series)

    def success(self, kind, result):
        document = {"status": "success", "data": {"resultType": kind, "result": result}}
        return web.json_response(document | ({"warnings": self.warnings} if self.warnings else {}))


@asynccontextmanager
async def serving(value):
    fake = FakePrometheus(value)
    app = web.Application()
    app.router.add_post("/prom/api/v1/{any}", fake.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}/prom"
    try:
        yield fake
    finally:
        await runner.cleanup()


@pytest.fixture
def backtest(tmp_path, capsys):
    """Runs a backtest; its exit code and what was printed."""

    async def backtest(url, *metrics, form=None, wanted=None, limit=0.0, **asked):
        made = [metric(**{"interval": "1m", **one}) for one in metrics or [{}]]
        declared = {"args": [{"name": name} for name in (wanted or {}).get("secret", {})]}
        chosen = {"prometheus": url, **(wanted or {})}
        material = material_of(tmp_path, template("check", *made, **declared), **chosen)
        asked = past.Asked(**{"span": DAY, "every": 0.0, "at": (), "limit": limit, **asked})
        http = HttpClient(policy=AddressPolicy(allow_loopback=True))
        try:
            code = await past.replayed(material, Output(form), asked, http, NOW)
        finally:
            await http.aclose()
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return backtest


def bad_between(first, last):
    """Below what is wanted from ``first`` to ``last`` hours before noon."""
    noon = NOW - 600

    def value(moment):
        return "0.81" if noon - first * HOUR <= moment < noon - last * HOUR else "0.99"

    return value


async def test_a_day_of_hypothetical_releases(backtest):
    async with serving(bad_between(4.9, 1.9)) as server:
        code, text, _ = await backtest(server.url)
    assert code == 0, "a backtest that could be made is no failure"
    assert text.splitlines() == [
        HEADLINE,
        "",
        "METRIC  PASSED  FAILED  STREAK",
        "rate    21      3       3, from 2026-01-01 08:00",
        "",
        "begun 2026-01-01 08:00 (3 in a row, until 2026-01-01 10:00)",
        f"  would have aborted at 2026-01-01 08:00 after 0s: rate: {WHY}",
        "",
        "3 of 24 would not have passed.",
    ]
    assert len(server.asked) == 1, "a day fits into one request"


async def test_fail_on_abort_is_for_pipelines(backtest):
    async with serving(bad_between(5, 2)) as server:
        assert (await backtest(server.url, fail_on_abort=True))[0] == 1
    async with serving(lambda _: "0.99") as server:
        code, text, _ = await backtest(server.url, fail_on_abort=True)
    assert code == 0
    assert text.endswith("All 24 would have passed.\n")


async def test_one_release_says_what_would_have_happened_and_when(backtest):
    async with serving(bad_between(3, 2)) as server:
        code, text, _ = await backtest(
            server.url, {}, {"name": "patient", "failureLimit": 1}, at=("2026-01-01 08:57",)
        )
    assert code == 0
    assert f"rate would have aborted at 2026-01-01 09:00 after 3m: {WHY}" in text
    assert f"patient would have aborted at 2026-01-01 09:01 after 4m: {WHY}" in text
    assert text.endswith("It would have aborted.\n")


async def test_a_long_window_is_asked_in_chunks_no_server_refuses(backtest):
    async with serving(lambda _: "0.99") as server:
        code, text, _ = await backtest(server.url, {"interval": "10s"}, span=7 * DAY, every=600.0)
    assert (code, text.splitlines()[-1]) == (0, "All 1008 would have passed.")
    assert len(server.asked) == 7


async def test_no_data_is_told_apart_from_bad_data(backtest):
    async with serving(lambda _: None) as server:
        code, text, _ = await backtest(server.url)
    assert code == 0
    assert "METRIC  PASSED  FAILED  ERROR  STREAK" in text
    assert "no data returned from the metric provider" in text
    assert "rate: there was no data at all, so nothing was tested" in text
    assert text.endswith("24 of 24 would not have passed.\n")


async def test_no_data_may_be_inconclusive(backtest):
    careful = {
        "successCondition": "len(result) > 0 && result[0] >= 0.95",
        "failureCondition": "len(result) > 0 && result[0] < 0.95",
    }
    async with serving(lambda _: None) as server:
        _, text, _ = await backtest(server.url, careful, at=("2026-01-01 09:00",))
    assert text.endswith("It would have paused (inconclusive).\n")


async def test_metrics_without_a_past_are_named(backtest):
    web_check = {"name": "smoke", "provider": {"web": {"url": "http://x"}}}
    async with serving(lambda _: "1") as server:
        code, text, _ = await backtest(server.url, {}, web_check)
        assert code == 0
        assert "Not replayed: smoke: the provider web keeps no history" in text
        with pytest.raises(FailedError, match="nothing can be replayed: smoke: the provider web"):
            await backtest(server.url, web_check)


async def test_programs_get_every_release(backtest):
    async with serving(bad_between(2, 1)) as server:
        code, text, lines = await backtest(server.url, form="json", every=2 * HOUR)
    assert code == 0
    found = json.loads(text)
    assert found["summary"]["releases"] == 12
    assert (found["summary"]["failed"], found["summary"]["metrics"]["rate"]["longestStreak"]) == (
        1,
        1,
    )
    (bad,) = (one for one in found["releases"] if one["verdict"] == "Failed")
    assert bad["start"] == bad["endedAt"] == "2026-01-01T10:00:00Z"
    assert bad["metrics"][0]["value"] == "[0.81]"
    assert "1 of 12 would not have passed." in lines


@pytest.mark.parametrize(
    ("status", "document", "words"),
    [
        (503, {"status": "error", "errorType": "unavailable", "error": "starting"}, "starting"),
        (400, {"status": "error", "errorType": "bad_data", "error": "parse error"}, "parse error"),
        (200, {"status": "success"}, "bad_response"),
        (200, {"status": "success", "data": {"resultType": "matrix", "result": 7}}, "bad_response"),
    ],
)
async def test_history_that_cannot_be_read_is_an_error_not_a_verdict(
    backtest, status, document, words
):
    async with serving(lambda _: "1") as server:
        server.refusal = (status, document)
        code, text, _ = await backtest(server.url)
    assert code == 3
    assert "Error: history could not be read: metric 'rate': " in text
    assert words in text


async def test_a_server_that_is_not_there(backtest):
    code, text, _ = await backtest("http://127.0.0.1:9")
    assert code == 3
    assert "cannot connect to http://127.0.0.1:9" in text


async def test_addresses_no_metric_may_ask_are_refused_here_too(backtest):
    code, text, _ = await backtest("http://169.254.169.254")
    assert code == 3
    assert "is a cloud metadata address" in text


async def test_a_server_may_want_to_know_who_asks(backtest):
    config = {
        "query": "rate",
        "headers": [{"key": "X-Scope", "value": "{{args.scope}}"}],
        "authentication": {"basicAuth": {"username": "me", "password": "{{args.scope}}"}},
    }
    async with serving(lambda _: "1") as server:
        wanted = {"secret": {"scope": CANARY}, "prometheus": server.url}
        code, text, _ = await backtest(
            server.url, {"provider": {"prometheus": config}}, wanted=wanted
        )
        server.refusal = (403, {"status": "error", "errorType": "auth", "error": f"not {CANARY}"})
        refused = await backtest(server.url, {"provider": {"prometheus": config}}, wanted=wanted)
    assert code == 0
    assert server.headers[0]["X-Scope"] == CANARY
    assert server.headers[0]["Authorization"].startswith("Basic ")
    assert CANARY not in text
    assert refused[0] == 3
    assert "not *****" in refused[1]


async def test_warnings_of_the_server_are_passed_on(backtest):
    async with serving(lambda _: "1") as server:
        server.warnings = ["partial response"]
        _, text, _ = await backtest(server.url)
    assert "Prometheus warned: partial response" in text


async def test_queries_whose_order_matters_are_asked_one_by_one(backtest):
    by_value = {"provider": {"prometheus": {"query": "topk(1, rate)"}}}
    async with serving(bad_between(3, 2)) as server:
        _, text, _ = await backtest(server.url, by_value, at=("2026-01-01 08:58",))
    assert "rate would have aborted at 2026-01-01 09:00 after 2m" in text
    assert [form["time"] for _, form in server.asked] == [
        str(NOW - 600 - 3 * HOUR - s) for s in (120, 60, 0)
    ]


async def test_windows_that_make_no_sense(backtest):
    with pytest.raises(FailedError, match="is not within the last 24h"):
        await backtest("http://x", at=("2025-01-01 00:00",))
    with pytest.raises(FailedError, match="--every does not go with it"):
        await backtest("http://x", at=("2026-01-01 00:00",), every=60.0)
    with pytest.raises(FailedError, match="choose a longer --every"):
        await backtest("http://x", every=1.0)
