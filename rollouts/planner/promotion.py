"""Promotion: when the new revision becomes the stable one, and what that clears.

Owns the only places where ``status.stableRS`` changes and where an update starts over. Refuses to
move pods or traffic: they have followed already, or follow next. Pure; called by both strategies.
"""

from rollouts.api.reasons import EventReason
from rollouts.api.status import BlueGreenStatus, CanaryStatus
from rollouts.planner.draft import Draft
from rollouts.planner.revision import revision_number


def within_rollback_window(draft: Draft) -> bool:
    """Whether the new revision is an older one, few enough revisions back to skip the steps.

    The window counts the ReplicaSets created between it and the stable one.
    """
    window, stable, new = draft.spec.rollback_window, draft.stable, draft.new
    if window is None or window.revisions <= 0 or stable is None or not new.older_than(stable):
        return False
    between = [rs for rs in draft.others if new.older_than(rs) and rs.older_than(stable)]
    return len(between) < window.revisions


def is_rollback_to_stable(draft: Draft) -> bool:
    """Whether the wanted pods are the stable ones already."""
    return bool(draft.status.stable_rs) and draft.new.hash == draft.status.stable_rs


def promote(draft: Draft, reason: str, step_count: int | None) -> None:
    """Make the new revision the stable one; ``step_count`` is None without canary steps.

    Clears pauses, abort and promote requests. Argo Rollouts' behaviour.
    """
    status = draft.status
    changed = status.stable_rs != draft.new.hash
    draft.set(
        stable_rs=draft.new.hash,
        current_step_index=step_count,
        pause_conditions=(),
        controller_pause=False,
        promote_full=False,
        abort=False,
        aborted_at=None,
        blue_green=status.blue_green.model_copy(update={"scale_up_preview_check_point": False}),
    )
    if changed:
        draft.event(
            EventReason.COMPLETED,
            f"Rollout completed update to revision {revision_number(draft)} "
            f"({draft.new.hash}): {reason}",
        )


def start_over(draft: Draft, *, step_hash: str, first_step: int | None) -> None:
    """A new template or new steps: forget pauses, aborts and verdicts of the update before."""
    status = draft.status
    draft.set(
        current_pod_hash=draft.new.hash,
        current_step_hash=step_hash,
        current_step_index=first_step,
        pause_conditions=(),
        controller_pause=False,
        promote_full=False,
        abort=False,
        aborted_at=None,
        restarted_at=draft.spec.restart_at
        if draft.spec.restart_at and draft.spec.restart_at <= draft.now
        else status.restarted_at,
        canary=CanaryStatus(
            weights=status.canary.weights, stable_ping_pong=status.canary.stable_ping_pong
        ),
        blue_green=BlueGreenStatus(
            preview_selector=status.blue_green.preview_selector,
            active_selector=status.blue_green.active_selector,
        ),
    )


def abort(draft: Draft, cause: str) -> None:
    """Go back to stable, and say why. Abort outranks everything else that was asked for."""
    if draft.status.abort and draft.status.aborted_at is not None:
        return
    draft.set(
        abort=True,
        aborted_at=draft.stamp,
        promote_full=False,
        pause_conditions=(),
        controller_pause=False,
    )
    draft.abort_cause = cause


def note_abort(draft: Draft) -> bool:
    """Stamp an abort a person asked for; drop one that has nothing to abort; end one retried.

    True when it was stamped: that is stored before anything is done about it, or a retry that
    comes at once would find its analysis stopped by nobody knows whom.
    """
    status = draft.status
    if status.abort and draft.fully_promoted:
        draft.set(abort=False, aborted_at=None)
    elif status.abort and status.aborted_at is None:
        abort(draft, "")
        return True
    elif status.abort and status.promote_full:
        draft.set(abort=False, aborted_at=None)
    elif not status.abort and status.aborted_at is not None:
        draft.set(
            aborted_at=None,
            canary=status.canary.model_copy(
                update={
                    "current_step_analysis_run_status": None,
                    "current_background_analysis_run_status": None,
                    "current_experiment": "",
                }
            ),
            blue_green=status.blue_green.model_copy(
                update={
                    "pre_promotion_analysis_run_status": None,
                    "post_promotion_analysis_run_status": None,
                }
            ),
        )
    return False
