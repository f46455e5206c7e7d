"""How output looks: icons, colours, columns.

Owns the icon and colour of each status and the layout of tables; knows nothing of Rollouts. Pure.
Used by the modules that print.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_GREEN, _RED, _YELLOW, _CYAN, _DIM = "32", "31", "33", "36", "2"

ICONS: Final = {
    "Healthy": "✔",
    "Successful": "✔",
    "Completed": "✔",
    "Degraded": "✖",
    "Failed": "✖",
    "CrashLoopBackOff": "✖",
    "ReplicaFailure": "✖",
    "Progressing": "◌",
    "Pending": "◌",
    "ContainerCreating": "◌",
    "PodInitializing": "◌",
    "Terminating": "◌",
    "Paused": "॥",
    "Error": "⚠",
    "InvalidSpec": "⚠",
    "ImagePullBackOff": "⚠",
    "Unknown": "?",
    "Inconclusive": "?",
    "ScaledDown": "•",
}
_COLORS: Final = {"✔": _GREEN, "✖": _RED, "⚠": _RED, "◌": _YELLOW, "॥": _YELLOW, "•": _DIM}
_TAG_COLORS: Final = {
    "stable": _GREEN,
    "active": _GREEN,
    "canary": _YELLOW,
    "preview": _CYAN,
    "ping": _CYAN,
    "pong": _CYAN,
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One text with one colour (an ANSI code, or none)."""

    text: str
    color: str = ""


def icon(status: str) -> str:
    """The icon of a status; an unknown one that begins like a known family gets the family's."""
    if status in ICONS:
        return ICONS[status]
    if status.startswith("Err"):
        return "⚠"
    return "◌" if status.startswith("Init:") else "?"


def color_of(symbol: str) -> str:
    """The colour that goes with an icon."""
    return _COLORS.get(symbol, "")


def tag_color(tag: str) -> str:
    """The colour that goes with a role such as ``stable``."""
    return _TAG_COLORS.get(tag, "")


def wants_color(*, no_color: bool, environ: Mapping[str, str] | None = None) -> bool:
    """Colours only for a person at a terminal who did not refuse them."""
    refused = no_color or bool((os.environ if environ is None else environ).get("NO_COLOR"))
    return not refused and sys.stdout.isatty()


def painted(cell: Cell, *, color: bool) -> str:
    """The text, coloured if wanted."""
    return f"\x1b[{cell.color}m{cell.text}\x1b[0m" if color and cell.color else cell.text


def table(rows: Sequence[Sequence[Cell]], *, color: bool, padding: int = 2) -> list[str]:
    """Aligned columns; colours do not count as width, and no line ends in blanks."""
    widths = [max(len(cell.text) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        parts = [
            painted(cell, color=color) + " " * (width - len(cell.text) + padding)
            for cell, width in zip(row, widths, strict=True)
        ]
        lines.append("".join(parts).rstrip())
    return lines
