"""The Prometheus provider: which answers are answers, and what is asked."""

import math
from urllib.parse import parse_qs

import orjson
import pytest

from analysis.providers.address import AddressPolicy
from analysis.providers.authentication import Sender
from analysis.providers.base import ProviderError, Queried, RunRef
from analysis.providers.http import HttpClient, Response
from analysis.providers.prometheus import PrometheusSource, checked_address, read_answer
from analysis.spec import Metric, Phase
from tests.analysis.servers import answered, reply, serving

RUN = RunRef("default", "run", "uid")
NOW = 1_767_323_045.0


def answer(kind, result, status=200, **extra):
    body = {"status": "success", "data": {"resultType": kind, "result": result}, **extra}
    return Response(status, orjson.dumps(body))


def vector(*values):
    return [{"metric": {}, "value": [1, value]} for value in values]


@pytest.mark.parametrize(
    ("kind", "result", "expected", "text"),
    [
        ("scalar", [1, "1"], 1.0, "1"),
        ("scalar", [1, "0.95"], 0.95, "0.95"),
        ("scalar", [1, "1e+21"], 1e21, "1000000000000000000000"),
        ("scalar", [1, "+Inf"], math.inf, "+Inf"),
        ("vector", [], [], "[]"),
        ("vector", vector("1", "2.5"), [1.0, 2.5], "[1,2.5]"),
        (
            "matrix",
            [{"values": [[1, "1"], [2, "2"]]}, {"values": [[1, "3"]]}],
            [1.0, 2.0, 3.0],
            "[1,2,3]",
        ),
    ],
)
def test_values(kind, result, expected, text):
    got = read_answer(answer(kind, result))
    assert (got.result, got.value) == (expected, text)


def test_nan_is_kept_and_shown():
    got = read_answer(answer("vector", vector("NaN", "1")))
    assert math.isnan(got.result[0])
    assert got.value == "[NaN,1]"


def test_warnings_are_kept():
    got = read_answer(answer("scalar", [1, "1"], warnings=["partial", "slow"]))
    assert got.metadata == {"warnings": '"partial" "slow"'}


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (answer("string", [1, "x"]), "Prometheus metric type not supported: string"),
        (answer(None, None), "Prometheus metric type not supported: None"),
        (answer("vector", [{"metric": {}, "histogram": [1, {}]}]), "native histograms"),
        (answer("vector", [{"value": [1, "x"]}]), "bad_response"),
        (answer("vector", [{"value": [1, 5]}]), "bad_response"),
        (answer("vector", None), "bad_response"),
        (answer("scalar", []), "bad_response"),
        (answer("scalar", [1, "1"], status=503), "server_error: server error: 503"),
        (Response(200, b"<html>login</html>"), "bad_response: status 200"),
        (Response(200, b""), "bad_response"),
        (Response(200, b"[]"), "bad_response"),
        (Response(200, b"{}"), "status 200: no reason given"),
        (Response(200, b'{"status":"success"}'), "bad_response: the answer has no data"),
        (Response(503, b"unavailable"), "server_error: server error: 503"),
        (Response(404, b"nothing"), "client_error: client error: 404"),
        (
            Response(400, b'{"status":"error","errorType":"bad_data","error":"parse error"}'),
            "bad_data: parse error",
        ),
    ],
)
def test_what_is_no_answer_is_an_error(response, message):
    with pytest.raises(ProviderError) as error:
        read_answer(response)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "address", ["prometheus:9090", "ftp://x", "http://", "http://x?a=b", "http://[::1"]
)
def test_an_address_must_be_a_url(address):
    with pytest.raises(ProviderError, match="is not in URL format"):
        checked_address(address)


def test_no_address_says_where_to_set_one():
    with pytest.raises(ProviderError, match="prometheus address is not configured"):
        checked_address("")


@pytest.fixture
async def http():
    client = HttpClient(policy=AddressPolicy(allow_loopback=True))
    yield client
    await client.aclose()


def metric(condition="", **prometheus):
    provider = {"prometheus": {"query": "up", **prometheus}}
    return Metric.model_validate({"name": "m", "provider": provider, "successCondition": condition})


async def measured(http, metric):
    provider = Queried(PrometheusSource(Sender(http, lambda: NOW), lambda: NOW), lambda: NOW)
    return answered(await provider.run(RUN, metric, 1))


OK = reply(answer("vector", vector("0.97")).body)


async def test_what_is_asked(http):
    async with serving({"/prom/api/v1/query": OK}) as server:
        config = metric(
            "result[0] > 0.95",
            address=f"{server.url}/prom/",
            timeout=7,
            headers=[{"key": "X-Scope-OrgID", "value": "team"}],
            authentication={"basicAuth": {"username": "u", "password": "p"}},
        )
        measurement = await measured(http, config)
        (seen,) = server.seen
    assert measurement.phase is Phase.SUCCESSFUL
    assert (measurement.value, measurement.started_at) == ("[0.97]", "2026-01-02T03:04:05Z")
    assert seen.method == "POST"
    form = {"query": ["up"], "timeout": ["7s"], "time": [f"{NOW:.3f}"]}
    assert parse_qs(seen.body.decode()) == form
    assert measurement.metadata == {
        "query": "up",
        "window": "2026-01-02T03:04:05Z",
        "reason": "result[0] > 0.95 is true: result = [0.97]",
    }
    assert seen.headers["x-scope-orgid"] == "team"
    assert seen.headers["authorization"] == "Basic dTpw"


