"""What another controller recorded in its own way, and how it becomes ours.

Owns two things in a status that we would have written differently, so that a cluster that is taken
over stays as it is and a canary goes on from where it stands: a ``currentStepHash`` that we compute
differently for the same steps, and a number for the autoscaler that counts the pods of an update.
Refuses to write on its own account: ours are stored along with the next change. Pure; asked at the
beginning of a canary's pass and at the end of every pass.
"""

from rollouts.api.canary import CanaryStrategy
from rollouts.api.conditions import get
from rollouts.api.reasons import ConditionType
from rollouts.api.rollout import Rollout
from rollouts.planner.autoscaling import existing
from rollouts.planner.draft import Draft
from rollouts.planner.steps import raw_step_hash, raw_steps


def step_hash(draft: Draft, canary: CanaryStrategy) -> str:
    """The hash the steps go by: the stored one where they cannot have changed since it was stored.

    That is so when a version of the Rollout with that hash, this one or one seen before somebody
    changed the spec, was acted upon with the very same steps, and the template is the one the hash
    was stored for.
    """
    stored, status = draft.previous.current_step_hash, draft.previous
    if stored and status.current_pod_hash == draft.new.hash and _in_range(draft, canary):
        witnesses = (draft.rollout, draft.world.witness)
        if any(each is not None and _vouches(each, draft.rollout) for each in witnesses):
            return stored
    return raw_step_hash(draft)


def acted_upon(rollout: Rollout) -> bool:
    """Whether the status says that this very generation of the spec was acted upon.

    A status that calls the spec invalid is no proof: the generation is noted then, the steps are
    not.
    """
    status = rollout.status
    invalid = get(status.conditions, ConditionType.INVALID_SPEC) is not None
    return status.observed_generation == str(rollout.metadata.generation) and not invalid


def _vouches(witness: Rollout, rollout: Rollout) -> bool:
    """Whether ``witness`` proves that the hash stored in ``rollout`` belongs to its steps."""
    same_hash = witness.status.current_step_hash == rollout.status.current_step_hash
    same = witness.metadata.uid == rollout.metadata.uid and same_hash
    return same and acted_upon(witness) and raw_steps(witness) == raw_steps(rollout)


def _in_range(draft: Draft, canary: CanaryStrategy) -> bool:
    index = draft.previous.current_step_index
    if index is None:
        return not canary.steps
    return 0 <= index <= len(canary.steps)


def adopt_step_hash(draft: Draft) -> None:
    """Store our own hash for the same steps, if something is stored anyway."""
    if draft.spec.canary is not None and draft.status != draft.previous:
        draft.set(current_step_hash=raw_step_hash(draft))


def keep_count(draft: Draft) -> None:
    """Leave a number for the autoscaler that counts all pods, if nothing else is stored."""
    recorded = draft.previous.hpa_replicas
    if recorded == draft.status.hpa_replicas or recorded != existing(draft):
        return
    if draft.status.model_copy(update={"hpa_replicas": recorded}) == draft.previous:
        draft.set(hpa_replicas=recorded)
