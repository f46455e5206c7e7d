"""Where output goes: lines for people, and at the end perhaps one object for programs.

With ``-o`` standard output holds the object and nothing else; the lines go to standard error. Used
by both ways of ``analyze``.
"""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from rollouts.cli.common import print_object
from rollouts.cli.style import wants_color

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, slots=True)
class Output:
    """``form``: ``json`` or ``yaml`` where the object itself is wanted."""

    form: str | None
    no_color: bool = False

    @property
    def color(self) -> bool:
        return not self.form and wants_color(no_color=self.no_color)

    def echo(self, line: str) -> None:
        click.echo(line, err=bool(self.form), color=self.color)

    def result(self, obj: Any) -> None:
        if self.form:
            print_object(obj, self.form)

    def console(self) -> "Console | None":
        """The terminal to draw on, where there is one that nothing else is written to."""
        if self.form or not sys.stdout.isatty():
            return None
        from rich.console import Console

        return Console(no_color=not self.color, highlight=False)
