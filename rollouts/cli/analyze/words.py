"""What measurements and verdicts are called, and the exit codes they lead to.

Owns a measurement in one phrase and the exit code of a run. Pure. Used by everything in
``analyze`` that prints.
"""

from collections.abc import Sequence
from typing import Final

from analysis.driver import undecided
from analysis.plan import RunPlan
from analysis.spec import Measurement, MetricResult, Phase, RunStatus
from rollouts.cli.style import Cell, color_of, icon

USAGE: Final = 2
UNDECIDED: Final = 5
INTERRUPTED: Final = 130
EXIT_CODES: Final = {
    Phase.SUCCESSFUL: 0,
    Phase.FAILED: 1,
    Phase.ERROR: 3,
    Phase.INCONCLUSIVE: 4,
}


def explained(measurement: Measurement) -> str:
    """The reason in words, and the value where the reason does not say it."""
    why = measurement.message or measurement.metadata.get("reason", "")
    value = "" if measurement.value in why else measurement.value
    return "  ".join(part for part in (value, why) if part)


def phase_cell(phase: str) -> Cell:
    symbol = icon(Phase.PENDING if phase == Phase.RUNNING else phase)
    return Cell(f"{symbol} {phase}", color_of(symbol))


def exit_code(plan: RunPlan, status: RunStatus, *, interrupted: bool, timed_out: bool) -> int:
    """By the table. A run that was stopped has passed only as far as it was decided."""
    if interrupted:
        return INTERRUPTED
    if status.phase is Phase.SUCCESSFUL and timed_out and undecided(plan, status):
        return UNDECIDED
    return EXIT_CODES.get(status.phase, UNDECIDED)


def counts(result: MetricResult) -> str:
    """``5: 4 ✔ 1 ✖``: measurements, and what they meant."""
    numbers: Sequence[tuple[int, str]] = (
        (result.successful, "✔"),
        (result.failed, "✖"),
        (result.inconclusive, "?"),
        (result.error, "⚠"),
    )
    return " ".join(f"{number} {symbol}" for number, symbol in numbers if number)
