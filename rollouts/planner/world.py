"""What the planner may look at: one frozen value.

Owns the reading of the objects a decision needs, in the planner's words (replicas, seconds,
hashes). Refuses to fetch anything: ``controllers.gather`` fills it from caches, tests and the
simulator from wherever they like. Raw objects inside are read-only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from analysis.times import parse_time
from rollouts.api import labels as keys
from rollouts.api.rollout import Rollout
from rollouts.traffic.router import Objects

if TYPE_CHECKING:
    from rollouts.planner.trials import Trial

Obj: TypeAlias = dict[str, Any]


_MOST_DIGITS = 18  # what fits into 64 bits, as Go reads it


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def annotation_number(obj: Obj, key: str) -> int | None:
    """A decimal annotation; None where it is missing or is no number."""
    text = (obj["metadata"].get("annotations") or {}).get(key)
    return int(text) if isinstance(text, str) and _is_decimal(text) else None


def _is_decimal(text: str) -> bool:
    return len(text) <= _MOST_DIGITS and text.isascii() and text.isdigit()


@dataclass(frozen=True, slots=True)
class ReplicaSet:
    """A ReplicaSet of the Rollout; counts are replicas, times are seconds since the epoch."""

    raw: Obj
    name: str
    hash: str
    created: float
    revision: int
    spec: int
    replicas: int = 0
    ready: int = 0
    available: int = 0
    desired_annotation: int | None = None
    deadline: str = ""

    @classmethod
    def of(cls, raw: Obj) -> Self:
        """Read a ReplicaSet object."""
        meta, status = raw["metadata"], raw.get("status") or {}
        spec = raw.get("spec") or {}
        return cls(
            raw=raw,
            name=meta["name"],
            hash=(meta.get("labels") or {}).get(keys.POD_TEMPLATE_HASH, ""),
            created=parse_time(meta.get("creationTimestamp")) or 0.0,
            revision=annotation_number(raw, keys.REVISION) or 0,
            spec=_number(spec["replicas"]) if "replicas" in spec else 1,
            replicas=_number(status.get("replicas")),
            ready=_number(status.get("readyReplicas")),
            available=_number(status.get("availableReplicas")),
            desired_annotation=annotation_number(raw, keys.DESIRED_REPLICAS),
            deadline=(meta.get("annotations") or {}).get(keys.SCALE_DOWN_DEADLINE, ""),
        )

    @property
    def uid(self) -> str:
        return str(self.raw["metadata"].get("uid", ""))

    @property
    def resource_version(self) -> str:
        return str(self.raw["metadata"].get("resourceVersion", ""))

    @property
    def template(self) -> Obj:
        template: Obj = (self.raw.get("spec") or {}).get("template") or {}
        return template

    @property
    def deleting(self) -> bool:
        return bool(self.raw["metadata"].get("deletionTimestamp"))

    @property
    def observed(self) -> bool:
        """Whether its controller has seen the newest spec."""
        seen = _number((self.raw.get("status") or {}).get("observedGeneration"))
        return seen >= _number(self.raw["metadata"].get("generation"))

    @property
    def certain(self) -> int:
        """Available pods that will stay. Counts from before the newest spec may be of pods on
        their way out, so none of them is certain.
        """
        return self.available if self.observed else 0

    @property
    def deadline_at(self) -> float | None:
        return parse_time(self.deadline)

    def older_than(self, other: "ReplicaSet") -> bool:
        """Whether it was made first. Times are whole seconds, so within one the numbers tell: the
        first each had, since a revision that comes back gets a new one.
        """
        return (self.created, self.first_revision) < (other.created, other.first_revision)

    @property
    def first_revision(self) -> int:
        """The number it had before any others."""
        annotations = self.raw["metadata"].get("annotations") or {}
        passed = str(annotations.get(keys.REVISION_HISTORY) or "").split(",")
        numbers = [int(each) for each in passed if _is_decimal(each)]
        return min([*numbers, self.revision])

    @property
    def fully_available(self) -> bool:
        return self.spec != 0 and self.spec <= self.available

    def saturated(self, replicas: int) -> bool:
        """Sized to the Rollout, told so, and all of it available."""
        return self.spec == replicas == self.desired_annotation == self.available


@dataclass(frozen=True, slots=True)
class Run:
    """An AnalysisRun in the Rollout's namespace; ``owned`` by this Rollout or a mere namesake."""

    raw: Obj
    name: str
    phase: str
    message: str
    owned: bool
    created: float

    @classmethod
    def of(cls, raw: Obj, owner_uid: str) -> Self:
        """Read an AnalysisRun object."""
        meta, status = raw["metadata"], raw.get("status") or {}
        owners = meta.get("ownerReferences") or []
        return cls(
            raw=raw,
            name=meta["name"],
            phase=str(status.get("phase") or ""),
            message=str(status.get("message") or ""),
            owned=any(ref.get("uid") == owner_uid and ref.get("controller") for ref in owners),
            created=parse_time(meta.get("creationTimestamp")) or 0.0,
        )

    @property
    def labels(self) -> Mapping[str, str]:
        return self.raw["metadata"].get("labels") or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        return self.raw["metadata"].get("annotations") or {}

    @property
    def completed(self) -> bool:
        return self.phase in ("Successful", "Failed", "Error", "Inconclusive")

    @property
    def terminating(self) -> bool:
        return bool((self.raw.get("spec") or {}).get("terminate"))


@dataclass(frozen=True, slots=True)
class World:
    """Everything one decision may depend on.

    ``now``: seconds since the epoch. ``replica_sets``: those the Rollout owns. ``services``,
    ``templates`` and ``cluster_templates``: by name, only what the Rollout refers to and only what
    exists. ``runs`` and ``experiments``: those the Rollout owns, and namesakes it must not collide
    with.
    ``orphans``: ReplicaSets of the namespace without a controlling owner. ``pods``: pods of the
    ReplicaSets. ``unconfirmed``: uids of pods of which this plan has asked something that may be
    refused; ``pods`` shows them as if it had been granted. ``router_objects``: what exists of the
    objects its routers work on. ``witness``: the newest version of the Rollout that was seen acted
    upon; an older one than ``rollout`` when somebody has changed the spec since.
    """

    now: float
    rollout: Rollout
    replica_sets: tuple[ReplicaSet, ...] = ()
    services: Mapping[str, Obj] = field(default_factory=dict)
    runs: tuple[Run, ...] = ()
    experiments: "tuple[Trial, ...]" = ()
    orphans: tuple[Obj, ...] = ()
    workload: Obj | None = None
    """What ``spec.workloadRef`` names, where it exists."""
    workload_withheld: str = ""
    """Why the server does not let us see workloads of that kind."""
    rivals: tuple[Obj, ...] = ()
    """Other Rollouts that name the same."""
    templates: Mapping[str, Obj] = field(default_factory=dict)
    cluster_templates: Mapping[str, Obj] = field(default_factory=dict)
    pods: tuple[Obj, ...] = ()
    unconfirmed: frozenset[str] = frozenset()
    instance_id: str = ""
    router_objects: Objects = field(default_factory=dict)
    witness: Rollout | None = None
