"""What a run's status says, in words for people.

Owns the sentences about measurements that ``why``, the trees and ``get analysisrun`` print, so that
they all say the same. Reads the JSON of a status as it comes, whoever wrote it. Pure.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Obj = Mapping[str, Any]
_ROOM = 400  # characters of one sentence


def reason(measurement: Obj) -> str:
    """Why a measurement has its phase: the error, the conditions, or at least the value."""
    about = measurement.get("metadata") or {}
    text = str(measurement.get("message") or about.get("reason") or "")
    if not text and measurement.get("value"):
        text = f"value {measurement['value']}"
    text = "".join(c if c.isprintable() else " " for c in text[: 2 * _ROOM])  # it may be printed
    return text if len(text) <= _ROOM else f"{text[:_ROOM]}…"


def results(run: Obj) -> list[Obj]:
    """The results of a run's metrics."""
    found: list[Obj] = (run.get("status") or {}).get("metricResults") or []
    return found


def latest(result: Obj) -> Obj:
    """The last measurement of a metric, or an empty one."""
    measurements: list[Obj] = result.get("measurements") or [{}]
    return measurements[-1]


def decisive(result: Obj) -> Obj:
    """The measurement that explains a metric's phase best: the last one that came out so."""
    measurements: list[Obj] = result.get("measurements") or [{}]
    same = [one for one in measurements if one.get("phase") == result.get("phase")]
    return (same or measurements)[-1]


def sentence(result: Obj) -> str:
    """``rate Failed: result[0] >= 0.95 is false: result = [0.81]``."""
    why = reason(decisive(result))
    dry = " (dry run)" if result.get("dryRun") else ""
    return f"{result.get('name')} {result.get('phase')}{dry}" + (f": {why}" if why else "")


def unhappy(run: Obj) -> Iterator[Obj]:
    """Metrics that failed, could not tell, or whose last measurement was no success."""
    for result in results(run):
        phases = (result.get("phase"), latest(result).get("phase"))
        if any(phase in ("Failed", "Error", "Inconclusive") for phase in phases):
            yield result


def worth_telling(run: Obj) -> Iterator[Obj]:
    """Metrics that are unhappy, or in the middle of a long measurement that says how it goes."""
    doubtful = [result.get("name") for result in unhappy(run)]
    for result in results(run):
        last = latest(result)
        going = not last.get("finishedAt") and (last.get("metadata") or {}).get("reason")
        if going or result.get("name") in doubtful:
            yield result


def verdict(run: Obj) -> str:
    """Everything that speaks against a run in one line; empty when nothing does."""
    deciding = [result for result in unhappy(run) if not result.get("dryRun")]
    return "; ".join(sentence(result) for result in deciding[:5])
