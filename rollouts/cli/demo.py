"""``rollouts demo``: an embedded cluster, our controller, live traffic, three releases.

Owns putting the parts together and taking them apart; what is told is the story's business
(``sandbox.demo``), how it looks the screen's. Exits 0 when every act ended as told, 1 when one did
not. Called by ``rollouts.cli.main``.
"""

import asyncio
import random
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rollouts.cli.common import CONTEXT, FailedError, no_color_option

if TYPE_CHECKING:
    from rollouts.cli.demoscreen import Screen
    from rollouts.kube.api import KubeApi
    from rollouts.runtime.clock import Clock
    from rollouts.sandbox.cluster import Cluster
    from rollouts.sandbox.demo.acts import Stage
    from rollouts.sandbox.demo.load import LoadGenerator
    from rollouts.sandbox.demo.prometheus import DemoPrometheus
    from rollouts.sandbox.demo.story import Scene
    from rollouts.sandbox.demo.view import ClusterView

_INTERRUPTED: Final = 130
NAMESPACE: Final = "default"
_TRAFFIC_SECONDS: Final = 3.0
_POD_READY_SECONDS: Final = 0.6
_ONE_DAY: Final = 86_400.0
_SERVICES: Final = ("shop", "checkout-active", "checkout-preview")
_SEEN: Final = "sum(rate(http_requests_total[5s])) > 0"


@click.command("demo", context_settings=CONTEXT)
@click.option("--keep", is_flag=True, help="Stay up afterwards and say what to try next.")
@click.option(
    "--rate",
    type=click.FloatRange(10, 500),
    default=120.0,
    show_default=True,
    help="Requests per second, all users together.",
)
@click.option("--embedded-prometheus", is_flag=True, help="Do not look for a real Prometheus.")
@no_color_option
def command(rate: float, *, keep: bool, embedded_prometheus: bool, no_color: bool) -> int:
    """Show a whole release, start to end: promoted, aborted, switched.

    Needs nothing: the cluster, the application, its users and (unless `prometheus` is on the PATH)
    Prometheus run inside this process, on loopback.
    """
    options = Options(rate, keep=keep, embedded=embedded_prometheus, no_color=no_color)
    return asyncio.run(_show(options))


@dataclass(frozen=True, slots=True)
class Options:
    """``rate``: requests per second."""

    rate: float
    keep: bool
    embedded: bool
    no_color: bool


@dataclass(frozen=True, slots=True)
class _House:
    """Everything that runs."""

    cluster: "Cluster"
    view: "ClusterView"
    clock: "Clock"
    prometheus: "DemoPrometheus"
    urls: dict[str, str]
    loads: "dict[str, LoadGenerator]"
    api_url: str
    kubeconfig: Path


