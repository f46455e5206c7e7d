"""How many writes a release costs the API server: a canary of five steps, events aside.

The whole controller against the embedded cluster in virtual time, so the numbers are exact.
"""

from collections import Counter
from collections.abc import Iterator

from benchmarks import objects
from benchmarks.stage import stage
from benchmarks.table import Row, say
from rollouts.kube.resources import ROLLOUTS
from rollouts.simulate.loop import run_virtual

_LIMIT = 12


async def _release(replicas: int) -> tuple[int, Counter[tuple[str, str]]]:
    async with stage() as at:
        await at.api.create(ROLLOUTS, objects.rollout("shop", replicas), objects.NAMESPACE)
        await at.until_phase("shop", "Healthy")
        before, asked = at.ours.writes(), at.ours.asked.copy()
        await at.release("shop", 2)
        await at.until_phase("shop", "Healthy")
        return at.ours.writes() - before, at.ours.asked - asked


def run() -> Iterator[Row]:
    for replicas in (1, 5):
        writes, asked = run_virtual(_release(replicas))
        parts = ", ".join(f"{verb} {name} {n}" for (verb, name), n in sorted(asked.items()))
        say(f"writes with {replicas} replicas: {parts}")
        name = f"writes of a 5-step canary, {replicas} replica" + ("s" if replicas > 1 else "")
        yield Row(name, writes, "requests", at_most=_LIMIT)
