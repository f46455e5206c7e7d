"""How far a Deployment's rolling update may go in one step.

Owns the arithmetic of maxSurge, maxUnavailable and proportional scaling over ReplicaSet sizes.
Pure; knows no objects, only numbers. Called by the Deployment controller.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rollouts.sandbox.controllers.objects import share_of


@dataclass(frozen=True, slots=True)
class Size:
    """One ReplicaSet in numbers: wanted, existing and available replicas."""

    wanted: int
    existing: int = 0
    available: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """maxSurge and maxUnavailable as replicas."""

    surge: int
    unavailable: int


def limits(replicas: int, surge: int | str | None, unavailable: int | str | None) -> Limits:
    """Both limits in replicas; with both at zero nothing could ever move, so one may be missing."""
    up = share_of(surge, replicas, default="25%", round_up=True)
    down = share_of(unavailable, replicas, default="25%", round_up=False)
    if up == 0 and down == 0:
        down = 1
    return Limits(up, min(down, replicas))


def scale_up(replicas: int, new: Size, total_wanted: int, bounds: Limits) -> int:
    """The size of the new ReplicaSet as far as the surge allows."""
    if new.wanted >= replicas:
        return replicas
    room = replicas + bounds.surge - total_wanted
    return new.wanted + max(min(room, replicas - new.wanted), 0)


def scale_down(replicas: int, new: Size, old: Sequence[Size], bounds: Limits) -> list[int]:
    """The sizes of the old ReplicaSets (oldest first) as far as availability allows.

    Pods that serve nobody go first, from any old ReplicaSet: giving them up costs no availability
    and lets an update replace a broken version.
    """
    floor = replicas - bounds.unavailable
    total = new.wanted + sum(size.wanted for size in old)
    unborn = max(new.wanted - new.available, 0)
    budget = total - floor - unborn
    sizes = [size.wanted for size in old]
    for index, size in enumerate(old):
        drop = max(min(budget, size.wanted - size.available), 0)
        sizes[index] -= drop
        budget -= drop
    # Only what is available beyond the floor may be given up, whoever provides it.
    spare = new.available + sum(size.available for size in old) - floor
    for index, size in enumerate(old):
        drop = max(min(spare, budget, sizes[index], size.available), 0)
        sizes[index] -= drop
        spare -= drop
        budget -= drop
    return sizes


def proportional(sizes: Sequence[int], target: int) -> list[int]:
    """``sizes`` scaled to add up to ``target``, each by its share.

    What rounding leaves over goes where it cut off most, of equals to the first.
    """
    total = sum(sizes)
    if total in (0, target):
        return list(sizes)
    exact = [size * target / total for size in sizes]
    scaled = [int(value) for value in exact]
    left = target - sum(scaled)
    order = sorted(range(len(sizes)), key=lambda i: (scaled[i] - exact[i], i))
    for index in order[:left]:
        scaled[index] += 1
    return scaled
