"""The Wavefront provider: whose token it is, and which point counts."""

from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from analysis.providers.wavefront import provider
from analysis.spec import Phase
from tests.analysis.apis import NOW, Client, FakeSecrets, failed, measured
from tests.analysis.servers import reply, serving

QUERY = 'sum(ts("shop.errors"))'
HOST = "shop.wavefront.com"
TOKENS = {HOST: "canary-token", "other.wavefront.com": "canary-other"}


async def ask(answer, condition="result < 1", address=HOST, http=None):
    """The measurement, and the server after it."""
    async with serving({"/api/v2/chart/api": answer}) as server:
        http = http or Client()
        http.elsewhere = {f"https://{HOST}": server.url}
        measurement = await measured(
            provider,
            {"wavefront": {"address": address, "query": QUERY}},
            secrets=FakeSecrets(controller={"wavefront-api-tokens": TOKENS}),
            metric={"successCondition": condition},
            http=http,
        )
        return measurement, server


def chart(*series, **more):
    found = [{"label": "shop", "host": "h", "tags": {}, "data": points} for points in series]
    return reply(orjson.dumps({"query": QUERY, "granularity": 1, "timeseries": found, **more}))


@pytest.mark.parametrize(
    ("answer", "value", "phase"),
    [
        (chart([[NOW, 0.5]]), "0.50", Phase.SUCCESSFUL),
        (chart([[NOW, 7.126]]), "7.13", Phase.FAILED),
        (chart([[NOW - 60, 9], [NOW - 1, 0.5], [NOW + 50, 9]]), "0.50", Phase.SUCCESSFUL),
        (chart([], [[NOW, 0.5]]), "0.50", Phase.SUCCESSFUL),
        (chart([[NOW, None], [NOW - 5, 0.5]]), "0.50", Phase.SUCCESSFUL),
    ],
    ids=["one", "fails", "closest to now", "an empty series", "null"],
)
async def test_one_series(answer, value, phase):
    measurement, _ = await ask(answer)
    assert (measurement.value, measurement.phase) == (value, phase)


async def test_several_series_are_a_list():
    answer = chart([[NOW, 0.5]], [[NOW - 30, 2]])
    measurement, _ = await ask(answer, "result[0] < 1 && result[1] == 2")
    assert (measurement.value, measurement.phase) == ("[0.50,2.00]", Phase.SUCCESSFUL)
    assert measurement.metadata["timestamps"] == f"{NOW:.0f},{NOW - 30:.0f}"
    assert measurement.metadata["drift"] == "0,30"


async def test_warnings_are_kept():
    measurement, _ = await ask(chart([[NOW, 0.5]], warnings="too many series"))
    assert measurement.metadata["warnings"] == "too many series"
    assert "warnings" not in (await ask(chart([[NOW, 0.5]])))[0].metadata


@pytest.mark.parametrize(
    "answer",
    [chart(), chart([]), chart([[NOW, None]]), reply('{"timeseries": null}')],
    ids=["no series", "no points", "null", "nothing"],
)
async def test_no_data_is_an_error(answer):
    measurement, _ = await ask(answer, "default(result, 0) == 0")
    assert "no time series returned" in failed(measurement)


async def test_what_is_asked():
    measurement, server = await ask(chart([[NOW, 0.5]]))
    (seen,) = server.seen
    assert seen.method == "GET"
    assert seen.headers["authorization"] == "Bearer canary-token"
    assert parse_qs(urlsplit(seen.target).query) == {
        "q": [QUERY],
        "s": [f"{NOW * 1000:.0f}"],
        "e": [f"{NOW * 1000:.0f}"],
        "g": ["s"],
        "p": ["1"],
        "i": ["true"],
        "strict": ["false"],
    }
    assert measurement.metadata["query"] == QUERY


@pytest.mark.parametrize(
    "address",
    ["", "evil.example", f"{HOST}.evil.example", f"{HOST}:8443", f"http://{HOST}", f"x@{HOST}"],
)
async def test_a_token_is_only_for_the_very_address_it_is_kept_under(address):
    http = Client()
    measurement, _ = await ask(chart([[NOW, 0.5]]), address=address, http=http)
    assert "API token not found: secret 'wavefront-api-tokens' has no key" in failed(measurement)
    assert http.urls == []


async def test_it_is_asked_over_tls():
    http = Client()
    await ask(chart([[NOW, 0.5]]), http=http)
    assert http.urls[0].startswith(f"https://{HOST}/api/v2/chart/api?")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            reply('{"errorType": "QuerySyntaxError", "errorMessage": "unexpected token"}'),
            "Wavefront could not evaluate the query: unexpected token",
        ),
        (reply('{"errorType": "QuerySyntaxError"}'), "the query: QuerySyntaxError"),
        (reply('{"status": {"result": "ERROR", "message": "no"}}', "400 Bad"), "(status 400): no"),
        (reply('{"message": "Unauthorized"}', "401 Unauthorized"), "(status 401): Unauthorized"),
        (chart([[NOW, "x"]]), "without points of numbers"),
        (chart([[NOW]]), "without points of numbers"),
        (reply('{"timeseries": [1]}'), "without points of numbers"),
        (reply("[]"), "an answer that is no object"),
    ],
)
async def test_errors_of_the_api(answer, message):
    measurement, _ = await ask(answer)
    assert message in failed(measurement)
