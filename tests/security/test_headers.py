"""Threat: something of the controller's own goes out with a metric's request, or to another host."""

import base64

import pytest

from analysis.providers.address import AddressPolicy
from analysis.providers.base import ProviderError
from analysis.providers.http import HttpClient, Request
from tests.analysis.servers import reply, serving

USUAL = {"host", "user-agent", "accept", "accept-encoding", "connection"}


@pytest.fixture
async def http():
    client = HttpClient(policy=AddressPolicy(allow_loopback=True))
    yield client
    await client.aclose()


@pytest.fixture
def around(tmp_path, monkeypatch):
    """Everything a process may have lying around that clients like to send along."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login controller password canary-password\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://controller:canary-password@127.0.0.1:1")


async def test_nothing_goes_out_but_what_the_metric_says(http, around):
    async with serving({"/a": reply("1", Set_Cookie="session=canary; Path=/")}) as server:
        for _ in range(2):
            await http.send(Request(f"{server.url}/a"))
        for seen in server.seen:
            assert set(seen.headers) <= USUAL
            assert "canary" not in str(seen)
            assert seen.headers["user-agent"] == "rollouts"


async def test_every_header_a_metric_sets_arrives_as_it_is(http):
    headers = (("Authorization", "Bearer mine"), ("Cookie", "a=b"), ("User-Agent", "me"))
    async with serving({"/a": reply("1")}) as server:
        await http.send(Request(f"{server.url}/a", headers=headers))
        seen = server.seen[0].headers
    assert (seen["authorization"], seen["cookie"], seen["user-agent"]) == (
        "Bearer mine",
        "a=b",
        "me",
    )


SENSITIVE = (
    ("Authorization", "Bearer canary"),
    ("Proxy-Authorization", "Basic canary"),
    ("Cookie", "canary"),
    ("X-Api-Key", "canary"),
    ("DD-APPLICATION-KEY", "canary"),
    ("X-Scope-OrgID", "canary"),
    ("Referer", "http://canary"),
)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Again", "308 Ever"])
async def test_another_host_is_told_nothing(http, status):
    async with serving({"/b": reply("there")}) as other:
        answers = {"/a": reply(status=status, Location=f"{other.url}/b")}
        async with serving(answers) as server:
            request = Request(
                f"http://user:canary@127.0.0.1:{server.port}/a?token=canary",
                headers=SENSITIVE,
                basic_auth=("user", "canary"),
            )
            assert (await http.send(request)).body == b"there"
    (seen,) = other.seen
    assert set(seen.headers) <= USUAL
    assert "canary" not in str(seen)
    assert base64.b64encode(b"user:canary").decode() not in str(seen)


async def test_another_port_of_the_same_machine_is_another_host(http):
    async with serving({"/b": reply("there")}) as other:
        target = f"http://localhost:{other.port}/b"
        async with serving({"/a": reply(status="302 Found", Location=target)}) as server:
            await http.send(Request(f"http://localhost:{server.port}/a", headers=SENSITIVE))
    assert "canary" not in str(other.seen[0])


@pytest.mark.parametrize("status", ["307 Again", "308 Ever"])
async def test_a_body_stays_with_its_host(http, status):
    async with serving({"/b": reply("there")}) as other:
        async with serving({"/a": reply(status=status, Location=f"{other.url}/b")}) as server:
            with pytest.raises(ProviderError, match="a body to another host"):
                await http.send(Request(f"{server.url}/a", "POST", body=b"canary"))
        assert other.connections == 0


async def test_a_redirect_that_turns_a_post_into_a_get_drops_the_body(http):
    async with (
        serving({"/b": reply("there")}) as other,
        serving({"/a": reply(status="303 See", Location=f"{other.url}/b")}) as server,
    ):
        await http.send(Request(f"{server.url}/a", "POST", body=b"canary", headers=SENSITIVE))
    (seen,) = other.seen
    assert (seen.method, seen.body) == ("GET", b"")
    assert "canary" not in str(seen)


async def test_a_redirect_never_leaves_encryption_or_http(http):
    for location in ("file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:1/_x"):
        async with serving({"/a": reply(status="302 Found", Location=location)}) as server:
            with pytest.raises(ProviderError, match="must start with http"):
                await http.send(Request(f"{server.url}/a"))


@pytest.mark.parametrize(
    "header", [("A\r\nX-Evil", "1"), ("A", "1\r\nX-Evil: 1"), ("A", "1\nB: 2")]
)
async def test_a_header_cannot_carry_another_one(http, header):
    async with serving({"/a": reply("1")}) as server:
        with pytest.raises(ProviderError):
            await http.send(Request(f"{server.url}/a", headers=(header,)))
        assert "x-evil" not in str(server.seen).lower()
