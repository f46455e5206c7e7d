"""The Datadog provider: both versions of the API, its answers, its refusals, and who may ask."""

from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from analysis.providers.datadog import provider
from analysis.spec import Phase
from tests.analysis.apis import (
    NOW,
    Client,
    FakeSecrets,
    everything,
    failed,
    measured,
)
from tests.analysis.servers import reply, serving

V1, V2 = "/api/v1/query", "/api/v2/query/scalar"
KEYS = {"api-key": "canary-api-key", "app-key": "canary-app-key"}
QUERY = "sum:requests.error.rate{service:shop}"


def secrets(server, **more):
    return FakeSecrets(controller={"datadog": {**KEYS, "address": server.url, **more}})


async def ask(answers, condition="result < 0.1", **config):
    """The measurement, and the server after it."""
    async with serving(answers) as server:
        measurement = await measured(
            provider,
            {"datadog": {"query": QUERY, **config}},
            secrets=secrets(server),
            metric={"successCondition": condition},
        )
        return measurement, server


def series(*lists):
    found = [{"pointlist": points, "scope": "*"} for points in lists]
    return reply(orjson.dumps({"status": "ok", "res_type": "time_series", "series": found}))


def number(*values, name="query"):
    return {"name": name, "type": "number", "meta": {"unit": [None, None]}, "values": [*values]}


def group(name, *values):
    return {"name": name, "type": "group", "values": [[value] for value in values]}


def scalar(*columns):
    data = {"type": "scalar_response", "attributes": {"columns": columns}}
    return reply(orjson.dumps({"data": data}))


# --- version 1 ---


@pytest.mark.parametrize(
    ("answer", "value", "phase"),
    [
        (series([[1, 0.5], [2, 0.01]]), "0.01", Phase.SUCCESSFUL),
        (series([[1, 0.01], [2, 3]]), "3", Phase.FAILED),
        (series([[1, 0.02]], [[1, 9.0]]), "0.02", Phase.SUCCESSFUL),
        (series([[1, 1e-7]]), "0.0000001", Phase.SUCCESSFUL),
    ],
    ids=["the last point", "fails", "of the first series", "a small number"],
)
async def test_a_value_of_version_1(answer, value, phase):
    measurement, _ = await ask({V1: answer})
    assert (measurement.value, measurement.phase) == (value, phase)


@pytest.mark.parametrize(
    ("path", "answer", "config"),
    [
        (V1, series(), {}),
        (V1, series([]), {}),
        (V1, series([[1, 0.5], [2, None]]), {}),
        (V1, reply('{"status": "ok"}'), {}),
        (V2, scalar(), {"apiVersion": "v2"}),
        (V2, scalar(number()), {"apiVersion": "v2"}),
        (V2, scalar(number(None)), {"apiVersion": "v2"}),
        (V2, scalar(group("env"), number()), {"apiVersion": "v2"}),
    ],
    ids=[
        "no series",
        "no points",
        "null",
        "nothing said",
        "no columns",
        "no values",
        "null in v2",
        "no groups",
    ],
)
async def test_no_data_is_nothing_and_conditions_can_say_what_that_means(path, answer, config):
    unguarded, _ = await ask({path: answer}, **config)
    assert (unguarded.phase, unguarded.value) == (Phase.ERROR, "[]")
    assert "no data returned" in unguarded.message
    guarded, _ = await ask({path: answer}, "default(result, 0) < 0.1", **config)
    assert (guarded.phase, guarded.value) == (Phase.SUCCESSFUL, "[]")


async def test_what_version_1_is_asked():
    measurement, server = await ask({V1: series([[1, 0.5]])}, interval="10m")
    (seen,) = server.seen
    assert seen.method == "GET"
    query = parse_qs(urlsplit(seen.target).query)
    assert query == {"from": [f"{NOW - 600:.0f}"], "to": [f"{NOW:.0f}"], "query": [QUERY]}
    assert seen.headers["dd-api-key"] == "canary-api-key"
    assert seen.headers["dd-application-key"] == "canary-app-key"
    assert measurement.metadata["query"] == QUERY
    assert measurement.metadata["window"] == "2026-01-02T02:54:05Z/2026-01-02T03:04:05Z"


