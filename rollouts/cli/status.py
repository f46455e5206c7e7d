"""``status``: the phase in one line, waited for until it is final.

Owns the command, what counts as final and the exit code. Scripts and pipelines depend on the texts.
"""

import asyncio
from collections.abc import Callable

import click

from rollouts.cli.common import Client, ConnectCommand, FailedError, Session, session_of
from rollouts.cli.completion import rollout_name


@click.command(
    cls=ConnectCommand, examples=["status shop", "status shop --watch=false", "status shop -t 5m"]
)
@rollout_name
@click.option(
    "-w",
    "--watch/--no-watch",
    default=True,
    help="Wait until the Rollout is Healthy or Degraded (the default).",
)
@click.option("-t", "--timeout", "limit", default="0", help="Give up after this time, such as 5m.")
@session_of
def status(session: Session, name: str, *, watch: bool, limit: str) -> int:
    """Show the phase of a Rollout; exit code 1 when it is Degraded."""
    from analysis.times import parse_duration

    try:
        seconds = parse_duration(limit)
    except ValueError as error:
        raise FailedError(str(error)) from None

    async def work(client: Client) -> None:
        await report(client, name, click.echo, watch=watch, seconds=seconds)

    return session.run(work)


async def report(
    client: Client, name: str, echo: Callable[[str], None], *, watch: bool, seconds: float = 0
) -> None:
    """Print the phase, with ``watch`` after each change until it is final.

    Raises FailedError when it ends Degraded, or when ``seconds`` (0: no limit) have passed.
    """
    if not watch:
        phase, message = await _once(client, name)
        echo(_line(phase, message))
        _judge(phase, message)
        return
    try:
        async with asyncio.timeout(seconds or None):
            phase, message = await _until_final(client, name, echo)
    except TimeoutError:
        raise FailedError("Rollout status watch exceeded timeout") from None
    _judge(phase, message)


async def _once(client: Client, name: str) -> tuple[str, str]:
    from rollouts.api.rollout import Rollout
    from rollouts.cli.phase import phase_of
    from rollouts.kube.resources import ROLLOUTS

    return phase_of(Rollout.decode(await client.api.get(ROLLOUTS, name, client.namespace)))


async def _until_final(client: Client, name: str, echo: Callable[[str], None]) -> tuple[str, str]:
    from rollouts.api.rollout import Rollout
    from rollouts.cli.objects import following
    from rollouts.cli.phase import phase_of
    from rollouts.kube.errors import NotFound
    from rollouts.kube.resources import ROLLOUTS

    await client.api.get(ROLLOUTS, name, client.namespace)
    shown = ""
    async with following(client, [(ROLLOUTS, "")], name=name) as (stores, changed):
        while True:
            changed.clear()
            obj = stores[ROLLOUTS].get(client.namespace, name)
            if obj is None:
                raise NotFound(f'{ROLLOUTS.group_resource} "{name}" not found')
            phase, message = phase_of(Rollout.decode(obj))
            if (line := _line(phase, message)) != shown:
                echo(line)
                shown = line
            if phase in ("Healthy", "Degraded"):
                return phase, message
            await changed.wait()


def _line(phase: str, message: str) -> str:
    final = phase in ("Healthy", "Degraded")
    return f"{phase} - {message}" if message and not final else phase


def _judge(phase: str, message: str) -> None:
    if phase == "Degraded":
        raise FailedError(f"The rollout is in a degraded state with message: {message}")
