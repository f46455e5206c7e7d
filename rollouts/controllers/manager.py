"""Starts everything in the right order, keeps workers busy, stops everything in the right order.

Start: health server, watches, caches filled, lease, workers. Stop: not ready, no more keys, work in
hand finished, events flushed, lease released, watches closed, health server last. It knows queues
and caches but nothing of what a reconciler decides. What ends unexpectedly (a watch, the election)
ends the process; what fails inside a reconcile is one line of log and a backoff. Run by the
``controller`` command, the sandbox and the simulator.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

import structlog

from rollouts.controllers.health import HealthServer
from rollouts.controllers.metrics import Metrics
from rollouts.kube.api import Obj
from rollouts.kube.errors import ApiError, Conflict
from rollouts.kube.events import EventRecorder
from rollouts.kube.guard import NotLeader
from rollouts.kube.lease import Election
from rollouts.kube.queue import Key, Priority, WorkQueue
from rollouts.kube.reflector import Reflector
from rollouts.kube.store import Change, Store
from rollouts.runtime.clock import Clock

KeyMapper: TypeAlias = Callable[[Obj], Iterable[Key]]

_RECONCILE_SECONDS: Final = 60.0
_SYNC_SECONDS: Final = 120.0
_GRACE_SECONDS: Final = 20.0
_SWEEP_SECONDS: Final = 600.0
_VERIFY_SECONDS: Final = 3600.0
_LAG_STEP: Final = 0.5
_LAG_STEPS: Final = 120  # a minute of them
_SOONEST: Final = 0.005

_log = structlog.get_logger("manager")


class Reconciler(Protocol):
    """Brings one object a step further."""

    name: str

    async def reconcile(self, key: Key) -> float | None:
        """Returns when to look again (wall seconds since the epoch), or None: when told."""
        ...


@runtime_checkable
class Closing(Protocol):
    """A reconciler that has something to end."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Controller:
    """A reconciler, its queue, and which changes concern which keys.

    The first source is the reconciler's own kind, which the sweep goes through.
    """

    reconciler: Reconciler
    queue: WorkQueue
    sources: Sequence[tuple[Store, KeyMapper]]
    workers: int = 10


def own_key(obj: Obj) -> Iterable[Key]:
    """KeyMapper: the object itself."""
    metadata = obj["metadata"]
    return (Key(metadata.get("namespace") or "", metadata["name"]),)


def owner_key(kind: str, group: str) -> KeyMapper:
    """KeyMapper: the controlling owner, where it is a ``kind`` of ``group``."""

    def keys(obj: Obj) -> Iterable[Key]:
        metadata = obj["metadata"]
        for owner in metadata.get("ownerReferences") or ():
            of_group = str(owner.get("apiVersion", "")).split("/")[0] == group
            if owner.get("controller") and owner.get("kind") == kind and of_group:
                yield Key(metadata.get("namespace") or "", owner["name"])

    return keys


@dataclass(frozen=True, slots=True)
class WhenChanged:
    """``mapper``, which hears only of changes to what ``view`` shows of an object."""

    mapper: KeyMapper
    view: Callable[[Obj], object]

    def __call__(self, obj: Obj) -> Iterable[Key]:
        return self.mapper(obj)

    def is_news(self, change: Change) -> bool:
        """Whether it shows; objects that come and go always do."""
        if change.old is None or change.new is None:
            return True
        return self.view(change.old) != self.view(change.new)


