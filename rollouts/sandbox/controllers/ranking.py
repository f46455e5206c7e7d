"""Which pods a ReplicaSet gives up first.

Owns the order of deletion when there are more pods than wanted. Pure. Called by the ReplicaSet
controller; the order is the one users of Kubernetes rely on: what serves least goes first.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from analysis.times import parse_time
from rollouts.kube.api import Obj
from rollouts.sandbox.controllers.objects import (
    annotations,
    condition,
    created_at,
    meta,
    ready,
    restarts,
    spec,
    status,
)

DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
_PHASES: Final = {"Pending": 0, "Unknown": 1, "Running": 2}

# Pods of one logarithmic age bucket count as equally old, so that a scale down does not always hit
# the same zone; a fixed rank for equal pods keeps the choice reproducible.
Rank: TypeAlias = tuple[float, ...]


def deletion_cost(pod: Mapping[str, Any]) -> int:
    """The pod's own wish (higher is kept longer); 0 where absent or not a 32-bit number."""
    text = annotations(pod).get(DELETION_COST, "0")
    try:
        cost = int(text)
    except ValueError:
        return 0
    return cost if -(2**31) <= cost < 2**31 else 0


def _ready_for(pod: Mapping[str, Any], now: float) -> float:
    since = parse_time((condition(pod, "Ready") or {}).get("lastTransitionTime"))
    return now - since if since is not None else 0.0


def _bucket(seconds: float) -> float:
    return float(math.floor(math.log2(seconds))) if seconds >= 1 else -1.0


def rank(pod: Mapping[str, Any], doubled: int, now: float) -> Rank:
    """Sort key of one pod: smaller goes first.

    ``doubled``: pods of related ReplicaSets on the same node. ``now``: seconds since the epoch.
    """
    is_ready = ready(pod)
    return (
        1.0 if spec(pod).get("nodeName") else 0.0,
        float(_PHASES.get(status(pod).get("phase", "Pending"), 1)),
        1.0 if is_ready else 0.0,
        float(deletion_cost(pod)),
        -float(doubled),
        _bucket(_ready_for(pod, now)) if is_ready else 0.0,
        -float(restarts(pod)),
        _bucket(now - created_at(pod)),
    )


def victims(
    pods: Iterable[Obj], count: int, neighbours: Callable[[str], int], now: float
) -> list[Obj]:
    """The ``count`` pods to delete, first one first.

    ``neighbours``: how many active pods of the same or related ReplicaSets a node holds.
    """

    def order(pod: Obj) -> tuple[Rank, str]:
        node = str(spec(pod).get("nodeName") or "")
        return rank(pod, neighbours(node) if node else 0, now), str(meta(pod).get("uid", ""))

    return sorted(pods, key=order)[: max(count, 0)]
