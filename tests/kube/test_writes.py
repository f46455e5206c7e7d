"""The consistency gate: no decision from a cache older than our own last write."""

import asyncio

from rollouts.kube.api import Obj
from rollouts.kube.queue import Key
from rollouts.kube.resources import REPLICA_SETS, SERVICES
from rollouts.kube.store import Store
from rollouts.kube.writes import DELETE_PATIENCE_SECONDS, PATIENCE_SECONDS, WriteLog
from rollouts.simulate.loop import run_virtual, virtual_clock

OWNER = Key("shop", "web")


def written(version: str) -> Obj:
    return {"metadata": {"name": "rs", "namespace": "shop", "uid": "r", "resourceVersion": version}}


def test_behind_until_the_cache_has_seen_every_write() -> None:
    async def main() -> None:
        log = WriteLog(virtual_clock())
        stores = {REPLICA_SETS: Store(REPLICA_SETS), SERVICES: Store(SERVICES)}
        assert log.behind(OWNER, "u", stores) is None
        log.wrote(OWNER, "u", REPLICA_SETS, written("7"))
        log.wrote(OWNER, "u", REPLICA_SETS, written("5"))
        log.wrote(OWNER, "u", SERVICES, written("9"))
        stores[REPLICA_SETS].seen_rv = 6
        assert log.behind(OWNER, "u", stores) == REPLICA_SETS
        stores[REPLICA_SETS].seen_rv = 7
        assert log.behind(OWNER, "u", stores) == SERVICES
        stores[SERVICES].seen_rv = 12
        assert log.behind(OWNER, "u", stores) is None
        assert log.stale_total == 2
        assert len(log) == 0

    run_virtual(main())


def test_a_namesake_starts_clean() -> None:
    async def main() -> None:
        log = WriteLog(virtual_clock())
        log.wrote(OWNER, "old", REPLICA_SETS, written("7"))
        assert log.behind(OWNER, "new", {REPLICA_SETS: Store(REPLICA_SETS)}) is None

    run_virtual(main())


def test_it_fails_open() -> None:
    async def main() -> None:
        log, stores = WriteLog(virtual_clock()), {REPLICA_SETS: Store(REPLICA_SETS)}
        log.wrote(OWNER, "u", REPLICA_SETS, written("not-a-number"))
        assert log.behind(OWNER, "u", stores) is None
        log.wrote(OWNER, "u", REPLICA_SETS, written("7"))
        assert log.behind(OWNER, "u", stores) == REPLICA_SETS
        await asyncio.sleep(PATIENCE_SECONDS + 1)
        assert log.behind(OWNER, "u", stores) is None

    run_virtual(main())


def test_a_deleted_object_must_leave_the_cache() -> None:
    async def main() -> None:
        log, store = WriteLog(virtual_clock()), Store(REPLICA_SETS)
        store.put(written("3"))
        log.deleted(OWNER, "u", REPLICA_SETS, written("3"))
        assert log.behind(OWNER, "u", {REPLICA_SETS: store}) == REPLICA_SETS
        store.delete(("shop", "rs"))
        assert log.behind(OWNER, "u", {REPLICA_SETS: store}) is None
        store.put(written("3"))
        log.deleted(OWNER, "u", REPLICA_SETS, written("3"))
        await asyncio.sleep(DELETE_PATIENCE_SECONDS + 1)
        assert log.behind(OWNER, "u", {REPLICA_SETS: store}) is None

    run_virtual(main())
