"""The blue-green strategy: bring up the new revision whole, then switch a Service.

Owns the order of one pass (preview, sizes, pause, switch, analysis, status) and when the switch and
the promotion may happen. Pure; called by ``planner.planner``.
"""

from rollouts.api.bluegreen import BlueGreenStrategy
from rollouts.api.reasons import PauseReason, RunType
from rollouts.planner import experiments, promotion, revision, runs, services
from rollouts.planner.draft import Draft
from rollouts.planner.scaledown import abort_delay, scale_down_later


def run_pass(draft: Draft, strategy: BlueGreenStrategy) -> None:
    """Decide one pass; what it leaves undone because something must happen first, the next does."""
    revision.sync(draft)
    if draft.status.current_pod_hash != draft.new.hash:
        promotion.start_over(draft, step_hash="", first_step=None)
        return
    if promotion.note_abort(draft):
        return
    if strategy.preview_service and not halted(draft):
        services.switch(draft, strategy.preview_service, draft.new.hash)
    _resize(draft, strategy)
    revision.clean_history(draft)
    _pause(draft, strategy)
    _switch(draft, strategy)
    active = active_hash(draft, strategy)
    runs.reconcile_blue_green(
        draft,
        strategy,
        pre=_may_pre_analyse(draft, strategy),
        post=active == draft.new.hash
        and draft.new.saturated(draft.replicas)
        and not _fast_rollback(draft),
    )
    experiments.stop(draft)  # of a canary it may have been before
    _checkpoint(draft, strategy)
    _promote(draft, strategy, active)


def active_hash(draft: Draft, strategy: BlueGreenStrategy) -> str:
    """The revision users reach now, as stored (not as this pass would like it)."""
    return services.selected_hash(draft.world.services.get(strategy.active_service))


def halted(draft: Draft) -> bool:
    """Whether a person or an inconclusive analysis has stopped everything."""
    return draft.spec.paused or draft.paused_for(PauseReason.INCONCLUSIVE_ANALYSIS) is not None


def preview_size(draft: Draft, strategy: BlueGreenStrategy) -> int:
    """How many pods the new revision has before the switch, in replicas."""
    count = strategy.preview_replica_count
    active = active_hash(draft, strategy)
    only_preview = active not in ("", draft.new.hash) and draft.stable is not None
    if count is None or not only_preview or fast_tracked(draft, strategy):
        return draft.replicas
    grown = draft.status.blue_green.scale_up_preview_check_point
    if grown and not draft.status.pause_conditions:
        return draft.replicas
    return count


def ready_for_switch(draft: Draft, strategy: BlueGreenStrategy) -> bool:
    """The new revision has the size it should have, and all of it is available."""
    return draft.new.spec == draft.new.available == preview_size(draft, strategy)


def fast_tracked(draft: Draft, strategy: BlueGreenStrategy) -> bool:
    """Whether no pause and no analysis stand before the switch."""
    active = active_hash(draft, strategy)
    return (
        draft.status.promote_full
        or active in ("", draft.new.hash)
        or nobody_served(draft, active)
        or promotion.is_rollback_to_stable(draft)
        or _fast_rollback(draft)
    )


def nobody_served(draft: Draft, active: str) -> bool:
    """Whether the ReplicaSet users are to reach is gone, so that any pods are better."""
    return draft.stable_lost and all(rs.hash != active for rs in draft.all_sets)


def _fast_rollback(draft: Draft) -> bool:
    """Going back to a revision whose pods are still waiting for their scale-down."""
    stable = draft.stable
    older = stable is not None and draft.new.older_than(stable)
    deadline = draft.new.deadline_at
    waiting = deadline is not None and draft.now < deadline
    return (older and waiting) or promotion.within_rollback_window(draft)


def _resize(draft: Draft, strategy: BlueGreenStrategy) -> None:
    if halted(draft):
        return
    new, stable, status = draft.new, draft.stable, draft.status
    if stable is not None and stable.name != new.name:
        draft.scale(stable, draft.replicas)
    for overtaken in (rs for rs in draft.others if rs.hash == active_hash(draft, strategy)):
        draft.scale(overtaken, draft.replicas)  # users are still there
    if status.abort and stable is not None and stable.name != new.name:
        if active_hash(draft, strategy) != new.hash:
            abort_delay(draft, preview_size(draft, strategy), strategy.abort_scale_down_delay)
    else:
        unused = _fast_rollback(draft) and active_hash(draft, strategy) != new.hash
        stuck = status.abort and draft.stable_lost
        size = draft.size_alone if stuck else preview_size(draft, strategy)
        draft.scale(new, size, deadline=new.deadline if unused else "")
        if unused and new.deadline_at is not None and draft.now < new.deadline_at:
            draft.wake(new.deadline_at)
    kept = _post_analysis_pending(draft, strategy) and strategy.scale_down_delay_seconds is None
    in_use = _hashes_in_use(draft, strategy)
    idle = tuple(rs for rs in draft.others if rs.hash not in in_use and (rs.deadline or not kept))
    scale_down_later(draft, idle, strategy.scale_down_delay, strategy.delay_revision_limit)


