"""What the demo looks like: a story line by line, and the tree of the Rollout it is about.

Owns the terminal. On a terminal the tree stays at the bottom and moves; anywhere else (a pipe, a
log) it is printed at the moments that matter, and nothing is coloured. Used by ``demo``.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import click

from rollouts.cli.style import Cell, painted, table
from rollouts.sandbox.demo.narrate import Tone
from rollouts.sandbox.demo.story import Scene

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

Draw = Callable[[str], list[str]]
"""The lines of a Rollout's tree, coloured as the screen is."""

_STORY_LINES: Final = 6
_COLORS: Final = {
    Tone.TITLE: "1;36",
    Tone.TELL: "",
    Tone.GOOD: "32",
    Tone.BAD: "31",
    Tone.QUIET: "2",
}


class Screen:
    """``seconds``: time since the demo began; ``live``: there is a terminal to draw on."""

    def __init__(
        self, seconds: Callable[[], float], draw: Draw, *, live: bool, color: bool
    ) -> None:
        self._seconds, self._draw, self._color = seconds, draw, color
        self._wants_live = live
        self._live: Live | None = None
        self._focus = ""

    def say(self, text: str, tone: Tone) -> None:
        """One line of the story, with the time."""
        stamp = painted(Cell(f"{self._seconds():6.1f}s  ", "2"), color=self._color)
        line = stamp + painted(Cell(text, _COLORS[tone]), color=self._color)
        self._print(f"\n{line}" if tone is Tone.TITLE else line)

    def show(self, rollout: str) -> None:
        """Draw the tree of this Rollout from now on, or once where nothing can move."""
        self._focus = rollout
        if self._wants_live and self._live is None:
            self._live = _live(self._tree, color=self._color)
            self._live.start()
        elif self._live is None:
            self._print("\n" + _indented(self._draw(rollout)) + "\n")

    def stop(self) -> None:
        """Leave the last tree on the screen and give the terminal back."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _tree(self) -> "Text":
        from rich.text import Text

        lines = self._draw(self._focus)
        if self._live is not None and len(lines) + _STORY_LINES > self._live.console.height:
            lines = lines[lines.index("") + 1 :]  # a low terminal: the tree without its header
        return Text.from_ansi("\n" + _indented(lines))

    def _print(self, text: str) -> None:
        if self._live is None:
            click.echo(text, color=self._color)
            return
        from rich.text import Text

        self._live.console.print(Text.from_ansi(text), soft_wrap=True)


def _live(tree: "Callable[[], Text]", *, color: bool) -> "Live":
    from rich.console import Console
    from rich.live import Live

    console = Console(no_color=not color, highlight=False)
    return Live(console=console, get_renderable=tree, refresh_per_second=5, redirect_stdout=False)


def _indented(lines: Sequence[str]) -> str:
    return "\n".join(f"    {line}" if line else "" for line in lines)


def summary(scenes: Sequence[Scene], *, color: bool) -> str:
    """The table at the end."""
    head = ("ACT", "ENDED", "AS TOLD", "REQUESTS", "ERRORS", "SECONDS")
    rows = [tuple(Cell(text) for text in head)]
    for scene in scenes:
        told = Cell("yes", "32") if scene.as_told else Cell("NO", "31")
        numbers = (str(scene.requests), str(scene.errors), f"{scene.seconds:.1f}")
        cells = (Cell(scene.title), Cell(scene.outcome.ended), told, *map(Cell, numbers))
        rows.append(cells)
    lines = table(rows, color=color)
    for scene in scenes:
        lines += ["", f"{scene.title}:"]
        lines += [f"  measured {each}" for each in scene.outcome.evidence]
        lines += [f"  not as told: {each}" for each in scene.outcome.problems]
    return "\n".join(lines)
