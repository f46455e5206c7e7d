"""The kubelet of all scripted nodes: plays each pod's script and ends pods that are deleted.

Owns pod addresses, pod status and the last step of a graceful deletion. Where a pod stands is
computed from when it was accepted, so a restart continues the script. It runs nothing itself: what
really runs is the runtime's business, and commands run only when asked for.
"""

import ipaddress
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import orjson

from analysis.times import parse_time
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import NotFound
from rollouts.kube.events import EventRecorder
from rollouts.kube.queue import Key
from rollouts.kube.resources import PODS
from rollouts.kube.store import Change
from rollouts.runtime.clock import Clock
from rollouts.sandbox.controllers import profiles
from rollouts.sandbox.controllers.informers import Informers
from rollouts.sandbox.controllers.objects import (
    annotations,
    deleting,
    finished,
    key_of,
    meta,
    spec,
    status,
    uid,
)
from rollouts.sandbox.controllers.podstatus import View, accepted_at, changes, pod_status
from rollouts.sandbox.controllers.profiles import Moment, Phase, Profile
from rollouts.sandbox.controllers.runtime import Commands, NoRuntime, PodAddress, PodRuntime
from rollouts.sandbox.controllers.worker import Worker

# The container ports that are reachable under another number: a JSON object of both.
PORTS: Final = "sandbox.rollouts/ports"
_FIRST_IP: Final = int(ipaddress.IPv4Address("10.244.0.1"))
_IP_SPACE: Final = 2**18
_ALIVE: Final = frozenset({Phase.RUNNING, Phase.READY})
_EVENTS: Final = {
    Phase.RUNNING: ("Normal", "Started", "Started the pod's containers"),
    Phase.READY: ("Normal", "Started", "Started the pod's containers"),
    Phase.PULL_ERROR: ("Warning", "Failed", "Error: ErrImagePull"),
    Phase.PULL_BACKOFF: ("Warning", "BackOff", "Back-off pulling image"),
    Phase.CRASH_BACKOFF: ("Warning", "BackOff", "Back-off restarting failed container"),
}


@dataclass(slots=True)
class _Known:
    """What this process remembers of a pod; times are seconds since the epoch."""

    pod: Obj
    accepted: float
    dying: float | None = None
    address: PodAddress | None = None
    ip: str = ""
    running: bool = False
    killed: bool = False
    told: tuple[Phase, int] | None = None


