"""How fast a large cluster comes into the cache, and how long the event loop is held up by it.

Pages of ReplicaSets as a server would send them are decoded, trimmed, indexed and announced by the
real Reflector and Store, while a second task measures how late the loop lets it run. In CPU time:
the loop is never idle, and what other processes take is not its fault.
"""

import asyncio
import gc
import random
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson

from benchmarks.table import Row, say
from rollouts.kube.api import Obj, WatchEvent
from rollouts.kube.reflector import Reflector
from rollouts.kube.resources import REPLICA_SETS
from rollouts.kube.store import Store, by_label, by_owner
from rollouts.runtime import memory
from rollouts.runtime.clock import SystemClock

_COUNT = 5000
_PAGE = 500  # what the reflector asks for
_ROUNDS = 3  # the best one counts: the others tell what else the machine was doing
_HASH = "rollouts-pod-template-hash"


def _replica_set(number: int) -> Obj:
    """One as a server sends it: two containers, managedFields, about 4 KB."""
    name = f"shop-{number // 10:04}-{number:05x}"
    container: dict[str, Any] = {
        "image": f"registry.example/shop:{number}",
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": f"SETTING_{i}", "value": "x" * 20} for i in range(8)],
        "ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"}],
        "resources": {"limits": {"cpu": "1", "memory": "256Mi"}, "requests": {"cpu": "100m"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 10},
        "terminationMessagePath": "/dev/termination-log",
    }
    labels = {"app": "shop", _HASH: f"{number:010x}"}
    fields: Obj = {f"f:field{i}": {".": {}, "f:inner": {}, "f:other": {}} for i in range(25)}
    return {
        "metadata": {
            "name": name,
            "namespace": f"team-{number % 50}",
            "uid": f"00000000-0000-0000-0000-{number:012}",
            "resourceVersion": str(1000 + number),
            "generation": 3,
            "labels": labels,
            "annotations": {"rollout.argoproj.io/revision": "7"},
            "ownerReferences": [
                {
                    "apiVersion": "argoproj.io/v1alpha1",
                    "kind": "Rollout",
                    "name": f"shop-{number // 10:04}",
                    "uid": f"owner-{number // 10}",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
            "managedFields": [
                {"manager": manager, "operation": "Update", "fieldsV1": fields}
                for manager in ("rollouts-controller", "kube-controller-manager")
            ],
        },
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": n, **container} for n in ("app", "proxy")]},
            },
        },
        "status": {"replicas": 3, "readyReplicas": 3, "availableReplicas": 3},
    }


class _Server:
    """Answers list requests with pages of bytes made beforehand; watches stay silent."""

    def __init__(self) -> None:
        self._items = [_replica_set(number) for number in range(_COUNT)]
        self._pages: dict[tuple[str, int], bytes] = {}

    def prepare(self, limit: int) -> None:
        for at in range(0, _COUNT, limit):
            following = str(at + limit) if at + limit < _COUNT else ""
            metadata = {"resourceVersion": "9999", "continue": following}
            page = {"metadata": metadata, "items": self._items[at : at + limit]}
            self._pages[str(at or ""), limit] = orjson.dumps(page)
        self._items.clear()

    async def list(self, *_: Any, limit: int, continue_token: str, **__: Any) -> Obj:
        await asyncio.sleep(0)
        page: Obj = orjson.loads(self._pages[continue_token, limit])
        return page

    async def watch(self, *_: Any, **__: Any) -> AsyncIterator[WatchEvent]:
        await asyncio.Event().wait()
        yield WatchEvent("BOOKMARK", {})


async def _measure() -> tuple[float, float]:
    """CPU seconds until synced, and of the worst stall."""
    clock, server = SystemClock(), _Server()
    server.prepare(_PAGE)
    store = Store(REPLICA_SETS, {"owner": by_owner, "hash": by_label(_HASH)})
    reflector = Reflector(server, store, clock=clock, rng=random.Random(1))  # type: ignore[arg-type]
    worst = 0.0

    async def metronome() -> None:
        nonlocal worst
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            worst = max(worst, time.thread_time() - before)

    memory.before_sync()
    beat, run = asyncio.create_task(metronome()), asyncio.create_task(reflector.run())
    started = time.thread_time()
    await reflector.wait_synced()
    seconds = time.thread_time() - started
    memory.after_sync()
    beat.cancel()
    run.cancel()
    assert len(store.by_index("owner", "owner-7")) == 10
    return seconds, worst


def run() -> Iterator[Row]:
    say(f"decode: {_COUNT} ReplicaSets")
    thresholds = gc.get_threshold()
    rounds = []
    for _ in range(_ROUNDS):
        try:
            rounds.append(asyncio.run(_measure()))
        finally:
            gc.set_threshold(*thresholds)
            gc.unfreeze()
            gc.enable()
    seconds, worst = min(one[0] for one in rounds), min(one[1] for one in rounds)
    yield Row(f"decode and index {_COUNT} ReplicaSets", seconds, "s CPU", below=0.5)
    yield Row("longest stall of the event loop meanwhile", worst * 1000, "ms CPU", below=50)