class Manager:
    """Everything of one controller process. ``run`` may be called once.

    ``sweep``: seconds between looks at every object. A command may set ``health``, what to call
    around the filling of the caches, and ``on_stop``, awaited near the end (closing sessions).
    """

    def __init__(
        self,
        controllers: Sequence[Controller],
        reflectors: Sequence[Reflector],
        *,
        clock: Clock,
        metrics: Metrics | None = None,
        election: Election | None = None,
        recorder: EventRecorder | None = None,
        sweep: float = _SWEEP_SECONDS,
    ) -> None:
        self.health: HealthServer | None = None
        self.before_sync: Callable[[], None] | None = None
        self.after_sync: Callable[[], None] | None = None
        self.on_stop: Callable[[], Awaitable[None]] | None = None
        self.metrics = metrics
        self.controllers: Final = controllers
        self._reflectors = reflectors
        self._clock = clock
        self._election = election
        self._recorder = recorder
        self._sweep_seconds = sweep
        self._not_ready = "starting"
        self._stopping = asyncio.Event()
        self._running: asyncio.Task[Any] | None = None
        self._broken: asyncio.Future[None] | None = None
        self._background: list[asyncio.Task[None]] = []
        self._workers: list[asyncio.Task[None]] = []
        if metrics is not None:
            metrics.watch_reflectors(reflectors)
        for controller in controllers:
            _connect(controller)
            if metrics is not None:
                metrics.watch_queue(controller.reconciler.name, controller.queue)

    def not_ready(self) -> str:
        """Why the controller is not ready, or "" when its caches are filled, leader or not."""
        return self._not_ready

    def stop(self) -> None:
        """Once: finish what is in hand, then end. Twice: end at once."""
        if self._stopping.is_set() and self._running is not None:
            self._running.cancel()
        self._stopping.set()

    async def run(self) -> None:
        """Until ``stop``, or until something that must not end has ended: then it raises."""
        self._running = asyncio.current_task()
        self._broken = asyncio.get_running_loop().create_future()
        if self.health is not None:
            await self.health.start()
        try:
            if await self._unless_stopped(self._fill_caches()):
                self._not_ready = ""
                if await self._unless_stopped(self._lead()):
                    self._start_workers()
                    await self._unless_stopped(asyncio.Event().wait())
        finally:
            await self._shut_down()

    # Start.

    async def _fill_caches(self) -> None:
        if self.before_sync is not None:
            self.before_sync()
        for reflector in self._reflectors:
            self._spawn(reflector.run(), f"watch {reflector.store.resource.group_resource}")
        if self._recorder is not None:
            self._spawn(self._recorder.run(), "events")
        self._spawn(self._measure_lag(), "lag")
        if self._reflectors:
            self._spawn(self._verify_caches(), "verification")
        self._not_ready = "caches are filling"
        try:
            async with asyncio.timeout(_SYNC_SECONDS):
                for reflector in self._reflectors:
                    await reflector.wait_synced()
        except TimeoutError:
            empty = [
                r.store.resource.group_resource for r in self._reflectors if not r.store.synced
            ]
            raise TimeoutError(
                f"no first list of {', '.join(empty)} within {_SYNC_SECONDS:g} s: "
                "check that the API server answers, the CRDs are installed and RBAC allows it"
            ) from None
        if self.after_sync is not None:
            self.after_sync()
        counts = {r.store.resource.plural: len(r.store) for r in self._reflectors if r.store.synced}
        _log.info("caches filled", **counts)

    async def _lead(self) -> None:
        if self._election is not None:
            self._spawn(self._election.run(), "election")
            await self._election.acquired()

    def _start_workers(self) -> None:
        for controller in self.controllers:
            name = controller.reconciler.name
            for number in range(controller.workers):
                self._workers.append(self._watched(self._work(controller), f"{name} {number}"))
            self._spawn(self._sweep(controller), f"sweep {name}")

    def _spawn(self, body: Coroutine[Any, Any, None], name: str) -> None:
        self._background.append(self._watched(body, name))

    def _watched(self, body: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        """A task that must run until we stop; ``run`` raises when it does not."""

        def ended(task: "asyncio.Task[None]") -> None:
            broken = self._broken
            if task.cancelled() or self._stopping.is_set() or broken is None or broken.done():
                return
            broken.set_exception(task.exception() or RuntimeError(f"{name} ended by itself"))

        task = asyncio.create_task(body, name=name)
        task.add_done_callback(ended)
        return task

    async def _unless_stopped(self, body: Coroutine[Any, Any, Any]) -> bool:
        """Await ``body``; False when told to stop first. Raises what broke meanwhile."""
        broken = self._broken
        main = asyncio.create_task(body)
        stop = asyncio.create_task(self._stopping.wait())
        waiting = [task for task in (main, stop, broken) if task is not None]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if broken is not None and broken.done():
                broken.result()
            if main.done():
                main.result()
            return not stop.done()
        finally:
            await _end([main, stop])

    # Work.

    async def _work(self, controller: Controller) -> None:
        queue = controller.queue
        while (key := await queue.get()) is not None:
            started = self._clock.monotonic()
            failed = False
            try:
                with structlog.contextvars.bound_contextvars(
                    controller=controller.reconciler.name, key=str(key)
                ):
                    failed = await self._reconcile(controller, key)
            finally:
                queue.done(key)
                if self.metrics is not None:
                    seconds = self._clock.monotonic() - started
                    self.metrics.reconciled(controller.reconciler.name, key, seconds, failed=failed)

    async def _reconcile(self, controller: Controller, key: Key) -> bool:
        """One reconcile and what follows from its outcome; whether it counts as failed."""
        queue = controller.queue
        try:
            async with asyncio.timeout(_RECONCILE_SECONDS):
                wake_at = await controller.reconciler.reconcile(key)
        except Conflict:
            queue.retry(key)  # the cache will catch up
            return False
        except NotLeader:
            return False  # somebody else's work by now
        except ApiError as error:
            if error.retry_after is None:
                queue.retry(key)
            else:
                queue.add_after(key, error.retry_after)
            _log.warning("reconcile failed", reason=error.reason, error=error.message)
            return True
        except TimeoutError:
            queue.retry(key)
            _log.warning("reconcile failed", error=f"no end after {_RECONCILE_SECONDS:g} s")
            return True
        except Exception:  # noqa: BLE001 - a bug met by one object must not stop the others
            queue.retry(key)
            _log.exception("reconcile failed")
            return True
        queue.forget(key)
        if wake_at is not None:
            # Never at once: a reconcile that asks for the past must not spin.
            queue.add_after(key, max(_SOONEST, wake_at - self._clock.wall()))
        return False

    async def _sweep(self, controller: Controller) -> None:
        """Look at everything now and then: a net under the wake-up times, not a mechanism."""
        store, mapper = controller.sources[0]
        while True:
            await asyncio.sleep(self._sweep_seconds)
            for obj in store.list():
                for key in _keys(mapper, obj):
                    controller.queue.add(key, Priority.LOW)

    async def _verify_caches(self) -> None:
        """Compare caches with the server, one after the other, now and then."""
        while True:
            for reflector in self._reflectors:
                await asyncio.sleep(_VERIFY_SECONDS / len(self._reflectors))
                try:
                    await reflector.verify()
                except ApiError as error:
                    _log.info("cache not verified", error=error.message)

    async def _measure_lag(self) -> None:
        worst = [0.0] * _LAG_STEPS
        for step in range(1 << 62):
            due = self._clock.monotonic() + _LAG_STEP
            await asyncio.sleep(_LAG_STEP)
            worst[step % _LAG_STEPS] = max(0.0, self._clock.monotonic() - due)
            if self.metrics is not None:
                self.metrics.event_loop_lag.set(max(worst))

    # Stop.

    async def _shut_down(self) -> None:
        self._not_ready = "stopping"
        self._stopping.set()
        for controller in self.controllers:
            controller.queue.shut_down()
        leading = self._election is None or self._election.leading()
        if self._workers and leading:
            await asyncio.wait(self._workers, timeout=_GRACE_SECONDS)
        await _end(self._workers)
        for controller in self.controllers:
            if isinstance(controller.reconciler, Closing):
                await controller.reconciler.close()
        election = [task for task in self._background if task.get_name() == "election"]
        events = [task for task in self._background if task.get_name() == "events"]
        if self._recorder is not None and events and not events[0].done():
            await self._recorder.flush()  # while we still may write
        await _end(events)
        await _end(election)
        if self._election is not None:
            await self._election.release()
        await _end(self._background)
        if self.on_stop is not None:
            await self.on_stop()
        if self.health is not None:
            await self.health.stop()


async def _end(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _connect(controller: Controller) -> None:
    """Let the queue hear of changes: news first, the first list at low priority."""
    for store, mapper in controller.sources:

        def hear(change: Change, mapper: KeyMapper = mapper) -> None:
            if isinstance(mapper, WhenChanged) and not mapper.is_news(change):
                return
            priority = Priority.LOW if change.initial else Priority.NORMAL
            for obj in (change.old, change.new):
                for key in _keys(mapper, obj) if obj is not None else ():
                    controller.queue.add(key, priority)

        store.subscribe(hear)


def _keys(mapper: KeyMapper, obj: Obj) -> list[Key]:
    """The mapper's keys. An object it cannot read concerns nobody, and must not end the watch."""
    try:
        return list(mapper(obj))
    except Exception:  # noqa: BLE001 - it is a user's object
        _log.exception("cannot tell whom an object concerns", object=obj["metadata"].get("name"))
        return []
