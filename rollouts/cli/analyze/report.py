"""What a backtest found, for people and for programs.

Owns the counting, the table, the streaks of releases that would not have passed, and the sentences.
Pure. Used by ``past``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from analysis.backtest.replay import Outcome, Release
from analysis.spec import Phase
from analysis.times import format_duration, format_time
from rollouts.cli.analyze.words import explained
from rollouts.cli.style import Cell, table

_MOST_EPISODES: Final = 12
_TOGETHER: Final = "all together"
_UNDECIDED: Final = "Undecided"
_COLUMNS: Final[Mapping[str, str]] = {
    Phase.SUCCESSFUL: "PASSED",
    Phase.FAILED: "FAILED",
    Phase.ERROR: "ERROR",
    Phase.INCONCLUSIVE: "INCONCLUSIVE",
    _UNDECIDED: "UNDECIDED",
}
_WOULD: Final[Mapping[str, str]] = {
    Phase.SUCCESSFUL: "would have passed",
    Phase.FAILED: "would have aborted",
    Phase.ERROR: "would have aborted (error)",
    Phase.INCONCLUSIVE: "would have paused (inconclusive)",
    _UNDECIDED: "would not have been decided",
}
_COLORS: Final = {"PASSED": "32", "FAILED": "31", "ERROR": "31", "INCONCLUSIVE": "33"}


@dataclass(frozen=True, slots=True)
class Report:
    """``every`` and ``length`` in seconds; ``every`` is 0 where releases were named one by one."""

    name: str
    releases: Sequence[Release]
    metrics: Sequence[str]
    every: float
    length: float
    refused: Mapping[str, str]
    without_data: Sequence[str]
    warnings: Sequence[str]
    dry_run: frozenset[str] = frozenset()

    @property
    def not_passed(self) -> int:
        return sum(not release.run.passed for release in self.releases)

    def lines(self, *, color: bool) -> Iterator[str]:
        """Everything there is to say; instants are UTC."""
        yield self._headline()
        yield ""
        yield from table(list(self._rows()), color=color)
        yield ""
        yield from self._singly() if len(self.releases) <= 2 else self._episodes()
        yield from self._remarks()
        yield self._verdict()

    def to_obj(self) -> dict[str, Any]:
        """For programs."""
        return {
            "name": self.name,
            "releases": [_release_obj(release) for release in self.releases],
            "summary": {
                "releases": len(self.releases),
                **{
                    _key(phase): sum(_what(each.run) == phase for each in self.releases)
                    for phase in _COLUMNS
                },
                "metrics": {name: self._counted(name) for name in self.metrics},
            },
            "notReplayed": dict(self.refused),
            "withoutData": list(self.without_data),
            "warnings": list(self.warnings),
        }

    def _headline(self) -> str:
        first, last = self.releases[0].start, self.releases[-1].start
        span = f"{_when(first)} to {_when(last)} UTC" if first != last else f"{_when(first)} UTC"
        many = f"{len(self.releases)} hypothetical releases" + (
            f", one every {format_duration(self.every)}" if self.every else ""
        )
        one = many if len(self.releases) > 1 else "a hypothetical release"
        return f"{self.name}: {one}, {span}, each judged for {format_duration(self.length)}"

    def _rows(self) -> Iterator[tuple[Cell, ...]]:
        shown = [phase for phase in _COLUMNS if phase in (Phase.SUCCESSFUL, Phase.FAILED)]
        shown += [phase for phase in _COLUMNS if phase not in shown and self._occurs(phase)]
        yield tuple(Cell(text) for text in ("METRIC", *map(_COLUMNS.__getitem__, shown), "STREAK"))
        for name in self.metrics:
            title = f"{name} (dry run)" if name in self.dry_run else name
            yield _row(title, [each.metrics[name] for each in self.releases], shown, self.releases)
        if len(self.metrics) > 1:
            runs = [each.run for each in self.releases]
            yield _row(_TOGETHER, runs, shown, self.releases)

    def _occurs(self, phase: str) -> bool:
        return any(
            _what(outcome) == phase
            for release in self.releases
            for outcome in (release.run, *release.metrics.values())
        )

    def _singly(self) -> Iterator[str]:
        for release in self.releases:
            for name in self.metrics:
                yield f"{name} {_sentence(release.start, release.metrics[name])}"

    def _episodes(self) -> Iterator[str]:
        """Releases in a row that would have come to the same end, the first of them in full."""
        groups = groupby(self.releases, lambda each: (_what(each.run), each.run.metric))
        bad = [list(group) for (what, _), group in groups if what != Phase.SUCCESSFUL]
        for group in bad[:_MOST_EPISODES]:
            first = group[0]
            row = f" ({len(group)} in a row, until {_when(group[-1].start)})" * (len(group) > 1)
            yield f"begun {_when(first.start)}{row}"
            yield f"  {_sentence(first.start, first.run, named=True)}"
        if len(bad) > _MOST_EPISODES:
            yield f"... and {len(bad) - _MOST_EPISODES} more such times; -o json has them all"
        if bad:
            yield ""

    def _remarks(self) -> Iterator[str]:
        for name, why in self.refused.items():
            yield f"Not replayed: {name}: {why}"
        for name in self.without_data:
            yield (
                f"{name}: there was no data at all, so nothing was tested; is the query right, "
                "and does the server keep data for so long?"
            )
        for text in self.warnings:
            yield f"Prometheus warned: {text}"

    def _verdict(self) -> str:
        total, bad = len(self.releases), self.not_passed
        if not bad:
            return f"All {total} would have passed." if total > 1 else "It would have passed."
        if total == 1:
            return f"It {_WOULD[_what(self.releases[0].run)]}."
        return f"{bad} of {total} would not have passed."

    def _counted(self, name: str) -> dict[str, int]:
        outcomes = [release.metrics[name] for release in self.releases]
        return {
            **{_key(phase): sum(_what(one) == phase for one in outcomes) for phase in _COLUMNS},
            "longestStreak": _streak(outcomes)[0],
        }


def _row(
    name: str, outcomes: Sequence[Outcome], shown: Sequence[str], releases: Sequence[Release]
) -> tuple[Cell, ...]:
    longest, begin = _streak(outcomes)
    streak = f"{longest}, from {_when(releases[begin].start)}" if longest else "-"
    numbers = []
    for phase in shown:
        number = sum(_what(one) == phase for one in outcomes)
        numbers.append(Cell(str(number), _COLORS.get(_COLUMNS[phase], "") if number else "2"))
    return (Cell(name), *numbers, Cell(streak))


def _streak(outcomes: Sequence[Outcome]) -> tuple[int, int]:
    """The longest row of outcomes that are no pass: how many, and where it begins."""
    longest, begin, current = 0, 0, 0
    for index, outcome in enumerate(outcomes):
        current = 0 if outcome.passed else current + 1
        if current > longest:
            longest, begin = current, index - current + 1
    return longest, begin


def _what(outcome: Outcome) -> str:
    return outcome.phase if outcome.decided else _UNDECIDED


def _key(phase: str) -> str:
    return phase.lower()


def _sentence(start: int, outcome: Outcome, *, named: bool = False) -> str:
    """``would have aborted at 2026-11-20 03:14 after 4m: rate: result[0] >= 0.95 is false: …``."""
    what = _what(outcome)
    after = format_duration(max(0, int(outcome.ended - start)))
    why = explained(outcome.decisive)
    if what == _UNDECIDED:
        return f"{_WOULD[what]} after {after}: {outcome.message}"
    name = f"{outcome.metric}: " if named and outcome.metric else ""
    return f"{_WOULD[what]} at {_when(outcome.ended)} after {after}: {name}{why}"


def _release_obj(release: Release) -> dict[str, Any]:
    return {
        "start": format_time(release.start),
        **_outcome_obj(release.run),
        "metrics": [
            {"name": name, **_outcome_obj(outcome)} for name, outcome in release.metrics.items()
        ],
    }


def _outcome_obj(outcome: Outcome) -> dict[str, Any]:
    found = {
        "verdict": _what(outcome),
        "endedAt": format_time(outcome.ended),
        "message": outcome.message,
        "reason": explained(outcome.decisive),
        "value": outcome.decisive.value,
    }
    return {key: value for key, value in found.items() if value}


def _when(moment: float) -> str:
    """``2026-11-20 03:14``, with seconds only where they are not zero."""
    text = format_time(moment).replace("T", " ").removesuffix("Z")
    return text.removesuffix(":00")
