"""``rollouts sandbox``: an embedded cluster for stock kubectl, until Ctrl-C.

Owns the command line, the kubeconfig it writes and what it tells the user. Everything else is
``rollouts.sandbox`` and imported when the command runs, so that ``--help`` stays fast. Called by
``rollouts.cli.main``.
"""

import asyncio
import contextlib
import random
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import click

if TYPE_CHECKING:
    from rollouts.runtime.clock import Clock
    from rollouts.sandbox.cluster import Cluster

_PODS_HELP: Final = (
    "How pods behave: instant, fast, slow, never-ready, crash, crash-after-40s, image-pull-error, "
    "unready-after-30s, fail, or ready after a duration such as 3s."
)
_WARNING: Final = 30


class _Part(Protocol):
    def run(self) -> Awaitable[None]: ...


@click.group(invoke_without_command=True)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 takes a free one.")
@click.option(
    "--kubeconfig",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the kubeconfig here. Without it, to a temporary directory.",
)
@click.option("--no-controller", is_flag=True, help="Start the cluster without our controller.")
@click.option("--pods", default="fast", show_default=True, help=_PODS_HELP)
@click.option("--namespace", "-n", default="default", show_default=True)
@click.option("--run-commands", is_flag=True, help="Run the commands of Jobs' containers.")
@click.pass_context
def sandbox(
    context: click.Context,
    port: int,
    kubeconfig: Path | None,
    *,
    no_controller: bool,
    pods: str,
    namespace: str,
    run_commands: bool,
) -> None:
    """Run an embedded cluster on loopback until Ctrl-C."""
    if context.invoked_subcommand is not None:
        return
    if kubeconfig is not None:
        _check_ours(kubeconfig)
    _quiet_logs()
    with tempfile.TemporaryDirectory(prefix="rollouts-sandbox-") as scratch:
        path = kubeconfig or Path(scratch) / "kubeconfig"
        _run(_serve(port, path, namespace, pods, controller=not no_controller, run=run_commands))


@sandbox.command()
@click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The API server that has no nodes.",
)
@click.option("--context", "context_name", default="", help="A context of the kubeconfig.")
@click.option("--pods", default="fast", show_default=True, help=_PODS_HELP)
@click.option("--run-commands", is_flag=True, help="Run the commands of Jobs' containers.")
def kubelet(kubeconfig: Path, context_name: str, pods: str, *, run_commands: bool) -> None:
    """Run only nodes, scheduler and kubelet, against a real API server without nodes."""
    _quiet_logs()
    _run(_play_nodes(kubeconfig, context_name, pods, run=run_commands))


async def _serve(
    port: int, path: Path, namespace: str, pods: str, *, controller: bool, run: bool
) -> None:
    from rollouts.runtime.clock import SystemClock
    from rollouts.sandbox.cluster import Cluster
    from rollouts.sandbox.http.server import HttpServer, write_kubeconfig

    clock, rng = SystemClock(), random.Random()
    cluster = Cluster(clock, rng, pods=_profile(pods), run_commands=run)
    server = HttpServer(cluster.server, clock, port=port)
    try:
        url = await server.start()
    except OSError as error:
        raise click.ClickException(f"cannot listen on port {port}: {error.strerror}") from None
    try:
        await cluster.start()
        await _ensure_namespace(cluster, namespace)
        parts = _our_controllers(cluster, clock, rng) if controller else []
        write_kubeconfig(path, url, namespace)
        _welcome(url, path, pods, with_controller=bool(parts))
        async with _stopping() as stopped:
            await _first_of(stopped, [cluster.failed(), *(part.run() for part in parts)])
    finally:
        await server.stop()
        await cluster.stop()
    click.echo("sandbox stopped")


