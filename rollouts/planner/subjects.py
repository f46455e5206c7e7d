"""The pods a run judges, and whether they were there all the time.

Owns one rule: a run that began over the pods of a revision has passed only if that revision still
had them. When its ReplicaSet is replaced, or has no available pod at any moment before the verdict
is read, a success proves nothing; it is asked again, once there are pods. A failure stays a
failure. What was seen is noted on the run itself, so nothing is forgotten. Pure; called by
``planner.runs`` and ``planner.why``.
"""

from analysis.times import format_time, parse_time
from rollouts.api import labels as keys
from rollouts.api.status import AnalysisRunStatus
from rollouts.kube.resources import ANALYSIS_RUNS
from rollouts.planner.draft import Draft
from rollouts.planner.plan import Verb, Write
from rollouts.planner.world import Run


def begun_with(draft: Draft) -> dict[str, str]:
    """Annotations of a run that begins now: whose pods it judges, where there are any."""
    return {keys.JUDGED: draft.new.uid} if draft.new.uid and draft.new.available else {}


def lost_at(run: Run) -> float | None:
    """When the run was seen to have lost its pods (seconds since the epoch); None: never."""
    return parse_time(run.annotations.get(keys.PODS_LOST))


def is_void(run: Run) -> bool:
    """Whether the run's success proves nothing, because its pods were gone meanwhile."""
    return run.phase == "Successful" and not run.terminating and lost_at(run) is not None


def losing(draft: Draft, named: AnalysisRunStatus, run: Run) -> bool:
    """Whether the run's pods are gone now, which was not noted, before its verdict was read."""
    judged = run.annotations.get(keys.JUDGED)
    if not judged or lost_at(run) is not None or (run.completed and named.status == run.phase):
        return False
    return judged != draft.new.uid or not draft.new.available


def note(draft: Draft, run: Run) -> None:
    """Remember on the run that its pods are gone."""
    seen = {keys.PODS_LOST: format_time(draft.stamp)}
    body = {"metadata": {"annotations": seen}}
    draft.writes.append(Write(Verb.PATCH, ANALYSIS_RUNS, run.name, body))
    draft.event(
        "AnalysisRunPodsLost",
        f"Revision {draft.new.revision} is without pods while AnalysisRun '{run.name}' measures "
        "it: a success will be asked again",
        warning=True,
    )


def again(draft: Draft) -> bool:
    """Whether there is something to ask again about: pods, or none by design."""
    return draft.new.available > 0 or draft.new.spec == 0
