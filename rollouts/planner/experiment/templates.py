"""What has become of each template: coming, running, done, or failed.

Owns the state of every template, its counts and its deadline (Argo Rollouts' behaviour, but that a
template which was running gets the whole deadline again when it loses pods, and runs on while a
required analysis measures it). A state at the end stays. Refuses to touch ReplicaSets: they follow
what is stored (``sets``). Pure; called in every pass.
"""

from rollouts.api.experiment import ExperimentStatus, ExperimentTemplate, TemplateStatus
from rollouts.api.reasons import TemplateState
from rollouts.planner.experiment import analyses
from rollouts.planner.experiment.draft import STATES_AT_END, Draft
from rollouts.planner.experiment.orphans import (
    is_leftover,
    is_orphaned_service,
    is_orphaned_set,
)
from rollouts.planner.experiment.podtemplates import pod_hash
from rollouts.planner.experiment.world import service_name, set_name
from rollouts.planner.world import ReplicaSet

_WARNINGS = (TemplateState.FAILED, TemplateState.ERROR)


def follow(draft: Draft) -> None:
    """Bring the state of every template up to date."""
    ending = draft.ending
    waiting = draft.completed or analyses.missing_template(draft) is not None
    for template in draft.spec.templates:
        old = draft.template_status(template.name)
        if old is None and waiting:
            continue  # it never began, or does not begin yet
        rs = draft.world.set_of(template)
        if old is None:
            there = draft.world.set_named(set_name(draft.experiment, template))
            hashed = there.hash if there is not None else pod_hash(template)
            old = TemplateStatus(name=template.name, pod_template_hash=hashed)
        counted = _counted(old, rs)
        if old.status in STATES_AT_END:
            new = counted
        else:
            state, message = _state(draft, template, rs, old, ending=ending)
            new = _moved(draft, _served(draft, template, counted), state, message)
        draft.put_template(new)


def failed(status: ExperimentStatus, name: str, message: str, now: float) -> ExperimentStatus:
    """``status`` with the template called ``name`` in Error; ``now`` in seconds."""
    entries = tuple(
        each.model_copy(
            update={
                "status": str(TemplateState.ERROR),
                "message": message,
                "last_transition_time": now,
            }
        )
        if each.name == name
        else each
        for each in status.template_statuses
    )
    return status.model_copy(update={"template_statuses": entries})


def deadline(draft: Draft, status: TemplateStatus) -> float | None:
    """When a template that is coming is late (seconds since the epoch)."""
    if status.status != TemplateState.PROGRESSING or status.last_transition_time is None:
        return None
    return status.last_transition_time + draft.spec.progress_deadline


def available(template: ExperimentTemplate, rs: ReplicaSet | None) -> bool:
    """Whether all pods of a template are there, as certain as can be."""
    wanted = template.replicas_or_default
    return rs is not None and rs.spec == wanted and rs.certain >= wanted


def _counted(old: TemplateStatus, rs: ReplicaSet | None) -> TemplateStatus:
    return old.model_copy(
        update={
            "replicas": rs.replicas if rs else 0,
            "updated_replicas": rs.replicas if rs else 0,
            "ready_replicas": rs.ready if rs else 0,
            "available_replicas": rs.available if rs else 0,
        }
    )


def _served(draft: Draft, template: ExperimentTemplate, entry: TemplateStatus) -> TemplateStatus:
    """``entry`` with the Service that was made for its pods; it stays on record when that goes."""
    name = service_name(draft.experiment, template)
    service = draft.world.service_named(name) if name else None
    if service is None or not draft.world.owns(service):
        return entry
    return entry.model_copy(update={"service_name": name})


def _state(
    draft: Draft,
    template: ExperimentTemplate,
    rs: ReplicaSet | None,
    old: TemplateStatus,
    *,
    ending: bool,
) -> tuple[TemplateState, str]:
    taken = None if ending else _taken(draft, template)
    if taken is not None:
        return TemplateState.ERROR, taken
    if available(template, rs):
        over = ending or (draft.elapsed and not draft.undecided)
        return TemplateState.SUCCESSFUL if over else TemplateState.RUNNING, ""
    late = deadline(draft, old)
    if late is not None and draft.now >= late:
        seconds = draft.spec.progress_deadline
        return (
            TemplateState.FAILED,
            f"Template '{template.name}' exceeded its progressDeadlineSeconds ({seconds})",
        )
    if ending:
        return TemplateState.SUCCESSFUL, ""
    return TemplateState.PROGRESSING, ""


def _moved(
    draft: Draft, entry: TemplateStatus, state: TemplateState, message: str
) -> TemplateStatus:
    """``entry`` in its new state, and what to tell users if that is news."""
    if entry.status == state:
        if state == TemplateState.PROGRESSING and (late := deadline(draft, entry)) is not None:
            draft.wake(late)
        return entry
    draft.event(
        f"Template{state}",
        f"Template '{entry.name}' transitioned from {entry.status} -> {state}"
        + (f": {message}" if message else ""),
        warning=state in _WARNINGS,
    )
    return entry.model_copy(
        update={"status": str(state), "message": message, "last_transition_time": draft.stamp}
    )


def _taken(draft: Draft, template: ExperimentTemplate) -> str | None:
    """Whether somebody else has an object that would have to be ours, in one sentence.

    What nobody owns and is what we would make is taken in instead (``sets``, ``services``), and
    what a deleted Experiment of this name has left will go.
    """
    name = set_name(draft.experiment, template)
    rs = draft.world.set_named(name)
    if rs is not None and not (
        draft.world.owns(rs.raw)
        or is_orphaned_set(draft, template, rs)
        or is_leftover(draft, rs.raw)
    ):
        return f"Failed to create ReplicaSet {name}: it exists and belongs to somebody else"
    name = service_name(draft.experiment, template)
    service = draft.world.service_named(name) if name else None
    if service is not None and not (
        draft.world.owns(service)
        or is_orphaned_service(draft, template, service)
        or is_leftover(draft, service)
    ):
        return f"Failed to create Service {name}: it exists and belongs to somebody else"
    return None
