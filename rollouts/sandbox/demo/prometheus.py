"""Prometheus for the demo: the real one when it is installed, the embedded one otherwise.

Owns its process or its tasks, and the page with every pod's metrics that it scrapes. Either way the
outcome is a base URL that answers PromQL; ``kind`` says which it is, for the narrator. Listens on
loopback only and leaves nothing behind.
"""

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from rollouts.runtime.clock import Clock
from rollouts.sandbox.promql.answer import PromApi
from rollouts.sandbox.promql.model import NO_LABELS
from rollouts.sandbox.promql.scrape import Scraper, Target
from rollouts.sandbox.promql.server import serve
from rollouts.sandbox.promql.store import SeriesStore

_READY_WITHIN: Final = 10.0
_CONFIG: Final = """\
global:
  scrape_interval: {interval}ms
  scrape_timeout: {interval}ms
scrape_configs:
  - job_name: pods
    honor_labels: true
    static_configs:
      - targets: ["{target}"]
"""


@dataclass(frozen=True, slots=True)
class DemoPrometheus:
    """``url``: where to ask; ``kind``: what answers there."""

    url: str
    kind: str

    async def value(self, query: str) -> float | None:
        """The first value of an instant query's answer; None while there is none."""
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.get(f"{self.url}/api/v1/query", params={"query": query}) as answer,
        ):
            result = (await answer.json())["data"]["result"]
        return float(result[0]["value"][1]) if result else None


@asynccontextmanager
async def demo_prometheus(
    page: Callable[[], str], clock: Clock, *, interval: float = 0.5, embedded: bool = False
) -> AsyncIterator[DemoPrometheus]:
    """A running Prometheus that scrapes ``page`` every ``interval`` seconds.

    ``embedded``: do not look for a real one.
    """
    binary = None if embedded else shutil.which("prometheus")
    async with AsyncExitStack() as stack:
        if binary:
            url = await stack.enter_async_context(_real(binary, page, clock, interval))
            if url:
                yield DemoPrometheus(url, f"a real Prometheus server ({binary})")
                return
        url = await stack.enter_async_context(_embedded(page, clock, interval))
        yield DemoPrometheus(url, "the embedded Prometheus endpoint")


@asynccontextmanager
async def _embedded(page: Callable[[], str], clock: Clock, interval: float) -> AsyncIterator[str]:
    async def fetch(_: str) -> str:
        return page()

    store = SeriesStore()
    target = Target("pods", NO_LABELS)
    scraper = Scraper(store, clock, lambda: [target], fetch, interval)
    runner, url = await serve(PromApi(store, clock, scraper))
    scraping = asyncio.create_task(scraper.run(), name="embedded prometheus")
    try:
        yield url
    finally:
        scraping.cancel()
        await asyncio.gather(scraping, return_exceptions=True)
        await runner.cleanup()


@asynccontextmanager
async def _real(
    binary: str, page: Callable[[], str], clock: Clock, interval: float
) -> AsyncIterator[str | None]:
    """The URL of a real server, or None when it does not come up."""
    async with _page_server(page) as target:
        with tempfile.TemporaryDirectory(prefix="rollouts-demo-") as folder:
            config = Path(folder) / "prometheus.yml"
            config.write_text(_CONFIG.format(interval=int(interval * 1000), target=target))
            port = _free_port()
            process = await asyncio.create_subprocess_exec(
                binary,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                url = f"http://127.0.0.1:{port}"
                yield url if await _came_up(url, process, clock) else None
            finally:
                await _end(process)


@asynccontextmanager
async def _page_server(page: Callable[[], str]) -> AsyncIterator[str]:
    """Serves ``/metrics``; yields ``host:port``."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=page(), content_type="text/plain")

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _came_up(url: str, process: asyncio.subprocess.Process, clock: Clock) -> bool:
    deadline = clock.monotonic() + _READY_WITHIN
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as session:
        while clock.monotonic() < deadline and process.returncode is None:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(f"{url}/-/ready") as answer:
                    if answer.status == 200:
                        return True
            await asyncio.sleep(0.05)
    return False


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
