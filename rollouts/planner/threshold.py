"""When a ReplicaSet has come far enough for the release to go on.

Owns ``replicaProgressThreshold``; without one, every pod must be available and none too many asked
for. Pure; called by the canary strategy, with and without a router.
"""

from rollouts.api.canary import CanaryStrategy
from rollouts.planner.world import ReplicaSet


def needed(canary: CanaryStrategy, desired: int) -> int:
    """How many of ``desired`` replicas must be available; a negative value counts as unset."""
    threshold = canary.replica_progress_threshold
    if threshold is None or threshold.value < 0:
        return desired
    if threshold.type == "Percent":
        return min(desired, -(-desired * threshold.value // 100))
    return min(desired, threshold.value)


def met(canary: CanaryStrategy, rs: ReplicaSet, desired: int) -> bool:
    """Whether ``rs``, which should have ``desired`` replicas, has enough of them."""
    threshold = canary.replica_progress_threshold
    if threshold is None or threshold.value < 0:
        return rs.spec == desired == rs.available
    return rs.available >= needed(canary, desired)
