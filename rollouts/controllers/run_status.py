"""An AnalysisRun's status as it is written, and how long a completed run is kept.

Owns the JSON form (what is empty is left out, as Argo Rollouts does) and the time to live. Pure.
Called by the run's reconciler.
"""

from typing import Any

from analysis.spec import Phase, RunSpec, RunStatus
from analysis.times import parse_time


def status_obj(status: RunStatus) -> dict[str, Any]:
    """The JSON object of a status: defaults left out, phase and summary always there."""
    obj = status.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    obj["phase"] = str(status.phase)
    obj.setdefault("runSummary", {})
    return obj


def expires_at(spec: RunSpec, status: RunStatus) -> float | None:
    """When a completed run is to be deleted (epoch seconds); None: never.

    Deletion waits for a whole second more than asked, as Argo Rollouts does.
    """
    completed = parse_time(status.completed_at)
    ttl = spec.ttl_strategy
    if ttl is None or completed is None:
        return None
    special = {
        Phase.SUCCESSFUL: ttl.seconds_after_success,
        Phase.FAILED: ttl.seconds_after_failure,
    }.get(status.phase)
    seconds = ttl.seconds_after_completion if special is None else special
    return None if seconds is None else completed + max(0, seconds) + 1
