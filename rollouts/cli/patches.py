"""What steering a Rollout means on the wire (Argo Rollouts' plugin sends the same).

Owns which fields each verb patches, as pure functions, and how a patch that touches status is sent:
to the status subresource, or to the object itself where there is none. Used by ``steer``.
"""

from typing import Any, Final

from rollouts.api.rollout import Rollout
from rollouts.cli.common import Client, FailedError
from rollouts.kube.errors import NotFound
from rollouts.kube.resources import ROLLOUTS, Resource

Patch = dict[str, Any]
UNPAUSE_SPEC: Final[Patch] = {"spec": {"paused": False}}
UNPAUSE: Final[Patch] = {"status": {"pauseConditions": None}}


def promote(rollout: Rollout) -> list[Patch]:
    """Go on: end the user's pause, then the first of what holds the Rollout back."""
    patches = [UNPAUSE_SPEC] if rollout.spec.paused else []
    status, canary = rollout.status, rollout.spec.canary
    index, count = status.current_step_index or 0, len(canary.steps) if canary else 0
    run = status.canary.current_step_analysis_run_status
    if status.pause_conditions:
        inconclusive = run is not None and run.status == "Inconclusive"
        if inconclusive and status.controller_pause:
            held: Patch = {
                "pauseConditions": None,
                "controllerPause": False,
                "currentStepIndex": min(index + 1, count),
            }
            return [*patches, {"status": held}]
        return [*patches, UNPAUSE]
    if count:
        return [*patches, _to_step(min(index + 1, count))]
    return patches


def promote_full(rollout: Rollout) -> list[Patch]:
    """Skip all that is left; nothing to patch when the wanted revision is stable already."""
    patches = [UNPAUSE_SPEC] if rollout.spec.paused else []
    if rollout.status.current_pod_hash != rollout.status.stable_rs:
        patches.append({"status": {"promoteFull": True}})
    return patches


def skip(rollout: Rollout, *, everything: bool) -> list[Patch]:
    """The older spelling of promote: one step further, or behind the last one."""
    canary = rollout.spec.canary
    if canary is None:
        raise FailedError("Cannot skip steps of a bluegreen rollout. Run without a flags")
    if not canary.steps:
        raise FailedError("Cannot skip steps of a rollout without steps")
    count = len(canary.steps)
    index = count if everything else min((rollout.status.current_step_index or 0) + 1, count)
    patches = [UNPAUSE_SPEC] if rollout.spec.paused else []
    return [*patches, _to_step(index)]


def _to_step(index: int) -> Patch:
    return {"status": {"pauseConditions": None, "currentStepIndex": index}}


async def send(client: Client, resource: Resource, name: str, patch: Patch) -> None:
    """Send one merge patch. Raises ApiError; NotFound where the object does not exist."""
    if "status" not in patch or resource != ROLLOUTS:
        await client.api.patch(resource, name, patch, client.namespace)
        return
    try:
        await client.api.patch(resource, name, patch, client.namespace, subresource="status")
    except NotFound:
        await client.api.patch(resource, name, patch, client.namespace)
