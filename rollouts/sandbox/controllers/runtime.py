"""What really runs behind a scripted pod: nothing, a server of the caller's, or a command.

Owns the seam by which a demo gives each pod a real address, and the subprocesses of pods that are
meant to end. Subprocesses need a real loop and are started only when asked for. Called by the
kubelet.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from rollouts.kube.api import Obj
from rollouts.runtime.clock import Clock
from rollouts.sandbox.controllers.objects import spec, uid
from rollouts.sandbox.controllers.profiles import MAX_BACKOFF, Moment, Phase

FIRST_BACKOFF: Final = 10.0
NOT_FOUND: Final = 127


@dataclass(frozen=True, slots=True)
class PodAddress:
    """Where a pod can be reached. ``ports``: where the real port differs from the container's."""

    ip: str
    ports: Mapping[int, int] = field(default_factory=dict)


class PodRuntime(Protocol):
    """Runs something for a pod while its containers are up. Both calls may be repeated."""

    async def start(self, pod: Obj) -> PodAddress | None:
        """Called when containers start; None: the kubelet makes up an address."""
        ...

    async def stop(self, pod: Obj) -> None:
        """Called when containers stop, whatever the reason."""
        ...


class NoRuntime:
    """Nothing runs; addresses are made up."""

    async def start(self, pod: Obj) -> PodAddress | None:  # noqa: ARG002 - the seam's signature
        return None

    async def stop(self, pod: Obj) -> None:
        """Nothing was started."""


@dataclass(slots=True)
class _Run:
    """One pod's command; times are seconds since the epoch."""

    started: float
    task: asyncio.Task[None] | None = None
    code: int | None = None
    ended: float = 0.0
    restarts: int = 0


class Commands:
    """Runs the commands of pods that are meant to end, with the user's own rights.

    Containers without a command are not known here: nobody can tell what their image would run.
    """

    def __init__(self, clock: Clock, ended: Callable[[Obj], None]) -> None:
        self._clock, self._ended = clock, ended
        self._runs: dict[str, _Run] = {}

    def moment(self, pod: Obj, accepted: float) -> Moment | None:
        """Where the pod stands by its command, which is started on the first call.

        None where the pod has no command. ``accepted``: seconds since the epoch.
        """
        if not any(one.get("command") for one in spec(pod).get("containers") or ()):
            return None
        now = self._clock.wall()
        run = self._runs.get(uid(pod))
        if run is None:
            run = self._runs[uid(pod)] = _Run(now)
            self._launch(pod, run)
        since = (run.started if run.code is None else run.ended) - accepted
        forever = float("inf")
        if run.code is None:
            return Moment(Phase.READY, since, forever, run.restarts)
        if run.code == 0:
            return Moment(Phase.COMPLETED, since, forever, run.restarts)
        if spec(pod).get("restartPolicy") != "OnFailure":
            return Moment(Phase.FAILED, since, forever, run.restarts, run.code)
        wait = min(FIRST_BACKOFF * 2.0 ** min(run.restarts, 10), MAX_BACKOFF)
        if now < run.ended + wait:
            return Moment(Phase.CRASH_BACKOFF, since, since + wait, run.restarts, run.code)
        run.started, run.code, run.restarts = now, None, run.restarts + 1
        self._launch(pod, run)
        return Moment(Phase.READY, now - accepted, forever, run.restarts)

    def stop(self, pod: Obj) -> None:
        """Kill what still runs for the pod and forget it."""
        run = self._runs.pop(uid(pod), None)
        if run is not None and run.task is not None:
            run.task.cancel()

    def _launch(self, pod: Obj, run: _Run) -> None:
        run.task = asyncio.get_running_loop().create_task(
            self._run(pod, run), name=f"command {pod['metadata']['name']}"
        )

    async def _run(self, pod: Obj, run: _Run) -> None:
        codes = await asyncio.gather(
            *(_execute(one) for one in spec(pod)["containers"] if one.get("command"))
        )
        run.code = next((code for code in codes if code != 0), 0)
        run.ended = self._clock.wall()
        self._ended(pod)


async def _execute(container: Mapping[str, Any]) -> int:
    """The exit code of a container's command; 127 where it cannot be started."""
    words = [*container["command"], *(container.get("args") or ())]
    given = {str(one["name"]): str(one.get("value") or "") for one in container.get("env") or ()}
    quiet = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *words, env={**os.environ, **given}, stdin=quiet, stdout=quiet, stderr=quiet
        )
    except OSError:
        return NOT_FOUND
    try:
        return abs(await process.wait())
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
