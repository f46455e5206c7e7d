"""``get``: the whole picture of one object, once or until Ctrl-C.

Owns the commands; what they show is in ``header``, ``tree`` and ``runpicture``.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import click

from rollouts.cli.common import (
    Client,
    Group,
    Session,
    no_color_option,
    output_option,
    print_object,
    session_of,
)
from rollouts.cli.completion import experiment_name, rollout_name, run_name

CLEAR = "\x1b[H\x1b[2J"
_KINDS = {
    "ro": "rollout",
    "rollouts": "rollout",
    "exp": "experiment",
    "experiments": "experiment",
    "ar": "analysisrun",
    "analysisruns": "analysisrun",
}


@click.group(
    "get", cls=Group, aliases=_KINDS, examples=["get rollout shop", "get experiment shop-6f7d-2-1"]
)
def get() -> None:
    """Show a Rollout or an Experiment with all it owns, or what an AnalysisRun has measured."""


_watch_option: Final = click.option(
    "-w", "--watch", is_flag=True, help="Keep showing changes until Ctrl-C."
)
_end_option: Final = click.option(
    "--timeout-seconds", type=int, default=0, help="End the watch after this time."
)


@get.command(
    "rollout",
    examples=["get rollout shop", "get rollout shop --watch", "get rollout shop -o yaml"],
)
@rollout_name
@_watch_option
@_end_option
@output_option
@no_color_option
@session_of
def rollout(session: Session, /, name: str, **options: Any) -> int:
    """Show a Rollout and everything it owns as a tree."""
    return _show(session, "rollout", name, **options)


@get.command("experiment", examples=["get experiment shop-6f7d-2-1"])
@experiment_name
@_watch_option
@_end_option
@output_option
@no_color_option
@session_of
def experiment(session: Session, /, name: str, **options: Any) -> int:
    """Show an Experiment and everything it owns as a tree."""
    return _show(session, "experiment", name, **options)


@get.command("analysisrun", examples=["get analysisrun shop-6f7d-2-1", "get ar shop-6f7d-2 -w"])
@run_name
@_watch_option
@_end_option
@output_option
@no_color_option
@session_of
def analysis_run(session: Session, /, name: str, **options: Any) -> int:
    """Show what an AnalysisRun has measured, and why that came out as it did."""
    return _show(session, "analysisrun", name, **options)


def _show(
    session: Session,
    kind: str,
    name: str,
    *,
    watch: bool,
    timeout_seconds: int,
    output: str | None,
    no_color: bool,
) -> int:
    from rollouts.cli.picture import RESOURCES
    from rollouts.cli.style import wants_color

    color = wants_color(no_color=no_color)

    async def work(client: Client) -> None:
        if output:
            print_object(await client.api.get(RESOURCES[kind], name, client.namespace), output)
        elif watch:
            limit = timeout_seconds
            await watch_tree(client, name, click.echo, kind=kind, seconds=limit, color=color)
        else:
            await show_tree(client, name, click.echo, kind=kind, color=color)

    return session.run(work)


async def show_tree(
    client: Client, name: str, echo: Callable[[str], None], *, kind: str = "rollout", color: bool
) -> None:
    """Print the picture once. Raises NotFound."""
    from rollouts.cli import objects
    from rollouts.cli.picture import RESOURCES, picture

    found = await objects.read(client, RESOURCES[kind], name)
    echo("\n".join(picture(kind, found, client.clock.wall(), color=color)))


async def watch_tree(
    client: Client,
    name: str,
    echo: Callable[[str], None],
    *,
    kind: str = "rollout",
    seconds: float = 0,
    color: bool,
) -> None:
    """Print the picture after every change, on a cleared screen, for ``seconds``."""
    from rollouts.cli import objects
    from rollouts.cli.picture import RESOURCES, picture

    async def follow() -> None:
        async for found in objects.watch(client, RESOURCES[kind], name):
            lines = picture(kind, found, client.clock.wall(), color=color)
            echo(CLEAR + "\n".join(lines))

    try:
        async with asyncio.timeout(seconds or None):
            await follow()
    except TimeoutError:
        return
