"""``rollouts controller``: the controller process.

Owns its command line (Argo Rollouts' flags where they apply; the others are accepted with a notice,
so that existing Deployments keep starting), signals and exit codes. Putting the controllers
together is ``controllers.wiring``; running them is the manager's.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from rollouts.cli.common import ConnectCommand, FailedError, Session, session_of

if TYPE_CHECKING:
    from rollouts.controllers.manager import Manager
    from rollouts.controllers.settings import Settings
    from rollouts.kube.config import Connection

_F = TypeVar("_F", bound=Callable[..., Any])

# Flags of Argo Rollouts that mean nothing here: what they configure is found out, or not there.
_IGNORED: Final = (
    "--ephemeral-metadata-threads",
    "--ephemeral-metadata-update-pod-retries",
    "--istio-api-version",
    "--ambassador-api-version",
    "--traffic-split-api-version",
    "--traefik-api-group",
    "--traefik-api-version",
    "--appmesh-crd-version",
    "--ingress-api-version",
    "--alb-ingress-classes",
    "--nginx-ingress-classes",
    "--alb-verify-weight",
    "--aws-verify-target-group",
    "--aws-target-group-binding-api-version",
    "--alb-tag-key-resource-id",
    "--self-service-notification-enabled",
    "--enable-pprof-address",
    "--kloglevel",
)


def _seconds(_: click.Context, __: click.Parameter, value: str) -> float:
    from analysis.times import parse_duration

    try:
        return float(value) if value.replace(".", "", 1).isdigit() else parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _boolean(name: str, field: str, *, default: bool, words: str) -> Callable[[_F], _F]:
    """A flag that also accepts Go's spelling, ``--flag=false``."""
    return click.option(
        name, field, type=bool, is_flag=False, flag_value="true", default=default, help=words
    )


def _number(name: str, field: str, default: int, words: str) -> Callable[[_F], _F]:
    return click.option(name, field, type=int, default=default, show_default=True, help=words)


def _duration(name: str, field: str, default: str, words: str) -> Callable[[_F], _F]:
    return click.option(
        name, field, default=default, show_default=True, callback=_seconds, help=words
    )


def _ignored(command: _F) -> _F:
    for name in _IGNORED:
        command = click.option(name, hidden=True, is_flag=False, flag_value="true")(command)
    return command


@click.command("controller", cls=ConnectCommand)
@_boolean("--namespaced", "namespaced", default=False, words="Watch only the namespace of -n.")
@click.option("--controllers", multiple=True, help="'analysis': only the AnalysisRun controller.")
@click.option("--instance-id", default="", help="Manage only objects labelled with this id.")
@click.option("--loglevel", "log_level", default="info", show_default=True)
@click.option("--logformat", "log_format", type=click.Choice(["text", "json"]), default="text")
@click.option(
    "--bind-address",
    default="127.0.0.1",
    show_default=True,
    help="Where health and metrics listen; 0.0.0.0 in a cluster.",
)
@_number("--healthzPort", "healthz_port", 8080, "Port of /healthz and /readyz; -1: none.")
@click.option(
    "--metricsPort", "--metricsport", "metrics_port", type=int, default=8090, show_default=True
)
@click.option(
    "--qps",
    type=float,
    default=0.0,
    show_default=True,
    help="Requests per second; 0: as many as the API server takes.",
)
@_number("--burst", "burst", 80, "Requests at once above --qps.")
@_number("--rollout-threads", "rollout_workers", 10, "Rollouts worked on at once.")
@_number("--analysis-threads", "analysis_workers", 30, "AnalysisRuns worked on at once.")
@_number("--experiment-threads", "experiment_workers", 10, "Experiments worked on at once.")
@_number("--service-threads", "service_workers", 10, "Services worked on at once.")
@_number("--ingress-threads", "ingress_workers", 10, "Ingresses worked on at once.")
@click.option(
    "--analysis-address-policy",
    type=click.Choice(["off", "guarded", "deny-private", "allow-list"]),
    default="guarded",
    show_default=True,
    help="Where metrics may be fetched from. guarded: not from this machine, its link, a cloud's "
    "metadata service or the API server; deny-private: nor from any private network; allow-list: "
    "only from --analysis-allow; off: from anywhere.",
)
@click.option(
    "--analysis-allow",
    multiple=True,
    help="Networks, addresses and host names (*.example.org) that --analysis-address-policy would "
    "refuse; several, or separated by commas. Metadata services stay refused.",
)
@click.option(
    "--analysis-deny",
    multiple=True,
    help="Networks, addresses and host names that no metric is ever fetched from.",
)
@_duration("--rollout-resync", "sweep", "900", "How often everything is looked at.")
@_boolean("--leader-elect", "leader_elect", default=True, words="Work only while leading.")
@_duration("--leader-election-lease-duration", "lease_duration", "15s", "Wait of others.")
@_duration("--leader-election-renew-deadline", "renew_deadline", "10s", "Trust in our lease.")
@_duration("--leader-election-retry-period", "retry_period", "2s", "Time between renewals.")
@_ignored
@session_of
def command(session: Session, /, **flags: Any) -> int:
    """Run the controller until it is told to stop.

    The first SIGTERM or Ctrl-C finishes what is in hand; the second ends at once.
    """
    from rollouts.runtime.logging import configure

    ignored = [name for name in _IGNORED if flags.pop(_field(name), None) is not None]
    only = {part.strip() for value in flags.pop("controllers") for part in value.split(",")} - {""}
    if only - {"analysis"}:
        raise click.BadParameter("the only part that can run alone is 'analysis'")
    try:
        configure(flags["log_level"], flags["log_format"])
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return asyncio.run(_main(session, {**flags, "only_analysis": bool(only)}, ignored))


