"""Threat: an answer that fills the memory or never ends. Bounded, and nobody else waits for it."""

import asyncio
import json
import sys
import zlib

import pytest

from analysis.measure import Given, Measurer
from analysis.plan import plan_run
from analysis.providers.address import AddressPolicy
from analysis.providers.base import RunRef
from analysis.providers.http import HttpClient
from analysis.providers.registry import default_providers
from analysis.providers.tools import Tools
from analysis.redact import Redactor
from analysis.schedule import tasks
from analysis.spec import Phase, RunSpec, RunStatus
from tests.analysis.servers import reply, serving

MEGABYTE = 1024 * 1024
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"


async def gigabyte():
    yield CHUNKED
    block = b"%x\r\n" % MEGABYTE + b"x" * MEGABYTE + b"\r\n"
    for _ in range(1024):
        yield block


async def drip():
    yield b"HTTP/1.1 200 OK\r\n\r\n"
    while True:
        yield b"x" * 100
        await asyncio.sleep(0.1)


async def endless_head():
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"X-More: " + b"x" * 1000 + b"\r\n"


def bomb():
    """Ten kilobytes that unpack to ten megabytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = packer.compress(b"[" * 10 * MEGABYTE) + packer.flush()
    return reply(body, Content_Encoding="gzip")


def filled(unit: bytes) -> bytes:
    return reply(b"[" + unit * (9 * MEGABYTE // len(unit)) + b"0]")


ANSWERS = {
    "/small": reply("1"),
    "/gigabyte": lambda _: gigabyte(),
    "/head": lambda _: endless_head(),
    "/bomb": bomb(),
    "/nested": reply(b"[" * 1_000_000 + b"]" * 1_000_000),
    "/objects": filled(b'{"a":1},'),
    "/lists": filled(b"[],"),
    "/numbers": filled(b"1,"),
    "/text": reply(b"x" * 9 * MEGABYTE),
}


async def fetched(*urls):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.security.fetch", *urls, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return json.loads(out)


@pytest.mark.parametrize(
    ("path", "outcome", "grows"),
    [
        ("gigabyte", "Error http://*/gigabyte sent more than 10485760 bytes", 40),
        ("head", "Error http://*/head:", 20),
        ("bomb", "Error http://*/bomb sent a compressed answer (gzip) unasked", 20),
        ("nested", "Error http://*/nested sent more than 400000 elements", 20),
        ("objects", "Error http://*/objects sent more than 400000 elements", 40),
        ("lists", "Error http://*/lists sent more than 400000 elements", 40),
        ("numbers", "Error http://*/numbers sent more than 400000 elements", 40),
        ("text", "Successful ", 90),
    ],
)
async def test_the_memory_an_answer_takes_is_bounded(path, outcome, grows):
    async with serving(ANSWERS) as server:
        found = await fetched(f"{server.url}/{path}")
        (said,) = found["outcomes"]
        assert said.startswith(outcome.replace("*", f"127.0.0.1:{server.port}"))
    assert found["grown"] < grows
    assert found["seconds"] < 10


async def test_many_of_them_at_once_take_little_more_than_a_few():
    async with serving(ANSWERS) as server:
        found = await fetched(*[f"{server.url}/gigabyte?{number}" for number in range(40)])
    assert found["grown"] < 150
    assert len(found["outcomes"]) == 1


@pytest.mark.parametrize("depth", [10, 500, 1023, 1025, 30_000])
async def test_nesting_is_an_answer_or_an_error_and_never_a_crash(depth):
    body = b"[" * depth + b"]" * depth
    async with serving({"/a": reply(body)}) as server:
        (done,) = await measured(
            [{"web": {"url": f"{server.url}/a"}}], successCondition="len(toJSON(result)) > 0"
        )
    assert done.phase in (Phase.SUCCESSFUL, Phase.ERROR)
    assert len(done.value) < 5000


async def measured(providers, **fields):
    http = HttpClient(policy=AddressPolicy(allow_loopback=True))
    now = asyncio.get_running_loop().time
    spec = RunSpec.model_validate(
        {
            "metrics": [
                {"name": f"m{number}", "provider": provider, **fields}
                for number, provider in enumerate(providers)
            ]
        }
    )
    known = default_providers(Tools(http, now, {}), jobs=None)
    due = tasks(plan_run(spec), RunStatus(), now())
    done = await Measurer(known, now).measure(
        RunRef("default", "run", "uid"), due, Given({}, Redactor())
    )
    await http.aclose()
    return [one.measurement for one in done]


async def test_an_answer_that_drips_ends_with_the_metric_s_own_time():
    async with serving({"/drip": lambda _: drip(), "/good": reply("1")}) as server:
        slow = {"web": {"url": f"{server.url}/drip", "timeoutSeconds": 1}}
        good = {"web": {"url": f"{server.url}/good"}}
        first, second = await measured([slow, good])
    assert first.phase is Phase.ERROR
    assert "did not answer within 1 s" in first.message
    assert second.phase is Phase.SUCCESSFUL


async def test_what_is_stored_of_a_large_answer_is_small_and_says_so():
    async with serving(ANSWERS) as server:
        (done,) = await measured([{"web": {"url": f"{server.url}/text"}}])
    assert done.value.endswith(f"({9 * MEGABYTE + 2} characters)")
    assert sum(map(len, (done.value, done.message, *done.metadata.values()))) < 8192
