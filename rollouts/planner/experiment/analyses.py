"""What each analysis of an Experiment has come to, as its status tells.

Owns naming a run when it is due, copying what runs come to, and the verdicts that nobody else
speaks: a run that is gone, cannot be made, or was stopped before it could tell. A run is first
named in the status and then made to exist (``runs``), so that a crash between the two neither loses
nor repeats it; an old verdict is never read, since another attempt gets another name. Pure; called
in every pass.
"""

from typing import Final

from analysis.templates import TemplateError, collect
from rollouts.api.experiment import ExperimentAnalysisRunStatus, ExperimentStatus
from rollouts.api.reasons import ExperimentPhase
from rollouts.api.steps import ExperimentAnalysisRef
from rollouts.planner.experiment import runspec
from rollouts.planner.experiment.draft import BAD, COMPLETED, Draft
from rollouts.planner.world import Run

TEMPLATE_GRACE_SECONDS: Final = 10.0
"""How long after its creation an Experiment waits for templates applied together with it."""


def follow(draft: Draft) -> None:
    """Bring the entries of all analyses up to date; after the end they stay as last seen."""
    if draft.completed:
        return
    for analysis in draft.spec.analyses:
        entry = draft.analysis(analysis.name)
        if entry is None:
            if draft.status.available_at is not None and not draft.ending:
                _name(draft, analysis)
        elif entry.phase not in COMPLETED:
            _mirror(draft, analysis, entry)


def missing_template(draft: Draft) -> str | None:
    """Before the analyses begin: which template is not there, in one sentence."""
    if draft.status.available_at is not None or draft.ending:
        return None
    for analysis in draft.spec.analyses:
        try:
            collect([runspec.reference(analysis)], lambda ref: runspec.lookup(draft.world, ref))
        except TemplateError as error:
            return f"AnalysisTemplate verification failed for analysis '{analysis.name}': {error}"
    return None


def patience_ends(draft: Draft) -> float:
    """Until when a template that is not there is waited for (seconds since the epoch)."""
    return (draft.experiment.metadata.creation_timestamp or 0.0) + TEMPLATE_GRACE_SECONDS


def failed(status: ExperimentStatus, name: str, message: str) -> ExperimentStatus:
    """``status`` with the analysis called ``name`` in Error."""
    error = {"phase": str(ExperimentPhase.ERROR), "message": message}
    entries = tuple(
        each.model_copy(update=error) if each.name == name else each
        for each in status.analysis_runs
    )
    return status.model_copy(update={"analysis_runs": entries})


def _name(draft: Draft, analysis: ExperimentAnalysisRef) -> None:
    name = _free_name(draft, f"{draft.name}-{analysis.name}")
    entry = ExperimentAnalysisRunStatus(name=analysis.name, analysis_run=name)
    draft.put_analysis(entry)
    _check(draft, analysis, entry)


def _check(
    draft: Draft, analysis: ExperimentAnalysisRef, entry: ExperimentAnalysisRunStatus
) -> None:
    """A run that cannot be put together is an Error of its analysis."""
    problem = runspec.problem(draft, analysis)
    if problem is not None:
        text = f"AnalysisRun {entry.analysis_run} cannot be created: {problem}"
        _put(draft, entry, ExperimentPhase.ERROR, text)


def _mirror(
    draft: Draft, analysis: ExperimentAnalysisRef, entry: ExperimentAnalysisRunStatus
) -> None:
    run = draft.world.run_named(entry.analysis_run)
    if run is not None:
        phase = run.phase or ExperimentPhase.PENDING
        if phase == ExperimentPhase.SUCCESSFUL and _was_stopped(analysis, run):
            text = f"AnalysisRun {run.name} was stopped before it came to a verdict"
            _put(draft, entry, ExperimentPhase.INCONCLUSIVE, text)
        else:
            _put(draft, entry, phase, run.message)
    elif entry.phase:
        text = f"AnalysisRun {entry.analysis_run} does not exist any more"
        _put(draft, entry, ExperimentPhase.ERROR, text)
    elif draft.ending:
        word = ExperimentPhase.INCONCLUSIVE if _matters(analysis) else ExperimentPhase.SUCCESSFUL
        _put(draft, entry, word, "stopped before it began")
    elif any(each.name == entry.analysis_run for each in draft.world.runs):
        _name(draft, analysis)  # somebody was quicker with a run of that name
    else:
        _check(draft, analysis, entry)


def _matters(analysis: ExperimentAnalysisRef) -> bool:
    return analysis.required_for_completion


def _was_stopped(analysis: ExperimentAnalysisRef, run: Run) -> bool:
    """Whether a run that had to come to a verdict was asked to stop."""
    return _matters(analysis) and run.terminating


def _put(draft: Draft, entry: ExperimentAnalysisRunStatus, phase: str, message: str) -> None:
    new = entry.model_copy(update={"phase": str(phase), "message": message})
    if new.phase != entry.phase:
        draft.event(
            f"AnalysisRun{new.phase}",
            f"AnalysisRun '{entry.name}' transitioned from {entry.phase} -> {new.phase}",
            warning=new.phase in BAD,
            upwards=True,
        )
    draft.put_analysis(new)


def _free_name(draft: Draft, base: str) -> str:
    taken = {run.name for run in draft.world.runs}
    number, name = 0, base
    while name in taken:
        number += 1
        name = f"{base}.{number}"
    return name
