"""One pass of planning: what is known so far, and what has been decided so far.

Owns the bookkeeping of a pass (writes, events, blockers, the next status) so that the rules read as
rules. A Draft starts from a World and never outlives its pass. Refuses to decide anything. Pure;
used by every module of the planner that decides.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from rollouts.api import labels as keys
from rollouts.api.reasons import EventReason
from rollouts.api.rollout import Rollout, RolloutSpec
from rollouts.api.status import PauseCondition, RolloutStatus
from rollouts.kube.resources import REPLICA_SETS, ROLLOUTS
from rollouts.planner.plan import Blocker, Event, Obj, Scale, Timing, Verb, Write
from rollouts.planner.world import ReplicaSet, World


@dataclass(slots=True)
class Draft:
    """The state of one pass; ``new``, ``stable`` and ``others`` partition the ReplicaSets."""

    world: World
    new: ReplicaSet
    stable: ReplicaSet | None
    others: tuple[ReplicaSet, ...]
    status: RolloutStatus
    writes: list[Write] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    blockers: list[Blocker] = field(default_factory=list)
    wakes: list[float] = field(default_factory=list)
    abort_cause: str = ""
    invalid: str = ""

    @property
    def rollout(self) -> Rollout:
        return self.world.rollout

    @property
    def spec(self) -> RolloutSpec:
        return self.world.rollout.spec

    @property
    def previous(self) -> RolloutStatus:
        """The status as stored; ``status`` is the one being made."""
        return self.world.rollout.status

    @property
    def name(self) -> str:
        return self.world.rollout.metadata.name

    @property
    def replicas(self) -> int:
        return self.spec.replicas_or_default

    @property
    def now(self) -> float:
        return self.world.now

    @property
    def stamp(self) -> float:
        """Now, as written into objects: rounded up, so that no wait is ever cut short."""
        return float(math.ceil(self.world.now))

    @property
    def fully_promoted(self) -> bool:
        return self.status.stable_rs == self.status.current_pod_hash

    @property
    def stable_lost(self) -> bool:
        """Whether the stable revision's ReplicaSet is gone: there is nothing to go back to."""
        return self.stable is None and bool(self.status.stable_rs)

    @property
    def size_alone(self) -> int:
        """Replicas of the new revision without another to share with; aborted it never grows."""
        grows = not (self.status.abort and self.stable_lost)
        return self.replicas if grows else min(self.replicas, self.new.spec)

    @property
    def all_sets(self) -> tuple[ReplicaSet, ...]:
        """Every ReplicaSet once: new, stable, others."""
        stable = (self.stable,) if self.stable and self.stable.name != self.new.name else ()
        return (self.new, *stable, *self.others)

    @property
    def changed_sizes(self) -> bool:
        """Whether this pass has resized a ReplicaSet."""
        return any(isinstance(write.effect, Scale) for write in self.writes)

    def set(self, **fields: Any) -> None:
        """Change fields of the next status."""
        if any(getattr(self.status, name) != value for name, value in fields.items()):
            self.status = self.status.model_copy(update=fields)

    def event(self, reason: str, message: str, *, warning: bool = False) -> None:
        """Tell users what was decided."""
        self.events.append(Event("Warning" if warning else "Normal", reason, message))

    def block(self, code: str, message: str, **where: Any) -> None:
        """Say what is being waited for; the remaining Blocker fields by name."""
        self.blockers.append(Blocker(code, message, **where))

    def wake(self, at: float) -> None:
        """Look again at ``at`` (seconds since the epoch) at the latest."""
        self.wakes.append(at)

    def paused_for(self, reason: str) -> PauseCondition | None:
        """The pause with that reason in the next status."""
        return next((c for c in self.status.pause_conditions if c.reason == reason), None)

    def pause(self, reason: str) -> None:
        """Pause from now on; the controller remembers that it did so."""
        if self.paused_for(reason) is None:
            condition = PauseCondition(reason=reason, start_time=self.stamp)
            self.set(
                pause_conditions=(*self.status.pause_conditions, condition), controller_pause=True
            )

    def unpause(self, reason: str) -> None:
        """End the pause with that reason; without any pause left nothing is paused."""
        left = tuple(c for c in self.status.pause_conditions if c.reason != reason)
        self.set(
            pause_conditions=left, controller_pause=bool(left) and self.status.controller_pause
        )

    def patch_set(self, target: ReplicaSet, body: Obj, effect: Scale | None = None) -> None:
        """Merge-patch a ReplicaSet, provided it is still the one decided upon."""
        self.writes.append(
            Write(
                Verb.PATCH,
                REPLICA_SETS,
                target.name,
                body,
                resource_version=target.resource_version,
                effect=effect,
            )
        )

    def patch_rollout(self, body: Obj) -> None:
        """Merge-patch metadata or spec of the Rollout itself."""
        self.writes.append(
            Write(
                Verb.PATCH,
                ROLLOUTS,
                self.name,
                body,
                resource_version=self.rollout.metadata.resource_version,
            )
        )

    def scale(self, target: ReplicaSet, size: int, *, deadline: str = "") -> bool:
        """Give ``target`` that many replicas; True when anything had to change.

        ``deadline``: the scale-down instant it shall carry, none by default. The size the Rollout
        wanted when this was decided is noted beside it.
        """
        annotations: dict[str, str | None] = {}
        if target.desired_annotation != self.replicas:
            annotations[keys.DESIRED_REPLICAS] = str(self.replicas)
        if deadline != target.deadline:
            annotations[keys.SCALE_DOWN_DEADLINE] = deadline or None
        body: Obj = {"metadata": {"annotations": annotations}} if annotations else {}
        effect: Scale | None = None
        if size != target.spec:
            body["spec"] = {"replicas": size}
            effect = Scale(target.hash, target.spec, size)
            word = "up" if size > target.spec else "down"
            self.event(
                EventReason.SCALING,
                f"Scaled {word} ReplicaSet {target.name} (revision {target.revision}) "
                f"from {target.spec} to {size}",
            )
        if body:
            self.patch_set(target, body, effect)
        return bool(body)
