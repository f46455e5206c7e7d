"""OAuth 2 tokens: kept as long as they are good, for those they were given to, and nobody else."""

import asyncio
from dataclasses import replace

import pytest

from analysis.providers.address import AddressPolicy
from analysis.providers.authentication import Sender
from analysis.providers.base import ProviderError
from analysis.providers.config import Authentication
from analysis.providers.http import HttpClient, Request
from tests.analysis.servers import reply, serving


class Time:
    now = 1000.0

    def __call__(self):
        return self.now


class Issuer:
    """Gives out a new token each time it is asked; ``good`` are those the metric server takes."""

    def __init__(self, **extra):
        self.issued = 0
        self.extra = extra
        self.revoked = set()

    def token(self, _):
        self.issued += 1
        more = "".join(f', "{key}": {value}' for key, value in self.extra.items())
        return reply(f'{{"access_token": "token-{self.issued}"{more}}}')

    def metric(self, seen):
        bearer = seen.headers.get("authorization", "")
        if bearer.removeprefix("Bearer ") in self.revoked:
            return reply("no", "401 Unauthorized")
        return reply(f'"{bearer}"')

    @property
    def answers(self):
        return {"/token": self.token, "/m": self.metric}


@pytest.fixture
async def http():
    client = HttpClient(policy=AddressPolicy(allow_loopback=True))
    yield client
    await client.aclose()


def who(server, **fields):
    oauth2 = {"tokenUrl": f"{server.url}/token", "clientId": "me", "clientSecret": "s", **fields}
    return Authentication.model_validate({"oauth2": oauth2})


async def test_a_token_is_fetched_once_and_again_before_it_ends(http):
    issuer, time = Issuer(expires_in=600), Time()
    sender = Sender(http, time)
    async with serving(issuer.answers) as server:
        request = Request(f"{server.url}/m")
        for moment, issued in ((1000, 1), (1569, 1), (1571, 2), (1700, 2)):
            time.now = moment
            await sender.send("team", request, who(server))
            assert issuer.issued == issued, moment


@pytest.mark.parametrize(
    ("extra", "after", "issued"),
    [
        ({}, 200, 1),
        ({}, 301, 2),
        ({"expires_in": '"3600"'}, 3000, 1),
        ({"expires_in": '"soon"'}, 301, 2),
        ({"expires_in": 0}, 0, 2),
        ({"expires_in": -5}, 0, 2),
        ({"expires_in": 1e9}, 90_000, 2),
        ({"expires_in": 20}, 14, 1),
        ({"expires_in": 20}, 16, 2),
    ],
)
async def test_how_long_a_token_is_trusted(http, extra, after, issued):
    issuer, time = Issuer(**extra), Time()
    sender = Sender(http, time)
    async with serving(issuer.answers) as server:
        request = Request(f"{server.url}/m")
        await sender.send("team", request, who(server))
        time.now += after
        await sender.send("team", request, who(server))
    assert issuer.issued == issued


async def test_a_refused_token_is_fetched_anew_once(http):
    issuer = Issuer(expires_in=600)
    sender = Sender(http, Time())
    async with serving(issuer.answers) as server:
        request = Request(f"{server.url}/m")
        await sender.send("team", request, who(server))
        issuer.revoked = {"token-1"}
        assert (await sender.send("team", request, who(server))).status == 200
        assert issuer.issued == 2
        issuer.revoked = {"token-2", "token-3"}
        assert (await sender.send("team", request, who(server))).status == 401
        assert issuer.issued == 3


async def test_a_fresh_token_that_is_refused_is_not_fetched_again(http):
    issuer = Issuer(expires_in=600)
    issuer.revoked = {"token-1"}
    async with serving(issuer.answers) as server:
        response = await Sender(http, Time()).send("team", Request(f"{server.url}/m"), who(server))
    assert (response.status, issuer.issued) == (401, 1)


async def test_nobody_else_gets_a_token(http):
    issuer = Issuer(expires_in=600)
    sender = Sender(http, Time())
    async with serving(issuer.answers) as server:
        plain = Request(f"{server.url}/m")
        clients = [
            ("team", plain, who(server)),
            ("other", plain, who(server)),
            ("team", plain, who(server, clientId="you")),
            ("team", plain, who(server, clientSecret="t")),
            ("team", plain, who(server, scopes=["a"])),
            ("team", plain, who(server, scopes=["a", "b"])),
            ("team", plain, who(server, tokenUrl=f"{server.url}/token?tenant=b")),
            ("team", replace(plain, insecure=True), who(server)),
        ]
        for _ in range(2):
            for client in clients:
                await sender.send(*client)
        bearers = [s.headers["authorization"] for s in server.seen if s.target == "/m"]
    assert issuer.issued == len(clients) == len(set(bearers))


async def test_those_who_need_the_same_token_at_once_ask_for_it_once(http):
    issuer = Issuer(expires_in=600)
    sender = Sender(http, Time())
    async with serving(issuer.answers) as server:
        request = Request(f"{server.url}/m")
        await asyncio.gather(*(sender.send("team", request, who(server)) for _ in range(20)))
    assert issuer.issued == 1


async def test_a_server_that_echoes_the_token_does_not_get_it_into_a_status(http):
    issuer = Issuer(expires_in=600)
    async with serving(issuer.answers) as server:
        response = await Sender(http, Time()).send("team", Request(f"{server.url}/m"), who(server))
    assert response.body == b'"Bearer *****"'


async def test_a_token_nobody_gives_is_asked_for_again_next_time(http):
    answers = {"/token": reply("no", "503 Busy"), "/m": reply("1")}
    sender = Sender(http, Time())
    async with serving(answers) as server:
        request = Request(f"{server.url}/m")
        for _ in range(2):
            with pytest.raises(ProviderError, match="refused a token: status 503"):
                await sender.send("team", request, who(server))
        assert [seen.target for seen in server.seen] == ["/token", "/token"]


async def test_a_sender_does_not_show_what_it_keeps(http):
    issuer = Issuer(expires_in=600)
    sender = Sender(http, Time())
    async with serving(issuer.answers) as server:
        await sender.send("team", Request(f"{server.url}/m"), who(server, clientSecret="hush"))
    assert "token-1" not in repr(vars(sender))
    assert "hush" not in repr(vars(sender))
