"""``why``: what a Rollout or an Experiment waits for, since when, until when, and what would help.

Owns the command and its wording; the reasons come from the planner, which the controller uses too.
"""

from typing import TYPE_CHECKING, Any, Final

import click

from rollouts.cli.common import (
    Client,
    ConnectCommand,
    FailedError,
    Session,
    data_option,
    no_color_option,
    print_object,
    session_of,
)
from rollouts.cli.completion import names_of

if TYPE_CHECKING:
    from rollouts.planner.plan import Blocker


_KINDS: Final = {
    "rollout": "rollout",
    "rollouts": "rollout",
    "ro": "rollout",
    "experiment": "experiment",
    "experiments": "experiment",
    "exp": "experiment",
}
_RUNS: Final = ("analysisrun", "analysisruns", "ar")


@click.command(
    cls=ConnectCommand,
    examples=["why shop", "why shop -o json", "why experiment shop-6f7d-2-1"],
)
@click.argument(
    "words",
    nargs=-1,
    required=True,
    metavar="[experiment] NAME",
    shell_complete=names_of("ROLLOUTS"),
)
@data_option
@no_color_option
@session_of
def why(session: Session, words: tuple[str, ...], *, output: str | None, no_color: bool) -> int:
    """Say what a Rollout or an Experiment waits for, and what would help."""
    from rollouts.cli.style import wants_color

    color = wants_color(no_color=no_color)
    kind, name = _asked(words, session.program)

    async def work(client: Client) -> None:
        now = client.clock.wall()
        phase, message, blockers = await _explain(client, kind, name, now)
        if output:
            print_object(as_object(phase, message, blockers), output)
        else:
            lines = explained(
                name,
                phase,
                message,
                blockers,
                program=client.program,
                now=now,
                color=color,
                kind=kind,
            )
            click.echo("\n".join(lines))

    return session.run(work)


def _asked(words: tuple[str, ...], program: str) -> tuple[str, str]:
    """The kind and the name; a single word is a Rollout's name."""
    if len(words) > 2:
        raise FailedError("why takes a name, or a kind and a name")
    kind, name = ("rollout", words[0]) if len(words) == 1 else words
    if kind in _RUNS:
        raise FailedError(
            f"an AnalysisRun waits for nothing but time: use '{program} get analysisrun {name}'"
        )
    if kind not in _KINDS:
        raise FailedError(f"'{kind[:64]}' is neither rollout nor experiment")
    return _KINDS[kind], name


async def _explain(
    client: Client, kind: str, name: str, now: float
) -> "tuple[str, str, tuple[Blocker, ...]]":
    if kind == "experiment":
        from rollouts.controllers.explain_experiment import explain_experiment

        return await explain_experiment(client.api, client.namespace, name, now)
    from rollouts.controllers.explain import explain

    phase, message, blockers = await explain(client.api, client.namespace, name, now)
    return str(phase), message, blockers


def as_object(phase: str, message: str, blockers: "tuple[Blocker, ...]") -> dict[str, Any]:
    """The same for programs; instants as RFC 3339."""
    from dataclasses import asdict

    from analysis.times import format_time

    def plain(blocker: "Blocker") -> dict[str, Any]:
        found = {key: value for key, value in asdict(blocker).items() if value not in (None, "")}
        return found | {k: format_time(found[k]) for k in ("since", "until") if k in found}

    return {"phase": phase, "message": message, "blockers": [plain(one) for one in blockers]}


def explained(
    name: str,
    phase: str,
    message: str,
    blockers: "tuple[Blocker, ...]",
    *,
    program: str,
    now: float,
    color: bool,
    kind: str = "rollout",
) -> list[str]:
    """A few readable lines; ``now`` in seconds since the epoch."""
    from rollouts.cli.style import Cell, color_of, icon, painted

    mark = icon(phase)
    head = f"{mark} {phase}" + (f" - {message}" if message else "")
    lines = [f"{kind} '{name}': {painted(Cell(head, color_of(mark)), color=color)}"]
    if not blockers:
        lines.append("Nothing is being waited for.")
    for blocker in blockers:
        lines += ["", *_one(blocker, program, now)]
    return lines


def _one(blocker: "Blocker", program: str, now: float) -> list[str]:
    from rollouts.kube.human import duration

    lines = [f"{blocker.code}: {blocker.message}"]
    where = " ".join(part for part in (blocker.object, blocker.field) if part)
    if where:
        lines.append(f"  where:  {where}")
    if blocker.since is not None:
        lines.append(f"  since:  {duration(now - blocker.since)} ago")
    if blocker.until is not None:
        left = blocker.until - now
        lines.append(f"  until:  {f'in {duration(left)}' if left > 0 else 'any moment now'}")
    if blocker.then:
        lines.append(f"  then:   {blocker.then}")
    if blocker.command:
        lines.append(f"  try:    {_spelled(blocker.command, program)}")
    return lines


def _spelled(command: str, program: str) -> str:
    """Our own commands are shown under the name they were called by."""
    for own in ("kubectl argo rollouts ", "rollouts "):
        if command.startswith(own):
            return f"{program} {command.removeprefix(own)}"
    return command
