"""Canary steps: where a release stands, and when the current step is done.

Owns the step index: it moves by one when a step is done, to the end when steps are skipped, to the
start on a new template, new steps or an abort, and never otherwise. Pure; called by
``planner.canary``.
"""

import json
from typing import Any, assert_never

from rollouts.api.canary import CanaryStrategy
from rollouts.api.reasons import EventReason, PauseReason
from rollouts.api.rollout import Rollout
from rollouts.api.steps import CanaryStep, StepKind
from rollouts.planner.draft import Draft
from rollouts.planner.hashing import step_hash


def raw_step_hash(draft: Draft) -> str:
    """The hash of the steps as users wrote them."""
    return step_hash(raw_steps(draft.rollout))


def raw_steps(rollout: Rollout) -> Any:
    """The steps as users wrote them."""
    spec = rollout.raw.get("spec") or {}
    canary = (spec.get("strategy") or {}).get("canary") or {}
    return canary.get("steps")


def index(draft: Draft, canary: CanaryStrategy) -> int | None:
    """The current step's index, within the list; None without steps. The end is ``len(steps)``."""
    if not canary.steps:
        return None
    return max(0, min(draft.status.current_step_index or 0, len(canary.steps)))


def current(draft: Draft, canary: CanaryStrategy) -> CanaryStep | None:
    """The step in progress; None at the end and without steps."""
    at = index(draft, canary)
    return canary.steps[at] if at is not None and at < len(canary.steps) else None


def weight(draft: Draft, canary: CanaryStrategy) -> int:
    """The share of traffic the canary should have, out of ``canary.max_weight``.

    Everything once promoted, promoted in full, or past the last step; nothing while aborted;
    otherwise the nearest setWeight at or before the current step.
    """
    status = draft.status
    if status.promote_full or not status.stable_rs or draft.fully_promoted:
        return canary.max_weight
    if status.abort:
        return 0
    at = index(draft, canary)
    if at is None or at >= len(canary.steps):
        return canary.max_weight
    set_so_far = (step.set_weight for step in reversed(canary.steps[: at + 1]))
    return next((w for w in set_so_far if w is not None), 0)


def end_pause(draft: Draft, step: CanaryStep) -> bool:
    """Whether the pause of ``step`` is over: resumed by a person, or its time has passed."""
    condition = draft.paused_for(PauseReason.CANARY_STEP)
    if condition is None:
        return draft.status.controller_pause and not draft.status.pause_conditions
    seconds = step.pause.seconds if step.pause else None
    if seconds is None or condition.start_time is None:
        return False
    ends = condition.start_time + seconds
    if draft.now < ends:
        draft.wake(ends)
        return False
    return True


def begin_pause(draft: Draft, step: CanaryStep) -> None:
    """Pause for ``step`` unless that pause has begun, or a person has ended it."""
    if draft.status.promote_full or draft.spec.paused or step.kind is not StepKind.PAUSE:
        return
    if not draft.status.unpausing:
        draft.pause(PauseReason.CANARY_STEP)


def advance(draft: Draft, canary: CanaryStrategy) -> None:
    """The current step is done: go on to the next one."""
    at = index(draft, canary)
    if at is None or at >= len(canary.steps):
        return
    draft.unpause(PauseReason.CANARY_STEP)
    part = draft.status.canary.model_copy(
        update={"current_step_analysis_run_status": None, "current_experiment": ""}
    )
    draft.set(current_step_index=at + 1, canary=part)
    total, text = len(canary.steps), describe(canary.steps[at])
    draft.event(EventReason.STEP_COMPLETED, f"Rollout step {at + 1}/{total} completed ({text})")


def describe(step: CanaryStep) -> str:
    """The step in one phrase, as events and the command line show it."""
    kind = step.kind
    match kind:
        case None:
            return "invalid"
        case StepKind.SET_WEIGHT:
            return f"setWeight: {step.set_weight}"
        case StepKind.PAUSE:
            seconds = step.pause.seconds if step.pause else None
            return "pause" if seconds is None else f"pause: {_duration(step)}"
        case StepKind.SET_CANARY_SCALE:
            return f"setCanaryScale{{{_scale(step)}}}"
        case StepKind.EXPERIMENT | StepKind.ANALYSIS:
            return kind.value
        case StepKind.SET_HEADER_ROUTE:
            return f"setHeaderRoute: {step.set_header_route.name if step.set_header_route else ''}"
        case StepKind.SET_MIRROR_ROUTE:
            return f"setMirrorRoute: {step.set_mirror_route.name if step.set_mirror_route else ''}"
        case StepKind.PLUGIN:
            return f"plugin: {step.plugin.name if step.plugin else ''}"
        case _:
            assert_never(kind)


def _duration(step: CanaryStep) -> str:
    written = step.pause.duration if step.pause else None
    return f"{written}s" if str(written).isdigit() else str(written)


def _scale(step: CanaryStep) -> str:
    scale = step.set_canary_scale
    if scale is None:
        return ""
    if scale.match_traffic_weight:
        return "matchTrafficWeight: true"
    if scale.replicas is not None:
        return f"replicas: {scale.replicas}"
    return f"weight: {json.dumps(scale.weight)}"
