"""Threat: credentials of a metric go to an address an attacker has chosen."""

import contextlib

import pytest

from analysis.providers.address import AddressPolicy, Mode, parse_places
from analysis.providers.authentication import Sender
from analysis.providers.base import ProviderError, Queried, RunRef
from analysis.providers.config import Authentication
from analysis.providers.http import HttpClient, Request
from analysis.providers.prometheus import PrometheusSource
from analysis.spec import Metric, Phase
from tests.analysis.servers import reply, serving

RUN = RunRef("team", "run", "uid")
TOKEN = reply('{"access_token": "canary-token", "expires_in": 600}')


def client(policy=None, **names):
    async def resolve(host, port):
        return [names.get(host.partition(".")[0], host)]

    return HttpClient(policy=policy or AddressPolicy(allow_loopback=True), resolve=resolve)


def who(token_url, **fields):
    oauth2 = {
        "tokenUrl": token_url,
        "clientId": "me",
        "clientSecret": "canary-secret",
        **fields,
    }
    return Authentication.model_validate({"oauth2": oauth2})


LISTED = AddressPolicy(
    mode=Mode.ALLOW_LIST, allowed=parse_places(["127.0.0.1"])[0], hosts=frozenset({"good.example"})
)


async def test_a_token_url_outside_of_the_list_is_sent_nothing():
    http = client(LISTED, evil="127.0.0.2")
    async with (
        serving({"/token": TOKEN}, host="127.0.0.2") as evil,
        serving({"/m": reply("1")}) as server,
    ):
        with pytest.raises(ProviderError, match="refused"):
            await Sender(http, lambda: 0.0).send(
                "team", Request(f"{server.url}/m"), who(f"http://evil.example:{evil.port}/token")
            )
        assert evil.connections == server.connections == 0
    await http.aclose()


@pytest.mark.parametrize("address", ["169.254.169.254", "metadata"])
async def test_a_token_url_at_a_metadata_service_is_sent_nothing(address):
    http = client(metadata="169.254.169.254")
    async with serving({"/m": reply("1")}) as server:
        with pytest.raises(ProviderError, match="metadata address"):
            await Sender(http, lambda: 0.0).send(
                "team", Request(f"{server.url}/m"), who(f"http://{address}/token")
            )
        assert server.connections == 0
    await http.aclose()


@pytest.mark.parametrize("status", ["302 Found", "307 Again"])
async def test_a_token_server_cannot_pass_the_client_s_secret_on(status):
    http = client()
    async with serving({"/steal": TOKEN}) as evil:
        answers = {"/token": reply(status=status, Location=f"{evil.url}/steal"), "/m": reply("1")}
        async with serving(answers) as server:
            with contextlib.suppress(ProviderError):
                await Sender(http, lambda: 0.0).send(
                    "team", Request(f"{server.url}/m"), who(f"{server.url}/token")
                )
            assert "canary-secret" not in str(server.seen[1:])
        assert "canary-secret" not in str(evil.seen)
        assert all("authorization" not in seen.headers for seen in evil.seen)
    await http.aclose()


async def test_a_metric_server_cannot_pass_the_token_on():
    http = client()
    async with serving({"/steal": reply("1")}) as evil:
        answers = {"/token": TOKEN, "/m": reply(status="302 Found", Location=f"{evil.url}/steal")}
        async with serving(answers) as server:
            await Sender(http, lambda: 0.0).send(
                "team", Request(f"{server.url}/m"), who(f"{server.url}/token")
            )
        assert "canary" not in str(evil.seen)
    await http.aclose()


async def test_the_secret_goes_to_the_token_server_and_the_token_to_the_metric_server_only():
    http = client()
    async with serving({"/token": TOKEN}) as issuer, serving({"/m": reply("1")}) as server:
        await Sender(http, lambda: 0.0).send(
            "team", Request(f"{server.url}/m"), who(f"{issuer.url}/token")
        )
        assert "canary-secret" not in str(server.seen)
        assert server.seen[0].headers["authorization"] == "Bearer canary-token"
    await http.aclose()


@pytest.mark.parametrize(
    "answer",
    [
        reply('{"error": "invalid_client", "secret": "canary-secret"}', "403 Forbidden"),
        reply('{"token": "canary-secret"}'),
        reply("canary-secret"),
    ],
)
async def test_a_refusal_does_not_repeat_what_the_token_server_said(answer):
    http = client()
    async with serving({"/token": answer}) as server:
        config = {
            "address": f"http://u:canary-password@127.0.0.1:{server.port}",
            "query": "up",
            "authentication": who(f"{server.url}/token").to_obj(),
        }
        metric = Metric.model_validate({"name": "m", "provider": {"prometheus": config}})
        source = PrometheusSource(Sender(http, lambda: 0.0), lambda: 0.0)
        measurement = await Queried(source, lambda: 0.0).run(RUN, metric, 1)
    await http.aclose()
    assert measurement.phase is Phase.ERROR
    assert "canary" not in str(measurement)
