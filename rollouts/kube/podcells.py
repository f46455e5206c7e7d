"""The STATUS, READY and RESTARTS cells of a Pod: how a pod's many fields become one word.

Owns kubectl's rules for it. Pure; used by our own trees and by the embedded API server's Tables.
"""

from collections.abc import Sequence
from typing import Any

from rollouts.kube.api import Obj
from rollouts.kube.human import age, duration, seconds_of


def pod_cells(pod: Obj, now: float) -> list[Any]:
    """Name, Ready, Status, Restarts, Age, IP, Node, Nominated Node, Readiness Gates."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    containers = status.get("containerStatuses") or []
    ready = sum(1 for one in containers if one.get("ready") and "running" in _state(one))
    return [
        pod["metadata"]["name"],
        f"{ready}/{len(spec.get('containers') or [])}",
        _status(pod),
        _restarts(containers, now),
        age(pod["metadata"].get("creationTimestamp"), now),
        status.get("podIP") or "<none>",
        spec.get("nodeName") or "<none>",
        status.get("nominatedNodeName") or "<none>",
        _gates(spec, status),
    ]


def _status(pod: Obj) -> str:
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    reason = status.get("reason") or status.get("phase") or "Unknown"
    gated = _condition(status, "PodScheduled").get("reason") == "SchedulingGated"
    if gated:
        return "SchedulingGated"
    starting = _initializing(pod)
    if starting:
        return starting
    containers = status.get("containerStatuses") or []
    for container in reversed(containers):
        reason = _container_reason(container) or reason
    running = any("running" in _state(one) and one.get("ready") for one in containers)
    if reason == "Completed" and running:
        ready = _condition(status, "Ready").get("status") == "True"
        return "Running" if ready else "NotReady"
    return str(reason)


def _initializing(pod: Obj) -> str:
    total = len((pod.get("spec") or {}).get("initContainers") or [])
    for index, container in enumerate((pod.get("status") or {}).get("initContainerStatuses") or []):
        terminated = _state(container).get("terminated")
        if terminated is not None and not terminated.get("exitCode"):
            continue
        why = _container_reason(container)
        return f"Init:{why}" if why and why != "PodInitializing" else f"Init:{index}/{total}"
    return ""


def _container_reason(container: Obj) -> str:
    state = _state(container)
    if waiting := state.get("waiting"):
        return str(waiting.get("reason") or "")
    terminated = state.get("terminated")
    if terminated is None:
        return ""
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _restarts(containers: Sequence[Obj], now: float) -> str:
    count = sum(one.get("restartCount") or 0 for one in containers)
    ends = [
        moment
        for one in containers
        if (last := (one.get("lastState") or {}).get("terminated"))
        and (moment := seconds_of(last.get("finishedAt"))) is not None
    ]
    if not count or not ends:
        return str(count)
    return f"{count} ({duration(now - max(ends))} ago)"


def _gates(spec: Obj, status: Obj) -> str:
    gates = spec.get("readinessGates") or []
    if not gates:
        return "<none>"
    passed = sum(
        1 for gate in gates if _condition(status, gate["conditionType"]).get("status") == "True"
    )
    return f"{passed}/{len(gates)}"


def _condition(status: Obj, kind: str) -> Obj:
    found = (one for one in status.get("conditions") or [] if one.get("type") == kind)
    return next(found, {})


def _state(container: Obj) -> Obj:
    return container.get("state") or {}
