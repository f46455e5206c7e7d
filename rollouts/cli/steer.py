"""Verbs that change where a Rollout is going: promote, abort, retry, pause, restart, terminate.

Owns the commands; which patches they send is in ``patches``.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from rollouts.cli.common import Client, ConnectCommand, FailedError, Group, Session, session_of
from rollouts.cli.completion import experiment_names, rollout_name, rollout_names, run_names

if TYPE_CHECKING:
    from rollouts.kube.resources import Resource


@click.command(cls=ConnectCommand, examples=["promote shop", "promote shop --full"])
@rollout_name
@click.option("--full", is_flag=True, help="Skip all that is left: steps, pauses and analyses.")
@click.option("-c", "--skip-current-step", "skip_one", is_flag=True, hidden=True)
@click.option("-a", "--skip-all-steps", "skip_all", is_flag=True, hidden=True)
@session_of
def promote(session: Session, name: str, *, full: bool, skip_one: bool, skip_all: bool) -> int:
    """Go on from a pause or skip the current step; with --full, skip all that is left."""
    if skip_one and skip_all:
        raise FailedError("Cannot use skip-current-step and skip-all-steps flags at the same time")

    async def work(client: Client) -> None:
        from rollouts.api.rollout import Rollout
        from rollouts.cli import patches
        from rollouts.kube.resources import ROLLOUTS

        obj = await client.api.get(ROLLOUTS, name, client.namespace)
        rollout = Rollout.decode(obj)
        if skip_one or skip_all:
            changes = patches.skip(rollout, everything=skip_all)
        else:
            changes = patches.promote_full(rollout) if full else patches.promote(rollout)
        for change in changes:
            await patches.send(client, ROLLOUTS, name, change)
        click.echo(f"rollout '{name}' {'fully promoted' if full else 'promoted'}")

    return session.run(work)


@click.command(cls=ConnectCommand, examples=["abort shop"])
@rollout_names
@session_of
def abort(session: Session, names: tuple[str, ...]) -> int:
    """Go back to the stable revision, and stay there until a retry or a new revision."""
    return _each(session, names, {"status": {"abort": True}}, "rollout '{}' aborted")


@click.command(cls=ConnectCommand, examples=["pause shop"])
@rollout_names
@session_of
def pause(session: Session, names: tuple[str, ...]) -> int:
    """Stop making progress; `promote` goes on."""
    return _each(session, names, {"spec": {"paused": True}}, "rollout '{}' paused")


_RETRIED = {
    "ro": "rollout",
    "rollouts": "rollout",
    "exp": "experiment",
    "experiments": "experiment",
}


@click.group(
    "retry",
    cls=Group,
    aliases=_RETRIED,
    examples=["retry rollout shop", "retry experiment shop-6f7d-2-1"],
)
def retry() -> None:
    """Try an aborted Rollout or a finished Experiment again."""


@retry.command("rollout", examples=["retry rollout shop"])
@rollout_names
@session_of
def retry_rollout(session: Session, names: tuple[str, ...]) -> int:
    """Try an aborted update again, from its first step."""
    return _each(session, names, {"status": {"abort": False}}, "rollout '{}' retried")


@retry.command("experiment", examples=["retry experiment shop-6f7d-2-1"])
@experiment_names
@session_of
def retry_experiment(session: Session, names: tuple[str, ...]) -> int:
    """Run a finished Experiment again."""
    return _each(session, names, {"status": None}, "experiment '{}' retried", _experiments)


_TERMINATED = {
    "ar": "analysisrun",
    "analysisruns": "analysisrun",
    "exp": "experiment",
    "experiments": "experiment",
}


@click.group(
    "terminate",
    cls=Group,
    aliases=_TERMINATED,
    examples=["terminate analysisrun shop-6f7d-2", "terminate experiment shop-6f7d-2-1"],
)
def terminate() -> None:
    """End an AnalysisRun or an Experiment."""


@terminate.command("analysisrun", examples=["terminate analysisrun shop-6f7d-2"])
@run_names
@session_of
def terminate_run(session: Session, names: tuple[str, ...]) -> int:
    """Stop measuring, and conclude from what was measured."""
    patch = {"spec": {"terminate": True}}
    return _each(session, names, patch, "analysisRun '{}' terminated", _runs)


@terminate.command("experiment", examples=["terminate experiment shop-6f7d-2-1"])
@experiment_names
@session_of
def terminate_experiment(session: Session, names: tuple[str, ...]) -> int:
    """End an Experiment."""
    patch = {"spec": {"terminate": True}}
    return _each(session, names, patch, "experiment '{}' terminated", _experiments)


@click.command(cls=ConnectCommand, examples=["restart shop", "restart shop --in 10m"])
@rollout_name
@click.option("-i", "--in", "delay", default="0s", help="Wait this long, such as 30s or 1h.")
@session_of
def restart(session: Session, name: str, delay: str) -> int:
    """Replace all pods, a few at a time, without a new revision."""
    from analysis.times import format_duration, format_time, parse_duration

    try:
        seconds = parse_duration(delay)
    except ValueError as error:
        raise FailedError(str(error)) from None

    async def work(client: Client) -> None:
        from rollouts.cli import patches
        from rollouts.kube.resources import ROLLOUTS

        patch = {"spec": {"restartAt": format_time(client.clock.wall() + seconds)}}
        await patches.send(client, ROLLOUTS, name, patch)
        click.echo(f"rollout '{name}' restarts in {format_duration(seconds)}")

    return session.run(work)


def _rollouts() -> "Resource":
    from rollouts.kube.resources import ROLLOUTS

    return ROLLOUTS


def _experiments() -> "Resource":
    from rollouts.kube.resources import EXPERIMENTS

    return EXPERIMENTS


def _runs() -> "Resource":
    from rollouts.kube.resources import ANALYSIS_RUNS

    return ANALYSIS_RUNS


def _each(
    session: Session,
    names: tuple[str, ...],
    patch: dict[str, Any],
    done: str,
    resource: "Callable[[], Resource]" = _rollouts,
) -> int:
    """Send one patch to each object, and say so after each."""

    async def work(client: Client) -> None:
        from rollouts.cli import patches

        for name in names:
            await patches.send(client, resource(), name, patch)
            click.echo(done.format(name))

    return session.run(work)
