"""How much of what was measured a status keeps.

Owns the cutting of texts, always said where it was done, and the size of a whole status: the latest
measurement of a metric is kept in full, older ones give way. Nothing here decides: counters are
never touched. Called where measurements are made and where statuses are written. Pure.
"""

import re
from typing import Final

from analysis.spec import Measurement, MetricResult, RunStatus

MAX_CHARACTERS: Final = 64 * 1024  # of texts in all measurements of one status
MAX_MEASUREMENTS: Final = 2000  # of all metrics of one status
_USUAL: Final = 10  # measurements of a metric that are always kept
_SHORT: Final = ((256, None), (64, None), (64, 512))
"""Characters of an older text and of the latest one, from bad to worse."""
_CUT: Final = re.compile(r"… \((\d+) characters\)$")


def cut(text: str, room: int) -> str:
    """At most ``room`` characters of ``text``, saying how many there were."""
    before = _CUT.search(text)
    if len(text) - (len(before[0]) if before else 0) <= room:
        return text
    return f"{text[:room]}… ({before[1] if before else len(text)} characters)"


def bounded(status: RunStatus) -> RunStatus:
    """The status, small enough to be stored; the same one where it already is."""
    results = status.metric_results
    most = max(_USUAL, MAX_MEASUREMENTS // max(1, len(results)))
    if any(len(result.measurements) > most for result in results):
        results = [_with(result, result.measurements[-most:]) for result in results]
        status = status.model_copy(update={"metric_results": results})
    for room, latest in _SHORT:
        if _size(status) <= MAX_CHARACTERS:
            break
        results = [_shortened(result, room, latest) for result in status.metric_results]
        status = status.model_copy(update={"metric_results": results})
    return status


def _size(status: RunStatus) -> int:
    return sum(
        len(one.value) + len(one.message) + sum(map(len, one.metadata.values()))
        for result in status.metric_results
        for one in result.measurements
    )


def _with(result: MetricResult, measurements: list[Measurement]) -> MetricResult:
    return result.model_copy(update={"measurements": measurements})


def _shortened(result: MetricResult, room: int, latest: int | None) -> MetricResult:
    """Unfinished measurements are left alone: their provider needs what it has written there."""
    if not result.measurements:
        return result
    *older, last = result.measurements
    if latest is not None and last.finished_at is not None:
        last = _short(last, latest)
    return _with(result, [*(_short(one, room) for one in older), last])


def _short(one: Measurement, room: int) -> Measurement:
    return one.model_copy(
        update={
            "value": cut(one.value, room),
            "message": cut(one.message, room),
            "metadata": {key: cut(text, room) for key, text in one.metadata.items()},
        }
    )
