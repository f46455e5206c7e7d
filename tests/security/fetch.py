"""``python -m tests.security.fetch URL...``: fetch and read as the web provider does, all at once.

Prints what came of it, how long it took, and by how many megabytes the process has grown meanwhile.
A process of its own, since the peak of a process never goes down again.
"""

import asyncio
import json
import resource
import sys

from analysis.providers.address import AddressPolicy
from analysis.providers.authentication import Sender
from analysis.providers.base import Queried, RunRef
from analysis.providers.http import HttpClient
from analysis.providers.web import WebSource
from analysis.spec import Metric


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def main(urls: list[str]) -> dict:
    now = asyncio.get_running_loop().time
    http = HttpClient(policy=AddressPolicy(allow_loopback=True))
    provider = Queried(WebSource(Sender(http, now)), now)

    async def measured(url: str):
        config = {"url": url, "timeoutSeconds": 20}
        metric = Metric.model_validate({"name": "m", "provider": {"web": config}})
        return await provider.run(RunRef("a", "b", "c"), metric, 1)

    await measured(urls[0].rpartition("/")[0] + "/small")
    before, started = peak(), now()
    found = await asyncio.gather(*(measured(url) for url in urls))
    seconds = now() - started
    await http.aclose()
    return {
        "outcomes": sorted({f"{one.phase} {one.message}" for one in found}),
        "longest": max(len(one.value) for one in found),
        "grown": peak() - before,
        "seconds": seconds,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main(sys.argv[1:]))))
