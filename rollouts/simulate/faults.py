"""What can go wrong between a controller and its API server, and when.

Owns the kinds of faults, the plan that says at which request each happens, and the journal that
counts requests, hands out faults and remembers what happened. Everything is data or drawn from a
seed: the text of a plan is enough to see a failure again. ``faultyapi`` makes the faults happen.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from rollouts.kube.api import Obj
from rollouts.kube.resources import EVENTS, LEASES, Resource


class Crash(BaseException):
    """The controller process is gone: nothing of it may catch this, nor write after it."""


class Fault(StrEnum):
    """At the boundary of one request. "After" means the server has done it, but nobody heard."""

    CRASH_BEFORE = "crash-before"
    CRASH_AFTER = "crash-after"
    STALE_RESTART = "stale-restart"  # crash after; the next process's caches stand still at first
    TIMEOUT_BEFORE = "timeout-before"
    TIMEOUT_AFTER = "timeout-after"
    CONFLICT = "conflict"
    THROTTLED = "throttled"
    SERVER_ERROR = "server-error"
    UNAVAILABLE = "unavailable"
    SLOW = "slow"
    # These happen to the watches from that request on.
    DISCONNECT = "disconnect"
    GONE = "gone"
    DUPLICATE = "duplicate"
    LAG = "lag"


CRASHES: Final = frozenset({Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.STALE_RESTART})
WATCH_FAULTS: Final = frozenset({Fault.DISCONNECT, Fault.GONE, Fault.DUPLICATE, Fault.LAG})
TIMEOUT_SECONDS: Final = 10.0
SLOW_SECONDS: Final = 6.0  # shorter than the pauses of the scenarios, which must be seen
LAG_SECONDS: Final = 20.0
RETRY_AFTER_SECONDS: Final = 3.0
_WRITES: Final = frozenset({"create", "update", "patch", "delete"})
_UNNUMBERED: Final = frozenset({EVENTS, LEASES})  # a crash there is the one at its neighbour


@dataclass(frozen=True, slots=True)
class Hit:
    """``fault`` at the request numbered ``at``. ``kind``: the plural whose watch it concerns; all
    of them where it is empty.
    """

    at: int
    fault: Fault
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Storm:
    """Each request below number ``until`` is hit with probability ``rate`` by one of ``only``, or
    of all faults where that is empty.
    """

    rate: float
    until: int
    only: tuple[Fault, ...] = ()

    @property
    def faults(self) -> tuple[Fault, ...]:
        return self.only or tuple(Fault)


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Everything that will go wrong in one run; its repr makes it happen again.

    ``commands``: what a user does at a request, by the name of the command. ``leaders``: how many
    processes believe they lead. ``lags``: seconds by which all caches of a process are behind for
    good, by the number of the process. ``shuffle``: callbacks run in an order drawn from the seed.
    """

    seed: int = 0
    hits: tuple[Hit, ...] = ()
    storm: Storm | None = None
    commands: tuple[tuple[int, str], ...] = ()
    leaders: int = 1
    lags: tuple[float, ...] = ()
    shuffle: bool = False

    @property
    def longest_lag(self) -> float:
        """Seconds for which a cache may be behind because of this plan."""
        faults = {hit.fault for hit in self.hits} | set(self.storm.faults if self.storm else ())
        clogged = LAG_SECONDS if faults & {Fault.LAG, Fault.STALE_RESTART} else 0.0
        slow = SLOW_SECONDS if Fault.SLOW in faults else 0.0
        return max((clogged, slow, *self.lags))


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a controller, as the journal keeps it."""

    number: int
    actor: str
    verb: str
    resource: Resource
    name: str
    at: float
    fault: Fault | None = None

    @property
    def is_write(self) -> bool:
        return self.verb in _WRITES

    def __str__(self) -> str:
        note = f"  <- {self.fault}" if self.fault else ""
        what = f"{self.verb} {self.resource.plural}/{self.name}"
        return f"{self.number:4} {self.at:9.3f} {self.actor} {what}{note}"


@dataclass(slots=True)
class Journal:
    """Counts the requests of all controllers of one run and says what happens to each.

    ``now``: seconds, for the trace and for how long watches stand still. ``on_command`` carries
    out a user's command by name. ``moments``: when each version of the store came to be.
    """

    plan: FaultPlan
    now: Callable[[], float]
    on_command: Callable[[str], None] | None = None
    moments: dict[int, float] = field(default_factory=dict)
    trace: list[Asked] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    _stuck_until: dict[str, float] = field(default_factory=dict)
    _watch_faults: list[tuple[Fault, str, set[str]]] = field(default_factory=list)
    _rng: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.plan.seed)

    @property
    def asked_at(self) -> float:
        """When a controller last asked for anything."""
        return self.trace[-1].at if self.trace else 0.0

    def arrive(self, actor: str, verb: str, resource: Resource, name: str) -> Fault | None:
        """A request is about to be sent: its number is drawn, and its fate."""
        if resource in _UNNUMBERED:
            return None
        number = len(self.trace)
        for at, command in self.plan.commands:
            if at == number and self.on_command is not None:
                self.on_command(command)
        hits = [hit for hit in self.plan.hits if hit.at == number]
        if self.plan.storm is not None and number < self.plan.storm.until:
            storm = self.plan.storm
            if self._rng.random() < storm.rate:
                hits.append(Hit(number, self._rng.choice(storm.faults)))
        fate: Fault | None = None
        for hit in hits:
            if hit.fault in WATCH_FAULTS:
                self._begin(hit.fault, hit.kind)
            elif hit.fault is not Fault.CONFLICT or verb in ("patch", "update", "delete"):
                fate = hit.fault
        if fate is Fault.STALE_RESTART:
            self._begin(Fault.LAG, "")
        noted = fate or (hits[-1].fault if hits else None)
        self.trace.append(Asked(number, actor, verb, resource, name, self.now(), noted))
        return fate

    def committed(self, verb: str, resource: Resource, name: str) -> None:
        """The server has done it."""
        if verb in _WRITES and resource not in _UNNUMBERED:
            self.done[f"{verb} {resource.plural}/{name}"] += 1

    def time_of(self, obj: Obj) -> float:
        """When this version of an object was written, in seconds like ``now``."""
        version = str(obj["metadata"].get("resourceVersion", ""))
        return self.moments.get(int(version), 0.0) if version.isdecimal() else 0.0

    def stuck_until(self, resource: Resource) -> float:
        """Until when nothing may reach the caches of ``resource``; seconds like ``now``."""
        both = (self._stuck_until.get(resource.plural, 0.0), self._stuck_until.get("", 0.0))
        return max(both)

    def watch_fault(self, resource: Resource, watch: str) -> Fault | None:
        """What happens to the watch called ``watch`` at its next event; each fault hits it once."""
        for fault, kind, hit in self._watch_faults:
            if kind in ("", resource.plural) and watch not in hit:
                hit.add(watch)
                return fault
        return None

    def watching(self, watch: str) -> None:
        """A watch begins: what happened to others before does not concern it."""
        for _, _, hit in self._watch_faults:
            hit.add(watch)

    def _begin(self, fault: Fault, kind: str) -> None:
        if fault is Fault.LAG:
            self._stuck_until[kind] = self.now() + LAG_SECONDS
        else:
            self._watch_faults.append((fault, kind, set()))


def describe(done: Mapping[str, int]) -> str:
    """Counts of writes in one line."""
    return ", ".join(f"{what} ×{count}" for what, count in sorted(done.items()))
