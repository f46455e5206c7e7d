"""Phase and numbers of a Rollout as clients must report them.

Owns Argo Rollouts' rules for readers: what an unobserved generation means, which step is current,
which weight is set and which is real. Pure; used by everything here that prints a Rollout.
"""

from collections.abc import Sequence

from rollouts.api import labels
from rollouts.api.reasons import Phase
from rollouts.api.rollout import Rollout
from rollouts.kube.api import Obj
from rollouts.planner.phase import phase as computed


def phase_of(rollout: Rollout) -> tuple[str, str]:
    """(phase, message), never older than the spec."""
    if not _observed(rollout):
        return Phase.PROGRESSING, "waiting for rollout spec update to be observed"
    if rollout.status.unpausing:
        return Phase.PROGRESSING, "waiting for rollout to unpause"
    workload = rollout.metadata.annotations.get(labels.WORKLOAD_GENERATION, "")
    if rollout.spec.workload_ref and workload != rollout.status.workload_observed_generation:
        text = "waiting for rollout spec update to be observed for the reference workload"
        return Phase.PROGRESSING, text
    if rollout.status.phase:
        return rollout.status.phase, rollout.status.message
    return computed(rollout.spec, rollout.status)


def _observed(rollout: Rollout) -> bool:
    """A generation that is no number, or is from the future, is of an older format: it counts."""
    text = rollout.status.observed_generation
    if not text:
        return False
    return not text.isdecimal() or int(text) >= rollout.metadata.generation


def strategy_of(rollout: Rollout) -> str:
    """``Canary``, ``BlueGreen`` or nothing."""
    if rollout.spec.canary is not None:
        return "Canary"
    return "BlueGreen" if rollout.spec.blue_green is not None else ""


def step_of(rollout: Rollout) -> str:
    """``1/8``: steps done and steps there are; empty without steps."""
    canary = rollout.spec.canary
    if canary is None or not canary.steps:
        return ""
    return f"{rollout.status.current_step_index or 0}/{len(canary.steps)}"


def set_weight(rollout: Rollout) -> int:
    """The weight the steps ask for now."""
    canary = rollout.spec.canary
    if canary is None or rollout.status.abort:
        return 0
    index = rollout.status.current_step_index or 0
    if index >= len(canary.steps):
        return canary.max_weight
    weights = [step.set_weight for step in canary.steps[: index + 1] if step.set_weight is not None]
    return weights[-1] if weights else 0


def actual_weight(rollout: Rollout, replica_sets: Sequence[Obj]) -> int:
    """The weight the canary really has: by replicas, or what the routers were told."""
    canary, status = rollout.spec.canary, rollout.status
    if canary is None:
        return 0
    if (status.current_step_index or 0) >= len(canary.steps):
        return canary.max_weight
    if not status.available_replicas:
        return 0
    if canary.traffic_routing is None:
        ready = sum(
            (rs.get("status") or {}).get("availableReplicas") or 0
            for rs in replica_sets
            if hash_of(rs) == status.current_pod_hash != status.stable_rs
        )
        return int(ready * canary.max_weight // status.available_replicas)
    weights = status.canary.weights
    return set_weight(rollout) if weights is None else weights.canary.weight


def hash_of(obj: Obj) -> str:
    """The pod template hash an object carries."""
    found = (obj["metadata"].get("labels") or {}).get(labels.POD_TEMPLATE_HASH)
    return str(found or "")
