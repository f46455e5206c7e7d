"""Step hashes that another controller computed, and how they become ours.

Owns when a stored ``currentStepHash`` that we compute differently still belongs to the steps as
they are, so that a canary taken over in its middle goes on from where it stands instead of starting
again. Refuses to write on its own account: our hash is stored along with the next change. Pure;
asked at the beginning of a canary's pass and at the end of every pass.
"""

from rollouts.api.canary import CanaryStrategy
from rollouts.api.conditions import get
from rollouts.api.reasons import ConditionType
from rollouts.planner.draft import Draft
from rollouts.planner.steps import raw_step_hash


def step_hash(draft: Draft, canary: CanaryStrategy) -> str:
    """The hash the steps go by: the stored one where they cannot have changed since it was stored.

    That is so when the same status says that this very generation of the spec was acted upon, and
    the template is the one it was stored for. A status that calls the spec invalid is no proof:
    the generation is noted then, the steps are not.
    """
    stored, status = draft.previous.current_step_hash, draft.previous
    acted_upon = status.observed_generation == str(draft.rollout.metadata.generation)
    invalid = get(status.conditions, ConditionType.INVALID_SPEC) is not None
    same_pods = status.current_pod_hash == draft.new.hash
    if stored and acted_upon and not invalid and same_pods and _in_range(draft, canary):
        return stored
    return raw_step_hash(draft)


def _in_range(draft: Draft, canary: CanaryStrategy) -> bool:
    index = draft.previous.current_step_index
    if index is None:
        return not canary.steps
    return 0 <= index <= len(canary.steps)


def adopt_step_hash(draft: Draft) -> None:
    """Store our own hash for the same steps, if something is stored anyway."""
    if draft.spec.canary is not None and draft.status != draft.previous:
        draft.set(current_step_hash=raw_step_hash(draft))
