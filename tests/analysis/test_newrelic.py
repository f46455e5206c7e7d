"""The New Relic provider: the account of a profile, the query, and its rows."""

import orjson
import pytest

from analysis.providers.newrelic import provider
from analysis.spec import Phase
from tests.analysis.apis import Client, FakeSecrets, failed, measured
from tests.analysis.servers import reply, serving

QUERY = "FROM Transaction SELECT count(*) WHERE httpResponseCode >= 500"
PROFILE = {"personal-api-key": "canary-key", "account-id": "4242"}
WHERE = {
    "us": "https://api.newrelic.com/graphql",
    "eu": "https://api.eu.newrelic.com/graphql",
    "staging": "https://staging-api.newrelic.com/graphql",
}


def rows(*found):
    account = {"nrql": {"results": found}}
    return reply(orjson.dumps({"data": {"actor": {"account": account}}}))


async def ask(answer, condition="result.count < 10", secret=None, http=None, **config):
    """The measurement, and the server after it."""
    async with serving({"/graphql": answer}) as server:
        http = http or Client()
        http.elsewhere = {f"{url}": f"{server.url}/graphql" for url in WHERE.values()}
        name = config.get("profile") or "newrelic"
        measurement = await measured(
            provider,
            {"newRelic": {"query": QUERY, **config}},
            secrets=FakeSecrets(controller={name: PROFILE | (secret or {})}),
            metric={"successCondition": condition},
            http=http,
        )
        return measurement, server


@pytest.mark.parametrize(
    ("answer", "condition", "phase", "value"),
    [
        (rows({"count": 3}), "result.count < 10", Phase.SUCCESSFUL, '{"count":3}'),
        (rows({"count": 30}), "result.count < 10", Phase.FAILED, '{"count":30}'),
        (
            rows({"percentile.duration": {"99": 0.4}}),
            'result["percentile.duration"]["99"] < 0.5',
            Phase.SUCCESSFUL,
            '{"percentile.duration":{"99":0.4}}',
        ),
        (
            rows({"facet": "a", "count": 3}, {"facet": "b", "count": 4}),
            "len(result) == 2 && all(result, .count < 10)",
            Phase.SUCCESSFUL,
            '[{"facet":"a","count":3},{"facet":"b","count":4}]',
        ),
        (rows({"average.x": None}), 'result["average.x"] == nil', Phase.SUCCESSFUL, None),
    ],
    ids=["one row", "fails", "nested", "several rows", "null"],
)
async def test_a_value(answer, condition, phase, value):
    measurement, _ = await ask(answer, condition)
    assert measurement.phase is phase
    assert value is None or measurement.value == value


async def test_no_rows_are_an_error():
    measurement, _ = await ask(rows(), "default(result, 0) == 0")
    assert failed(measurement) == "no results returned from NRQL query"


async def test_what_is_asked():
    measurement, server = await ask(rows({"count": 3}))
    (seen,) = server.seen
    body = orjson.loads(seen.body)
    assert seen.method == "POST"
    assert seen.headers["api-key"] == "canary-key"
    assert body["variables"] == {"account": 4242, "query": QUERY, "timeout": 5}
    for part in ("$account: Int!", "$query: Nrql!", "$timeout: Seconds", "results"):
        assert part in body["query"]
    assert QUERY not in body["query"]
    assert measurement.metadata["query"] == QUERY


@pytest.mark.parametrize(("seconds", "asked"), [(None, 5), (0, 5), (60, 60)])
async def test_how_long_a_query_may_take(seconds, asked):
    http = Client()
    config = {} if seconds is None else {"timeout": seconds}
    _, server = await ask(rows({"count": 3}), http=http, **config)
    assert orjson.loads(server.seen[0].body)["variables"]["timeout"] == asked
    assert http.timeouts == [asked + 5]


@pytest.mark.parametrize(
    ("secret", "url"),
    [
        ({}, WHERE["us"]),
        ({"region": "us"}, WHERE["us"]),
        ({"region": "EU"}, WHERE["eu"]),
        ({"region": "staging"}, WHERE["staging"]),
        ({"region": "eu", "base-url-nerdgraph": f"{WHERE['us']}/"}, WHERE["us"]),
    ],
)
async def test_where_the_account_is(secret, url):
    http = Client()
    measurement, _ = await ask(rows({"count": 3}), secret=secret, http=http)
    assert measurement.phase is Phase.SUCCESSFUL
    assert http.urls == [url]


@pytest.mark.parametrize(("profile", "name"), [({}, "newrelic"), ({"profile": "second"}, "second")])
async def test_a_profile_is_a_secret_beside_the_controller(profile, name):
    held = FakeSecrets(controller={})
    await measured(provider, {"newRelic": {"query": QUERY, **profile}}, secrets=held)
    assert held.asked == [("controller", name, "newrelic")]


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ({"personal-api-key": " "}, "no personal-api-key"),
        ({"account-id": ""}, "no account-id"),
        ({"account-id": "4242) { x }"}, "account-id of the newRelic profile is no number"),
        ({"region": "mars"}, "region of the newRelic profile must be one of us, eu, staging"),
        (
            {"base-url-nerdgraph": "canary"},
            "base-url-nerdgraph of the newRelic profile is not a URL",
        ),
    ],
)
async def test_a_profile_that_does_not_do(secret, message):
    measurement, server = await ask(rows({"count": 3}), secret=secret)
    assert message in failed(measurement)
    assert server.seen == []


async def test_a_timeout_that_makes_no_sense():
    measurement, server = await ask(rows({"count": 3}), timeout=-1)
    assert failed(measurement) == "newRelic timeout must not be negative"
    assert server.seen == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            reply('{"errors": [{"message": "NRQL Syntax Error", "extensions": {}}], "data": null}'),
            "New Relic could not evaluate the query: NRQL Syntax Error",
        ),
        (reply('{"data": {"actor": {"account": null}}}'), "without results"),
        (rows("x"), "results that are no rows"),
        (reply('{"errors": [{"message": "busy"}]}', "429 Too Many Requests"), "interval: busy"),
        (
            reply('{"errors": [{"message": "bad key"}]}', "401 Unauthorized"),
            "(status 401): bad key",
        ),
    ],
)
async def test_errors_of_the_api(answer, message):
    measurement, _ = await ask(answer)
    assert message in failed(measurement)
