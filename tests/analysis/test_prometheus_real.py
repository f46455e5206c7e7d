"""The provider against a real Prometheus server that scrapes a tiny page."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess

import httpx
import pytest

from analysis.providers.address import AddressPolicy
from analysis.providers.authentication import Sender
from analysis.providers.base import ProviderError, Queried, RunRef
from analysis.providers.http import HttpClient
from analysis.providers.prometheus import PrometheusSource
from analysis.spec import Metric, Phase
from rollouts.runtime.clock import SystemClock
from tests.analysis.servers import answered, reply, serving

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(120)]
BINARY = shutil.which("prometheus")
RUN = RunRef("default", "run", "uid")
PAGE = """# TYPE demo_ratio gauge
demo_ratio{version="blue"} 0.97
demo_ratio{version="green"} 0.5
# TYPE demo_nan gauge
demo_nan NaN
"""


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
async def http():
    client = HttpClient(policy=AddressPolicy(allow_loopback=True))
    yield client
    await client.aclose()


@pytest.fixture
async def prometheus(tmp_path):
    if BINARY is None:
        reason = "no prometheus binary on PATH (Debian: apt-get install prometheus)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    page = reply(PAGE, Content_Type="text/plain; version=0.0.4")
    async with serving({"/metrics": page}) as target:
        config = tmp_path / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
            "scrape_configs:\n- job_name: demo\n  static_configs:\n"
            f"  - targets: ['127.0.0.1:{target.port}']\n"
        )
        address = f"127.0.0.1:{free_port()}"
        process = subprocess.Popen(  # noqa: ASYNC220 - started once, awaited by polling
            [
                BINARY,
                f"--config.file={config}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                f"--web.listen-address={address}",
                "--log.level=error",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            await scraped(f"http://{address}", process)
            yield f"http://{address}"
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


async def scraped(url, process):
    """Wait until the server has samples of the page."""
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(300):
            assert process.poll() is None, "prometheus ended by itself"
            with contextlib.suppress(httpx.HTTPError, ValueError, KeyError):
                answer = await client.get(f"{url}/api/v1/query", params={"query": "demo_ratio"})
                if answer.json()["data"]["result"]:
                    return
            await asyncio.sleep(0.1)
    pytest.fail("prometheus scraped nothing within 30 s")


async def test_every_kind_of_answer(prometheus, http):
    now = SystemClock().wall
    provider = Queried(PrometheusSource(Sender(http, now), now, prometheus), now)

    async def ask(query, condition="", **config):
        given = {"query": query, **config}
        metric = {"name": "m", "provider": {"prometheus": given}, "successCondition": condition}
        return answered(await provider.run(RUN, Metric.model_validate(metric), 1))

    scalar = await ask("scalar(demo_ratio{version='blue'})", "result > 0.95")
    assert (scalar.phase, scalar.value) == (Phase.SUCCESSFUL, "0.97")

    vector = await ask("sort(demo_ratio)", "len(result) == 2 && result[1] > 0.95")
    assert (vector.phase, vector.value) == (Phase.SUCCESSFUL, "[0.5,0.97]")
    assert (await ask("demo_ratio", "all(result, # > 0.95)")).phase is Phase.FAILED

    matrix = await ask("demo_ratio{version='blue'}[10s]", "all(result, # == 0.97)")
    assert matrix.phase is Phase.SUCCESSFUL
    wanted = {"start": "now() - duration('5s')", "end": "now()", "step": "1s"}
    ranged = await ask("vector(1)", "len(result) == 6", rangeQuery=wanted)
    assert ranged.phase is Phase.SUCCESSFUL

    nan = await ask("demo_nan", "isNaN(result[0])")
    assert (nan.phase, nan.value) == (Phase.SUCCESSFUL, "[NaN]")
    assert (await ask("demo_nan", "result[0] >= 0.95")).phase is Phase.FAILED
    assert (await ask("demo_nan", "!(result[0] < 0.95)")).phase is Phase.ERROR

    empty = await ask("nobody_has_this", "result[0] >= 0.95")
    assert (empty.phase, empty.value) == (Phase.ERROR, "[]")
    assert "no data returned from the metric provider" in empty.message
    assert (await ask("nobody_has_this", "len(result) == 0")).phase is Phase.SUCCESSFUL

    with pytest.raises(ProviderError, match="Prometheus metric type not supported: string"):
        await ask('"text"')
    with pytest.raises(ProviderError, match=r"bad_data: .*parse error"):
        await ask("sum(")
    with pytest.raises(ProviderError, match="client_error: client error: 404"):
        await ask("up", address=f"{prometheus}/wrong")
