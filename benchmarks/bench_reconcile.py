"""What it costs to find that nothing is to be done: CPU time, and writes, which must be none.

The real reconciler over the stores a real controller has filled: a Rollout with Services, a
background analysis and ten old revisions, once healthy and once in the middle of a canary.
"""

import time
from collections.abc import Iterator

from benchmarks import objects
from benchmarks.stage import Stage, stage
from benchmarks.table import Row, say
from rollouts.kube.api import Obj
from rollouts.kube.queue import Key
from rollouts.kube.resources import ANALYSIS_TEMPLATES, ROLLOUTS, SERVICES
from rollouts.simulate.loop import run_virtual

_NAME = "shop"
_REVISIONS = 10
_REPEATS = 300
_ROUNDS = 3  # the best counts: the others tell what else the machine was doing


async def _idle(at: Stage) -> tuple[float, int]:
    """Milliseconds of CPU for one reconcile, and the writes of all of them."""
    key, before, best = Key(objects.NAMESPACE, _NAME), at.ours.writes(), float("inf")
    for _ in range(_ROUNDS):
        started = time.thread_time()
        for _ in range(_REPEATS):
            await at.reconciler.reconcile(key)
        best = min(best, (time.thread_time() - started) / _REPEATS)
    return best * 1000, at.ours.writes() - before


async def _measure() -> list[Row]:
    analysis = {
        "templates": [{"templateName": "success-rate"}],
        "args": [{"name": "app", "value": _NAME}],
    }
    steps: tuple[Obj, ...] = ({"setWeight": 20}, {"pause": {}}, *objects.FIVE_STEPS[2:])
    body = objects.rollout(
        _NAME,
        steps=steps,
        stableService=f"{_NAME}-stable",
        canaryService=f"{_NAME}-canary",
        analysis=analysis,
    )
    async with stage() as at:
        for one in ("stable", "canary"):
            await at.api.create(SERVICES, objects.service(f"{_NAME}-{one}", _NAME), "default")
        await at.api.create(ANALYSIS_TEMPLATES, objects.template("success-rate"), "default")
        await at.api.create(ROLLOUTS, body, objects.NAMESPACE)
        await at.until_phase(_NAME, "Healthy")
        for version in range(2, 2 + _REVISIONS):
            await at.release(_NAME, version)
            await at.until_phase(_NAME, "Paused")
            full = {"status": {"promoteFull": True}}
            await at.api.patch(ROLLOUTS, _NAME, full, "default", subresource="status")
            await at.until_phase(_NAME, "Healthy")
        healthy, wrote = await _idle(at)
        await at.release(_NAME, 100)
        await at.until_phase(_NAME, "Paused")
        canary, wrote_too = await _idle(at)
    return [
        Row("reconcile without change, healthy", healthy, "ms CPU", below=1),
        Row("reconcile without change, mid-canary", canary, "ms CPU", below=1),
        Row("writes of reconciles without change", wrote + wrote_too, "requests", at_most=0),
    ]


def run() -> Iterator[Row]:
    say(f"reconcile: {2 * _ROUNDS * _REPEATS} reconciles that have nothing to do")
    yield from run_virtual(_measure())
