"""The AnalysisRuns of an Experiment: made when they have been named, stopped when it ends.

Owns the writes that make runs follow what is stored. A stop is refused by the server when the run
has moved on meanwhile, so that a verdict is never taken for one that was cut short. Refuses to
measure. Pure; called in every pass whose status is stored.
"""

from rollouts.api.reasons import EventReason
from rollouts.api.steps import ExperimentAnalysisRef
from rollouts.kube.resources import ANALYSIS_RUNS
from rollouts.planner.experiment import analyses, runspec
from rollouts.planner.experiment.draft import Draft


def follow(draft: Draft) -> None:
    """Every run that is named exists; none goes on that does not matter any more."""
    named: set[str] = set()
    for analysis in draft.spec.analyses:
        entry = draft.analysis(analysis.name)
        if entry is None:
            continue
        named.add(entry.analysis_run)
        if not entry.phase and not draft.ending and not draft.world.run_named(entry.analysis_run):
            _create(draft, analysis, entry.analysis_run)
    for run in draft.world.runs:
        stop = draft.ending or run.name not in named
        if run.owned and stop and not run.completed and not run.terminating:
            draft.patch(ANALYSIS_RUNS, run.raw, {"spec": {"terminate": True}})
            draft.event(EventReason.RUN_TERMINATING, f"Terminating AnalysisRun '{run.name}'")


def _create(draft: Draft, analysis: ExperimentAnalysisRef, name: str) -> None:
    status = draft.status
    draft.create(
        ANALYSIS_RUNS,
        runspec.build(draft, analysis, name),
        lambda error: analyses.failed(
            status, analysis.name, f"AnalysisRun {name} cannot be created: {error.message}"
        ),
    )
