"""The one word and the one sentence that sum up a Rollout.

Owns ``status.phase`` and ``status.message`` (Argo Rollouts' behaviour: the first rule that applies
wins). The tuple RULES is the documentation. Pure; called at the end of every pass and by clients
that meet a status without a phase.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from rollouts.api.reasons import ConditionType, Phase, Reason
from rollouts.api.rollout import RolloutSpec
from rollouts.api.status import RolloutStatus

Verdict: TypeAlias = tuple[Phase, str]
Rule: TypeAlias = Callable[[RolloutSpec, RolloutStatus], Verdict | None]


def phase(spec: RolloutSpec, status: RolloutStatus) -> Verdict:
    """(phase, message) of a Rollout."""
    for rule in RULES:
        verdict = rule(spec, status)
        if verdict is not None:
            return verdict
    return Phase.HEALTHY, ""


def _degraded(_: RolloutSpec, status: RolloutStatus) -> Verdict | None:
    for condition in status.conditions:
        if condition.type == ConditionType.INVALID_SPEC:
            return Phase.DEGRADED, f"{ConditionType.INVALID_SPEC}: {condition.message}"
        if condition.reason in (Reason.ABORTED, Reason.TIMED_OUT):
            return Phase.DEGRADED, f"{condition.reason}: {condition.message}"
    return None


def _paused(spec: RolloutSpec, status: RolloutStatus) -> Verdict | None:
    if spec.paused:
        return Phase.PAUSED, "manually paused"
    if status.pause_conditions:
        return Phase.PAUSED, status.pause_conditions[0].reason
    return None


def _restarting(spec: RolloutSpec, status: RolloutStatus) -> Verdict | None:
    if spec.restart_at is None or spec.restart_at == status.restarted_at:
        return None
    return Phase.PROGRESSING, "rollout is restarting"


def _pods_missing(spec: RolloutSpec, status: RolloutStatus) -> Verdict | None:
    if status.updated_replicas < spec.replicas_or_default:
        return Phase.PROGRESSING, "more replicas need to be updated"
    if status.available_replicas < status.updated_replicas:
        return Phase.PROGRESSING, "updated replicas are still becoming available"
    return None


def _blue_green_unfinished(spec: RolloutSpec, status: RolloutStatus) -> Verdict | None:
    if spec.blue_green is None:
        return None
    current, part = status.current_pod_hash, status.blue_green
    if not part.active_selector or part.active_selector != current:
        return Phase.PROGRESSING, "active service cutover pending"
    if status.stable_rs and status.stable_rs == current:
        return None
    run = part.post_promotion_analysis_run_status
    waits = spec.blue_green.post_promotion_analysis is not None and (
        run is None or run.status not in ("Successful", "Failed", "Error", "Inconclusive")
    )
    what = "analysis to complete" if waits else "post-promotion verification to complete"
    return Phase.PROGRESSING, f"waiting for {what}"


def _canary_unfinished(spec: RolloutSpec, status: RolloutStatus) -> Verdict | None:
    if spec.canary is None:
        return None
    if spec.canary.traffic_routing is None and status.replicas > status.updated_replicas:
        return Phase.PROGRESSING, "old replicas are pending termination"
    if not status.stable_rs or status.stable_rs != status.current_pod_hash:
        return Phase.PROGRESSING, "waiting for all steps to complete"
    return None


RULES: Final[tuple[Rule, ...]] = (
    _degraded,
    _paused,
    _restarting,
    _pods_missing,
    _blue_green_unfinished,
    _canary_unfinished,
)
