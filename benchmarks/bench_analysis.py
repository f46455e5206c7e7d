"""A thousand metrics measured every ten seconds, and what that costs the controller.

Two processes: the embedded cluster and ``rollouts controller`` talking HTTP to it; the metric
server is this one, so that what is measured of the controller is the controller's alone. The runs
are 200 with five metrics each, then 1 000 with one each, which is five times as many statuses.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import objects
from benchmarks.processes import client, controller, cpu_seconds, memory, sandbox
from benchmarks.table import Row, say
from rollouts.kube.api import KubeApi
from rollouts.kube.resources import ANALYSIS_RUNS

_METRICS: Final = 1000
_WARM_SECONDS: Final = 16.0
_SECONDS: Final = 30.0
_INTERVAL: Final = "10s"
_ANSWER: Final = (
    b'{"status":"success","data":{"resultType":"vector","result":'
    b'[{"metric":{},"value":[1767225600,"0.99"]}]}}'
)
_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


@dataclass(slots=True)
class _Prometheus:
    """Answers every query alike; ``asked`` counts them."""

    url: str = ""
    asked: int = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                fields = (line.partition(b":") for line in head.lower().splitlines())
                lengths = [int(value) for name, _, value in fields if name == b"content-length"]
                await reader.readexactly(sum(lengths))
                self.asked += 1
                writer.write(_HEAD % len(_ANSWER) + _ANSWER)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()


@asynccontextmanager
async def _prometheus() -> AsyncIterator[_Prometheus]:
    found = _Prometheus()
    server = await asyncio.start_server(found.handle, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.close()


def _run(number: int, metrics: int, url: str) -> dict[str, Any]:
    return {
        "apiVersion": ANALYSIS_RUNS.api_version,
        "kind": ANALYSIS_RUNS.kind,
        "metadata": {"name": f"run-{number}", "namespace": objects.NAMESPACE},
        "spec": {
            "metrics": [
                {
                    "name": f"success-rate-{one}",
                    "interval": _INTERVAL,
                    "successCondition": "len(result) > 0 && result[0] >= 0.95",
                    "provider": {
                        "prometheus": {
                            "address": url,
                            "query": f'sum(rate(requests{{code!~"5.*",run="{number}-{one}"}}[1m]))',
                        }
                    },
                }
                for one in range(metrics)
            ]
        },
    }


async def _create(api: KubeApi, runs: int, url: str) -> None:
    """Spread over one interval, as releases are."""
    for number in range(runs):
        await api.create(ANALYSIS_RUNS, _run(number, _METRICS // runs, url), objects.NAMESPACE)
        await asyncio.sleep(8.0 / runs)


@dataclass(frozen=True, slots=True)
class _Cost:
    """``share`` of one core in percent, ``grown`` megabytes, measurements a second."""

    share: float
    grown: float
    rate: float


async def _measure(kubeconfig: Path, runs: int) -> _Cost:
    async with client(kubeconfig) as api, _prometheus() as server:
        with controller(kubeconfig, "--analysis-allow", "127.0.0.1") as (process, _):
            await asyncio.sleep(4)
            idle, _ = memory(process.pid)
            await _create(api, runs, server.url)
            await asyncio.sleep(_WARM_SECONDS)
            before, asked = cpu_seconds(process.pid), server.asked
            await asyncio.sleep(_SECONDS)
            used, asked = cpu_seconds(process.pid) - before, server.asked - asked
            now, _ = memory(process.pid)
    return _Cost(100 * used / _SECONDS, now - idle, asked / _SECONDS)


def run() -> Iterator[Row]:
    say(f"analysis: {_METRICS} metrics every {_INTERVAL}")
    with sandbox() as (_, kubeconfig):
        cost = asyncio.run(_measure(kubeconfig, 200))
    yield Row(f"{_METRICS} metrics in 200 runs: measurements", cost.rate, "1/s")
    yield Row(f"{_METRICS} metrics in 200 runs: controller", cost.share, "% CPU", below=30)
    yield Row(f"{_METRICS} metrics in 200 runs: memory above idle", cost.grown, "MB", below=120)
    with sandbox() as (_, kubeconfig):
        cost = asyncio.run(_measure(kubeconfig, 1000))
    yield Row(f"{_METRICS} metrics in as many runs: measurements", cost.rate, "1/s")
    yield Row(f"{_METRICS} metrics in as many runs: controller", cost.share, "% CPU", below=30)
    yield Row(f"{_METRICS} metrics in as many runs: memory above idle", cost.grown, "MB", below=120)
