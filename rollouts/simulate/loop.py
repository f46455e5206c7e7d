"""An event loop whose time is a number, so that waiting costs nothing and every run repeats.

When nothing is ready the loop jumps to the next timer. It owns neither sockets nor threads: asking
for one is an error that says so, because either would bring real time back in. A program that can
never go on is reported as a deadlock with the tasks that wait, never as a hang. Used by the
simulator and by every test of something that waits.
"""

import asyncio
import random
import threading
from collections.abc import Coroutine
from typing import Any, Final, NoReturn, TypeVar

from rollouts.runtime.clock import LoopClock

EPOCH: Final = 1_767_225_600.0  # 2026-01-01T00:00:00Z: the wall time at which virtual time starts
_SPIN_LIMIT: Final = 2_000_000  # loop passes without time moving before it counts as a livelock
_T = TypeVar("_T")


class VirtualTimeError(RuntimeError):
    """The program cannot go on in virtual time; the message says why."""


class _NoSelector:
    """Stands where the loop expects a selector: instead of waiting for sockets it moves time."""

    def __init__(self, loop: "VirtualTimeLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        self._loop.idle(timeout)
        return []

    def close(self) -> None:
        """Nothing to close; the base class asks."""


class VirtualTimeLoop(asyncio.BaseEventLoop):
    """``shuffle``: run callbacks that are ready together in a random order drawn from ``seed``.

    ``limit``: virtual seconds after which the run is given up as one that never ends.
    """

    def __init__(self, *, seed: int = 0, shuffle: bool = False, limit: float = 7 * 86400.0) -> None:
        super().__init__()
        self._selector = _NoSelector(self)
        # Timers count as due from this many seconds before; a nanosecond would vanish in a float
        # after some months of virtual time, and the loop would wait for ever for its own timer.
        self._clock_resolution = 1e-6
        self._now = 0.0
        self._limit = limit
        self._spins = 0
        self._rng = random.Random(seed) if shuffle else None
        self._thread = threading.get_ident()

    def time(self) -> float:
        return self._now

    def idle(self, timeout: float | None) -> None:
        """Called once per pass, before callbacks run; ``timeout`` as a selector would get it."""
        if timeout is None:
            raise VirtualTimeError(f"deadlock: nothing is scheduled; {self._waiting()}")
        if timeout > 0:
            self._now = self._scheduled[0].when()  # type: ignore[attr-defined]
            self._spins = 0
            if self._now > self._limit:
                raise VirtualTimeError(
                    f"still running after {self._limit:g} virtual seconds; {self._waiting()}"
                )
            return
        # A timer due within the clock's resolution runs now: it must find that its time has come,
        # or whoever waits until a moment would wait for the same moment again, for ever.
        due = self._scheduled[0].when() if self._scheduled else self._now  # type: ignore[attr-defined]
        if self._now < due <= self._now + self._clock_resolution:
            self._now = due
        self._spins += 1
        if self._spins > _SPIN_LIMIT:
            raise VirtualTimeError(f"livelock: time does not move; {self._waiting()}")
        ready = self._ready  # type: ignore[attr-defined]
        if self._rng is not None and len(ready) > 1:
            handles = list(ready)
            self._rng.shuffle(handles)
            ready.clear()
            ready.extend(handles)

    def _waiting(self) -> str:
        waiting = sorted(_where(task) for task in asyncio.all_tasks(self))
        return "waiting: " + ("; ".join(waiting) or "no task")

    def _process_events(self, event_list: list[Any]) -> None:
        """The selector never reports any."""

    def _write_to_self(self) -> None:
        if threading.get_ident() != self._thread:
            _refuse("a callback from another thread")

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]  # noqa: ARG002 - the base class sets the names
        _refuse(f"a thread for {getattr(func, '__qualname__', func)}")

    async def create_connection(self, *_args: Any, **_kwargs: Any) -> Any:
        _refuse("a connection")

    async def create_server(self, *_args: Any, **_kwargs: Any) -> Any:
        _refuse("a listening socket")

    async def create_datagram_endpoint(self, *_args: Any, **_kwargs: Any) -> Any:
        _refuse("a datagram socket")

    async def sock_connect(self, *_args: Any, **_kwargs: Any) -> Any:
        _refuse("a connection")

    async def subprocess_exec(self, *_args: Any, **_kwargs: Any) -> Any:
        _refuse("a subprocess")

    def add_reader(self, *_args: Any) -> Any:  # type: ignore[override]
        _refuse("a file descriptor to watch")

    def add_writer(self, *_args: Any) -> Any:  # type: ignore[override]
        _refuse("a file descriptor to watch")


def _where(task: asyncio.Task[Any]) -> str:
    """The task's name and the innermost line that awaits, as far as coroutines can be followed."""
    inner: Any = task.get_coro()
    while hasattr(getattr(inner, "cr_await", None), "cr_frame"):
        inner = inner.cr_await
    frame = getattr(inner, "cr_frame", None)
    return (
        f"{task.get_name()} in {frame.f_code.co_qualname}:{frame.f_lineno}"
        if frame
        else task.get_name()
    )


def _refuse(what: str) -> NoReturn:
    raise VirtualTimeError(
        f"{what} was asked for in virtual time: use an in-process stand-in, or a real loop"
    )


def virtual_clock(epoch: float = EPOCH) -> LoopClock:
    """The clocks of the running loop; wall time is ``epoch`` (seconds) where loop time is zero."""
    return LoopClock(asyncio.get_running_loop(), epoch)


def run_virtual(
    main: Coroutine[Any, Any, _T],
    *,
    seed: int = 0,
    shuffle: bool = False,
    limit: float = 7 * 86400.0,
) -> _T:
    """Run ``main`` on a fresh virtual loop, cancel what it left behind, return its value.

    ``limit`` in virtual seconds. Raises VirtualTimeError on a deadlock, a livelock, past the limit.
    """
    with asyncio.Runner(
        loop_factory=lambda: VirtualTimeLoop(seed=seed, shuffle=shuffle, limit=limit)
    ) as runner:
        return runner.run(main)