# --- version 2 ---


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (scalar(number(0.02)), "0.02"),
        (scalar(group("env", "a"), number(0.5)), "[0.5]"),
        (scalar(group("env", "a", "b", "c"), number(1, None, 0.25)), "[1,null,0.25]"),
    ],
    ids=["one", "one group", "several groups"],
)
async def test_a_value_of_version_2(answer, value):
    measurement, _ = await ask({V2: answer}, "isNil(result) == false", apiVersion="v2")
    assert (measurement.value, measurement.phase) == (value, Phase.SUCCESSFUL)


async def test_groups_are_told_with_their_values():
    answer = scalar(group("env", "prod", "test"), group("host", "a", "b"), number(0.5, None))
    measurement, _ = await ask({V2: answer}, "len(result) == 2", apiVersion="v2")
    groups = orjson.loads(measurement.metadata["groups"])
    assert groups == {"env:prod,host:a": 0.5, "env:test,host:b": None}
    assert "groups_truncated" not in measurement.metadata


async def test_of_very_many_groups_the_lowest_and_the_highest_are_told():
    values = [float((i * 37) % 101) for i in range(101)]
    answer = scalar(group("h", *(f"{value:.0f}" for value in values)), number(*values))
    measurement, _ = await ask({V2: answer}, "len(result) == 101", apiVersion="v2")
    assert measurement.phase is Phase.SUCCESSFUL
    groups = orjson.loads(measurement.metadata["groups"])
    assert sorted(groups.values()) == [float(n) for n in range(101) if n != 50]
    assert measurement.metadata["groups_truncated"] == "true"


@pytest.mark.parametrize(
    ("config", "queries", "formula"),
    [
        ({}, [("query", QUERY, "last")], "query"),
        ({"aggregator": "sum"}, [("query", QUERY, "sum")], "query"),
        ({"query": "", "queries": {"a": "x"}}, [("a", "x", "last")], "a"),
        (
            {"query": "", "queries": {"a": "x", "b": "y"}, "formula": "a / b"},
            [("a", "x", "last"), ("b", "y", "last")],
            "a / b",
        ),
    ],
    ids=["a query", "an aggregator", "a named query", "a formula"],
)
async def test_what_version_2_is_asked(config, queries, formula):
    _, server = await ask({V2: scalar(number(0.5))}, apiVersion="v2", **config)
    (seen,) = server.seen
    data = orjson.loads(seen.body)["data"]
    asked = data["attributes"]
    assert (seen.method, data["type"]) == ("POST", "scalar_request")
    assert (asked["from"], asked["to"]) == ((NOW - 300) * 1000, NOW * 1000)
    assert [(q["name"], q["query"], q["aggregator"]) for q in asked["queries"]] == queries
    assert {q["data_source"] for q in asked["queries"]} == {"metrics"}
    assert asked["formulas"] == [{"formula": formula}]
    assert seen.headers["dd-api-key"] == "canary-api-key"


# --- who asks ---

ENVIRON = {"DD_API_KEY": "of-environ", "DD_APP_KEY": "of-environ-too"}


@pytest.mark.parametrize(
    ("ref", "environ", "expected"),
    [
        (None, {}, ("controller", "datadog", "datadog")),
        ({"name": "mine"}, {}, ("controller", "mine", "datadog")),
        ({"name": "mine", "namespaced": True}, {}, ("run", "mine")),
        ({"name": "mine"}, {**ENVIRON, "DD_ADDRESS": "http://127.0.0.1:1"}, ("controller", "mine")),
        (None, ENVIRON, ("controller", "datadog", "datadog")),
    ],
    ids=[
        "usual",
        "named",
        "beside the run",
        "named before environment",
        "half an environment is none",
    ],
)
async def test_which_secret_is_read(ref, environ, expected):
    async with serving({V1: series([[1, 0.5]])}) as server:
        keys = {**KEYS, "address": server.url}
        held = FakeSecrets({"mine": keys}, {"mine": keys, "datadog": keys})
        config = {"query": QUERY, **({"secretRef": ref} if ref else {})}
        await measured(provider, {"datadog": config}, secrets=held, environ=environ)
        assert server.seen[0].headers["dd-api-key"] == "canary-api-key"
    assert held.asked[0][: len(expected)] == expected


