"""What a benchmark measured, and how it is printed.

Owns the row, the comparison with its target and the text. Measures nothing itself. Every benchmark
yields Rows, ``benchmarks.__main__`` prints them.
"""

import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One number. Without ``below`` and ``at_most`` it is told, and not judged."""

    name: str
    value: float
    unit: str = ""
    below: float | None = None
    at_most: float | None = None

    @property
    def target(self) -> str:
        if self.below is not None:
            return f"< {self.below:g}"
        return "" if self.at_most is None else f"≤ {self.at_most:g}"

    @property
    def ok(self) -> bool:
        if self.below is not None:
            return self.value < self.below
        return self.at_most is None or self.value <= self.at_most

    @property
    def mark(self) -> str:
        return ("yes" if self.ok else "NO") if self.target else ""


def say(text: str) -> None:
    """Progress, where it does not disturb the table."""
    print(text, file=sys.stderr, flush=True)


def table(rows: Iterable[Row]) -> str:
    """Name, value, unit, target and whether it is met, in columns."""
    cells = [("benchmark", "value", "unit", "target", "ok")]
    cells += [(row.name, _number(row.value), row.unit, row.target, row.mark) for row in rows]
    widths = [max(len(line[at]) for line in cells) for at in range(5)]
    lines = [
        f"{name:{widths[0]}}  {value:>{widths[1]}}  {unit:{widths[2]}}  {target:{widths[3]}}  {ok}"
        for name, value, unit, target, ok in cells
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


def machine() -> str:
    """What it was measured on."""
    return (
        f"{os.cpu_count()} cores ({_processor()}), {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "unknown")


def _number(value: float) -> str:
    if value == int(value):
        return str(int(value))
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
