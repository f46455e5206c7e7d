"""Which revision each share of the traffic reaches, and how many pods that takes.

Owns the picture of a split that ``planner.capacity`` judges: the weights that may be in force (what
is recorded, what the routers' objects say and, until the routers are seen to obey, any), the
Services the weights go to, and the pods available behind them. A share counts in pods: the
Rollout's replicas times the weight, rounded up. Refuses to decide. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from rollouts.api.canary import CanaryStrategy
from rollouts.api.status import TrafficWeights
from rollouts.planner import threshold
from rollouts.planner.draft import Draft
from rollouts.planner.plan import Shift, Switch
from rollouts.planner.pods import serving
from rollouts.planner.services import selected_hash
from rollouts.traffic.registry import routers


def recorded(draft: Draft) -> TrafficWeights | None:
    """The split the status says is in force."""
    return draft.status.canary.weights


def unverified(draft: Draft) -> bool:
    """Whether the routers have been told, and are not yet seen to obey."""
    weights = recorded(draft)
    return weights is not None and weights.verified is False


@dataclass(frozen=True, slots=True)
class Side:
    """One destination: its Service, where it has one, and the revision meant."""

    service: str
    hash: str


@dataclass(frozen=True, slots=True)
class Lack:
    """A revision that would get more traffic than its pods can take."""

    hash: str
    available: int
    needed: int


@dataclass(frozen=True, slots=True)
class Backends:
    """A split and what stands behind it.

    ``told``: canary weights the routers may have been told. ``obeyed``: they are seen to obey, or
    cannot be asked. ``sizes``: replicas of revisions whose size a person has fixed; their traffic
    needs no more than that.
    """

    strategy: CanaryStrategy
    replicas: int
    canary: Side
    stable: Side
    selectors: Mapping[str, str]
    available: Mapping[str, int]
    told: frozenset[int]
    obeyed: bool
    sizes: Mapping[str, int]

    @classmethod
    def of(cls, draft: Draft, canary: CanaryStrategy, fixed: int | None) -> Self | None:
        """As the World and the recorded weights have it; None where no router splits traffic.

        ``fixed``: the size a person has given the new revision, in replicas.
        """
        found = routers(draft.rollout).known
        if not found:
            return None
        weights, objects = recorded(draft), draft.world.router_objects
        new, old = draft.new.hash, (draft.stable or draft.new).hash
        told = {weight for each in found if (weight := each.weight(objects)) is not None}
        if weights is not None:
            told.add(weights.canary.weight)
            new = weights.canary.pod_template_hash or new
            old = weights.stable.pod_template_hash or old
        return cls(
            strategy=canary,
            replicas=draft.replicas,
            canary=Side(canary.canary_service, new),
            stable=Side(canary.stable_service, old),
            selectors={name: selected_hash(each) for name, each in draft.world.services.items()},
            available={rs.hash: serving(draft.world, rs) for rs in draft.all_sets},
            told=frozenset(told or {0}),
            obeyed=not unverified(draft),
            sizes={} if fixed is None else {draft.new.hash: max(1, fixed)},
        )

    def shares(self, weight: int) -> dict[str, int]:
        """Traffic of each revision while the canary has ``weight``."""
        found: dict[str, int] = {}
        for side, share in (
            (self.canary, weight),
            (self.stable, self.strategy.max_weight - weight),
        ):
            to = self.selectors.get(side.service, "") or side.hash
            found[to] = found.get(to, 0) + max(0, share)
        return found

    def needs(self, weight: int) -> dict[str, int]:
        """Pods each revision needs while the canary has ``weight``."""
        return {
            to: min(
                -(-share * self.replicas // self.strategy.max_weight),
                self.sizes.get(to, self.replicas),
            )
            for to, share in self.shares(weight).items()
        }

    def claim(self, pod_hash: str) -> int:
        """Pods the revision must keep for the traffic it may get."""
        return max(self.needs(weight).get(pod_hash, 0) for weight in self._possible)

    def after(self, effect: Shift | Switch) -> Self:
        """The picture once a router was told, or a Service points elsewhere."""
        if isinstance(effect, Switch):
            return replace(self, selectors={**self.selectors, effect.service: effect.new})
        return replace(
            self,
            canary=replace(self.canary, hash=effect.canary),
            stable=replace(self.stable, hash=effect.stable),
            told=frozenset({effect.weight}),
        )

    def lack(self, effect: Shift | Switch) -> Lack | None:
        """The first revision that would get more than it can take; None when all is well.

        Where it is known which weight is in force, traffic may leave pods that are worse: then
        fewer pods are missing altogether.
        """
        later = self.after(effect)
        for was in sorted(self.told if isinstance(effect, Shift) else self._possible):
            weight = effect.weight if isinstance(effect, Shift) else was
            known = isinstance(effect, Shift) or self.obeyed
            if known and later.missing(weight) < self.missing(was):
                continue
            found = self._lack(later, was, weight)
            if found is not None:
                return found
        return None

    @property
    def _possible(self) -> frozenset[int]:
        return self.told if self.obeyed else self.told | {0, self.strategy.max_weight}

    def _lack(self, later: Self, was: int, weight: int) -> Lack | None:
        before, needs = self.shares(was), later.needs(weight)
        for pod_hash, share in later.shares(weight).items():
            enough, have = later._enough(pod_hash, needs[pod_hash]), self.available.get(pod_hash, 0)
            if share > before.get(pod_hash, 0) and have < enough:
                return Lack(pod_hash, have, enough)
        return None

    def _enough(self, pod_hash: str, need: int) -> int:
        """What a revision must have available to get a share of ``need`` pods; one at least."""
        if pod_hash == self.stable.hash:
            need -= self.strategy.budgets(self.replicas)[1]
        else:
            need = threshold.needed(self.strategy, need)
        return max(1 if self.replicas else 0, need)

    def missing(self, weight: int) -> int:
        """Pods missing behind all shares together."""
        needs = self.needs(weight).items()
        return sum(max(0, need - self.available.get(to, 0)) for to, need in needs)