async def test_the_environment_comes_before_the_usual_secret():
    async with serving({V1: series([[1, 0.5]])}) as server:
        held = secrets(server)
        environ = {**ENVIRON, "DD_ADDRESS": server.url}
        await measured(provider, {"datadog": {"query": QUERY}}, secrets=held, environ=environ)
        assert server.seen[0].headers["dd-api-key"] == "of-environ"
    assert held.asked == []


async def test_keys_of_the_environment_do_not_show_either():
    def echo(seen):
        return reply(str(seen.headers), "403 Forbidden")

    async with serving({V1: echo}) as server:
        environ = {**ENVIRON, "DD_ADDRESS": server.url}
        measurement = await measured(provider, {"datadog": {"query": QUERY}}, environ=environ)
    assert "'dd-api-key': '*****'" in failed(measurement)
    assert "of-environ" not in everything(measurement)


async def test_without_an_address_datadog_s_own_is_asked():
    async with serving({V1: series([[1, 0.5]])}) as server:
        http = Client({"https://api.datadoghq.com": server.url})
        held = FakeSecrets(controller={"datadog": KEYS})
        measurement = await measured(
            provider, {"datadog": {"query": QUERY}}, secrets=held, http=http
        )
    assert measurement.value == "0.5"
    assert http.urls[0].startswith("https://api.datadoghq.com/api/v1/query?")


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({}, "failed to find the credentials for datadog metrics provider: secret 'datadog'"),
        ({"datadog": {}}, "API or App token not found: api-key, app-key is missing"),
        ({"datadog": {"api-key": "canary"}}, "API or App token not found: app-key is missing"),
        ({"datadog": {**KEYS, "address": "datadog"}}, "beside its keys is not a URL"),
    ],
    ids=["no secret", "no keys", "half", "no url"],
)
async def test_without_credentials_nothing_is_sent(held, message):
    http = Client()
    measurement = await measured(
        provider, {"datadog": {"query": QUERY}}, secrets=FakeSecrets(controller=held), http=http
    )
    assert message in failed(measurement)
    assert http.urls == []


# --- trouble ---


@pytest.mark.parametrize(
    ("path", "answer", "message"),
    [
        (
            V1,
            reply('{"errors": ["Error parsing query: x"]}', "400 Bad Request"),
            "Datadog refused the query (status 400): Error parsing query: x",
        ),
        (V1, reply('{"status": "error", "error": "no such metric"}'), "query: no such metric"),
        (V1, reply('{"series": [{"pointlist": [[1, "x"]]}]}'), "a series without points"),
        (V1, reply("{}"), "Datadog sent an answer without series"),
        (V1, reply('{"series": [[]]}'), "a series without points"),
        (
            V1,
            reply('{"errors": ["Rate limit"]}', "429 Too Many", X_RateLimit_Reset="17"),
            "(status 429), and asks to wait 17 s; use a longer interval: Rate limit",
        ),
        (V1, reply('{"errors": ["Forbidden"]}', "403 Forbidden"), "(status 403): Forbidden"),
        (V2, reply('{"errors": ["bad formula"]}', "400 Bad"), "(status 400): bad formula"),
        (V2, reply('{"errors": "timed out"}'), "query: timed out"),
        (V2, reply("{}"), "no columns of numbers"),
        (V2, scalar(number("x")), "no columns of numbers"),
        (V2, scalar(group("env", "a"), number(1, 2)), "no columns of numbers"),
    ],
)
async def test_errors_of_the_api(path, answer, message):
    version = "v1" if path == V1 else "v2"
    measurement, _ = await ask({path: answer}, apiVersion=version)
    assert message in failed(measurement)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"interval": "soon"}, "datadog interval: time: invalid duration"),
        ({"requestTimeout": "0s"}, "datadog requestTimeout must be longer than nothing"),
    ],
)
async def test_times_that_make_no_sense(config, message):
    measurement, server = await ask({}, **config)
    assert message in failed(measurement)
    assert server.seen == []


async def test_the_metric_says_how_long_to_wait():
    async with serving({V1: series([[1, 0.5]])}) as server:
        http = Client()
        config = {"query": QUERY, "requestTimeout": "42s"}
        await measured(provider, {"datadog": config}, secrets=secrets(server), http=http)
    assert http.timeouts == [42]
