"""What the planner answers: writes in order, events, when to look again, and why it waits.

Owns the vocabulary between deciding and doing. A Write is one API request with everything needed to
send it and to judge its safety; a Blocker is one reason why nothing more can happen now. Pure;
made by the planner, carried out by ``controllers.execute``, printed by ``why``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from rollouts.kube.errors import ApiError
from rollouts.kube.resources import Resource

Obj: TypeAlias = dict[str, Any]


class Verb(StrEnum):
    """How a Write changes the world; every patch is a JSON merge patch.

    An eviction asks for a pod's deletion, which disruption budgets may forbid.
    """

    CREATE = "create"
    PATCH = "patch"
    DELETE = "delete"
    EVICT = "evict"


@dataclass(frozen=True, slots=True)
class Scale:
    """The Write changes a ReplicaSet's size, in replicas."""

    hash: str
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class ScaleWorkload:
    """The Write changes the size of the workload the Rollout refers to, in replicas."""

    old: int
    new: int


@dataclass(frozen=True, slots=True)
class Switch:
    """The Write points a Service at other pods; an empty hash means it was not pinned before."""

    service: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Shift:
    """The Write tells a router to send ``weight`` of the traffic to the revision ``canary``,
    ``additional`` (Service, weight) to experiments, and the rest to the revision ``stable``.
    """

    router: str
    weight: int
    canary: str
    stable: str
    additional: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class EndTrial:
    """The Write stops or deletes an Experiment, whose pods go then."""

    name: str


@dataclass(frozen=True, slots=True)
class Write:
    """One request. ``body`` is the whole object for a create, a merge patch for a patch.

    ``resource_version``: the version the decision was made from; a patch or delete is refused by
    the server when the object has moved on. Empty means unconditional.
    ``effect``: what it does to capacity or traffic, where it does. ``owner_must_exist``: to be sent
    only after the server has said that the Rollout is still there. ``namespace``: the object's, if
    not the Rollout's. ``optional``: the plan goes on when the server refuses it. ``instead``: sent
    only in the place of an optional one that was refused. ``otherwise``: what to write when the
    server will never take this (the name is somebody else's, it is forbidden, it is invalid), if
    anything; the plan ends there.
    """

    verb: Verb
    resource: Resource
    name: str
    body: Obj
    subresource: str = ""
    resource_version: str = ""
    uid: str = ""
    effect: Scale | Switch | Shift | ScaleWorkload | EndTrial | None = None
    owner_must_exist: bool = False
    namespace: str = ""
    optional: bool = False
    instead: bool = False
    otherwise: "Callable[[ApiError], Write | None] | None" = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Event:
    """A Kubernetes event about the object a plan is for; ``upwards``: also about its owner."""

    type: str
    reason: str
    message: str
    upwards: bool = False


@dataclass(frozen=True, slots=True)
class Timing:
    """An update has ended: how, and how many seconds it took, of which ``paused`` waiting for
    people. Told to the metrics only.
    """

    outcome: str
    total: float
    paused: float


Action: TypeAlias = Write | Event | Timing


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing the release waits for.

    ``code`` is stable API; ``object`` and ``field`` say where to look; ``since`` and ``until`` are
    seconds since the epoch; ``then`` says what happens at ``until``; ``command`` clears it.
    """

    code: str
    message: str
    object: str = ""
    field: str = ""
    since: float | None = None
    until: float | None = None
    then: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole answer. Carrying out ``actions`` in order leads to ``status``; then, unless
    something changes, there is nothing to do before ``wake_at`` (seconds since the epoch). An event
    or a timing stands after the writes it tells of. ``remarks`` are true as long as they are made,
    whatever is written: to be told once.
    """

    actions: tuple[Action, ...] = ()
    why: tuple[Blocker, ...] = ()
    wake_at: float | None = None
    status: Obj | None = None
    remarks: tuple[Event, ...] = ()

    @property
    def writes(self) -> tuple[Write, ...]:
        return tuple(action for action in self.actions if isinstance(action, Write))

    @property
    def events(self) -> tuple[Event, ...]:
        return tuple(action for action in self.actions if isinstance(action, Event))

    @property
    def timings(self) -> tuple[Timing, ...]:
        return tuple(action for action in self.actions if isinstance(action, Timing))
