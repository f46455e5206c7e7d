"""What a kubelet writes into a pod's status.

Owns the translation of a moment in a pod's script into phase, conditions and container statuses.
Pure: what was true since when is taken over from the status that is already there, so that writing
the same moment twice changes nothing. Called by the kubelet.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never

from analysis.times import format_time, parse_time
from rollouts.kube.api import Obj
from rollouts.sandbox.controllers.objects import condition, meta, spec, status, uid
from rollouts.sandbox.controllers.profiles import Moment, Phase

NODE_IP: Final = "10.255.0.1"
_STARTED: Final = frozenset({Phase.RUNNING, Phase.READY, Phase.COMPLETED, Phase.FAILED})


@dataclass(frozen=True, slots=True)
class View:
    """One pod at one moment. ``accepted`` and ``now`` are seconds since the epoch."""

    pod: Obj
    moment: Moment
    accepted: float
    ip: str
    now: float

    @property
    def since(self) -> str:
        """When the present stage began, as a timestamp."""
        return format_time(self.accepted + self.moment.since)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _pod_phase(phase: Phase) -> str:
    match phase:
        case Phase.CREATING | Phase.PULL_ERROR | Phase.PULL_BACKOFF:
            return "Pending"
        case Phase.RUNNING | Phase.READY | Phase.CRASHED | Phase.CRASH_BACKOFF:
            return "Running"
        case Phase.COMPLETED:
            return "Succeeded"
        case Phase.FAILED:
            return "Failed"
        case _:
            assert_never(phase)


def _terminated(view: View, container: str, code: int, finished: str) -> Obj:
    return {
        "exitCode": code,
        "reason": "Error" if code else "Completed",
        "startedAt": format_time(view.accepted),
        "finishedAt": finished,
        "containerID": _container_id(view, container, view.moment.restarts),
    }


def _container_id(view: View, container: str, restarts: int) -> str:
    return "sandbox://" + _digest(f"{uid(view.pod)}/{container}/{restarts}")


def _state(view: View, container: Mapping[str, Any]) -> Obj:
    phase, name = view.moment.phase, str(container.get("name", ""))
    image = container.get("image", "")
    match phase:
        case Phase.CREATING:
            return {"waiting": {"reason": "ContainerCreating"}}
        case Phase.PULL_ERROR:
            message = f'the sandbox has no image "{image}"'
            return {"waiting": {"reason": "ErrImagePull", "message": message}}
        case Phase.PULL_BACKOFF:
            message = f'Back-off pulling image "{image}"'
            return {"waiting": {"reason": "ImagePullBackOff", "message": message}}
        case Phase.RUNNING | Phase.READY:
            return {"running": {"startedAt": _running_since(view, name)}}
        case Phase.CRASH_BACKOFF:
            wait = f"{view.moment.until - view.moment.since:.0f}s"
            message = f"back-off {wait} restarting failed container={name} pod={_pod_name(view)}"
            return {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
        case Phase.CRASHED | Phase.COMPLETED | Phase.FAILED:
            code = 0 if phase is Phase.COMPLETED else view.moment.exit_code or 1
            return {"terminated": _terminated(view, name, code, view.since)}
        case _:
            assert_never(phase)


def _before(view: View, container: str) -> Obj:
    """The container's status as it is now."""
    statuses: list[Obj] = status(view.pod).get("containerStatuses") or []
    return next((one for one in statuses if one["name"] == container), {})


def _running_since(view: View, container: str) -> str:
    """A container that goes from running to ready was started once, not twice."""
    old = _before(view, container)
    running = (old.get("state") or {}).get("running")
    if running and int(old.get("restartCount", 0)) == view.moment.restarts:
        return str(running.get("startedAt"))
    return view.since


def _pod_name(view: View) -> str:
    return f"{meta(view.pod)['name']}_{meta(view.pod).get('namespace', '')}"


def _last_state(view: View, container: str) -> Obj:
    """How the container ended the last time: only one that was restarted has such a past."""
    waiting = view.moment.phase is Phase.CRASH_BACKOFF
    if not waiting and not view.moment.restarts:
        return {}
    old = _before(view, container)
    ended = (old.get("state") or {}).get("terminated")
    kept = (old.get("lastState") or {}).get("terminated")
    last = ended or kept or _terminated(view, container, view.moment.exit_code or 1, view.since)
    return {"terminated": last}


def _container(view: View, container: Mapping[str, Any]) -> Obj:
    name, image = str(container.get("name", "")), str(container.get("image", ""))
    phase = view.moment.phase
    pulled = phase not in (Phase.CREATING, Phase.PULL_ERROR, Phase.PULL_BACKOFF)
    alive = phase in (Phase.RUNNING, Phase.READY)
    return {
        "name": name,
        "image": image,
        "imageID": f"sandbox://{image.split('@', maxsplit=1)[0]}@sha256:{_digest(image)}"
        if pulled
        else "",
        "containerID": _container_id(view, name, view.moment.restarts) if pulled else "",
        "ready": phase is Phase.READY,
        "started": alive,
        "restartCount": view.moment.restarts,
        "state": _state(view, container),
        "lastState": _last_state(view, name),
    }