class Kubelet(Worker):
    """Plays pods on every node that ``mine`` accepts by name."""

    name = "kubelet"
    reads = (PODS,)
    workers = 8

    def __init__(
        self,
        api: KubeApi,
        informers: Informers,
        clock: Clock,
        events: EventRecorder,
        *,
        default: Profile,
        mine: Callable[[str], bool],
        runtime: PodRuntime | None = None,
        run_commands: bool = False,
    ) -> None:
        super().__init__(api, informers, clock)
        self._default, self._mine, self._events = default, mine, events
        self._runtime: PodRuntime = runtime or NoRuntime()
        self._commands = Commands(clock, self._command_ended) if run_commands else None
        self._pods = informers.store(PODS)
        self._known: dict[str, _Known] = {}
        self._left: dict[Key, list[_Known]] = {}
        self._taken: dict[str, str] = {}  # ip -> uid
        self._next_ip = 0
        self._pods.subscribe(self._pod_changed)

    def _command_ended(self, pod: Obj) -> None:
        self.queue.add(key_of(pod))

    def _pod_changed(self, change: Change) -> None:
        pod = change.object
        ip = status(pod).get("podIP")
        if change.new is None:
            known = self._known.pop(uid(pod), None)
            if known is not None:
                self._left.setdefault(key_of(pod), []).append(known)
                ip = ip or known.ip
            if ip and self._taken.get(ip) == uid(pod):
                del self._taken[ip]
        elif ip:
            self._taken.setdefault(ip, uid(pod))
        self.queue.add(key_of(pod))

    async def reconcile(self, key: Key) -> float | None:
        for left in self._left.pop(key, ()):
            await self._halt(left)
        pod = self._pods.get(*key)
        if pod is None:
            return None
        node = spec(pod).get("nodeName") or ""
        if not node:
            # Nothing ever ran: there is nothing to wait for.
            if deleting(pod):
                await self._kill(pod, None)
            return None
        if not self._mine(node):
            return None
        known = self._known.get(uid(pod))
        if known is None:
            known = _Known(pod, accepted_at(pod) or self.clock.wall())
            self._known[uid(pod)] = known
        known.pod = pod
        if deleting(pod):
            return await self._terminate(pod, known)
        if finished(pod):
            await self._halt(known)
            return None
        return await self._play(pod, known)

    async def _play(self, pod: Obj, known: _Known) -> float | None:
        """Bring the status to where the script stands; seconds until the script goes on."""
        now = self.clock.wall()
        moment = self._moment(pod, known, now)
        if moment.phase in _ALIVE and not known.running:
            known.address = await self._runtime.start(pod)
            known.running = True
        elif moment.phase not in _ALIVE and known.running:
            await self._runtime.stop(pod)
            known.running = False
        if await self._publish_ports(pod, known):
            return None  # the change brings it back
        ip = known.address.ip if known.address else self._address(pod, known)
        wanted = pod_status(View(pod, moment, known.accepted, ip, now))
        if changes(pod, wanted):
            patch = {
                "metadata": {"uid": uid(pod), "resourceVersion": meta(pod)["resourceVersion"]},
                "status": wanted,
            }
            name, namespace = meta(pod)["name"], meta(pod)["namespace"]
            await self.api.patch(PODS, name, patch, namespace, subresource="status")
            self._tell(pod, known, moment)
        if math.isinf(moment.until):
            return None
        return known.accepted + moment.until - now

    def _moment(self, pod: Obj, known: _Known, now: float) -> Moment:
        script = profiles.script_for(pod, self._default)
        found = profiles.moment(script, uid(pod), now - known.accepted)
        created = found.phase not in (Phase.CREATING, Phase.PULL_ERROR, Phase.PULL_BACKOFF)
        if self._commands is not None and created and profiles.ends(pod):
            return self._commands.moment(pod, known.accepted) or found
        return found

    async def _publish_ports(self, pod: Obj, known: _Known) -> bool:
        """Tell proxies under which port the pod is really reachable; True where that was news."""
        if known.address is None or not known.address.ports:
            return False
        ports = {str(number): real for number, real in sorted(known.address.ports.items())}
        text = orjson.dumps(ports).decode()
        if annotations(pod).get(PORTS) == text:
            return False
        patch = {"metadata": {"uid": uid(pod), "annotations": {PORTS: text}}}
        await self.api.patch(PODS, meta(pod)["name"], patch, meta(pod)["namespace"])
        return True

    async def _terminate(self, pod: Obj, known: _Known) -> float | None:
        now = self.clock.wall()
        if known.dying is None:
            known.dying = now
        grace = meta(pod).get("deletionGracePeriodSeconds")
        takes = 0.0 if finished(pod) else profiles.profile_for(pod, self._default).stop_after
        due = known.dying + min(takes, math.inf if grace is None else float(grace))
        deadline = parse_time(meta(pod).get("deletionTimestamp"))
        due = due if deadline is None else max(min(due, deadline), known.dying)
        if now < due:
            return due - now
        await self._halt(known)
        await self._kill(pod, known)
        return None

    async def _kill(self, pod: Obj, known: _Known | None) -> None:
        """The last step of a deletion; what finalizers still hold is deleted once, not for ever."""
        if known is not None and known.killed:
            return
        name, namespace = meta(pod)["name"], meta(pod)["namespace"]
        try:
            await self.api.delete(PODS, name, namespace, uid=uid(pod), grace_period_seconds=0)
        except NotFound:
            return
        if known is not None:
            known.killed = True

    async def _halt(self, known: _Known) -> None:
        if known.running:
            await self._runtime.stop(known.pod)
            known.running = False
        if self._commands is not None:
            self._commands.stop(known.pod)

    def _address(self, pod: Obj, known: _Known) -> str:
        """The address the pod has, or the next one nobody uses."""
        known.ip = known.ip or status(pod).get("podIP") or ""
        while not known.ip:
            candidate = str(ipaddress.IPv4Address(_FIRST_IP + self._next_ip % _IP_SPACE))
            self._next_ip += 1
            if candidate not in self._taken:
                known.ip = candidate
        self._taken[known.ip] = uid(pod)
        return known.ip

    def _tell(self, pod: Obj, known: _Known, moment: Moment) -> None:
        """One event per change that people look for in ``kubectl describe pod``."""
        started = moment.phase in _ALIVE
        news = (Phase.RUNNING if started else moment.phase, moment.restarts)
        if known.told == news:
            return
        known.told = news
        if moment.phase in _EVENTS:
            kind, reason, message = _EVENTS[moment.phase]
            self._events.record(pod, kind, reason, message)
