"""``list rollouts`` and ``list experiments``: one line each.

Owns the columns (Argo Rollouts' plugin is the model) and following changes line by line.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from rollouts.cli.common import Client, Group, Session, output_option, print_object, session_of

if TYPE_CHECKING:
    from rollouts.kube.api import Obj

_KINDS = {
    "ro": "rollouts",
    "rollout": "rollouts",
    "exp": "experiments",
    "experiment": "experiments",
}
_ROLLOUT_COLUMNS = (
    "NAME",
    "STRATEGY",
    "STATUS",
    "STEP",
    "SET-WEIGHT",
    "READY",
    "DESIRED",
    "UP-TO-DATE",
    "AVAILABLE",
)
_EXPERIMENT_COLUMNS = ("NAME", "STATUS", "DURATION", "REMAINING", "AGE")


@click.group("list", cls=Group, aliases=_KINDS, examples=["list rollouts -A", "list experiments"])
def list_() -> None:
    """List Rollouts or Experiments, one line each."""


@list_.command(
    "rollouts", examples=["list rollouts", "list rollouts -A", "list rollouts --watch --timestamps"]
)
@click.option("--name", default="", help="Only this one.")
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="In all namespaces.")
@click.option("-w", "--watch", is_flag=True, help="Print lines again as they change.")
@click.option("--timestamps", is_flag=True, help="Begin lines with the time.")
@output_option
@session_of
def rollouts(
    session: Session,
    *,
    name: str,
    everywhere: bool,
    watch: bool,
    timestamps: bool,
    output: str | None,
) -> int:
    """List Rollouts."""

    async def work(client: Client) -> None:
        from rollouts.cli.objects import list_all
        from rollouts.kube.resources import ROLLOUTS

        if watch:
            shown = Shown(everywhere=everywhere, timestamps=timestamps)
            await watch_rows(client, name, shown, click.echo)
            return
        where = None if everywhere else client.namespace
        items = await list_all(client.api, ROLLOUTS, where)
        items = [item for item in items if not name or item["metadata"]["name"] == name]
        if output:
            print_object(_as_list(ROLLOUTS.api_version, "RolloutList", items), output)
            return
        shown = Shown(everywhere=everywhere, timestamps=timestamps)
        _print_table([shown.row(item, client.clock.wall()) for item in items], shown.columns)

    return session.run(work)


@list_.command("experiments", examples=["list experiments", "list experiments -A"])
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="In all namespaces.")
@output_option
@session_of
def experiments(session: Session, *, everywhere: bool, output: str | None) -> int:
    """List Experiments."""

    async def work(client: Client) -> None:
        from rollouts.cli.objects import list_all
        from rollouts.kube.resources import EXPERIMENTS

        where = None if everywhere else client.namespace
        items = await list_all(client.api, EXPERIMENTS, where)
        if output:
            print_object(_as_list(EXPERIMENTS.api_version, "ExperimentList", items), output)
            return
        now = client.clock.wall()
        columns = ("NAMESPACE", *_EXPERIMENT_COLUMNS) if everywhere else _EXPERIMENT_COLUMNS
        rows = [_experiment_row(item, now) for item in items]
        if everywhere:
            rows = [
                (item["metadata"]["namespace"], *row) for item, row in zip(items, rows, strict=True)
            ]
        _print_table(rows, columns)

    return session.run(work)


def rollout_row(obj: "Obj") -> tuple[str, ...]:
    """The columns of one Rollout, from NAME to AVAILABLE."""
    from rollouts.api.rollout import Rollout
    from rollouts.cli.phase import phase_of, set_weight, step_of, strategy_of

    rollout = Rollout.decode(obj)
    status = rollout.status
    canary = rollout.spec.canary is not None
    return (
        rollout.metadata.name,
        strategy_of(rollout),
        phase_of(rollout)[0],
        step_of(rollout) or "-",
        str(set_weight(rollout)) if canary else "-",
        f"{status.ready_replicas}/{status.replicas}",
        str(rollout.spec.replicas_or_default),
        str(status.updated_replicas),
        str(status.available_replicas),
    )


class Shown:
    """Which columns are shown, and the row of an object."""

    def __init__(self, *, everywhere: bool, timestamps: bool) -> None:
        self.everywhere, self.timestamps = everywhere, timestamps

    @property
    def columns(self) -> tuple[str, ...]:
        first = ("TIMESTAMP",) if self.timestamps else ()
        second = ("NAMESPACE",) if self.everywhere else ()
        return (*first, *second, *_ROLLOUT_COLUMNS)

    def row(self, obj: "Obj", now: float) -> tuple[str, ...]:
        from analysis.times import format_time

        first = (format_time(now),) if self.timestamps else ()
        second = (obj["metadata"]["namespace"],) if self.everywhere else ()
        return (*first, *second, *rollout_row(obj))


async def watch_rows(client: Client, name: str, shown: Shown, echo: Callable[[str], None]) -> None:
    """Print each Rollout's row, and again whenever it has changed; for ever."""
    from rollouts.cli.objects import following
    from rollouts.kube.resources import ROLLOUTS

    where = None if shown.everywhere else client.namespace
    last: dict[tuple[str, str], tuple[str, ...]] = {}
    widths = [len(column) for column in shown.columns]
    first = True
    await client.api.list(ROLLOUTS, where, limit=1)
    async with following(client, [(ROLLOUTS, "")], name=name, namespace=where) as (stores, changed):
        while True:
            changed.clear()
            rows = []
            for obj in stores[ROLLOUTS].list():
                key = (obj["metadata"]["namespace"], obj["metadata"]["name"])
                row = rollout_row(obj)
                if last.get(key) != row:
                    last[key] = row
                    rows.append(shown.row(obj, client.clock.wall()))
            printed = [shown.columns, *rows] if first else rows
            widths = [
                max(old, *(len(row[i]) for row in printed), 0) for i, old in enumerate(widths)
            ]
            for row in printed:
                padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
                echo("  ".join(padded).rstrip())
            first = False
            await changed.wait()


def _experiment_row(obj: "Obj", now: float) -> tuple[str, ...]:
    from analysis.times import parse_duration, parse_time
    from rollouts.api.experiment import Experiment
    from rollouts.kube.human import duration

    experiment = Experiment.decode(obj)
    started, wanted = experiment.status.available_at, experiment.spec.duration
    remaining = "-"
    if wanted and started is not None and experiment.status.phase == "Running":
        try:
            left = parse_duration(wanted) + started - now
        except ValueError:
            left = 0.0
        remaining = duration(max(0.0, left))
    created = parse_time(obj["metadata"].get("creationTimestamp"))
    age = "-" if created is None else duration(now - created)
    meta = experiment.metadata
    return meta.name, experiment.status.phase or "-", wanted or "-", remaining, age


def _print_table(rows: list[tuple[str, ...]], columns: tuple[str, ...]) -> None:
    from rollouts.cli.style import Cell, table

    if not rows:
        click.echo("No resources found.", err=True)
        return
    cells = [tuple(Cell(text) for text in row) for row in (columns, *rows)]
    click.echo("\n".join(table(cells, color=False)))


def _as_list(api_version: str, kind: str, items: "list[Obj]") -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "items": items, "metadata": {}}