def _init_container(view: View, container: Mapping[str, Any]) -> Obj:
    """Init containers finish the moment the pod's main ones start; sidecars keep running."""
    started = view.moment.phase not in (Phase.CREATING, Phase.PULL_ERROR, Phase.PULL_BACKOFF)
    sidecar = container.get("restartPolicy") == "Always"
    name, image = str(container.get("name", "")), str(container.get("image", ""))
    if not started:
        state: Obj = {"waiting": {"reason": "PodInitializing"}}
    elif sidecar:
        state = {"running": {"startedAt": format_time(view.accepted)}}
    else:
        state = {"terminated": _terminated(view, name, 0, format_time(view.accepted))}
    return {
        "name": name,
        "image": image,
        "imageID": f"sandbox://{image}@sha256:{_digest(image)}" if started else "",
        "containerID": _container_id(view, name, 0) if started else "",
        "ready": started,
        "started": started and sidecar,
        "restartCount": 0,
        "state": state,
        "lastState": {},
    }


def gates_pass(pod: Mapping[str, Any]) -> bool:
    """Whether every readiness gate of the pod has been opened by whoever owns it."""
    gates: Sequence[Obj] = spec(pod).get("readinessGates") or ()
    return all(
        (condition(pod, str(gate.get("conditionType"))) or {}).get("status") == "True"
        for gate in gates
    )


def _ready_condition(view: View) -> tuple[bool, str, str]:
    phase = view.moment.phase
    if phase in (Phase.COMPLETED, Phase.FAILED):
        return False, "PodCompleted" if phase is Phase.COMPLETED else "PodFailed", ""
    if phase is not Phase.READY:
        names = [str(one.get("name")) for one in spec(view.pod).get("containers") or ()]
        return False, "ContainersNotReady", f"containers with unready status: [{' '.join(names)}]"
    if not gates_pass(view.pod):
        return False, "ReadinessGatesNotReady", "a readiness gate of the pod is not True yet"
    return True, "", ""


def _conditions(view: View) -> list[Obj]:
    phase = view.moment.phase
    initialized = phase is not Phase.CREATING or not spec(view.pod).get("initContainers")
    is_ready, reason, message = _ready_condition(view)
    inside = phase is Phase.READY
    inner = ("", "") if inside else (reason, message)
    return [
        _condition(view, "PodScheduled", met=True),
        _condition(view, "Initialized", met=initialized),
        _condition(view, "ContainersReady", met=inside, reason=inner[0], message=inner[1]),
        _condition(view, "Ready", met=is_ready, reason=reason, message=message),
    ]


def _condition(view: View, kind: str, *, met: bool, reason: str = "", message: str = "") -> Obj:
    state = "True" if met else "False"
    old = condition(view.pod, kind) or {}
    if (old.get("status"), old.get("reason") or "", old.get("message") or "") == (
        state,
        reason,
        message,
    ):
        return old
    same = old.get("status") == state
    new = {
        "type": kind,
        "status": state,
        "lastTransitionTime": old["lastTransitionTime"] if same else format_time(view.now),
    }
    return new | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})


def pod_status(view: View) -> Obj:
    """The part of the status a kubelet owns; conditions of others stay as they are."""
    own = {one["type"]: one for one in _conditions(view)}
    before: list[Obj] = status(view.pod).get("conditions") or []
    kept = [own.pop(one["type"], one) for one in before]
    wanted: Obj = {
        "phase": _pod_phase(view.moment.phase),
        "startTime": status(view.pod).get("startTime") or format_time(view.accepted),
        "hostIP": NODE_IP,
        "conditions": [*kept, *own.values()],
        "containerStatuses": [
            _container(view, one) for one in spec(view.pod).get("containers") or ()
        ],
    }
    if spec(view.pod).get("initContainers"):
        wanted["initContainerStatuses"] = [
            _init_container(view, one) for one in spec(view.pod)["initContainers"]
        ]
    if view.ip and view.moment.phase in _STARTED | {Phase.CRASHED, Phase.CRASH_BACKOFF}:
        wanted |= {"podIP": view.ip, "podIPs": [{"ip": view.ip}]}
    return wanted


def changes(pod: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether writing ``wanted`` would change the pod's status."""
    current = status(pod)
    return any(_shown(current.get(name)) != _shown(value) for name, value in wanted.items())


def _shown(value: Any) -> Any:
    """A value without its empty parts, which a server may or may not store."""
    if isinstance(value, Mapping):
        kept = {name: one for name, one in value.items() if one not in ("", None, {}, [])}
        return {name: _shown(one) for name, one in kept.items()}
    if isinstance(value, list):
        return [_shown(one) for one in value]
    return value


def accepted_at(pod: Mapping[str, Any]) -> float | None:
    """When a kubelet accepted the pod (seconds since the epoch), as far as its status tells."""
    return parse_time(status(pod).get("startTime"))
