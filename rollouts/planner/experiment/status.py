"""The next status of an Experiment: when it began, its phase, its conditions.

Owns how templates and analyses add up to one phase and one message (Argo Rollouts' behaviour, but
that a bad verdict is never outrun by pods that are done). Everything is a function of the World.
Pure; called at the end of every pass.
"""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from rollouts.api.conditions import Condition, Truth, get, remove, replace, set_condition
from rollouts.api.reasons import (
    ConditionType,
    EventReason,
    ExperimentPhase,
    Reason,
    TemplateState,
)
from rollouts.planner.experiment import analyses
from rollouts.planner.experiment.draft import BAD, COMPLETED, Draft

Verdict: TypeAlias = tuple[ExperimentPhase, str]
REQUIRED_COMPLETED: Final = "Required AnalysisRuns completed"
_WORST_FIRST: Final = (
    ExperimentPhase.FAILED,
    ExperimentPhase.ERROR,
    ExperimentPhase.INCONCLUSIVE,
)


def finish(draft: Draft) -> None:
    """Bring phase, times and conditions up to date with templates and analyses."""
    _note_available(draft)
    before = draft.status.phase
    if not draft.completed:
        phase, message = next(verdict for rule in _RULES for verdict in rule(draft))
        draft.set(phase=str(phase), message=message)
    if draft.status.phase != before:
        draft.event(
            f"Experiment{draft.status.phase}",
            f"Experiment transitioned from {before} -> {draft.status.phase}",
            warning=draft.status.phase in BAD,
        )
    _conditions(draft)
    if draft.ends_at is not None and not draft.ending:
        draft.wake(draft.ends_at)


def invalid(draft: Draft, message: str) -> None:
    """The spec cannot be acted upon: say so, and leave everything as it is."""
    old = get(draft.status.conditions, ConditionType.INVALID_EXPERIMENT)
    if old is not None and old.message == message:
        return
    new = Condition.at(
        draft.now, ConditionType.INVALID_EXPERIMENT, Truth.TRUE, Reason.INVALID_SPEC, message
    )
    draft.set(conditions=replace(draft.status.conditions, new))
    draft.event(EventReason.INVALID_SPEC, message, warning=True)


def _note_available(draft: Draft) -> None:
    """All templates run for the first time: from here its duration counts."""
    if draft.status.available_at is not None or draft.ending or analyses.missing_template(draft):
        return
    if all(each.status == TemplateState.RUNNING for each in draft.status.template_statuses):
        draft.set(available_at=draft.stamp)


# --- phase: the first rule that has something to say ----------------------------------------------


def _no_template(draft: Draft) -> Iterator[Verdict]:
    """An analysis names a template that is not there, and was waited for."""
    problem = analyses.missing_template(draft)
    if problem is None:
        return
    patience = analyses.patience_ends(draft)
    if draft.now >= patience:
        yield ExperimentPhase.ERROR, problem
    else:
        draft.wake(patience)
        yield ExperimentPhase.PENDING, problem


def _bad_template(draft: Draft) -> Iterator[Verdict]:
    for state in (TemplateState.FAILED, TemplateState.ERROR):
        for each in draft.status.template_statuses:
            if each.status == state:
                yield ExperimentPhase(state), each.message


def _bad_analysis(draft: Draft) -> Iterator[Verdict]:
    for phase in _WORST_FIRST:
        for each in draft.status.analysis_runs:
            if each.phase == phase:
                yield phase, each.message


def _coming(draft: Draft) -> Iterator[Verdict]:
    if any(each.status == TemplateState.PROGRESSING for each in draft.status.template_statuses):
        yield ExperimentPhase.PENDING, ""


def _running(draft: Draft) -> Iterator[Verdict]:
    if any(each.status == TemplateState.RUNNING for each in draft.status.template_statuses):
        yield ExperimentPhase.RUNNING, ""


def _without_pods(draft: Draft) -> Iterator[Verdict]:
    """No templates at all: only analyses and time tell when it is over."""
    if not draft.spec.templates and not draft.ending and not draft.elapsed:
        yield ExperimentPhase.RUNNING, ""


def _cut_short(draft: Draft) -> Iterator[Verdict]:
    """Asked to stop before a required analysis had begun."""
    for name in draft.required:
        if draft.spec.terminate and draft.analysis(name) is None:
            yield (
                ExperimentPhase.INCONCLUSIVE,
                f"terminated before the required analysis '{name}' had begun",
            )


def _required(draft: Draft) -> Iterator[Verdict]:
    """With a required analysis all of them count, those that are being stopped as well."""
    if not draft.required:
        return
    if any(each.phase not in COMPLETED for each in draft.status.analysis_runs) or draft.undecided:
        yield ExperimentPhase.RUNNING, ""
    else:
        yield ExperimentPhase.SUCCESSFUL, REQUIRED_COMPLETED


def _done(_: Draft) -> Iterator[Verdict]:
    yield ExperimentPhase.SUCCESSFUL, ""


_RULES: Final[tuple[Callable[[Draft], Iterator[Verdict]], ...]] = (
    _bad_template,
    _bad_analysis,
    _no_template,
    _coming,
    _running,
    _without_pods,
    _cut_short,
    _required,
    _done,
)


# --- conditions -----------------------------------------------------------------------------------


def _conditions(draft: Draft) -> None:
    """A failure leaves the condition as it was."""
    told = {
        ExperimentPhase.PENDING: (Truth.TRUE, Reason.REPLICA_SET_UPDATED, "is progressing."),
        ExperimentPhase.RUNNING: (Truth.TRUE, Reason.REPLICA_SET_AVAILABLE, "is running."),
        ExperimentPhase.SUCCESSFUL: (
            Truth.FALSE,
            Reason.EXPERIMENT_COMPLETED,
            "has successfully ran and completed.",
        ),
    }
    conditions = remove(draft.status.conditions, ConditionType.INVALID_EXPERIMENT)
    phase = ExperimentPhase(draft.status.phase)
    if phase in told:
        truth, reason, words = told[phase]
        message = f'Experiment "{draft.name}" {words}'
        new = Condition.at(draft.now, ConditionType.PROGRESSING, truth, reason, message)
        conditions = set_condition(conditions, new)
    draft.set(conditions=conditions)
