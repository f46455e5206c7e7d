"""What one sees while an analysis runs.

Owns the terminal: a line for every measurement, and below them, on a terminal only, a table that
moves. In a pipe or a log there are just the lines, and at the end the table once. Used by
``analyze``.
"""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from analysis.measure import Done
from analysis.plan import MetricPlan, RunPlan
from analysis.providers.base import Now
from analysis.schedule import Action, due_at, result_of
from analysis.spec import Measurement, MetricResult, Phase, RunStatus
from analysis.times import format_duration, format_time, parse_time
from rollouts.cli.analyze.words import counts, explained, phase_cell
from rollouts.cli.style import Cell, painted, table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

_MAX_SHOWN = 160  # characters of a value or reason in one line
_BOLD, _DIM = "1", "2"
_UNDECIDED = Cell("? Undecided", "33")


class Screen:
    """``echo`` prints a line; ``console``: a terminal to draw on, if there is one."""

    def __init__(
        self,
        plan: RunPlan,
        now: Now,
        echo: Callable[[str], None],
        *,
        color: bool,
        console: "Console | None" = None,
    ) -> None:
        self._plan, self._now, self._echo, self._color = plan, now, echo, color
        self._console = console
        self._status = RunStatus()
        self._undecided: Collection[str] = ()
        self._live: Live | None = None

    def start(self) -> None:
        if self._console is None:
            return
        from rich.live import Live

        self._live = Live(
            console=self._console,
            get_renderable=self._drawn,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
        )
        self._live.start()

    def stop(self) -> None:
        """Take the moving table away and give the terminal back."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def heard(self, status: RunStatus, done: Sequence[Done]) -> None:
        """A pass is over: one line for each measurement that ended or began to wait."""
        self._status = status
        for one in done:
            measurement = one.measurement
            if measurement is None:
                continue
            if measurement.finished_at is not None or one.task.action is Action.MEASURE:
                self.say(measured(one.task.plan, measurement, color=self._color))

    def say(self, line: str) -> None:
        if self._live is None:
            self._echo(line)
            return
        from rich.text import Text

        self._live.console.print(Text.from_ansi(line), soft_wrap=True)

    def conclude(
        self, name: str, status: RunStatus, stopped: str = "", undecided: Collection[str] = ()
    ) -> None:
        """The table and the verdict, for good. ``stopped``: why there is none.

        ``undecided``: the metrics that were stopped before they came to their end.
        """
        self._status, self._undecided = status, undecided
        self.stop()
        verdict = Cell(f"? {stopped}", "33") if stopped else phase_cell(status.phase)
        lines = ["", *self._table(), "", f"{name}: {painted(verdict, color=self._color)}"]
        if status.message and not stopped:
            lines.append(f"  {_cut(status.message)}")
        for line in lines:
            self._echo(line)

    def _drawn(self) -> "Text":
        from rich.text import Text

        return Text.from_ansi("\n" + "\n".join(self._table()))

    def _table(self) -> list[str]:
        titles = ("METRIC", "PHASE", "MEASURED", "LAST VALUE", "NEXT")
        over = self._status.phase.completed
        rows = [tuple(Cell(title, _BOLD) for title in titles[: 4 if over else 5])]
        for metric in self._plan.metrics:
            result = result_of(self._status, metric.name) or MetricResult(phase=Phase.PENDING)
            row = self._row(metric, result)
            rows.append(row[:4] if over else row)
        return table(rows, color=self._color)

    def _row(self, metric: MetricPlan, result: MetricResult) -> tuple[Cell, ...]:
        last = result.measurements[-1] if result.measurements else Measurement()
        wanted = f" of {metric.limits.count}" if metric.limits.count is not None else ""
        taken = f"{result.count}{wanted}"
        split = counts(result)
        name = f"{metric.name} (dry run)" if metric.dry_run else metric.name
        return (
            Cell(name),
            _UNDECIDED if metric.name in self._undecided else phase_cell(result.phase),
            Cell(f"{taken}: {split}" if split else taken),
            Cell(_cut(last.value, 40)),
            Cell(self._next(metric), _DIM),
        )

    def _next(self, metric: MetricPlan) -> str:
        now = self._now()
        when = due_at(metric, self._status, now)
        if when is None or self._status.phase.completed:
            return ""
        seconds = int(when - now)
        return f"in {format_duration(seconds)}" if seconds > 0 else "now"


def measured(plan: MetricPlan, measurement: Measurement, *, color: bool) -> str:
    """One measurement as a line: when, which metric, phase, value, why."""
    when = measurement.finished_at or measurement.started_at or ""
    parts = [
        painted(Cell(when, _DIM), color=color),
        f"{plan.name} (dry run)" if plan.dry_run else plan.name,
        painted(phase_cell(measurement.phase), color=color),
    ]
    why = explained(measurement)
    if measurement.finished_at is None:
        until = parse_time(measurement.resume_at)
        why = f"looked at again at {format_time(until)}" if until else "not over yet"
    if why:
        parts.append(_cut(why))
    return "  ".join(parts)


def _cut(text: str, most: int = _MAX_SHOWN) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"
