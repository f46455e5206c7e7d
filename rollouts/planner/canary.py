"""The canary strategy: the new revision gets more and more of the traffic.

Owns the order of one pass (traffic, analysis, sizes, pause, status) and the rules of promotion for
a canary, and the sizes of one without a router, whose pods are its traffic. Arithmetic is in
``planner.replicas``, steps in ``planner.steps``; with a router, sizes are in ``planner.routed`` and
traffic in ``planner.weights``. Pure; called by ``planner.planner``.
"""

from typing import assert_never

from rollouts.api.canary import CanaryStrategy
from rollouts.api.reasons import EventReason, PauseReason
from rollouts.api.status import CanaryStatus
from rollouts.api.steps import StepKind
from rollouts.planner import (
    experiments,
    promotion,
    revision,
    routed,
    runs,
    safety,
    services,
    steps,
    takeover,
    threshold,
    weights,
)
from rollouts.planner.draft import Draft
from rollouts.planner.pods import serving
from rollouts.planner.replicas import Budget, Size, next_counts, split
from rollouts.planner.world import ReplicaSet


def run_pass(draft: Draft, canary: CanaryStrategy) -> None:
    """Decide one pass; what it leaves undone because something must happen first, the next does."""
    revision.sync(draft)
    if _started_over(draft, canary):
        return
    if promotion.note_abort(draft):
        return
    revision.clean_history(draft)
    if canary.traffic_routing is not None:
        weights.reconcile(draft, canary)
    else:
        _point_services(draft, canary)
    stopped = experiments.reconcile(draft, canary)
    stopped = runs.reconcile_canary(draft, canary) or stopped
    if stopped or not _resize(draft, canary):
        step = steps.current(draft, canary)
        if step is not None and not draft.status.abort:
            steps.begin_pause(draft, step)
    _move_on(draft, canary)


def desired_counts(draft: Draft, canary: CanaryStrategy) -> tuple[int, int]:
    """(canary, stable) replicas that fit the weight of the current step."""
    if canary.traffic_routing is not None:
        return routed.desired_counts(draft, canary)
    if draft.stable is None or draft.stable.name == draft.new.name:
        return draft.size_alone, 0
    surge, _ = canary.budgets(draft.replicas)
    return split(draft.replicas, steps.weight(draft, canary), canary.max_weight, surge)


def settled(draft: Draft, canary: CanaryStrategy) -> bool:
    """Whether the pods have become what the current weight asks for.

    The canary's pods must be available, the stable ones merely created; older ones must be gone.
    """
    if canary.traffic_routing is not None:
        return routed.settled(draft, canary)
    stable, new = draft.stable or draft.new, draft.new
    want_new, want_stable = desired_counts(draft, canary)
    if not threshold.met(canary, new, want_new):
        return False
    if stable.name != new.name and (stable.spec, stable.replicas) != (want_stable, want_stable):
        return False
    return sum(rs.available for rs in draft.others) == 0


def halted(draft: Draft) -> str:
    """Why no pods may be moved now; empty when they may."""
    if draft.spec.paused:
        return "user paused"
    if draft.paused_for(PauseReason.INCONCLUSIVE_ANALYSIS):
        return "inconclusive analysis"
    return ""


def _started_over(draft: Draft, canary: CanaryStrategy) -> bool:
    """A new template or new steps begin at the first step, or at the end where none is needed."""
    digest = takeover.step_hash(draft, canary)
    status = draft.status
    if status.current_step_hash == digest and status.current_pod_hash == draft.new.hash:
        return False
    first = 0 if canary.steps else None
    end = len(canary.steps) if canary.steps else None
    fresh = status.current_pod_hash != draft.new.hash
    if promotion.is_rollback_to_stable(draft):
        first = end
        if fresh and canary.steps:
            draft.event(EventReason.SKIP_STEPS, "Rollback to stable ReplicaSets")
    elif promotion.within_rollback_window(draft) and draft.new.spec > 0:
        first = end
        message = "Rollback to active ReplicaSets within RollbackWindow"
        draft.event(EventReason.SKIP_STEPS, message)
    promotion.start_over(draft, step_hash=digest, first_step=first)
    return True


def _point_services(draft: Draft, canary: CanaryStrategy) -> None:
    """Stable and canary Service follow their ReplicaSets as soon as those can serve.

    When the stable ReplicaSet is about to be emptied, its Service moves to the new one before that,
    or it would reach nothing for a while; so it does when there is no stable ReplicaSet any more.
    """
    stable = draft.stable
    _, unavailable = canary.budgets(draft.replicas)
    enough = max(1, draft.replicas - unavailable)
    if stable is not None and desired_counts(draft, canary)[1] == 0 and not draft.status.abort:
        stable = draft.new if draft.new.available >= enough else stable
    services.ensure(draft, canary.stable_service, draft.new if draft.stable_lost else stable)
    target: ReplicaSet | None = draft.new
    selected = services.selected_hash(draft.world.services.get(canary.canary_service))
    overtaken = any(rs.hash == selected for rs in draft.others) and not draft.new.available
    if draft.status.abort or overtaken or desired_counts(draft, canary)[0] == 0:
        target = draft.stable
    services.ensure(draft, canary.canary_service, target)