def _hashes_in_use(draft: Draft, strategy: BlueGreenStrategy) -> set[str]:
    names = (strategy.active_service, strategy.preview_service)
    selected = {services.selected_hash(draft.world.services.get(name)) for name in names if name}
    return selected | {draft.status.stable_rs, draft.status.current_pod_hash}


def _post_analysis_pending(draft: Draft, strategy: BlueGreenStrategy) -> bool:
    if strategy.post_promotion_analysis is None or draft.fully_promoted or draft.status.abort:
        return False
    return not runs.passed(draft, runs.entry(draft, RunType.POST_PROMOTION))


def _pre_analysis_done(draft: Draft, strategy: BlueGreenStrategy) -> bool:
    if strategy.pre_promotion_analysis is None:
        return True
    return runs.passed(draft, runs.entry(draft, RunType.PRE_PROMOTION))


def _may_pre_analyse(draft: Draft, strategy: BlueGreenStrategy) -> bool:
    if fast_tracked(draft, strategy):
        return False
    return ready_for_switch(draft, strategy) and not halted(draft)


def _pause(draft: Draft, strategy: BlueGreenStrategy) -> None:
    """Wait for a person, or for the time set, once everything else is ready for the switch."""
    if draft.status.abort or halted(draft) or not ready_for_switch(draft, strategy):
        return
    if runs.to_be_asked_again(draft):
        return
    instant = strategy.auto_promotion and strategy.auto_promotion_seconds <= 0
    past = draft.status.blue_green.scale_up_preview_check_point
    if fast_tracked(draft, strategy) or instant or past:
        draft.unpause(PauseReason.BLUE_GREEN)
        return
    if not _pre_analysis_done(draft, strategy):
        return
    if draft.paused_for(PauseReason.BLUE_GREEN) is None and not draft.status.controller_pause:
        draft.pause(PauseReason.BLUE_GREEN)


def _pause_over(draft: Draft, strategy: BlueGreenStrategy) -> bool:
    condition = draft.paused_for(PauseReason.BLUE_GREEN)
    if draft.status.blue_green.scale_up_preview_check_point:
        return True
    if condition is None:
        resumed = draft.status.controller_pause and not draft.status.pause_conditions
        instant = strategy.auto_promotion and strategy.auto_promotion_seconds <= 0
        return resumed or instant
    if not strategy.auto_promotion or condition.start_time is None:
        return False
    ends = condition.start_time + strategy.auto_promotion_seconds
    if draft.now < ends:
        draft.wake(ends)
        return False
    return True


def _switch(draft: Draft, strategy: BlueGreenStrategy) -> None:
    """Point the active Service at the revision users should reach."""
    if draft.status.abort:
        if draft.stable is not None and draft.stable.available > 0:
            services.switch(draft, strategy.active_service, draft.stable.hash)
        return
    new = draft.new
    if halted(draft) or not new.saturated(draft.replicas):
        return
    if fast_tracked(draft, strategy) or (
        _pre_analysis_done(draft, strategy) and _pause_over(draft, strategy)
    ):
        services.switch(draft, strategy.active_service, new.hash)


def _checkpoint(draft: Draft, strategy: BlueGreenStrategy) -> None:
    """Remember that a small preview has served its purpose and may grow to full size."""
    part = draft.status.blue_green
    reached = (
        strategy.preview_replica_count is not None
        and not draft.fully_promoted
        and not draft.status.abort
        and (
            part.scale_up_preview_check_point
            or (
                not halted(draft)
                and not fast_tracked(draft, strategy)
                and draft.new.available == strategy.preview_replica_count
                and _pre_analysis_done(draft, strategy)
                and _pause_over(draft, strategy)
            )
        )
    )
    draft.set(blue_green=part.model_copy(update={"scale_up_preview_check_point": reached}))


def _promote(draft: Draft, strategy: BlueGreenStrategy, active: str) -> None:
    reason = _promotion_reason(draft, strategy, active)
    if reason:
        promotion.promote(draft, reason, None)


def _promotion_reason(draft: Draft, strategy: BlueGreenStrategy, active: str) -> str:
    """Why the new revision may become stable now; empty when it may not."""
    if draft.stable is None and not draft.stable_lost:
        return "Initial deploy" if active == draft.new.hash or not active else ""
    if active != draft.new.hash:
        return ""
    if draft.status.promote_full:
        return "Full promotion requested"
    if promotion.is_rollback_to_stable(draft):
        return "Fast rollback"
    if _fast_rollback(draft):
        return "Rollback within window"
    if draft.status.abort or _post_analysis_pending(draft, strategy):
        return ""
    return "Completed blue-green update"
