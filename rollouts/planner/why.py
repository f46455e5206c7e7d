"""Why nothing more happens now: blockers for every state a release can be in.

Owns the words ``why``, ``get rollout`` and the dashboard show. Each rule looks at the finished pass
and names what is waited for, where, since when, until when, and the command that clears it. A plan
without a blocker would be a release that stands still for no reason, so the last rule always
applies. Pure; called at the end of every pass.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, TypeAlias

from analysis import words
from analysis.times import format_duration
from rollouts.api import labels as keys
from rollouts.api.canary import CanaryStrategy
from rollouts.api.conditions import get
from rollouts.api.reasons import ConditionType, PauseReason, Reason, RunType
from rollouts.planner import bluegreen as bluegreens
from rollouts.planner import canary as canaries
from rollouts.planner import (
    experiments,
    handover,
    pods,
    progress,
    restart,
    runs,
    steps,
    subjects,
)
from rollouts.planner.draft import Draft
from rollouts.planner.plan import Blocker, Obj
from rollouts.planner.world import Run, World

Rule: TypeAlias = Callable[[Draft], Iterator[Blocker]]
_PLUGIN: Final = "kubectl argo rollouts"


def explain(draft: Draft) -> None:
    """Add a blocker for each thing the release waits for; at least one."""
    for rule in RULES:
        draft.blockers += rule(draft)
    if not draft.blockers:
        draft.blockers += _fallback(draft)
    ends = progress.deadline(draft)
    if ends is not None:
        draft.blockers = [_timed(blocker, ends) for blocker in draft.blockers]


def _timed(blocker: Blocker, ends: float) -> Blocker:
    """What lasts until the progress deadline makes the release late."""
    if blocker.until is not None or blocker.then:
        return blocker
    return replace(blocker, until=ends, then="the progress deadline is exceeded")


def invalid(world: World, message: str) -> Blocker:
    """The blocker of a spec that cannot be acted upon."""
    condition = get(world.rollout.status.conditions, ConditionType.INVALID_SPEC)
    return Blocker(
        "InvalidSpec",
        message,
        object=f"Rollout/{world.rollout.metadata.name}",
        field=message.partition("is invalid: ")[2].partition(":")[0],
        since=condition.last_update_time if condition else None,
        then="nothing of this Rollout is changed until the spec or what it refers to is mended",
        command=f"kubectl edit rollout {world.rollout.metadata.name}",
    )


def _command(draft: Draft, verb: str, name: str = "") -> str:
    return f"{_PLUGIN} {verb} {name or draft.name} -n {draft.rollout.metadata.namespace}"


def _not_creatable(draft: Draft) -> Iterator[Blocker]:
    if draft.invalid:
        yield Blocker(
            "InvalidSpec",
            draft.invalid,
            object=f"Rollout/{draft.name}",
            command=f"kubectl edit rollout {draft.name}",
        )


def _manual_pause(draft: Draft) -> Iterator[Blocker]:
    if draft.spec.paused:
        condition = get(draft.status.conditions, ConditionType.PAUSED)
        yield Blocker(
            "ManualPause",
            "a person has paused the Rollout",
            object=f"Rollout/{draft.name}",
            field="spec.paused",
            since=condition.last_transition_time if condition else None,
            command=_command(draft, "promote"),
        )


def _pauses(draft: Draft) -> Iterator[Blocker]:
    for condition in draft.status.pause_conditions:
        until, message = _end_of(draft, condition.reason, condition.start_time)
        yield Blocker(
            condition.reason,
            message,
            object=f"Rollout/{draft.name}",
            field="status.pauseConditions",
            since=condition.start_time,
            until=until,
            then="the release goes on by itself" if until else "",
            command=_command(draft, "promote"),
        )


def _end_of(draft: Draft, reason: str, start: float | None) -> tuple[float | None, str]:
    """When a pause ends by itself, if it does, and what it is about."""
    until, message = _timed_end(draft, reason, start)
    if until is not None and canaries.halted(draft):
        return None, f"{message}, but not before all else that pauses it is over"
    return until, message


def _timed_end(draft: Draft, reason: str, start: float | None) -> tuple[float | None, str]:
    if reason == PauseReason.BLUE_GREEN:
        strategy = draft.spec.blue_green
        if strategy is not None and strategy.auto_promotion:
            seconds = strategy.auto_promotion_seconds
            wait = f"automatic promotion waits {format_duration(float(seconds))}"
            if not bluegreens.ready_for_switch(draft, strategy):
                return None, f"{wait}, and for the new revision to be available again"
            return (start or draft.now) + seconds, wait
        return None, "the new revision is ready; the switch waits for a person"
    if reason == PauseReason.CANARY_STEP and draft.spec.canary is not None:
        step = steps.current(draft, draft.spec.canary)
        seconds_ = step.pause.seconds if step and step.pause else None
        at = (draft.status.current_step_index or 0) + 1
        place = f"step {at}/{len(draft.spec.canary.steps)}"
        if seconds_ is None:
            return None, f"{place} pauses until a person promotes"
        wait = format_duration(float(seconds_))
        return (start or draft.now) + seconds_, f"{place} pauses for {wait}"
    if reason == PauseReason.INCONCLUSIVE_EXPERIMENT:
        return None, experiments.doubt(draft)
    return None, f"an analysis was inconclusive; a person has to decide{_doubts(draft)}"


def _doubts(draft: Draft) -> str:
    """What the runs on record say that could not tell, or were stopped."""
    named = (runs.find(draft, runs.entry(draft, kind)) for kind in RunType)
    told = [
        f"; AnalysisRun {run.name}: {words.verdict(run.raw) or run.message or 'no verdict'}"
        for run in named
        if run is not None and run.phase in ("Inconclusive", "Successful")
        if run.phase == "Inconclusive" or run.terminating
    ]
    return "".join(told)


def _aborted(draft: Draft) -> Iterator[Blocker]:
    if draft.status.abort:
        condition = get(draft.status.conditions, ConditionType.PROGRESSING)
        yield Blocker(
            "Aborted",
            (condition.message if condition else "the update was aborted") + _cause(draft),
            object=f"Rollout/{draft.name}",
            field="status.abort",
            since=draft.status.aborted_at,
            then="the stable revision serves; the template still asks for the aborted one",
            command=_command(draft, "retry rollout"),
        )


def _cause(draft: Draft) -> str:
    """What was measured that made the update end."""
    bad = [
        run
        for run in draft.world.runs
        if run.owned and run.phase in ("Failed", "Error")
        if run.labels.get(keys.POD_TEMPLATE_HASH) == draft.new.hash
    ]
    if "nalysis" not in draft.status.message or not bad:
        return ""
    last = max(bad, key=lambda run: (run.created, run.name))
    told = words.verdict(last.raw)
    return f" — AnalysisRun {last.name}: {told}" if told else ""


def _lost(draft: Draft) -> Iterator[Blocker]:
    if draft.stable_lost:
        yield Blocker(
            "StableRevisionLost",
            f"the ReplicaSet of the stable revision {draft.status.stable_rs} is gone: revision "
            f"{draft.new.hash} has all the pods, and there is nothing to go back to",
            object=f"Rollout/{draft.name}",
            field="status.stableRS",
            then="the new revision becomes the stable one when it has passed its update",
            command=_command(draft, "undo"),
        )


def _runs(draft: Draft) -> Iterator[Blocker]:
    for kind in RunType:
        named = runs.entry(draft, kind)
        run = runs.find(draft, named)
        lost = None if run is None or draft.fully_promoted else subjects.lost_at(run)
        if run is not None and lost is not None:
            yield _without_pods(draft, run, lost)
        if named is None or (run is not None and run.completed):
            continue
        state = run.phase or "not started" if run else "not created yet"
        yield Blocker(
            f"{kind}AnalysisRunning",
            f"AnalysisRun {named.name} is {state}{_measured(run.raw if run else None)}",
            object=f"AnalysisRun/{named.name}",
            field="status.phase",
            since=run.created if run else None,
            command=_command(draft, "get analysisrun", named.name),
        )


def _without_pods(draft: Draft, run: Run, lost: float) -> Blocker:
    return Blocker(
        "AnalysisPodsLost",
        f"AnalysisRun {run.name} is {run.phase or 'not started'}, but revision "
        f"{draft.new.revision} was without the pods it measures; {draft.new.available} of "
        f"{draft.new.spec} are available",
        object=f"AnalysisRun/{run.name}",
        field=f"metadata.annotations[{keys.PODS_LOST}]",
        since=lost,
        then="a success is asked again by a new run, once there are pods",
        command=f"kubectl get pods -l rollouts-pod-template-hash={draft.new.hash}",
    )


def _measured(raw: Obj | None) -> str:
    parts = []
    for result in words.results(raw or {}):
        said = words.reason(words.latest(result))
        parts.append(f"{result.get('name')} {result.get('phase')}{f' ({said})' if said else ''}")
    return ": " + ", ".join(parts[:5]) if parts else ""


def _late(draft: Draft) -> Iterator[Blocker]:
    condition = get(draft.status.conditions, ConditionType.PROGRESSING)
    if condition is not None and condition.reason == Reason.TIMED_OUT:
        yield Blocker(
            "ProgressDeadlineExceeded",
            condition.message,
            object=f"Rollout/{draft.name}",
            field="spec.progressDeadlineSeconds",
            since=condition.last_transition_time,
            command=_command(draft, "abort"),
        )


def _pods(draft: Draft) -> Iterator[Blocker]:
    for rs in draft.all_sets:
        if rs.available < rs.spec:
            reasons = pods.trouble(draft.world.pods, rs)
            yield Blocker(
                "PodsNotAvailable",
                f"ReplicaSet {rs.name}: {rs.available} of {rs.spec} pods are available{reasons}",
                object=f"ReplicaSet/{rs.name}",
                field="status.availableReplicas",
                command=f"kubectl get pods -l rollouts-pod-template-hash={rs.hash}",
            )
        elif rs.replicas > rs.spec:
            yield Blocker(
                "PodsNotGone",
                f"ReplicaSet {rs.name}: {rs.replicas - rs.spec} pods are still to be removed",
                object=f"ReplicaSet/{rs.name}",
                field="status.replicas",
            )


def _delays(draft: Draft) -> Iterator[Blocker]:
    halted = bool(canaries.halted(draft))
    for rs in draft.all_sets:
        if rs.deadline and rs.deadline_at is not None and rs.spec:
            returning = rs.name == draft.new.name and not draft.status.abort
            then = "it counts as any other update" if returning else "it is scaled to 0"
            yield Blocker(
                "ScaleDownDelay",
                f"ReplicaSet {rs.name} keeps {rs.spec} pods for a fast way back",
                object=f"ReplicaSet/{rs.name}",
                field="metadata.annotations.scale-down-deadline",
                until=None if halted else rs.deadline_at,
                then="nothing, while the Rollout is paused" if halted else then,
            )


def _unsettled(draft: Draft) -> Iterator[Blocker]:
    canary = draft.spec.canary
    if draft.blockers or canary is None or draft.fully_promoted:
        return
    yield from _counts(draft, canary)


def _counts(draft: Draft, canary: CanaryStrategy) -> Iterator[Blocker]:
    new, stable = canaries.desired_counts(draft, canary)
    have = draft.stable.spec if draft.stable else 0
    yield Blocker(
        "ReplicasNotSettled",
        f"the step wants {new} new and {stable} stable pods; "
        f"{draft.new.available} new are available and {have} stable are asked for",
        object=f"Rollout/{draft.name}",
        field="status.currentStepIndex",
    )


def _fallback(draft: Draft) -> Iterator[Blocker]:
    if draft.status.phase == "Healthy":
        yield Blocker(
            "Healthy",
            f"nothing to do: revision {draft.new.revision} ({draft.new.hash}) is fully promoted",
            object=f"Rollout/{draft.name}",
        )
        return
    yield Blocker(
        "Observing",
        draft.status.message or "waiting for the cluster to report the changes made",
        object=f"Rollout/{draft.name}",
        field="status.message",
    )


RULES: Final[tuple[Rule, ...]] = (
    _not_creatable,
    _manual_pause,
    _pauses,
    _aborted,
    _lost,
    _late,
    experiments.blockers,
    _runs,
    _pods,
    _delays,
    restart.blockers,
    _unsettled,
    handover.blockers,
)