def _resize(draft: Draft, canary: CanaryStrategy) -> bool:
    """Move pod counts as far towards the current weight as is safe now; True if anything moved."""
    if halted(draft):
        return False
    if canary.traffic_routing is not None:
        return routed.resize(draft, canary)
    surge, unavailable = canary.budgets(draft.replicas)
    budget = Budget(draft.replicas, surge, unavailable)
    new = draft.new
    stable = draft.stable if draft.stable and draft.stable.name != new.name else None
    to_new, to_stable = next_counts(
        budget,
        desired_counts(draft, canary),
        _size(draft, new),
        _size(draft, stable) if stable else None,
        sum(rs.spec for rs in draft.others),
    )
    moved = stable is not None and draft.scale(stable, max(to_stable, _kept(draft, stable, budget)))
    moved = draft.scale(new, max(to_new, _kept(draft, new, budget))) or moved
    return moved or _drain_others(draft, budget)


def _kept(draft: Draft, rs: ReplicaSet, budget: Budget) -> int:
    """One pod where a Service would reach nothing without, and there is room for two."""
    reached = rs.spec > 0 and rs.available > 0 and safety.reached(draft, rs.hash) is not None
    return 1 if reached and draft.replicas and budget.ceiling > 1 else 0


def _size(draft: Draft, rs: ReplicaSet) -> Size:
    return Size(rs.spec, min(rs.certain, serving(draft.world, rs)))


def _drain_others(draft: Draft, budget: Budget) -> bool:
    """Older ReplicaSets give up their pods, unhealthy ones first, as far as availability allows."""
    active = [rs for rs in draft.others if rs.spec > 0]
    unhealthy = [rs for rs in active if rs.available < rs.spec]
    for rs in unhealthy:
        draft.scale(rs, rs.available)
    if unhealthy:
        return True
    # Pods already given up still count as available until they are gone.
    serve = (min(rs.spec, rs.certain, serving(draft.world, rs)) for rs in draft.all_sets)
    spare = sum(serve) - budget.floor
    moved = False
    for rs in sorted(active, key=lambda r: (-r.revision, r.created)):
        if spare <= 0:
            break
        size = max(_kept(draft, rs, budget), rs.spec - spare)
        spare -= rs.spec - size
        moved = draft.scale(rs, size) or moved
    return moved


def _move_on(draft: Draft, canary: CanaryStrategy) -> None:
    """Promote, fall back to the first step, or go on to the next one."""
    status = draft.status
    end = len(canary.steps) if canary.steps else None
    back = promotion.within_rollback_window(draft) and not status.abort
    if status.promote_full or back:
        draft.set(
            pause_conditions=(),
            controller_pause=False,
            abort=False,
            aborted_at=None,
            current_step_index=end,
        )
    reason = _promotion_reason(draft, canary)
    if reason:
        promotion.promote(draft, reason, end)
    elif status.abort:
        draft.set(current_step_index=None if end is None else 0, canary=_without_runs(draft))
    elif _step_done(draft, canary):
        steps.advance(draft, canary)


def _promotion_reason(draft: Draft, canary: CanaryStrategy) -> str:
    """Why the new revision may become stable now; empty when it may not.

    Where the stable ReplicaSet is gone, the new revision has all the pods at once, but it is not
    called stable before it has passed its steps.
    """
    if draft.stable is None and not draft.stable_lost:
        return "Initial deploy"
    if draft.status.abort or not _all_there(draft, canary):
        return ""
    if draft.status.promote_full:
        return "Full promotion requested"
    if promotion.is_rollback_to_stable(draft):
        return "Fast rollback"
    if promotion.within_rollback_window(draft):
        return "Rollback within window"
    at = steps.index(draft, canary)
    if at is None or (at == len(canary.steps) and weights.obeyed(draft, canary)):
        return f"Completed all {len(canary.steps)} canary steps"
    return ""


def _all_there(draft: Draft, canary: CanaryStrategy) -> bool:
    return draft.new.available >= draft.replicas or threshold.met(canary, draft.new, draft.replicas)


def _without_runs(draft: Draft) -> CanaryStatus:
    return draft.status.canary.model_copy(
        update={
            "current_step_analysis_run_status": None,
            "current_background_analysis_run_status": None,
        }
    )


def _step_done(draft: Draft, canary: CanaryStrategy) -> bool:
    """Whether the current step has done what it is for."""
    step = steps.current(draft, canary)
    if step is None or halted(draft) or draft.changed_sizes:
        return False
    kind = step.kind
    match kind:
        case StepKind.PAUSE:
            return steps.end_pause(draft, step)
        case StepKind.SET_WEIGHT:
            return settled(draft, canary) and weights.obeyed(draft, canary)
        case StepKind.SET_CANARY_SCALE:
            return settled(draft, canary)
        case StepKind.ANALYSIS:
            return runs.passed(draft, draft.status.canary.current_step_analysis_run_status)
        case StepKind.SET_HEADER_ROUTE | StepKind.SET_MIRROR_ROUTE:
            return True
        case StepKind.EXPERIMENT:
            return experiments.passed(draft, canary)
        case StepKind.PLUGIN | None:
            return False
        case _:
            assert_never(kind)
