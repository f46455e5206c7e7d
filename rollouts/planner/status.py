"""The next status: counters, conditions, phase.

Owns what is summed up from ReplicaSets and how a status becomes a patch. Everything here is a
function of the World and of what the pass decided. Pure; called at the beginning and the end of
every pass.
"""

from collections.abc import Collection

from rollouts.api.conditions import Condition, Conditions, Truth, get, replace
from rollouts.api.reasons import ConditionType, EventReason, Reason
from rollouts.api.rollout import Rollout
from rollouts.api.status import RolloutStatus
from rollouts.kube.patches import merge_diff
from rollouts.kube.resources import ROLLOUTS
from rollouts.planner import autoscaling, duration, handover, progress, promotion, takeover
from rollouts.planner.draft import Draft
from rollouts.planner.phase import phase
from rollouts.planner.plan import Event, Obj, Verb, Write
from rollouts.planner.services import selected_hash
from rollouts.planner.workload import generation as workload_generation
from rollouts.planner.world import ReplicaSet, World


def finish(draft: Draft) -> None:
    """Bring the next status up to date with what the pass decided."""
    draft.set(workload_observed_generation=workload_generation(draft.world))
    _count(draft)
    _abort_if_late(draft)
    progress.update(draft)
    word, message = phase(draft.spec, draft.status)
    generation = str(draft.rollout.metadata.generation)
    draft.set(phase=str(word), message=message, observed_generation=generation)
    takeover.keep_count(draft)
    duration.update(draft)
    takeover.adopt_step_hash(draft)
    handover.adopt(draft)


def write(rollout: Rollout, status: RolloutStatus) -> Write | None:
    """The patch that stores ``status``, or None when nothing differs."""
    before = rollout.status
    fields = RolloutStatus.model_fields
    changed = {
        name: field.alias or name
        for name, field in fields.items()
        if getattr(before, name) != getattr(status, name)
    }
    if not changed:
        return None
    stored, new = rollout.raw.get("status"), status.to_wire(set(changed))
    readable = stored if isinstance(stored, dict) else {}
    diff = merge_diff(_only(readable, changed.values()), _only(new, changed.values()))
    if not diff:
        return None
    return Write(
        Verb.PATCH,
        ROLLOUTS,
        rollout.metadata.name,
        {"status": diff},
        subresource="status",
        resource_version=rollout.metadata.resource_version,
    )


def _only(document: Obj, keys: Collection[str]) -> Obj:
    return {key: value for key, value in document.items() if key in keys}


def invalid(world: World, message: str) -> tuple[RolloutStatus, tuple[Event, ...]]:
    """The status of a Rollout whose spec cannot be acted upon; everything that runs stays."""
    rollout = world.rollout
    before = rollout.status.conditions
    condition = Condition.at(
        world.now, ConditionType.INVALID_SPEC, Truth.TRUE, Reason.INVALID_SPEC, message
    )
    old = get(before, ConditionType.INVALID_SPEC)
    same = old is not None and old.message == message
    conditions: Conditions = before if same else replace(before, condition)
    status = rollout.status.model_copy(
        update={
            "conditions": conditions,
            "observed_generation": str(rollout.metadata.generation),
        }
    )
    word, text = phase(rollout.spec, status)
    events = () if same else (Event("Warning", EventReason.INVALID_SPEC, message),)
    return status.model_copy(update={"phase": str(word), "message": text}), events


def _count(draft: Draft) -> None:
    """Sum up pods; with blue-green, those behind the active Service are the ones that count."""
    sets, active = draft.all_sets, _active_set(draft)
    counted: tuple[ReplicaSet, ...] = sets if active is None else (active,)
    draft.set(
        replicas=sum(rs.replicas for rs in sets),
        updated_replicas=draft.new.replicas,
        ready_replicas=sum(rs.ready for rs in counted),
        available_replicas=sum(rs.available for rs in counted),
    )
    autoscaling.update(draft)


def _active_set(draft: Draft) -> ReplicaSet | None:
    strategy = draft.spec.blue_green
    if strategy is None:
        return None
    services = draft.world.services
    active = selected_hash(services.get(strategy.active_service))
    preview = selected_hash(services.get(strategy.preview_service))
    part = draft.status.blue_green.model_copy(
        update={"active_selector": active, "preview_selector": preview}
    )
    draft.set(blue_green=part)
    return next((rs for rs in draft.all_sets if active and rs.hash == active), None)


def _abort_if_late(draft: Draft) -> None:
    """With progressDeadlineAbort, a release that stopped moving goes back by itself."""
    if not draft.spec.progress_deadline_abort or draft.status.abort or draft.fully_promoted:
        return
    if not progress.made_progress(draft) and progress.timed_out(draft):
        promotion.abort(draft, f'ReplicaSet "{draft.new.name}" has timed out progressing.')


def obj(rollout: Rollout, status: RolloutStatus) -> Obj:
    """The Rollout object as it reads once ``status`` is stored."""
    return {**rollout.raw, "status": status.to_wire()}