async def test_a_server_that_takes_no_post_is_asked_by_get(http):
    def picky(seen):
        return OK if seen.method == "GET" else reply("no", "405 Method Not Allowed")

    async with serving({"/api/v1/query": picky}) as server:
        measurement = await measured(http, metric(address=server.url))
        assert server.seen[1].target == f"/api/v1/query?query=up&time={NOW:.3f}&timeout=30s"
    assert measurement.phase is Phase.SUCCESSFUL


async def test_a_range_is_computed_from_now(http):
    wanted = {"start": 'now() - duration("5m")', "end": "now()", "step": "1m"}
    body = answer("matrix", [{"values": [[1, "1"], [2, "2"]]}]).body
    async with serving({"/api/v1/query_range": reply(body)}) as server:
        measurement = await measured(http, metric(address=server.url, rangeQuery=wanted))
        form = parse_qs(server.seen[0].body.decode())
    assert measurement.value == "[1,2]"
    assert measurement.metadata["window"] == "2026-01-02T02:59:05Z/2026-01-02T03:04:05Z"
    assert float(form["end"][0]) - float(form["start"][0]) == 300
    assert (form["end"], form["step"]) == ([f"{NOW:.3f}"], ["60"])


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"start": "5", "end": "now()", "step": "1m"}, "rangeQuery.start must be a time, not int"),
        ({"start": "now()", "end": "foo", "step": "1m"}, "rangeQuery.end: unknown name foo"),
        ({"start": "now()", "end": "now()", "step": "soon"}, "rangeQuery.step: time: invalid"),
    ],
)
async def test_a_range_that_makes_no_sense_is_an_error(http, wanted, message):
    with pytest.raises(ProviderError, match=message):
        await measured(http, metric(address="http://127.0.0.1:1", rangeQuery=wanted))


async def test_a_huge_answer_is_an_error(http):
    small = HttpClient(policy=AddressPolicy(allow_loopback=True), max_body=100)
    async with serving(
        {"/api/v1/query": reply(b" " * 101 + answer("scalar", [1, "1"]).body)}
    ) as server:
        with pytest.raises(ProviderError, match="sent more than 100 bytes"):
            await measured(small, metric(address=server.url))
    await small.aclose()


# --- OAuth 2 ---

OAUTH = {"clientId": "me", "clientSecret": "s", "scopes": ["a", "b"]}


async def test_a_token_is_fetched_and_sent(http):
    answers = {"/token": reply('{"access_token": "abc"}'), "/api/v1/query": OK}
    async with serving(answers) as server:
        oauth2 = {**OAUTH, "tokenUrl": f"{server.url}/token"}
        config = metric(address=server.url, authentication={"oauth2": oauth2})
        assert (await measured(http, config)).phase is Phase.SUCCESSFUL
        token, query = server.seen
    assert token.headers["authorization"] == "Basic bWU6cw=="
    assert parse_qs(token.body.decode()) == {"grant_type": ["client_credentials"], "scope": ["a b"]}
    assert query.headers["authorization"] == "Bearer abc"


async def test_a_server_that_wants_the_client_in_the_form_gets_it(http):
    def picky(seen):
        form = parse_qs(seen.body.decode())
        found = form.get("client_secret") == ["s"] and "authorization" not in seen.headers
        return reply('{"access_token": "abc"}') if found else reply("no", "401 Unauthorized")

    async with serving({"/token": picky, "/api/v1/query": OK}) as server:
        oauth2 = {**OAUTH, "tokenUrl": f"{server.url}/token"}
        config = metric(address=server.url, authentication={"oauth2": oauth2})
        assert (await measured(http, config)).phase is Phase.SUCCESSFUL


@pytest.mark.parametrize("answered", [reply("no", "403 Forbidden"), reply("{}"), reply("<html>")])
async def test_no_token_means_no_query(http, answered):
    async with serving({"/token": answered, "/api/v1/query": OK}) as server:
        oauth2 = {**OAUTH, "tokenUrl": f"{server.url}/token"}
        config = metric(address=server.url, authentication={"oauth2": oauth2})
        with pytest.raises(ProviderError, match="token"):
            await measured(http, config)
        assert all(seen.target == "/token" for seen in server.seen)


async def test_without_an_aws_identity_signatures_are_refused_in_words(http):
    config = metric(
        address="https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws",
        authentication={"sigv4": {"region": "eu-west-1"}},
    )
    with pytest.raises(ProviderError, match="requests are not signed here"):
        await measured(http, config)
