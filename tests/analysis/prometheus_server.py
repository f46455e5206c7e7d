"""A real Prometheus server for a test: it scrapes one page, and may have a past."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.analysis.servers import reply, serving

_CONFIG = """\
global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}
scrape_configs:
- job_name: demo
  static_configs:
  - targets: ['127.0.0.1:{port}']
"""


def required(name):
    """The path of a program; without it a user's test is skipped, but CI has promised one."""
    found = shutil.which(name)
    if found is None:
        reason = f"no {name} binary on PATH (Debian: apt-get install prometheus)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@asynccontextmanager
async def prometheus_server(folder, page, *, shows, past=""):
    """The URL of a server that scrapes ``page()``, as soon as it knows the series ``shows``.

    ``past``: OpenMetrics text with timestamps, which the server finds in its data folder.
    """
    binary = required("prometheus")
    data = folder / "data"
    if past:
        (folder / "past.om").write_text(past)
        blocks = [required("promtool"), "tsdb", "create-blocks-from", "openmetrics"]
        process = await asyncio.create_subprocess_exec(
            *blocks, str(folder / "past.om"), str(data), stdout=subprocess.DEVNULL
        )
        assert await process.wait() == 0

    def scraped(_):
        return reply(page(), Content_Type="text/plain; version=0.0.4")

    async with serving({"/metrics": scraped}) as target:
        config = folder / "prometheus.yml"
        config.write_text(_CONFIG.format(port=target.port))
        address = f"127.0.0.1:{free_port()}"
        process = subprocess.Popen(  # noqa: ASYNC220 - started once, awaited by polling
            [
                binary,
                f"--config.file={config}",
                f"--storage.tsdb.path={data}",
                f"--web.listen-address={address}",
                "--log.level=error",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            await _known(f"http://{address}", process, shows)
            yield f"http://{address}"
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


async def _known(url, process, series):
    """Wait until the server has samples of the series."""
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(300):
            assert process.poll() is None, "prometheus ended by itself"
            with contextlib.suppress(httpx.HTTPError, ValueError, KeyError):
                answer = await client.get(f"{url}/api/v1/query", params={"query": series})
                if answer.json()["data"]["result"]:
                    return
            await asyncio.sleep(0.1)
    pytest.fail("prometheus scraped nothing within 30 s")
