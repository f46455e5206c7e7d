"""Threat: one metric that checks no certificates makes others careless, or reads their answers."""

import asyncio

import pytest

from analysis.providers.address import AddressPolicy
from analysis.providers.authentication import Sender
from analysis.providers.base import ProviderError
from analysis.providers.config import Authentication
from analysis.providers.http import HttpClient, Request
from tests.analysis.servers import reply, serving

LOOPBACK = AddressPolicy(allow_loopback=True)


async def outcome(http, url, *, insecure):
    try:
        return (await http.send(Request(url, insecure=insecure, timeout=5))).body
    except ProviderError as error:
        return str(error)


async def test_careless_and_careful_requests_side_by_side_stay_what_they_are(certificate):
    http = HttpClient(policy=LOOPBACK)
    async with serving({"/": reply("true")}, certificate=certificate) as server:
        url = f"https://localhost:{server.port}/"
        kinds = [number % 2 == 0 for number in range(20)]
        found = await asyncio.gather(*(outcome(http, url, insecure=kind) for kind in kinds))
        later = await outcome(http, url, insecure=False)
    await http.aclose()
    for careless, said in zip([*kinds, False], [*found, later], strict=True):
        assert said == b"true" if careless else "CERTIFICATE_VERIFY_FAILED" in said


async def test_a_connection_made_for_one_name_never_serves_another(monkeypatch, certificate):
    """Both names lead to one address, and only one of them is in the certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    async def here(host, port):
        return ["127.0.0.1"]

    http = HttpClient(policy=LOOPBACK, resolve=here)
    async with serving({"/": reply("true")}, certificate=certificate) as server:
        good, bad = (f"https://{host}:{server.port}/" for host in ("localhost", "other.example"))
        assert await outcome(http, good, insecure=False) == b"true"
        assert "CERTIFICATE_VERIFY_FAILED" in await outcome(http, bad, insecure=False)
        assert len(server.seen) == 1
    await http.aclose()


async def test_a_redirect_does_not_go_from_https_to_http(certificate):
    http = HttpClient(policy=LOOPBACK)
    async with serving({"/": reply("plain")}) as plain:
        answers = {"/": reply(status="302 Found", Location=f"{plain.url}/")}
        async with serving(answers, certificate=certificate) as server:
            said = await outcome(http, f"https://localhost:{server.port}/", insecure=True)
    await http.aclose()
    assert "redirects from https to http" in said
    assert plain.connections == 0


async def test_a_token_fetched_carelessly_is_not_used_by_careful_metrics(certificate):
    http = HttpClient(policy=LOOPBACK)
    sender = Sender(http, lambda: 0.0)
    tokens = {"/token": reply('{"access_token": "t", "expires_in": 600}')}
    async with (
        serving(tokens, certificate=certificate) as issuer,
        serving({"/m": reply("1")}) as server,
    ):
        url = f"https://localhost:{issuer.port}/token"
        oauth2 = {"tokenUrl": url, "clientId": "me", "clientSecret": "s"}
        who = Authentication.model_validate({"oauth2": oauth2})
        await sender.send("team", Request(f"{server.url}/m", insecure=True), who)
        with pytest.raises(ProviderError, match="CERTIFICATE_VERIFY_FAILED"):
            await sender.send("team", Request(f"{server.url}/m"), who)
        assert len(server.seen) == 1
    await http.aclose()