async def _play_nodes(kubeconfig: Path, context: str, pods: str, *, run: bool) -> None:
    from rollouts.kube.client import HttpKubeApi
    from rollouts.kube.config import ConfigError, ConnectOptions, connect
    from rollouts.runtime.clock import SystemClock
    from rollouts.runtime.ids import uuids
    from rollouts.sandbox.controllers import kubelet_controllers

    clock, rng = SystemClock(), random.Random()
    profile = _profile(pods)
    try:
        connection = await connect(ConnectOptions(kubeconfig=str(kubeconfig), context=context))
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    async with HttpKubeApi(connection, rng=rng) as api:
        parts = kubelet_controllers(api, clock, rng, uuids(rng), pods=profile, run_commands=run)
        click.echo(f"playing nodes for the API server at {connection.host}; Ctrl-C stops it")
        sys.stdout.flush()
        async with _stopping() as stopped:
            await _first_of(stopped, [part.run() for part in parts])


def _our_controllers(cluster: "Cluster", clock: "Clock", rng: random.Random) -> list[_Part]:
    """Our controllers in this process. A Prometheus beside the sandbox is on loopback, too."""
    from rollouts.controllers.wiring import controller_set

    return list(controller_set(cluster.api, clock, rng, allow_loopback=True))


async def _ensure_namespace(cluster: "Cluster", name: str) -> None:
    from rollouts.kube.errors import AlreadyExists, Invalid
    from rollouts.kube.resources import NAMESPACES

    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    try:
        await cluster.api.create(NAMESPACES, body)
    except AlreadyExists:
        pass
    except Invalid as error:
        raise click.BadParameter(error.message, param_hint="--namespace") from None


def _profile(name: str) -> Any:
    from rollouts.sandbox.controllers import named

    try:
        return named(name)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--pods") from None


def _check_ours(path: Path) -> None:
    """A kubeconfig that is not a sandbox's belongs to somebody: it is never overwritten."""
    from rollouts.sandbox.http.server import is_sandbox_kubeconfig

    if path.exists() and not is_sandbox_kubeconfig(path):
        raise click.BadParameter(
            f"{path} exists and was not written by a sandbox: name another file",
            param_hint="--kubeconfig",
        )
    if not path.parent.is_dir():
        raise click.BadParameter(f"{path.parent} is not a directory", param_hint="--kubeconfig")


def _welcome(url: str, path: Path, pods: str, *, with_controller: bool) -> None:
    who = "with the rollouts controller" if with_controller else "without a controller"
    click.echo(
        f"sandbox ready at {url} ({who}, pods: {pods})\n"
        f"kubeconfig: {path}\n\n"
        f"In another terminal:\n\n"
        f"  export KUBECONFIG={path}\n" + "".join(f"  {line}\n" for line in _tries(with_controller))
    )
    click.echo("Ctrl-C stops it; everything in it is forgotten.")
    sys.stdout.flush()


def _tries(with_controller: bool) -> list[str]:
    """Commands worth a try."""
    examples = _examples()
    if not with_controller or examples is None:
        return [
            "kubectl create deployment web --image=nginx --replicas=2",
            "kubectl get pods --watch",
        ]
    return [
        f"kubectl apply -f {examples / 'basic-canary.yaml'}",
        "kubectl argo rollouts set image basic-canary colours=argoproj/rollouts-demo:green",
        "kubectl argo rollouts get rollout basic-canary --watch",
        "kubectl argo rollouts promote basic-canary",
    ]


def _examples() -> Path | None:
    """Where the examples are: in the package, or beside it in a working tree."""
    package = Path(__file__).parents[1]
    places = (package / "data" / "examples", package.parent / "examples")
    return next((place for place in places if place.is_dir()), None)


@contextlib.asynccontextmanager
async def _stopping() -> AsyncIterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stopped.set)
    try:
        yield stopped
    finally:
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(one)


async def _first_of(stopped: asyncio.Event, runs: Iterable[Awaitable[None]]) -> None:
    """Until the event is set; raises what ends one of ``runs`` before that."""
    tasks = [asyncio.ensure_future(run) for run in runs]
    waiter: asyncio.Future[Any] = asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait([waiter, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
                raise click.ClickException("a controller ended by itself")
    finally:
        for left in (waiter, *tasks):
            left.cancel()
        await asyncio.gather(waiter, *tasks, return_exceptions=True)


def _run(main: Any) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main)


def _quiet_logs() -> None:
    """Only warnings, on standard error: standard output is for the hints."""
    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(_WARNING),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )


if __name__ == "__main__":
    sandbox(prog_name="rollouts sandbox")
