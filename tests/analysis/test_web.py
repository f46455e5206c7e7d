"""The web provider: what is requested, and which part of the answer is the result."""

import ssl

import pytest

from analysis.providers.address import AddressPolicy
from analysis.providers.authentication import Sender
from analysis.providers.base import ProviderError, Queried, RunRef
from analysis.providers.http import HttpClient
from analysis.providers.web import WebSource, first_match, read_answer
from analysis.spec import Metric, Phase
from tests.analysis.servers import answered, reply, serving

RUN = RunRef("default", "run", "uid")
DOCUMENT = {"data": {"ok": True, "items": [{"n": 1}, {"n": 2}], "a-b": 3}, "none": None}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", DOCUMENT),
        ("{$}", DOCUMENT),
        ("{$.data.ok}", True),
        ("{.data.ok}", True),
        ("$.data.ok", True),
        ("data.ok", True),
        ("{$.data.items[1].n}", 2),
        ("{$.data.items[-1].n}", 2),
        ("{$.data.items[*].n}", 1),
        ("{$..n}", 1),
        ("{$.data['a-b']}", 3),
        ("{$.data.items[?(@.n == 2)].n}", 2),
        ("{$.none}", None),
        ("{$.data.items}", [{"n": 1}, {"n": 2}]),
    ],
)
def test_paths(path, expected):
    assert first_match(DOCUMENT, path) == expected


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("{$.missing}", "Could not find JSONPath in body: {$.missing}"),
        ("{$.data[}", "jsonPath"),
        ("{$.data.items[?(@.n =~ /(a+)+$/)]}", "=~ is not supported"),
        ("{$.data.items[?match(@.n, 'a')]}", "jsonPath"),
        ("$" + ".a" * 1000, "more than 1024"),
    ],
)
def test_bad_paths_are_errors(path, message):
    with pytest.raises(ProviderError) as error:
        first_match(DOCUMENT, path)
    assert message in str(error.value)


def test_an_answer_that_is_not_json_is_its_own_text():
    got = read_answer(b"all good\n", "{$.ignored}")
    assert (got.result, got.value) == ("all good\n", '"all good\\n"')


def test_the_value_is_json():
    assert read_answer(b'{"a": [1, "x", null]}', "{$.a}").value == '[1,"x",null]'


def test_json_nested_a_million_times_is_only_text():
    assert read_answer(b"[" * 1_000_000, "").value.startswith('"[[[')


@pytest.fixture
async def http():
    client = HttpClient(policy=AddressPolicy(allow_loopback=True))
    yield client
    await client.aclose()


async def measured(http, condition="", **web):
    config = {"name": "m", "provider": {"web": web}, "successCondition": condition}
    provider = Queried(WebSource(Sender(http, lambda: 0.0)), lambda: 0.0)
    return answered(await provider.run(RUN, Metric.model_validate(config), 1))


async def test_a_request_with_json(http):
    async with serving({"/check": reply('{"data": {"ok": true}}')}) as server:
        measurement = await measured(
            http,
            "result",
            url=f"{server.url}/check",
            method="POST",
            headers=[{"key": "Authorization", "value": "Bearer x"}],
            jsonBody={"window": [1, None]},
            jsonPath="{$.data.ok}",
        )
        (seen,) = server.seen
    assert (measurement.phase, measurement.value) == (Phase.SUCCESSFUL, "true")
    assert (seen.method, seen.body) == ("POST", b'{"window":[1,null]}')
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["authorization"] == "Bearer x"


@pytest.mark.parametrize(
    ("web", "message"),
    [
        ({"method": "DELETE"}, "web method 'DELETE' must be one of GET, POST, PUT"),
        ({"method": "POST", "body": "x", "jsonBody": 1}, "either body or jsonBody"),
        ({"body": "x"}, "can only be used with POST or PUT"),
        ({"timeoutSeconds": -1}, "timeoutSeconds must not be negative"),
        ({"url": "nowhere"}, "invalid URL"),
    ],
)
async def test_a_request_that_makes_no_sense_is_an_error(http, web, message):
    with pytest.raises(ProviderError, match=message):
        await measured(http, **{"url": "http://127.0.0.1:1/", **web})


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "304 Not Modified"])
async def test_any_status_but_2xx_is_an_error(http, status):
    async with serving({"/": reply("true", status)}) as server:
        with pytest.raises(ProviderError, match=f"received non 2xx response code: {status[:3]}"):
            await measured(http, "result == true", url=f"{server.url}/")


async def test_a_large_document_is_read_without_holding_up_the_loop(http):
    body = '{"items": [' + ",".join(f'{{"n": {i}}}' for i in range(20_000)) + "]}"
    async with serving({"/": reply(body)}) as server:
        measurement = await measured(
            http, "result == 19999", url=f"{server.url}/", jsonPath="{$.items[-1].n}"
        )
    assert measurement.phase is Phase.SUCCESSFUL


async def test_a_certificate_nobody_signed_is_refused_unless_this_metric_says_otherwise(
    http, certificate
):
    async with serving({"/": reply("true")}, certificate=certificate) as server:
        url = f"https://localhost:{server.port}/"
        assert (await measured(http, "result", url=url, insecure=True)).phase is Phase.SUCCESSFUL
        with pytest.raises(ProviderError, match="CERTIFICATE_VERIFY_FAILED"):
            await measured(http, "result", url=url)
        assert len(server.seen) == 1


async def test_a_trusted_certificate_is_checked_against_the_name_not_the_address(
    monkeypatch, certificate
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    async def here(host, port):
        return ["127.0.0.1"]

    http = HttpClient(policy=AddressPolicy(allow_loopback=True), resolve=here)
    async with serving({"/": reply("true")}, certificate=certificate) as server:
        good = await measured(http, "result", url=f"https://localhost:{server.port}/")
        assert good.phase is Phase.SUCCESSFUL
        with pytest.raises(ProviderError, match="CERTIFICATE_VERIFY_FAILED"):
            await measured(http, "result", url=f"https://other.example:{server.port}/")
    await http.aclose()


async def test_certificates_are_checked_unless_this_metric_says_otherwise(http):
    client = http._client(insecure=False)
    careless = http._client(insecure=True)
    assert client is not careless
    pools = [c._transport._pool._ssl_context for c in (client, careless)]
    assert [context.verify_mode for context in pools] == [ssl.CERT_REQUIRED, ssl.CERT_NONE]
    assert [context.check_hostname for context in pools] == [True, False]
