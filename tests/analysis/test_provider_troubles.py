"""What every provider over HTTP has in common: servers in trouble, and credentials that stay put."""

from dataclasses import dataclass, field

import pytest

from analysis.providers import (
    datadog,
    graphite,
    influxdb,
    kayenta,
    newrelic,
    skywalking,
    wavefront,
)
from analysis.spec import Phase
from tests.analysis.apis import (
    GARBAGE,
    TROUBLES,
    Client,
    FakeSecrets,
    everything,
    failed,
    impatient,
    measured,
    silent,
)
from tests.analysis.servers import reply, serving

KAYENTA = {
    "application": "shop",
    "canaryConfigName": "golden",
    "metricsAccountName": "metrics",
    "configurationAccountName": "configs",
    "storageAccountName": "store",
    "threshold": {"pass": 90, "marginal": 75},
    "scopes": [{"name": "default"}],
}


@dataclass(frozen=True)
class Api:
    """``AT`` stands for the server's address, in the configuration and in the Secret."""

    make: object
    path: str
    config: dict
    secret: dict = field(default_factory=dict)
    who: str = ""

    def put(self, value, url):
        if isinstance(value, dict):
            return {key: self.put(one, url) for key, one in value.items()}
        return value.replace("AT", url) if isinstance(value, str) else value


KEYS = {"api-key": "canary-api-key", "app-key": "canary-app-key", "address": "AT"}
NEW_RELIC = {"personal-api-key": "canary-key", "account-id": "4242", "base-url-nerdgraph": "AT/g"}
INFLUX = {"address": "AT", "authToken": "canary-token", "org": "shop"}
APIS = {
    "datadog v1": Api(
        datadog.provider,
        "/api/v1/query",
        {"datadog": {"query": "q"}},
        {"datadog": KEYS},
        "Datadog",
    ),
    "datadog v2": Api(
        datadog.provider,
        "/api/v2/query/scalar",
        {"datadog": {"query": "q", "apiVersion": "v2"}},
        {"datadog": KEYS},
        "Datadog",
    ),
    "graphite": Api(
        graphite.provider, "/render", {"graphite": {"address": "AT", "query": "q"}}, {}, "Graphite"
    ),
    "influxdb": Api(
        influxdb.provider,
        "/api/v2/query",
        {"influxdb": {"query": "q"}},
        {"influxdb": INFLUX},
        "InfluxDB",
    ),
    "kayenta": Api(
        kayenta.provider,
        "/canaryConfig",
        {"kayenta": {"address": "AT", **KAYENTA}},
        {},
        "Kayenta",
    ),
    "newRelic": Api(
        newrelic.provider,
        "/g",
        {"newRelic": {"query": "q"}},
        {"newrelic": NEW_RELIC},
        "New Relic",
    ),
    "skywalking": Api(
        skywalking.provider,
        "/graphql",
        {"skywalking": {"address": "AT", "query": "q", "interval": "5m"}},
        {},
        "SkyWalking",
    ),
    "wavefront": Api(
        wavefront.provider,
        "/api/v2/chart/api",
        {"wavefront": {"address": "shop.wavefront.com", "query": "q"}},
        {"wavefront-api-tokens": {"shop.wavefront.com": "canary-token"}},
        "Wavefront",
    ),
}
EVERY = pytest.mark.parametrize("api", APIS.values(), ids=APIS)
WITH_CREDENTIALS = pytest.mark.parametrize(
    "api",
    [api for api in APIS.values() if api.secret],
    ids=[n for n, a in APIS.items() if a.secret],
)


async def ask(api, answer, patient=True):
    """The measurement, and the server after it."""
    async with serving({api.path: answer}) as server:
        http = Client() if patient else impatient()
        http.elsewhere = {"https://shop.wavefront.com": server.url}
        measurement = await measured(
            api.make,
            api.put(api.config, server.url),
            secrets=FakeSecrets(controller=api.put(api.secret, server.url)),
            http=http,
        )
        return measurement, server


@EVERY
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_server_in_trouble(api, trouble):
    answer, message = TROUBLES[trouble]
    measurement, _ = await ask(api, answer)
    assert message in failed(measurement)
    if trouble != "huge":
        assert failed(measurement).startswith(api.who)


@EVERY
async def test_a_server_that_never_answers(api):
    measurement, _ = await ask(api, silent, patient=False)
    assert "did not answer within" in failed(measurement)


@EVERY
@pytest.mark.parametrize("garbage", GARBAGE)
async def test_what_is_no_answer_of_the_api_is_an_error(api, garbage):
    """But for what an API says when it has no data."""
    measurement, _ = await ask(api, GARBAGE[garbage])
    assert measurement.phase is Phase.ERROR
    assert measurement.message


@WITH_CREDENTIALS
async def test_a_server_that_repeats_what_it_was_told_gets_no_secret_into_the_measurement(api):
    def echo(seen):
        return reply(f"heard {seen.target} {seen.headers} {seen.body}", "400 Bad Request")

    measurement, server = await ask(api, echo)
    assert "canary" in str(server.seen)
    assert "*****" in failed(measurement)
    assert "canary" not in everything(measurement)


@WITH_CREDENTIALS
@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect", "308 Permanent"])
async def test_credentials_do_not_follow_a_redirect_to_another_host(api, status):
    async with serving({"/steal": reply("{}")}) as evil:
        measurement, server = await ask(api, reply(status=status, Location=f"{evil.url}/steal"))
        assert "canary" not in str(evil.seen)
    assert "canary" in str(server.seen)
    assert "canary" not in everything(measurement)


@WITH_CREDENTIALS
async def test_without_its_secret_nothing_is_sent(api):
    http = Client()
    measurement = await measured(api.make, api.put(api.config, "http://127.0.0.1:1"), http=http)
    assert "not found" in failed(measurement)
    assert http.urls == []
