"""Tells what happens, from what the cluster says.

Every line is derived from an object that changed: a Rollout's step, phase or message, a
measurement of an AnalysisRun, a Service's selector, a Warning about anything else. Nothing is told
because the script expects it. How a line looks is the caller's business (``Say``).
"""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, TypeAlias

from rollouts.api.labels import POD_TEMPLATE_HASH
from rollouts.kube.api import Obj
from rollouts.kube.resources import ANALYSIS_RUNS, EVENTS, ROLLOUTS, SERVICES
from rollouts.kube.store import Change
from rollouts.sandbox.demo.load import Tally
from rollouts.sandbox.demo.view import ClusterView


class Tone(StrEnum):
    """What kind of line it is, for whoever chooses colours."""

    TITLE = "title"
    TELL = "tell"
    GOOD = "good"
    BAD = "bad"
    QUIET = "quiet"


Say: TypeAlias = Callable[[str, Tone], None]

_NUMBER: Final = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
# What their status says is told above, in more detail than their events have.
_TOLD_ALREADY: Final = frozenset({"Rollout", "AnalysisRun"})
_TONES: Final = {"Successful": Tone.GOOD, "Failed": Tone.BAD, "Error": Tone.BAD}


class Narrator:
    """Subscribes to a view and says what changed."""

    def __init__(self, view: ClusterView, say: Say) -> None:
        self._view, self._say = view, say
        view.store(ROLLOUTS).subscribe(self._rollout)
        view.store(ANALYSIS_RUNS).subscribe(self._run)
        view.store(SERVICES).subscribe(self._service)
        view.store(EVENTS).subscribe(self._event)

    def _rollout(self, change: Change) -> None:
        if change.new is None:
            return
        name = change.new["metadata"]["name"]
        before, now = _status(change.old), _status(change.new)
        if now.get("currentStepIndex") is not None and (
            now["currentStepIndex"] != before.get("currentStepIndex")
        ):
            line = step_line(change.new)
            if line and _is_releasing(now):
                self._say(f"{name}: {line}", Tone.TELL)
        spoken = (now.get("phase"), now.get("message"))
        if now.get("phase") and spoken != (before.get("phase"), before.get("message")):
            tone = {"Healthy": Tone.GOOD, "Degraded": Tone.BAD}.get(spoken[0] or "", Tone.QUIET)
            message = f" ({spoken[1]})" if spoken[1] else ""
            self._say(f"{name}: {spoken[0]}{message}", tone)

    def _run(self, change: Change) -> None:
        if change.new is None:
            return
        known = set(_measured(change.old))
        for key, measurement in _measured(change.new).items():
            if key not in known:
                metric = key[0]
                phase = measurement.get("phase", "")
                message = measurement.get("message")
                outcome = f" ({message})" if message else f" = {shown_value(measurement)}"
                text = f"{_owner(change.new)}: measured {metric}{outcome}: {phase}"
                self._say(text, _TONES.get(phase, Tone.QUIET))
        phase = _status(change.new).get("phase")
        if phase in {"Successful", "Failed", "Error", "Inconclusive"} and (
            phase != _status(change.old).get("phase")
        ):
            message = _status(change.new).get("message")
            text = f"analysis {change.new['metadata']['name']}: {phase}"
            self._say(f"{text}: {message}" if message else text, _TONES.get(phase, Tone.QUIET))

    def _service(self, change: Change) -> None:
        if change.old is None or change.new is None:
            return
        before, now = _selected(change.old), _selected(change.new)
        if before != now:
            versions = f"{self._view.version_of(before)} → {self._view.version_of(now)}"
            self._say(
                f"Service {change.new['metadata']['name']} selects {now or '(any)'}: {versions}",
                Tone.TELL,
            )

    def _event(self, change: Change) -> None:
        event = change.new
        if event is None or change.old is not None or event.get("type") != "Warning":
            return
        about = event.get("involvedObject") or {}
        if about.get("kind") not in _TOLD_ALREADY:
            text = f"event on {about.get('name')}: {event.get('reason')}: {event.get('message')}"
            self._say(text, Tone.QUIET)


def step_line(rollout: Obj) -> str:
    """The step a canary is at, in words; empty past the last one or without steps."""
    steps = ((rollout["spec"].get("strategy") or {}).get("canary") or {}).get("steps") or []
    index = _status(rollout).get("currentStepIndex", 0)
    if index >= len(steps):
        return f"all {len(steps)} steps done, the rest follows" if steps else ""
    step = steps[index]
    where = f"step {index + 1}/{len(steps)}"
    if "setWeight" in step:
        return f"{where}: set weight {step['setWeight']} %"
    if "pause" in step:
        seconds = (step["pause"] or {}).get("duration")
        return f"{where}: pause {seconds}" if seconds else f"{where}: pause until promoted"
    if "analysis" in step:
        names = ", ".join(t.get("templateName", "") for t in step["analysis"].get("templates", []))
        return f"{where}: analysis {names}"
    return f"{where}: {', '.join(step)}"


def traffic_line(tally: Tally) -> str:
    """Who answered, and how many answers were errors."""
    shares = ", ".join(
        f"{version} {share:.0%}" for version, share in sorted(tally.shares().items())
    )
    return f"traffic: {shares or 'none'}; errors {tally.errors.total()}/{tally.requests.total()}"


def shown_value(measurement: dict[str, Any]) -> str:
    """A measurement's value, with three decimals where it has more."""
    value = str(measurement.get("value", ""))
    return _NUMBER.sub(lambda found: f"{float(found.group()):.3f}", value)


def _status(obj: Obj | None) -> dict[str, Any]:
    return (obj or {}).get("status") or {}


def _is_releasing(status: dict[str, Any]) -> bool:
    """Whether steps mean anything: not at the first deployment, nor once aborted."""
    stable = status.get("stableRS")
    return bool(stable) and stable != status.get("currentPodHash") and not status.get("abort")


def _selected(service: Obj) -> str:
    return str(((service.get("spec") or {}).get("selector") or {}).get(POD_TEMPLATE_HASH, ""))


def _owner(run: Obj) -> str:
    owners = run["metadata"].get("ownerReferences") or [{}]
    return str(owners[0].get("name", run["metadata"]["name"]))


def _measured(run: Obj | None) -> dict[tuple[str, str], dict[str, Any]]:
    """Finished measurements by metric and start time."""
    return {
        (result["name"], measurement["startedAt"]): measurement
        for result in _status(run).get("metricResults") or []
        for measurement in result.get("measurements") or []
        if measurement.get("finishedAt")
    }
