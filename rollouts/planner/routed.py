"""Pod counts of a canary whose traffic a router splits.

Owns how many pods each revision has for a weight, and what becomes of pods that get no traffic any
more (Argo Rollouts' behaviour). The stable revision keeps its size unless ``dynamicStableScale``
lets it follow its share. Refuses to move traffic: ``planner.weights`` does, and ``planner.safety``
holds back whatever would take pods away from traffic. Pure; called by ``planner.canary``.
"""

from dataclasses import dataclass

from rollouts.api.canary import CanaryStrategy
from rollouts.api.steps import SetCanaryScale
from rollouts.planner import steps, threshold
from rollouts.planner.backends import Backends, recorded, unverified
from rollouts.planner.draft import Draft
from rollouts.planner.scaledown import abort_delay, scale_down_later
from rollouts.planner.services import selected_hash
from rollouts.planner.world import ReplicaSet


def pods_for(weight: int, max_weight: int, replicas: int) -> int:
    """Replicas that carry ``weight`` out of ``max_weight``, rounded up."""
    return -(-weight * replicas // max_weight)


@dataclass(frozen=True, slots=True)
class Sizing:
    """What the counts depend on; weights out of ``max_weight``, sizes in replicas.

    ``fixed``: the canary's size where ``setCanaryScale`` gives it. ``least``: the smallest size of
    a ReplicaSet with traffic. ``dynamic``: the stable size follows its share. ``in_force``: the
    (canary, stable) weights recorded, where there are any.
    """

    replicas: int
    max_weight: int
    weight: int
    fixed: int | None = None
    least: int = 0
    dynamic: bool = False
    in_force: tuple[int, int] | None = None
    aborted: bool = False

    def counts(self) -> tuple[int, int]:
        """(canary, stable) replicas."""
        on_canary, on_stable = self.in_force or (0, 0)
        kept = on_canary if self.dynamic and self.aborted else 0
        canary = self._size(max(self.weight, kept)) if self.fixed is None else self.fixed
        if not self.dynamic:
            return canary, self.replicas
        return canary, self._size(max(self.max_weight - self.weight, on_stable))

    def _size(self, weight: int) -> int:
        count = pods_for(weight, self.max_weight, self.replicas)
        return max(count, min(self.least, self.replicas)) if count else 0


def desired_counts(draft: Draft, canary: CanaryStrategy) -> tuple[int, int]:
    """(canary, stable) replicas that fit where the release stands."""
    stable, weights = draft.stable, recorded(draft)
    if stable is None or stable.name == draft.new.name:
        return draft.size_alone, 0
    weight, fixed = steps.weight(draft, canary), None
    scale = _scale_in_force(draft, canary)
    if scale is not None:
        weight, fixed = scale.weight or 0, scale.replicas
    elif draft.status.abort and canary.dynamic_stable_scale:
        weight = step_back(draft, canary, draft.new)
    to_canary, to_stable = Sizing(
        replicas=draft.replicas,
        max_weight=canary.max_weight,
        weight=weight if fixed is None else 0,
        fixed=fixed,
        least=canary.min_pods_per_replica_set or 0,
        dynamic=canary.dynamic_stable_scale,
        in_force=(weights.canary.weight, weights.stable.weight) if weights else None,
        aborted=draft.status.abort,
    ).counts()
    # Traffic of a third revision goes to the stable one before it goes to the new one.
    return to_canary, to_stable if superseded(draft) is None else draft.replicas


def fixed_size(draft: Draft, canary: CanaryStrategy) -> int | None:
    """The canary's size where a person has fixed it, in replicas; None where the weight decides."""
    if _scale_in_force(draft, canary) is None:
        return None
    return desired_counts(draft, canary)[0]


def _scale_in_force(draft: Draft, canary: CanaryStrategy) -> SetCanaryScale | None:
    """The nearest ``setCanaryScale`` at or before the current step, unless it says to follow the
    weight again.
    """
    status, at = draft.status, steps.index(draft, canary)
    if status.promote_full or draft.stable is None or draft.fully_promoted or status.abort:
        return None
    if at is None or at >= len(canary.steps):
        return None
    given = (step.set_canary_scale for step in reversed(canary.steps[: at + 1]))
    scale = next((each for each in given if each is not None), None)
    if scale is None or scale.match_traffic_weight:
        return None
    return None if scale.replicas is None and scale.weight is None else scale


def superseded(draft: Draft) -> ReplicaSet | None:
    """The revision that still has the canary's traffic although another one is wanted now."""
    weights = recorded(draft)
    if weights is None or weights.canary.weight == 0:
        return None
    held = weights.canary.pod_template_hash
    if held in ("", draft.new.hash):
        return None
    return next((rs for rs in draft.all_sets if rs.hash == held), None)


def step_back(draft: Draft, canary: CanaryStrategy, carrier: ReplicaSet) -> int:
    """The weight to go back to next with ``dynamicStableScale``: steps in reverse, then none.

    ``carrier``: the revision that has the canary's traffic. The highest weight of a step below the
    present one that needs fewer pods than the canary has, or must still carry where its pods are
    kept on purpose.
    """
    weights = recorded(draft)
    if weights is None or draft.stable is None:
        return 0
    needed = draft.replicas - draft.stable.available
    if not canary.abort_scale_down_delay_seconds:
        needed = max(needed, carrier.available)
    for step in reversed(canary.steps):
        weight = step.set_weight
        if weight is None or weight >= weights.canary.weight:
            continue
        if pods_for(weight, canary.max_weight, draft.replicas) < needed:
            return weight
    return 0


def settled(draft: Draft, canary: CanaryStrategy) -> bool:
    """Whether the pods have become what the current weight asks for.

    The canary's pods must be available (enough of them), the stable ones merely created.
    """
    stable, new = draft.stable or draft.new, draft.new
    to_canary, to_stable = desired_counts(draft, canary)
    if not threshold.met(canary, new, to_canary):
        return False
    if canary.dynamic_stable_scale or stable.name == new.name:
        return True
    return (stable.spec, stable.replicas) == (to_stable, to_stable)


def resize(draft: Draft, canary: CanaryStrategy) -> bool:
    """Give every revision its size; True if anything had to change."""
    before = len(draft.writes)
    to_canary, to_stable = desired_counts(draft, canary)
    if draft.stable is not None and draft.stable.name != draft.new.name:
        draft.scale(draft.stable, max(to_stable, _last_pod(draft, canary, draft.stable)))
    if draft.status.abort:
        _after_abort(draft, canary, to_canary)
    else:
        draft.scale(draft.new, to_canary)
    _retire(draft, canary)
    return len(draft.writes) > before


def _last_pod(draft: Draft, canary: CanaryStrategy, stable: ReplicaSet) -> int:
    """One pod stays while the stable Service points there: some routers answer with errors when the
    Service they split from is empty, even where all traffic goes elsewhere.
    """
    service = draft.world.services.get(canary.stable_service)
    return min(1, stable.spec, draft.replicas) if selected_hash(service) == stable.hash else 0


def _after_abort(draft: Draft, canary: CanaryStrategy, size: int) -> None:
    """The canary's pods stay for a while, or step back with the traffic.

    The delay begins when nothing reaches them any more.
    """
    new = draft.new
    if canary.dynamic_stable_scale and canary.abort_scale_down_delay_seconds is None:
        draft.scale(new, min(size, new.spec))  # what is recorded may be behind the pods
    elif new.hash in _reached(draft, canary) or unverified(draft):
        draft.scale(new, new.spec, deadline=new.deadline)
    else:
        abort_delay(draft, new.spec, canary.abort_scale_down_delay)


def _retire(draft: Draft, canary: CanaryStrategy) -> None:
    """Older revisions go once nothing reaches them: after the delay, if they were stable once."""
    if unverified(draft):
        return
    in_use = _reached(draft, canary)
    idle = [rs for rs in draft.others if rs.hash not in in_use]
    late = [rs for rs in idle if draft.fully_promoted or rs.deadline]
    delay = 0 if canary.dynamic_stable_scale else canary.scale_down_delay
    scale_down_later(draft, tuple(late), delay, canary.delay_revision_limit)
    scale_down_later(draft, tuple(rs for rs in idle if rs not in late), 0, 0)


def _reached(draft: Draft, canary: CanaryStrategy) -> set[str]:
    """Revisions a Service points at, or that may have a share of the traffic."""
    names = (canary.stable_service, canary.canary_service)
    services = draft.world.services
    found = {selected_hash(services.get(name)) for name in names if name}
    backends = Backends.of(draft, canary, None)
    if backends is not None:
        found |= {rs.hash for rs in draft.all_sets if backends.claim(rs.hash)}
    return found
