"""The Rollout's AnalysisRuns: which should exist, which should stop, and what their verdict does.

Owns the life of background, step, pre- and post-promotion runs. A run is first named in the status
and then made to exist, so a crash between the two neither loses nor repeats an analysis, and an old
verdict is never read again: a new attempt gets a new name. A run that was stopped, or that lost the
pods it judges, has not passed. Refuses to measure. Pure; called by both strategies.
"""

from dataclasses import dataclass
from typing import Final

from analysis.args import ArgsError
from analysis.templates import TemplateError
from rollouts.api import labels as keys
from rollouts.api.analysis import RolloutAnalysis
from rollouts.api.bluegreen import BlueGreenStrategy
from rollouts.api.canary import CanaryStrategy
from rollouts.api.reasons import PauseReason, RunType
from rollouts.api.status import AnalysisRunStatus
from rollouts.api.steps import StepKind
from rollouts.kube.resources import ANALYSIS_RUNS
from rollouts.planner import history, promotion, runspec, steps, subjects
from rollouts.planner.draft import Draft
from rollouts.planner.plan import Verb, Write
from rollouts.planner.world import Run

_TITLES: Final = {
    RunType.STEP: ("Step", "Step-based analysis"),
    RunType.BACKGROUND: ("Background", "Background analysis"),
    RunType.PRE_PROMOTION: ("Pre-Promotion", "Blue/green pre-promotion analysis"),
    RunType.POST_PROMOTION: ("Post-Promotion", "Blue/green post-promotion analysis"),
}
_FIELDS: Final = {
    RunType.STEP: "current_step_analysis_run_status",
    RunType.BACKGROUND: "current_background_analysis_run_status",
    RunType.PRE_PROMOTION: "pre_promotion_analysis_run_status",
    RunType.POST_PROMOTION: "post_promotion_analysis_run_status",
}


@dataclass(frozen=True, slots=True)
class _Slot:
    """A place in the status for one run, and the analysis that belongs there now."""

    kind: RunType
    analysis: RolloutAnalysis
    may_begin: bool = True

    def suffix(self, step: int | None) -> str:
        match self.kind:
            case RunType.STEP:
                return f"-{step}"
            case RunType.BACKGROUND:
                return ""
            case RunType.PRE_PROMOTION:
                return "-pre"
            case RunType.POST_PROMOTION:
                return "-post"


def entry(draft: Draft, kind: RunType) -> AnalysisRunStatus | None:
    """The run the status names for that purpose."""
    part = (
        draft.status.canary
        if kind in (RunType.STEP, RunType.BACKGROUND)
        else draft.status.blue_green
    )
    found: AnalysisRunStatus | None = getattr(part, _FIELDS[kind])
    return found


def find(draft: Draft, named: AnalysisRunStatus | None) -> Run | None:
    """The run itself, where it exists and is ours."""
    if named is None:
        return None
    return next((r for r in draft.world.runs if r.owned and r.name == named.name), None)


def passed(draft: Draft, named: AnalysisRunStatus | None) -> bool:
    """Whether the run has come to a good end by itself, over pods that stayed."""
    run = find(draft, named)
    if named is None or run is None or run.phase != "Successful" or run.terminating:
        return False
    return subjects.lost_at(run) is None and not subjects.losing(draft, named, run)


def reconcile_canary(draft: Draft, canary: CanaryStrategy) -> bool:
    """Background and step analysis of a canary; True when their verdict stops this pass."""
    if over(draft):
        _put(draft, RunType.STEP, None)
        _put(draft, RunType.BACKGROUND, None)
        _tidy(draft)
        return False
    at = steps.index(draft, canary)
    step = steps.current(draft, canary)
    background = canary.analysis
    slots: list[_Slot] = []
    if background is not None and (at is None or at >= (background.starting_step or 0)):
        slots.append(_Slot(RunType.BACKGROUND, background))
    else:
        _put(draft, RunType.BACKGROUND, None)
    if step is not None and step.analysis is not None:
        _forget_other_step(draft, at)
        if entry(draft, RunType.STEP) or not draft.status.pause_conditions:
            slots.append(_Slot(RunType.STEP, step.analysis))
    else:
        _put(draft, RunType.STEP, None)
    stopped = [_keep(draft, slot, at) for slot in slots]
    _tidy(draft)
    return any(stopped)


def _forget_other_step(draft: Draft, step: int | None) -> None:
    """A person who skips a step leaves its run behind: it must not answer for the next one."""
    named = entry(draft, RunType.STEP)
    run = find(draft, named)
    if run is not None and run.labels.get(keys.STEP_INDEX, str(step)) != str(step):
        _put(draft, RunType.STEP, None)


def reconcile_blue_green(
    draft: Draft, strategy: BlueGreenStrategy, *, pre: bool, post: bool
) -> bool:
    """Analysis before and after the switch; True when their verdict stops this pass.

    ``pre`` and ``post``: whether the pods are where the one or the other may begin. A run that has
    begun goes on even when pods come and go.
    """
    if over(draft):
        _tidy(draft, stop_all=True)  # their verdicts stay on record
        return False
    stopped = False
    for kind, analysis, may_begin in (
        (RunType.PRE_PROMOTION, strategy.pre_promotion_analysis, pre),
        (RunType.POST_PROMOTION, strategy.post_promotion_analysis, post),
    ):
        if analysis is None:
            _put(draft, kind, None)
        elif may_begin or entry(draft, kind):
            stopped = _keep(draft, _Slot(kind, analysis, may_begin), None) or stopped
    _tidy(draft)
    return stopped


