"""How large the controller is, and how long it takes to know a cluster: 100 Rollouts at rest.

``rollouts controller`` as users start it, beside an embedded cluster that has them already.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from benchmarks import scale
from benchmarks.processes import client, controller, memory, sandbox
from benchmarks.table import Row, say

_COUNT = 100


async def _measure(kubeconfig: Path) -> tuple[float, float]:
    """(peak, current) megabytes: while all were released, and of a controller that starts later."""
    async with client(kubeconfig) as api, scale.following(api) as fleet:
        with controller(kubeconfig, "--qps", "0") as (process, report):
            await scale.create(api, _COUNT)
            await fleet.until_healthy(_COUNT, process)
        with controller(kubeconfig, "--qps", "0") as (process, _):
            await asyncio.sleep(4)
            now, _ = memory(process.pid)
        return report.peak, now


def run() -> Iterator[Row]:
    say(f"memory: a controller with {_COUNT} Rollouts")
    with sandbox() as (_, kubeconfig):
        peak, now = asyncio.run(_measure(kubeconfig))
    yield Row(f"controller with {_COUNT} Rollouts, at rest", now, "MB", below=130)
    yield Row(f"controller with {_COUNT} Rollouts, peak of a release", peak, "MB", below=130)
