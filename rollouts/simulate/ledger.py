"""The store's own history of one run: who changed what, and what the rules need to remember.

Owns listening to the store and the ghost state that no object carries: when a pause was first
stored, since when a run has been seen to fail, what a user did last. Judges nothing. Read by
``invariants`` and, for the end of a run, by the runner.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from rollouts.api.labels import POD_TEMPLATE_HASH
from rollouts.api.rollout import Rollout
from rollouts.kube.api import Obj
from rollouts.kube.resources import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    CONFIG_MAPS,
    EXPERIMENTS,
    JOBS,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
    Resource,
)
from rollouts.sandbox.objects import controller_of
from rollouts.sandbox.revisions import Revisions
from rollouts.simulate.actors import USER, actor, is_controller

WATCHED: Final = (
    ROLLOUTS,
    EXPERIMENTS,
    REPLICA_SETS,
    SERVICES,
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    CONFIG_MAPS,
    JOBS,
    PODS,
)
BAD: Final = ("Failed", "Error", "Inconclusive")


@dataclass(frozen=True, slots=True)
class Seen:
    """One change of the store. ``at`` in seconds; ``old`` None: created, ``new`` None: removed."""

    at: float
    actor: str
    resource: Resource
    old: Obj | None
    new: Obj | None

    @property
    def obj(self) -> Obj:
        """The newer of the two."""
        found = self.new or self.old
        assert found is not None  # noqa: S101 - a change has one side at least
        return found

    @property
    def name(self) -> str:
        return str(self.obj["metadata"]["name"])

    @property
    def verb(self) -> str:
        if self.old is None:
            return "create"
        return "delete" if self.new is None else "change"

    @property
    def by_controller(self) -> bool:
        return is_controller(self.actor)

    def __str__(self) -> str:
        return f"{self.at:.3f} {self.actor} {self.verb} {self.resource.plural}/{self.name}"


@dataclass(slots=True)
class Ghost:
    """What is remembered of one Rollout beyond what is stored, in seconds.

    ``step_at``: when the step before the current one began, and the current one.
    """

    step_at: tuple[float, float] = (0.0, 0.0)
    aborted_at: float | None = None
    user_at: float = 0.0
    failing: dict[str, float] = field(default_factory=dict)
    sizes: list[tuple[float, Obj]] = field(default_factory=list)


class Ledger:
    """``now`` in seconds; ``judge`` is called with every change after it was noted."""

    def __init__(
        self, store: Revisions, now: Callable[[], float], judge: Callable[[Seen], None]
    ) -> None:
        self.moments: dict[int, float] = {}
        self.history: list[Seen] = []
        self.created: Counter[str] = Counter()
        self.deleted: Counter[str] = Counter()
        self.ghosts: defaultdict[str, Ghost] = defaultdict(Ghost)
        self._store = store
        self._now = now
        self._judge = judge
        self._cursor: dict[Resource, int] = {}
        for resource in WATCHED:
            self._cursor[resource] = store.revision
            store.listen(resource.group_resource, partial(self._heard, resource))

    # --- what there is

    def all(self, resource: Resource) -> list[Obj]:
        return [obj for _, obj in self._store.items(resource.group_resource)]

    def rollout_of(self, obj: Obj) -> Obj | None:
        """The Rollout that controls an object, if it exists."""
        owner = controller_of(obj)
        if owner is None or owner.get("kind") != "Rollout":
            return None
        found = (r for r in self.all(ROLLOUTS) if r["metadata"]["uid"] == owner.get("uid"))
        return next(found, None)

    def sets_of(self, rollout: Obj) -> list[Obj]:
        uid = rollout["metadata"]["uid"]
        sets = self.all(REPLICA_SETS)
        return [rs for rs in sets if (controller_of(rs) or {}).get("uid") == uid]

    def ready(self, pod_hash: str) -> int:
        """Pods of a revision that can serve right now."""
        return sum(1 for pod in self.all(PODS) if hash_of(pod) == pod_hash and _is_ready(pod))

    def wanted(self, rollout: Obj, since: float) -> Iterator[Rollout]:
        """The Rollout's specs that were current at ``since`` (seconds) or later."""
        sizes = self.ghosts[rollout["metadata"]["name"]].sizes
        for at, (_, raw) in enumerate(sizes):
            if at + 1 == len(sizes) or sizes[at + 1][0] >= since:
                yield Rollout.decode(raw)

    # --- listening

    def _heard(self, resource: Resource) -> None:
        for change in self._store.after(resource.group_resource, self._cursor[resource]):
            self._cursor[resource] = change.revision
            self.moments[change.revision] = self._now()
            seen = Seen(self._now(), actor(), resource, change.old, change.new)
            self.history.append(seen)
            self._note(seen)
            self._judge(seen)

    def _note(self, seen: Seen) -> None:
        what = f"{seen.resource.plural}/{seen.name}"
        if seen.old is None:
            self.created[what] += 1
        elif seen.new is None:
            self.deleted[what] += 1
        if seen.resource == ROLLOUTS and seen.new is not None:
            self._note_rollout(seen, seen.new)
        if seen.resource == ANALYSIS_RUNS and seen.new is not None:
            self._note_run(seen, seen.new)

    def _note_rollout(self, seen: Seen, new: Obj) -> None:
        ghost, status = self.ghosts[seen.name], new.get("status") or {}
        if seen.actor == USER:
            ghost.user_at = seen.at
            ghost.failing.clear()
        if seen.old is None or seen.old.get("spec") != new.get("spec"):
            ghost.sizes.append((seen.at, new))
        before = status_of(seen.old)
        if any(
            before.get(key) != status.get(key) for key in ("currentStepIndex", "currentPodHash")
        ):
            ghost.step_at = (ghost.step_at[1], seen.at)
        if not status.get("abort"):
            ghost.aborted_at = None
        elif ghost.aborted_at is None:
            ghost.aborted_at = seen.at

    def _note_run(self, seen: Seen, new: Obj) -> None:
        rollout = self.rollout_of(new)
        if rollout is not None and (new.get("status") or {}).get("phase") in BAD:
            self.ghosts[rollout["metadata"]["name"]].failing.setdefault(seen.name, seen.at)


def status_of(obj: Obj | None) -> Obj:
    status: Obj = (obj or {}).get("status") or {}
    return status


def hash_of(obj: Obj) -> str:
    """The revision an object belongs to."""
    return str((obj["metadata"].get("labels") or {}).get(POD_TEMPLATE_HASH, ""))


def selected(service: Obj | None) -> str:
    """The revision a Service is pinned to, empty where it is not."""
    spec = (service or {}).get("spec") or {}
    return str((spec.get("selector") or {}).get(POD_TEMPLATE_HASH, ""))


def size(rs: Obj | None) -> int:
    return int(((rs or {}).get("spec") or {}).get("replicas") or 0)


def _is_ready(pod: Obj) -> bool:
    conditions = status_of(pod).get("conditions") or []
    return not pod["metadata"].get("deletionTimestamp") and any(
        each["type"] == "Ready" and each["status"] == "True" for each in conditions
    )