def over(draft: Draft) -> bool:
    """Whether no analysis of this update matters any more, or not yet."""
    return (
        not draft.status.stable_rs
        or draft.fully_promoted
        or draft.status.abort
        or draft.status.promote_full
        or promotion.is_rollback_to_stable(draft)
        or promotion.within_rollback_window(draft)
    )


def _keep(draft: Draft, slot: _Slot, step: int | None) -> bool:
    """Name the slot's run, make it exist, mirror it, and act on its verdict."""
    named = entry(draft, slot.kind)
    if named is None or _resumed_after_inconclusive(draft, named):
        if named is not None:
            draft.set(controller_pause=_at_pause_step(draft))  # which was resumed as well
        name = _free_name(draft, runspec.base_name(draft) + slot.suffix(step))
        _put(draft, slot.kind, AnalysisRunStatus(name=name))
        return False
    if any(run.name == named.name and not run.owned for run in draft.world.runs):
        _put(draft, slot.kind, AnalysisRunStatus(name=_free_name(draft, named.name)))
        return False
    run = find(draft, named)
    if run is None:
        return not _create(draft, slot, named.name, step)
    if slot.kind is not RunType.BACKGROUND and subjects.losing(draft, named, run):
        subjects.note(draft, run)
        return True
    _mirror(draft, slot.kind, named, run)
    if subjects.is_void(run) and slot.may_begin and subjects.again(draft):
        name = _free_name(draft, runspec.base_name(draft) + slot.suffix(step))
        _put(draft, slot.kind, AnalysisRunStatus(name=name))
        return False
    return _judge(draft, slot.kind, run)


def _create(draft: Draft, slot: _Slot, name: str, step: int | None) -> bool:
    """Make the run exist; where it cannot be put together, say so and go no further."""
    try:
        body = runspec.build(draft, slot.kind, slot.analysis, name, step)
    except (ArgsError, TemplateError) as error:
        draft.invalid = f"AnalysisRun {name} cannot be created: {error}"
        return False
    draft.writes.append(Write(Verb.CREATE, ANALYSIS_RUNS, name, body))
    return True


def to_be_asked_again(draft: Draft) -> bool:
    """Whether a person has just resumed from a verdict that could not tell."""
    named = (entry(draft, kind) for kind in RunType)
    return any(found and _resumed_after_inconclusive(draft, found) for found in named)


def _resumed_after_inconclusive(draft: Draft, named: AnalysisRunStatus) -> bool:
    status = draft.status
    return (
        named.status == "Inconclusive" and status.controller_pause and not status.pause_conditions
    )


def _at_pause_step(draft: Draft) -> bool:
    canary = draft.spec.canary
    step = steps.current(draft, canary) if canary is not None else None
    return step is not None and step.kind is StepKind.PAUSE


def _judge(draft: Draft, kind: RunType, run: Run) -> bool:
    title = _TITLES[kind][1]
    if run.phase in ("Failed", "Error"):
        detail = f": {run.message}" if run.message else ""
        promotion.abort(draft, f"{title} phase error/failed{detail}")
        return True
    stopped_by_hand = run.phase == "Successful" and run.terminating
    if run.phase == "Inconclusive" or stopped_by_hand:
        draft.pause(PauseReason.INCONCLUSIVE_ANALYSIS)
        return True
    return False


def _mirror(draft: Draft, kind: RunType, named: AnalysisRunStatus, run: Run) -> None:
    phase = "" if run.phase == "Pending" and not run.message else run.phase
    if (named.status, named.message) == (phase, run.message):
        return
    if named.status != phase:
        previous = named.status or "NoPreviousStatus"
        draft.event(
            f"AnalysisRun{phase or 'Pending'}",
            f"{_TITLES[kind][0]} Analysis Run '{run.name}' Status New: '{phase}' "
            f"Previous: '{previous}'",
            warning=phase in ("Failed", "Error"),
        )
    _put(draft, kind, AnalysisRunStatus(name=run.name, status=phase, message=run.message))


def _put(draft: Draft, kind: RunType, value: AnalysisRunStatus | None) -> None:
    if entry(draft, kind) == value:
        return
    field = {_FIELDS[kind]: value}
    if kind in (RunType.STEP, RunType.BACKGROUND):
        draft.set(canary=draft.status.canary.model_copy(update=field))
    else:
        draft.set(blue_green=draft.status.blue_green.model_copy(update=field))


def _free_name(draft: Draft, base: str) -> str:
    taken = {run.name for run in draft.world.runs}
    number = 0
    name = base
    while name in taken:
        number += 1
        name = f"{base}.{number}"
    return name


def _tidy(draft: Draft, *, stop_all: bool = False) -> None:
    """Stop runs that no longer matter and forget finished ones beyond the history limits.

    ``stop_all``: those on record matter no longer, either.
    """
    named = {found.name for kind in RunType if (found := entry(draft, kind)) is not None}
    owned = [run for run in draft.world.runs if run.owned]
    for run in owned:
        if run.name in named and not stop_all:
            continue
        if not run.completed and not run.terminating:
            body = {"spec": {"terminate": True}}
            draft.writes.append(Write(Verb.PATCH, ANALYSIS_RUNS, run.name, body))
    finished = [run for run in owned if run.completed and run.name not in named]
    for run in history.surplus(draft, finished):
        uid = str(run.raw["metadata"].get("uid", ""))
        draft.writes.append(Write(Verb.DELETE, ANALYSIS_RUNS, run.name, {}, uid=uid))
