"""The HTTP client of providers: bounded, polite, and deaf to tricks with addresses."""

import asyncio
import base64
import socket

import pytest

from analysis.providers.address import AddressPolicy
from analysis.providers.base import ProviderError
from analysis.providers.http import HttpClient, Request
from tests.analysis.servers import reply, serving

LOOPBACK = AddressPolicy(allow_loopback=True)


@pytest.fixture
async def http():
    client = HttpClient(policy=LOOPBACK, max_body=1000)
    yield client
    await client.aclose()


async def test_an_answer_comes_back_whatever_its_status(http):
    async with serving({"/a": reply("hello", "503 Sorry")}) as server:
        response = await http.send(Request(f"{server.url}/a"))
    assert (response.status, response.body) == (503, b"hello")


async def test_only_what_was_given_is_sent(http, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with serving({"/a": reply(set_cookie="a=b; Path=/")}) as server:
        await http.send(Request(f"{server.url}/a"))
        await http.send(Request(f"{server.url}/a", headers=(("X-Mine", "1"),)))
        first, second = server.seen
    assert set(first.headers) <= {"host", "user-agent", "accept", "accept-encoding", "connection"}
    assert first.headers["host"] == f"127.0.0.1:{server.port}"
    assert second.headers["x-mine"] == "1"
    assert "cookie" not in second.headers


async def test_credentials_in_the_url_are_sent_as_basic_and_not_shown(http):
    async with serving({"/a": reply()}) as server:
        await http.send(Request(f"http://user:pa55@127.0.0.1:{server.port}/a"))
        expected = "Basic " + base64.b64encode(b"user:pa55").decode()
        assert server.seen[0].headers["authorization"] == expected
    with pytest.raises(ProviderError) as error:
        await http.send(Request(f"http://user:pa55@127.0.0.1:{server.port}/a?token=pa55"))
    assert "pa55" not in str(error.value)


async def test_a_large_body_is_refused(http):
    async def endless():
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while True:
            yield b"x" * 500

    async with serving({"/a": lambda _: endless()}) as server:
        with pytest.raises(ProviderError, match="sent more than 1000 bytes"):
            await http.send(Request(f"{server.url}/a"))


async def test_a_body_that_drips_ends_with_the_time(http):
    async def drips():
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        for _ in range(100):
            await asyncio.sleep(0.05)
            yield b"x"

    async with serving({"/a": lambda _: drips()}) as server:
        with pytest.raises(ProviderError, match=r"did not answer within 0\.3 s"):
            await http.send(Request(f"{server.url}/a", timeout=0.3))


async def test_a_compressed_answer_nobody_asked_for_is_refused(http):
    async with serving({"/a": reply(b"\x1f\x8b", Content_Encoding="gzip")}) as server:
        with pytest.raises(ProviderError, match="compressed answer"):
            await http.send(Request(f"{server.url}/a"))
        assert server.seen[0].headers["accept-encoding"] == "identity"


async def test_nobody_listening_is_an_error_that_says_where(http):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(ProviderError, match=f"cannot connect to http://127.0.0.1:{port}/a"):
            await http.send(Request(f"http://127.0.0.1:{port}/a", timeout=5))


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://host/", "file:///etc/passwd", "http://", "http://[::1", "http://a b/"]
)
async def test_what_is_no_url_is_refused(http, url):
    with pytest.raises(ProviderError):
        await http.send(Request(url, timeout=5))


async def test_a_header_cannot_smuggle_another(http):
    async with serving({"/a": reply()}) as server:
        with pytest.raises(ProviderError):
            await http.send(Request(f"{server.url}/a", headers=(("A", "b\r\nC: d"),)))


# --- redirects ---


async def test_a_redirect_to_the_same_host_keeps_credentials(http):
    answers = {"/a": reply(status="302 Found", Location="/b"), "/b": reply("there")}
    async with serving(answers) as server:
        request = Request(f"{server.url}/a", headers=(("Authorization", "secret"),))
        assert (await http.send(request)).body == b"there"
        assert server.seen[1].headers["authorization"] == "secret"


async def test_a_redirect_to_another_host_loses_credentials(http):
    async with serving({"/b": reply("there")}) as other:
        answers = {"/a": reply(status="302 Found", Location=f"{other.url}/b")}
        async with serving(answers) as server:
            headers = (("Authorization", "s"), ("X-Api-Key", "s"), ("Cookie", "s"), ("Accept", "x"))
            request = Request(f"{server.url}/a", headers=headers, basic_auth=("u", "s"))
            assert (await http.send(request)).body == b"there"
        arrived = other.seen[0].headers
    assert not {"authorization", "x-api-key", "cookie"} & set(arrived)
    assert arrived["accept"] == "x"


async def test_a_body_is_never_redirected_to_another_host(http):
    async with serving({"/b": reply("there")}) as other:
        answers = {"/a": reply(status="307 Again", Location=f"{other.url}/b")}
        async with serving(answers) as server:
            with pytest.raises(ProviderError, match="redirects a request with a body"):
                await http.send(Request(f"{server.url}/a", "POST", body=b"secret"))
        assert other.connections == 0


async def test_a_redirect_to_a_refused_address_is_refused(http):
    answers = {"/a": reply(status="302 Found", Location="http://169.254.169.254/latest/")}
    async with serving(answers) as server:
        with pytest.raises(ProviderError, match="metadata address"):
            await http.send(Request(f"{server.url}/a"))


async def test_redirects_in_a_circle_end(http):
    async with serving({"/a": reply(status="302 Found", Location="/a")}) as server:
        with pytest.raises(ProviderError, match="redirects more than 5 times"):
            await http.send(Request(f"{server.url}/a"))


# --- addresses ---


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://2852039166/",
        "http://0xA9FEA9FE/",
        "http://0251.0376.0251.0376/",
        "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://localhost/",
        "http://[::1]/",
        "http://[::]/",
        "http://0.0.0.0/",
        "http://good.example@169.254.169.254/",
        "http://100.100.100.200/",
        "http://224.0.0.1/",
    ],
)
async def test_an_address_is_refused_however_it_is_spelled(url):
    client = HttpClient()
    with pytest.raises(ProviderError, match=r"refused|cannot resolve|invalid URL"):
        await client.send(Request(url, timeout=5))
    assert not client._clients, "nothing may have been sent"


async def test_the_address_that_was_checked_is_the_one_connected_to():
    asked = []

    async def rebinding(host, port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    client = HttpClient(policy=LOOPBACK, resolve=rebinding)
    async with serving({"/a": reply("here")}) as server:
        response = await client.send(Request(f"http://metrics.example:{server.port}/a"))
        assert server.seen[0].headers["host"] == f"metrics.example:{server.port}"
    await client.aclose()
    assert response.body == b"here"
    assert asked == ["metrics.example"]


async def test_one_refused_address_among_many_refuses_the_host():
    async def mixed(host, port):
        return ["127.0.0.1", "169.254.169.254"]

    with pytest.raises(ProviderError, match="metadata address"):
        await HttpClient(policy=LOOPBACK, resolve=mixed).send(Request("http://metrics.example/"))


async def test_the_next_address_is_tried_when_one_does_not_answer():
    async def both(host, port):
        return ["127.0.0.2", "127.0.0.1"]

    client = HttpClient(policy=LOOPBACK, resolve=both)
    async with serving({"/a": reply("here")}) as server:
        response = await client.send(Request(f"http://metrics.example:{server.port}/a", timeout=5))
    await client.aclose()
    assert response.body == b"here"
