"""The SkyWalking provider: the GraphQL that is sent, and its data."""

import orjson
import pytest

from analysis.providers.skywalking import provider
from analysis.spec import Phase
from tests.analysis.apis import Client, failed, measured
from tests.analysis.servers import reply, serving

QUERY = "query q($duration: Duration!) { getLinearIntValues(duration: $duration) { values } }"
DATA = {"service_apdex": {"values": {"values": [{"value": 9900}]}}}


async def ask(answer, condition="result.service_apdex.values.values[0].value > 9000", **config):
    """The measurement, and the server after it."""
    async with serving({"/graphql": answer, "/sw/graphql": answer}) as server:
        asked = {"address": server.url, "query": QUERY, "interval": "3m", **config}
        measurement = await measured(
            provider, {"skywalking": asked}, metric={"successCondition": condition}
        )
        return measurement, server


def data(value):
    return reply(orjson.dumps({"data": value}))


@pytest.mark.parametrize(
    ("value", "condition", "phase"),
    [
        (DATA, "all(result.service_apdex.values.values, .value > 9000)", Phase.SUCCESSFUL),
        (DATA, "all(result.service_apdex.values.values, .value > 9999)", Phase.FAILED),
        ({"a": 1, "b": [2, 3]}, "result.a == 1 && len(result.b) == 2", Phase.SUCCESSFUL),
        ({"a": None}, "result.a == nil", Phase.SUCCESSFUL),
    ],
)
async def test_a_value(value, condition, phase):
    measurement, _ = await ask(data(value), condition)
    assert measurement.phase is phase
    assert orjson.loads(measurement.value) == value


async def test_what_is_asked():
    measurement, server = await ask(data(DATA))
    (seen,) = server.seen
    assert (seen.method, seen.target) == ("POST", "/graphql")
    assert seen.headers["content-type"] == "application/json"
    assert orjson.loads(seen.body) == {
        "query": QUERY,
        "variables": {
            "duration": {"start": "2026-01-02 0301", "end": "2026-01-02 0304", "step": "MINUTE"}
        },
    }
    assert measurement.metadata["query"] == QUERY
    assert measurement.metadata["window"] == "2026-01-02T03:01:05Z/2026-01-02T03:04:05Z"


async def test_it_waits_half_a_minute():
    async with serving({"/graphql": data(DATA)}) as server:
        http = Client()
        config = {"address": server.url, "query": QUERY, "interval": "5m"}
        await measured(provider, {"skywalking": config}, http=http)
    assert http.timeouts == [30]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            reply('{"errors": [{"message": "no field x"}, {"message": "nor y"}]}'),
            "SkyWalking could not evaluate the query: no field x; nor y",
        ),
        (reply('{"data": {"a": 1}, "errors": [{}]}'), "the query: no reason given"),
        (reply('{"errors": [{"message": "bad"}]}', "400 Bad Request"), "(status 400): bad"),
        (reply('{"data": null}'), "without data"),
        (reply('{"data": []}'), "without data"),
        (reply("[]"), "without data"),
    ],
)
async def test_errors_of_the_api(answer, message):
    measurement, _ = await ask(answer)
    assert message in failed(measurement)


async def test_an_address_must_be_a_url():
    measurement, server = await ask(data(DATA), address="skywalking:12800")
    assert "skywalking address is not a URL" in failed(measurement)
    assert server.seen == []
