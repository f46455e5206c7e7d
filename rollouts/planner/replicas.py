"""Replica arithmetic of a canary without a router.

Owns how a weight becomes pod counts and how far one move may go at once (Argo Rollouts' basic
canary). All numbers are replicas; nothing here knows objects. The bounds that hold after every
move: never more than ``replicas + surge`` pods by our doing, never fewer than
``replicas - unavailable`` available ones. Pure; called by ``planner.canary``.
"""

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Size:
    """One ReplicaSet's numbers: wanted by its spec, and available."""

    spec: int
    available: int


@dataclass(frozen=True, slots=True)
class Budget:
    """The Rollout's size and what may be above and below it for a while."""

    replicas: int
    surge: int
    unavailable: int

    @property
    def ceiling(self) -> int:
        return self.replicas + self.surge

    @property
    def floor(self) -> int:
        return self.replicas - self.unavailable


@lru_cache(maxsize=1024)  # asked several times in every pass
def split(replicas: int, weight: int, max_weight: int, surge: int) -> tuple[int, int]:
    """(canary, stable) pod counts that come closest to ``weight`` of ``max_weight``.

    With a weight strictly between none and all, neither side gets zero pods unless a single
    replica without surge leaves no choice; one pod above ``replicas`` is used where it helps and
    surge allows it. Ties go to the candidate that comes first: rounded up, rounded down, the same
    with one pod more.
    """
    if replicas == 0:
        return 0, 0
    low, high = replicas * weight // max_weight, -(-replicas * weight // max_weight)
    zero_ok = weight in (0, max_weight) or (replicas == 1 and surge == 0)

    candidates: list[tuple[int, int]] = []
    for total in (replicas, replicas + 1) if surge > 0 else (replicas,):
        tied = 2 * (total * weight % max_weight) == max_weight
        if total > replicas or high < replicas or zero_ok:
            candidates.append((high, total))
        if not tied and (low != 0 or zero_ok):
            candidates.append((low, total))
    if not candidates:  # rounding up leaves stable nothing, and rounding down is as far away
        return low, replicas - low
    canary, total = min(candidates, key=lambda c: _error(c[0], c[1], replicas, weight, max_weight))
    return canary, total - canary


def _error(canary: int, total: int, replicas: int, weight: int, max_weight: int) -> int:
    """How far ``canary`` of ``total`` pods is from the weight, exactly, for comparing.

    In whole numbers: times ``replicas * (replicas + 1)``, since ``total`` is one of these two.
    """
    return abs(canary * max_weight - weight * total) * (replicas * (replicas + 1) // total)


def _count(size: Size | None, *, by_spec: bool) -> int:
    if size is None:
        return 0
    return size.spec if by_spec or size.spec < size.available else size.available


def next_counts(
    budget: Budget,
    desired: tuple[int, int],
    canary: Size | None,
    stable: Size | None,
    others_spec: int,
) -> tuple[int, int]:
    """The (canary, stable) sizes to set now, on the way to ``desired``.

    ``others_spec``: what all other ReplicaSets of the Rollout ask for; while it is above zero,
    only growth within the surge is allowed, since those are drained first.
    """
    want_canary, want_stable = desired
    new, old = canary.spec if canary else 0, stable.spec if stable else 0
    room = budget.ceiling - (others_spec + new + old)
    if stable and want_stable > old and room > 0:
        grow = min(want_stable - old, room)
        old, room = old + grow, room - grow
    if canary and want_canary > new and room > 0:
        new += min(want_canary - new, room)
    if others_spec > 0:
        return new, old

    increasing = canary is None or want_canary >= canary.spec
    safe = _count(canary, by_spec=not increasing) + _count(stable, by_spec=increasing)
    spare = safe - budget.floor
    if spare <= 0:
        return new, old
    grown_canary = Size(new, canary.available) if canary else None
    grown_stable = Size(old, stable.available) if stable else None
    if not increasing and new > want_canary:
        drained = max(want_canary, new - spare)
        return _rebalanced(budget, drained, grown_canary, grown_stable)
    if increasing and grown_stable and old > want_stable:
        drained = max(want_stable, old - spare)
        other, kept = grown_canary, grown_stable
        stable_count, canary_count = _rebalanced(budget, drained, kept, other)
        return canary_count, stable_count
    return new, old


def _rebalanced(
    budget: Budget, drained: int, draining: Size | None, other: Size | None
) -> tuple[int, int]:
    """(draining side, other side) after a drain: neither above the ceiling nor below the floor."""
    if other is None:
        return drained, 0
    count = other.spec - max(0, other.spec + drained - budget.ceiling)
    available = min(draining.available if draining else 0, drained) + min(other.available, count)
    spare = max(0, other.available - count)
    count += min(spare, max(0, budget.floor - available))
    drained -= max(0, count + drained - budget.ceiling)
    return drained, count
