"""Which changes of an AnalysisRun are news to the Rollout or the Experiment it was made for.

Owns that question only. Decisions rest on a run's phase, message, metadata and whether it was told
to stop; single measurements are read by those who ask why, and these read live. Used where the
sources of a controller are put together.
"""

from typing import Any, Final

from rollouts.kube.api import Obj

_OF_STATUS: Final = ("phase", "message")
_EVERY_WRITE: Final = frozenset({"resourceVersion", "generation", "managedFields"})


def of_run(run: Obj) -> Any:
    """What of a run decisions rest on; two that are equal need no second look."""
    status = run.get("status") or {}
    metadata = {k: v for k, v in run["metadata"].items() if k not in _EVERY_WRITE}
    return metadata, run.get("spec"), [status.get(field) for field in _OF_STATUS]
