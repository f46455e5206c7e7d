"""An object without what two runs may rightly differ in.

Owns which fields those are: identities, versions, times, and how often something was measured. All
else must be the same however the end was reached. Pure; used by the runner to compare ends.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from rollouts.kube.api import Obj

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_UID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
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
        "totalManualPauseDurationSeconds",
    }
)


def end_state(obj: Obj) -> Obj:
    """What must be the same at the end of every run of a scenario."""
    found: Obj = _plain(obj)
    status = found.get("status") or {}
    if obj["kind"] == "AnalysisRun":
        found["status"] = {"phase": status.get("phase")}
    for condition in status.get("conditions") or ():
        if condition["type"] == "Paused":
            condition["message"] = ""  # words of the last pause there was, if there was one
            if status.get("abort"):
                condition["status"] = ""  # stays as it was when the abort came
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
        return _UID.sub("<uid>", _TIME.sub("<time>", value))
    return value


def unlike(path: str, wanted: Any, found: Any) -> Iterator[str]:
    """Where two end states differ, one line for each place."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in sorted(wanted.keys() | found.keys()):
            yield from unlike(f"{path}.{key}", wanted.get(key), found.get(key))
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for at, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from unlike(f"{path}[{at}]", one, other)
    elif wanted != found:
        yield f"{path} ends as {found!r} instead of {wanted!r}"