def _field(name: str) -> str:
    return name.removeprefix("--").replace("-", "_")


async def _main(session: Session, flags: dict[str, Any], ignored: list[str]) -> int:
    import structlog

    from rollouts.controllers.settings import SettingsError, settings_of
    from rollouts.kube.config import ConnectOptions, connect
    from rollouts.kube.lease import LeaseLost

    log = structlog.get_logger("controller")
    connection = await connect(ConnectOptions(**session.flags))
    flags["namespace"] = connection.namespace
    flags["prometheus_address"] = os.environ.get("ARGO_ROLLOUTS_PROMETHEUS_ADDRESS", "")
    try:
        settings = settings_of(flags)
    except SettingsError as error:
        raise FailedError(str(error)) from None
    for name in ignored:
        log.warning("flag has no effect here", flag=name)
    log.info("starting", server=connection.host, namespace=settings.watched_namespace or "all")
    manager = _manager(connection, settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, manager.stop)
    try:
        await manager.run()
    except LeaseLost as error:
        raise FailedError(f"{error}; the process ends so that its successor is alone") from None
    except (TimeoutError, OSError) as error:
        raise FailedError(str(error)) from None
    except asyncio.CancelledError:
        return 130
    log.info("stopped")
    return 0


def _manager(connection: "Connection", settings: "Settings") -> "Manager":
    import random

    from rollouts.controllers.health import HealthServer
    from rollouts.controllers.metrics import Metrics
    from rollouts.controllers.wiring import controller_set
    from rollouts.kube.client import HttpKubeApi
    from rollouts.kube.limits import RateLimit
    from rollouts.runtime import memory
    from rollouts.runtime.clock import SystemClock

    clock, rng, metrics = SystemClock(), random.Random(), Metrics()
    limit = RateLimit(clock, settings.qps, settings.burst) if settings.qps else None
    api = HttpKubeApi(connection, rng=rng, limit=limit, observer=metrics.request)
    (manager,) = controller_set(
        api,
        clock,
        rng,
        settings=settings,
        metrics=metrics,
        api_server=connection.host,
        environ=os.environ,
    )
    manager.health = HealthServer(
        metrics,
        manager.not_ready,
        address=settings.bind_address,
        healthz_port=settings.healthz_port,
        metrics_port=settings.metrics_port,
    )
    manager.before_sync = memory.before_sync
    manager.after_sync = memory.after_sync
    others = manager.on_stop

    async def close() -> None:
        if others is not None:
            await others()
        await api.close()

    manager.on_stop = close
    return manager