class _Background:
    """Tasks that must not end while the demo runs, and the wish to stop it."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        for one in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(one, self._stop.set)

    def start(self, name: str, run: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(run, name=name))

    async def while_running(self, work: Coroutine[Any, Any, int]) -> int:
        """The result of ``work``, or 130 when a signal came first.

        Raises what ended a task before that.
        """
        main = asyncio.create_task(work)
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([main, stopped, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in self._tasks:
                if task.done():
                    task.result()
                    raise FailedError(f"the {task.get_name()} ended by itself")
            return await main if main.done() else _INTERRUPTED
        finally:
            for each in (main, stopped):
                each.cancel()
            await asyncio.gather(main, stopped, return_exceptions=True)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _show(options: Options) -> int:
    _quiet_logs()
    tasks = _Background()
    async with _built(options, tasks) as house:
        code = await tasks.while_running(_play(house, options, tasks))
        if options.keep and code != _INTERRUPTED:
            _what_next(house)
            await tasks.while_running(_for_ever())
        return code


async def _for_ever() -> int:
    await asyncio.Event().wait()
    return 0


async def _play(house: _House, options: Options, tasks: _Background) -> int:
    """Tell the story; the exit code."""
    from rollouts.cli.demoscreen import summary
    from rollouts.cli.style import wants_color
    from rollouts.sandbox.demo import story
    from rollouts.sandbox.demo.acts import Stage
    from rollouts.sandbox.demo.narrate import Narrator, Tone

    color = wants_color(no_color=options.no_color)
    screen = _screen(house, color=color)
    stage = Stage(house.cluster.api, house.view, house.loads, house.clock, screen.say, screen.show)
    screen.say(f"An embedded cluster answers at {house.api_url}", Tone.TELL)
    screen.say(f"Metrics: {house.prometheus.kind} at {house.prometheus.url}", Tone.TELL)
    Narrator(house.view, screen.say)
    objects = story.manifests(house.prometheus.url, house.urls["checkout-preview"])

    async def seen() -> bool:
        return await house.prometheus.value(_SEEN) is not None

    try:
        await story.set_the_scene(stage, objects)
        for load in house.loads.values():
            tasks.start("load", load.run(_ONE_DAY))
        tasks.start("traffic report", _tell_traffic(stage))
        await story.until_measured(stage, seen)
        scenes = await story.play(stage)
    except story.NotReady as error:
        raise FailedError(str(error)) from None
    finally:
        screen.stop()
    click.echo("\n" + summary(scenes, color=color) + "\n", color=color)
    return _exit_code(scenes)


def _exit_code(scenes: "list[Scene]") -> int:
    return 0 if all(scene.as_told for scene in scenes) else 1


def _screen(house: _House, *, color: bool) -> "Screen":
    from rollouts.cli.demoscreen import Screen
    from rollouts.cli.objects import Snapshot
    from rollouts.cli.picture import picture
    from rollouts.kube.resources import ANALYSIS_RUNS, PODS, REPLICA_SETS, ROLLOUTS

    began = house.clock.monotonic()

    def draw(name: str) -> list[str]:
        root = house.view.get(ROLLOUTS, name)
        found = {
            kind: house.view.store(kind).list() for kind in (REPLICA_SETS, PODS, ANALYSIS_RUNS)
        }
        return picture("rollout", Snapshot.of(root, found), house.clock.wall(), color=color)

    return Screen(
        lambda: house.clock.monotonic() - began, draw, live=sys.stdout.isatty(), color=color
    )


async def _tell_traffic(stage: "Stage") -> None:
    """Now and then, who answers the users of the Rollouts in the story."""
    from rollouts.sandbox.demo.load import Tally
    from rollouts.sandbox.demo.narrate import Tone, traffic_line

    before: dict[str, Tally] = {}
    while True:
        for name, load in stage.loads.items():
            seen = load.tally.since(before.get(name, Tally()))
            if name in before and len(seen.requests) > 1:
                stage.say(f"{name}: {traffic_line(seen)}", Tone.QUIET)
            before[name] = load.tally.copy()
        await asyncio.sleep(_TRAFFIC_SECONDS)


@asynccontextmanager
async def _built(options: Options, tasks: _Background) -> AsyncIterator[_House]:
    """Start everything, in order; stop it in the reverse order."""
    from rollouts.kube.resources import ENDPOINT_SLICES
    from rollouts.runtime.clock import SystemClock
    from rollouts.sandbox.cluster import Cluster
    from rollouts.sandbox.controllers.profiles import becomes_ready
    from rollouts.sandbox.demo.pods import DemoPods
    from rollouts.sandbox.demo.prometheus import demo_prometheus
    from rollouts.sandbox.demo.proxy import ServiceProxy
    from rollouts.sandbox.demo.view import ClusterView
    from rollouts.sandbox.http.server import HttpServer, write_kubeconfig

    clock, rng = SystemClock(), random.Random()
    async with AsyncExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="rollouts-demo-"))
        pods = DemoPods(clock, rng)
        stack.push_async_callback(pods.close)
        prometheus = await stack.enter_async_context(
            demo_prometheus(pods.page, clock, embedded=options.embedded)
        )
        profile = becomes_ready("demo", _POD_READY_SECONDS)
        cluster = Cluster(clock, rng, pods=profile, runtime=pods)
        server = HttpServer(cluster.server, clock)
        url = await server.start()
        stack.push_async_callback(server.stop)
        kubeconfig = Path(scratch) / "kubeconfig"
        write_kubeconfig(kubeconfig, url, NAMESPACE)
        await cluster.start()
        stack.push_async_callback(cluster.stop)
        stack.push_async_callback(tasks.end)
        tasks.start("cluster", cluster.failed())
        view = ClusterView(cluster.api, clock, rng, NAMESPACE)
        tasks.start("view", view.run())
        _start_controller(cluster.api, clock, rng, tasks)
        proxy = ServiceProxy(view.store(ENDPOINT_SLICES), pods.address_of, NAMESPACE)
        stack.push_async_callback(proxy.close)
        urls = {service: await proxy.listen(service) for service in _SERVICES}
        await view.synced()
        loads = _users(options.rate, urls, clock)
        house = _House(cluster, view, clock, prometheus, urls, loads, url, kubeconfig)
        yield house


def _users(rate: float, urls: dict[str, str], clock: "Clock") -> "dict[str, LoadGenerator]":
    """Users by the Rollout they use; most of them browse the shop."""
    from rollouts.sandbox.demo.acts import CHECKOUT, SHOP
    from rollouts.sandbox.demo.load import LoadGenerator

    return {
        SHOP: LoadGenerator(urls["shop"], clock, rate=rate * 0.75),
        CHECKOUT: LoadGenerator(urls["checkout-active"], clock, rate=rate * 0.25),
    }


def _start_controller(
    api: "KubeApi", clock: "Clock", rng: random.Random, tasks: _Background
) -> None:
    """Our controller, in this process; metrics may come from loopback, where all of this is."""
    from rollouts.controllers.wiring import controller_set

    for part in controller_set(api, clock, rng, allow_loopback=True):
        tasks.start("controller", part.run())


def _what_next(house: _House) -> None:
    lines = [
        "Everything stays up until Ctrl-C. In another terminal:",
        "",
        f"  export KUBECONFIG={house.kubeconfig}",
        "  kubectl get rollouts,services,pods",
        "  kubectl argo rollouts get rollout shop --watch",
        "  kubectl argo rollouts set image shop colours=demo/colours:purple",
        "  kubectl argo rollouts set image shop colours=demo/colours:bad-purple   # fails, aborts",
        "  kubectl argo rollouts why shop",
        "  kubectl argo rollouts undo checkout",
        "",
        *(f"  curl {url}/    # Service {name}" for name, url in house.urls.items()),
        f"  {house.prometheus.url}    # {house.prometheus.kind}",
    ]
    click.echo("\n".join(lines))
    sys.stdout.flush()


def _quiet_logs() -> None:
    """The story is on standard output; what is wrong with a part goes to standard error."""
    import logging

    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
