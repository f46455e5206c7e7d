"""An analysis as it happens.

Owns what a run needs on one's own machine: the providers, the address policy (loopback is allowed
here, cloud metadata never is), the end by time and by Ctrl-C. The run itself is
``analysis.driver``'s business. Used by ``analyze``.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from analysis.driver import Pace, drive, is_open_ended, undecided
from analysis.measure import Measurer
from analysis.providers.address import AddressPolicy
from analysis.providers.base import Now, ProviderError, Providers, RunRef
from analysis.providers.http import HttpClient
from analysis.providers.job import Obj
from analysis.providers.registry import default_providers
from analysis.providers.tools import Tools
from analysis.spec import Phase, RunStatus
from rollouts.cli.analyze.material import Material
from rollouts.cli.analyze.output import Output
from rollouts.cli.analyze.screen import Screen
from rollouts.cli.analyze.words import INTERRUPTED, exit_code
from rollouts.cli.common import FailedError
from rollouts.controllers.run_status import status_obj
from rollouts.kube.resources import ANALYSIS_RUNS
from rollouts.runtime.clock import SystemClock

JOB_REMEDY = (
    "it runs a Kubernetes Job, which needs a cluster: create the run there with "
    "`create analysisrun --from-file FILE`, or choose other metrics with --metric"
)


class NoJobs:
    """There is no cluster to run a Job on, and a metric that wants one is refused beforehand."""

    async def create(self, job: Obj) -> Obj:  # noqa: ARG002 - the seam
        raise ProviderError(JOB_REMEDY)

    async def get(self, namespace: str, name: str) -> Obj | None:  # noqa: ARG002 - the seam
        return None

    async def labelled(self, namespace: str, labels: str) -> list[Obj]:  # noqa: ARG002 - the seam
        return []

    async def pods(self, namespace: str, job: str) -> list[Obj]:  # noqa: ARG002 - the seam
        return []

    async def delete(self, namespace: str, name: str) -> None:
        """There is none."""


@asynccontextmanager
async def own_http(max_body: int = 10 * 1024 * 1024) -> AsyncIterator[HttpClient]:
    """HTTP from the user's own machine, which may ask itself."""
    http = HttpClient(policy=AddressPolicy(allow_loopback=True), max_body=max_body)
    try:
        yield http
    finally:
        await http.aclose()


@dataclass(slots=True)
class Ending:
    """Why a run was stopped from outside, if it was."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    interrupted: bool = False
    timed_out: bool = False

    def interrupt(self) -> None:
        self.interrupted = True
        self.stop.set()

    def expire(self) -> None:
        self.timed_out = True
        self.stop.set()

    def instead_of_verdict(self, status: RunStatus, waiting: list[str]) -> str:
        """What to say where being stopped decided more than the measurements; usually nothing."""
        if status.phase is not Phase.SUCCESSFUL:
            return ""
        if self.interrupted:
            return "interrupted before it was decided"
        if self.timed_out and waiting:
            return f"time was up before it was decided: {', '.join(waiting)}"
        return ""


async def analyze(material: Material, out: Output, seconds: float) -> int:
    """Run it on this machine; the exit code. ``seconds``: after which it is ended (0: never)."""
    for metric in material.plan.metrics:
        if metric.metric.provider.job is not None:
            raise FailedError(f"metric '{metric.name}': {JOB_REMEDY}")
    endless = [metric.name for metric in material.plan.metrics if is_open_ended(metric)]
    if endless and not seconds:
        out.echo(f"Measured until Ctrl-C or --timeout, having no count: {', '.join(endless)}")
    now = SystemClock().wall
    ending = Ending()
    async with own_http() as http:
        providers = default_providers(Tools(http, now, os.environ), NoJobs())
        with _signals_end(ending), _cut_short(ending):
            return await run(material, providers, now, out, ending, seconds=seconds)
    return INTERRUPTED


async def run(
    material: Material,
    providers: Providers,
    now: Now,
    out: Output,
    ending: Ending,
    *,
    seconds: float = 0,
) -> int:
    """Measure until there is a verdict, the time is up, or it is stopped; the exit code."""
    pace = Pace.of_clock(now, ending.stop)
    ref = RunRef(material.namespace, material.name, "local", material.secrets)
    screen = Screen(material.plan, now, out.echo, color=out.color, console=out.console())
    timer = asyncio.get_running_loop().call_later(seconds, ending.expire) if seconds else None
    plan, given, measurer = material.plan, material.given, Measurer(providers, now)
    screen.start()
    try:
        status = await drive(plan, ref, given, measurer, pace, heard=screen.heard)
    finally:
        screen.stop()
        if timer is not None:
            timer.cancel()
    waiting = undecided(plan, status) if status.phase is Phase.SUCCESSFUL else []
    screen.conclude(material.name, status, ending.instead_of_verdict(status, waiting), waiting)
    out.result(run_object(material, status))
    return exit_code(plan, status, interrupted=ending.interrupted, timed_out=ending.timed_out)


def run_object(material: Material, status: RunStatus) -> Obj:
    """The AnalysisRun as a cluster would show it; arguments that are secret stay references."""
    meta = {"name": material.name}
    if material.namespace:
        meta["namespace"] = material.namespace
    return {
        "apiVersion": ANALYSIS_RUNS.api_version,
        "kind": ANALYSIS_RUNS.kind,
        "metadata": meta,
        "spec": material.spec.to_obj(),
        "status": status_obj(status),
    }


@contextlib.contextmanager
def _cut_short(ending: Ending) -> Iterator[None]:
    """Whoever interrupts twice does not wait for anything to be terminated."""
    try:
        yield
    except asyncio.CancelledError:
        if not ending.interrupted:
            raise


@contextlib.contextmanager
def _signals_end(ending: Ending) -> Iterator[None]:
    """Ctrl-C ends the run properly; a second one ends the program."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def interrupt() -> None:
        if ending.interrupted and task is not None:
            task.cancel()
        ending.interrupt()

    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, interrupt)
    try:
        yield
    finally:
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(one)
