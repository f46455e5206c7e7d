"""An AnalysisRun as people want to see it: what was asked, what came back, and what that meant.

Owns the lines of ``get analysisrun``; the sentences are ``analysis.words``'. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from analysis import words
from rollouts.cli.style import Cell, color_of, icon, painted, table

_COUNTS: Final = ("successful", "failed", "inconclusive", "error")
_ABOUT: Final = ("query", "window", "answer", "warnings")


def run_lines(run: Mapping[str, Any], *, color: bool) -> list[str]:
    """All lines, without an end of line."""
    meta, status = run["metadata"], run.get("status") or {}
    lines = [
        _line("Name:", meta["name"]),
        _line("Namespace:", meta.get("namespace") or ""),
        _line("Status:", painted(_phase(status.get("phase")), color=color)),
    ]
    lines += [
        _line(f"{title}:", str(status[key]))
        for title, key in (
            ("Message", "message"),
            ("Started", "startedAt"),
            ("Completed", "completedAt"),
        )
        if status.get(key)
    ]
    for result in words.results(run):
        lines += ["", *_metric(result, color=color)]
    return lines


def _metric(result: Mapping[str, Any], *, color: bool) -> Iterator[str]:
    counts = [f"{result[name]} {name}" for name in _COUNTS if result.get(name)]
    dry = ["dry run"] if result.get("dryRun") else []
    phase = painted(_phase(result.get("phase")), color=color)
    told = ", ".join([*counts, *dry])
    yield f"{result.get('name')}: {phase}" + (f" ({told})" if told else "")
    if result.get("message"):
        yield f"  {result['message']}"
    about = words.latest(result).get("metadata") or {}
    yield from (f"  {name + ':':<9}{about[name]}" for name in _ABOUT if about.get(name))
    measurements: Sequence[Mapping[str, Any]] = result.get("measurements") or ()
    rows = [
        (
            Cell(f"  {one.get('startedAt') or ''}"),
            _phase(one.get("phase")),
            Cell(words.reason(one)),
        )
        for one in measurements
    ]
    yield from table(rows, color=color) if rows else ()


def _phase(phase: object) -> Cell:
    text = str(phase or "Pending")
    mark = "◌" if text in ("Running", "Pending") else icon(text)
    return Cell(f"{mark} {text}", color_of(mark))


def _line(key: str, value: str) -> str:
    return f"{key:<17}{value}".rstrip()
