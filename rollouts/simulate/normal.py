"""An object without what two runs may rightly differ in.

Owns which fields those are: identities, versions, times, and how often something was measured. All
else must be the same however the end was reached. Pure; used by the runner to compare ends.
"""

import re
from typing import Any, Final

from rollouts.kube.api import Obj

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_DROPPED: Final = frozenset(
    {
        "uid",
        "resourceVersion",
        "generation",
        "observedGeneration",
        "creationTimestamp",
        "managedFields",
        "clusterIP",
        "clusterIPs",
    }
)


def end_state(obj: Obj) -> Obj:
    """What must be the same at the end of every run of a scenario."""
    found: Obj = _plain(obj)
    if obj["kind"] == "AnalysisRun":
        status = obj.get("status") or {}
        found["status"] = {"phase": status.get("phase")}
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items() if key not in _DROPPED}
    if isinstance(value, list):
        plain = [_plain(each) for each in value]
        if all(isinstance(each, dict) and "type" in each for each in plain):
            return sorted(plain, key=lambda each: str(each["type"]))
        return plain
    if isinstance(value, str):
        return _TIME.sub("<time>", value)
    return value
