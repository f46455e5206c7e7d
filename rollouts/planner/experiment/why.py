"""Why nothing more happens to an Experiment now: blockers for every state it can be in.

Owns the words ``why`` shows. Each rule looks at the finished pass and names what is waited for,
where, since when, until when, and the command that clears it; the last rule always applies. Pure;
called at the end of every pass without writes.
"""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from analysis.times import format_duration
from rollouts.api.conditions import get
from rollouts.api.reasons import ConditionType, TemplateState
from rollouts.planner.experiment import analyses, templates
from rollouts.planner.experiment.draft import COMPLETED, Draft
from rollouts.planner.experiment.podtemplates import pod_hash
from rollouts.planner.experiment.services import ports
from rollouts.planner.plan import Blocker
from rollouts.planner.pods import trouble
from rollouts.planner.template import same_pods

Rule: TypeAlias = Callable[[Draft], Iterator[Blocker]]


def explain(draft: Draft, problem: str | None) -> None:
    """Add a blocker for each thing the Experiment waits for; at least one."""
    if problem is not None:
        draft.blockers.append(_invalid(draft, problem))
        return
    for rule in RULES:
        draft.blockers += rule(draft)
    if not draft.blockers:
        draft.blockers.append(_at_rest(draft))


def _about(draft: Draft) -> str:
    return f"Experiment/{draft.name}"


def _terminate(draft: Draft) -> str:
    namespace = draft.experiment.metadata.namespace
    return f"kubectl argo rollouts terminate experiment {draft.name} -n {namespace}"


def _invalid(draft: Draft, problem: str) -> Blocker:
    condition = get(draft.status.conditions, ConditionType.INVALID_EXPERIMENT)
    return Blocker(
        "InvalidExperimentSpec",
        problem,
        object=_about(draft),
        since=condition.last_update_time if condition else None,
        then="nothing of this Experiment is changed until the spec is mended",
        command=f"kubectl edit experiment {draft.name}",
    )


def _template_missing(draft: Draft) -> Iterator[Blocker]:
    problem = None if draft.completed else analyses.missing_template(draft)
    if problem is not None:
        yield Blocker(
            "AnalysisTemplateMissing",
            problem,
            object=_about(draft),
            field="spec.analyses",
            until=analyses.patience_ends(draft),
            then="the Experiment is in Error",
        )


def _pods(draft: Draft) -> Iterator[Blocker]:
    for template in draft.spec.templates:
        status = draft.template_status(template.name)
        rs = draft.world.set_of(template)
        if status is None or rs is None or status.status != TemplateState.PROGRESSING:
            continue
        yield Blocker(
            "PodsNotAvailable",
            f"template {template.name}: {rs.available} of {template.replicas_or_default} pods "
            f"are available{trouble(draft.world.pods, rs)}",
            object=f"ReplicaSet/{rs.name}",
            field="status.availableReplicas",
            since=status.last_transition_time,
            until=templates.deadline(draft, status),
            then="the template has failed, and the Experiment with it",
            command=f"kubectl get pods -l rollouts-pod-template-hash={rs.hash}",
        )


def _runs(draft: Draft) -> Iterator[Blocker]:
    for analysis in draft.spec.analyses:
        entry = draft.analysis(analysis.name)
        if draft.completed or entry is None or entry.phase in COMPLETED:
            continue
        run = draft.world.run_named(entry.analysis_run)
        state = "is being stopped" if draft.ending else f"is {entry.phase or 'not created yet'}"
        required = ", and the Experiment ends with it" if analysis.required_for_completion else ""
        yield Blocker(
            "AnalysisRunning",
            f"AnalysisRun {entry.analysis_run} {state}{required}",
            object=f"AnalysisRun/{entry.analysis_run}",
            field="status.phase",
            since=run.created if run else None,
            command=f"kubectl describe analysisrun {entry.analysis_run}",
        )


def _time(draft: Draft) -> Iterator[Blocker]:
    """What it runs for: its duration, or until somebody ends it."""
    began = draft.status.available_at
    if draft.ending or began is None:
        return
    ends = draft.ends_at
    if ends is not None and draft.now < ends:
        wait = format_duration(ends - began)
        then = "it is over" if not draft.undecided else "only its required analyses go on"
        yield Blocker(
            "DurationRunning",
            f"the Experiment runs for {wait}",
            object=_about(draft),
            field="spec.duration",
            since=began,
            until=ends,
            then=then,
            command=_terminate(draft),
        )
    elif ends is None and not draft.required:
        yield Blocker(
            "RunsUntilTerminated",
            "it has neither a duration nor a required analysis: it runs until a person ends it",
            object=_about(draft),
            field="spec.terminate",
            since=began,
            command=_terminate(draft),
        )


def _without_ports(draft: Draft) -> Iterator[Blocker]:
    for template in draft.spec.templates:
        if draft.wants_pods(template) and template.service is not None and not ports(template):
            yield Blocker(
                "ServiceWithoutPorts",
                f"template {template.name} asks for a Service but its containers declare no ports: "
                "there is none",
                object=_about(draft),
                field="spec.templates",
            )


def _changed(draft: Draft) -> Iterator[Blocker]:
    for template in draft.spec.templates:
        rs, status = draft.world.set_of(template), draft.template_status(template.name)
        if rs is None or status is None or not draft.wants_pods(template):
            continue
        if pod_hash(template) == rs.hash or same_pods(rs.template, template.template):
            continue
        yield Blocker(
            "TemplateChanged",
            f"template {template.name} was changed after its pods were made; they stay as they "
            "were: another comparison is another Experiment",
            object=_about(draft),
            field="spec.templates",
        )


def _delays(draft: Draft) -> Iterator[Blocker]:
    for rs in draft.world.own_sets:
        if rs.spec and rs.deadline_at is not None and draft.now < rs.deadline_at:
            yield Blocker(
                "ScaleDownDelay",
                f"ReplicaSet {rs.name} keeps {rs.spec} pods for a while after the end",
                object=f"ReplicaSet/{rs.name}",
                field="metadata.annotations.scale-down-deadline",
                until=rs.deadline_at,
                then="it is scaled to 0",
            )
        elif rs.replicas > rs.spec:
            yield Blocker(
                "PodsNotGone",
                f"ReplicaSet {rs.name}: {rs.replicas - rs.spec} pods are still to be removed",
                object=f"ReplicaSet/{rs.name}",
                field="status.replicas",
            )


def _at_rest(draft: Draft) -> Blocker:
    if draft.completed:
        detail = f": {draft.status.message}" if draft.status.message else ""
        return Blocker(
            "Completed",
            f"nothing to do: the Experiment is {draft.status.phase}{detail}",
            object=_about(draft),
            field="status.phase",
        )
    return Blocker(
        "Observing",
        draft.status.message or "waiting for the cluster to report the changes made",
        object=_about(draft),
        field="status",
    )


RULES: Final[tuple[Rule, ...]] = (
    _template_missing,
    _pods,
    _runs,
    _time,
    _without_ports,
    _changed,
    _delays,
)
