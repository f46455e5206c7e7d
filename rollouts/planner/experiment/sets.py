"""The ReplicaSets of an Experiment: made, sized, kept for a while, emptied.

Owns the writes that make them follow what is stored of their templates; pods stay for the
scale-down delay after the end. Refuses to decide what a template has come to (``templates``). Pure;
called in every pass whose status is stored.
"""

from analysis.times import format_time
from rollouts.api import labels as keys
from rollouts.api.experiment import ExperimentTemplate
from rollouts.api.reasons import EventReason
from rollouts.kube.resources import REPLICA_SETS
from rollouts.planner.experiment import templates
from rollouts.planner.experiment.draft import Draft
from rollouts.planner.experiment.orphans import is_leftover
from rollouts.planner.experiment.podtemplates import replica_set
from rollouts.planner.experiment.world import service_name, set_name
from rollouts.planner.plan import Obj, Scale
from rollouts.planner.world import ReplicaSet


def follow(draft: Draft) -> None:
    """Every template that is to run has its pods, every other one loses them in time."""
    used: set[str] = set()
    for template in draft.spec.templates:
        rs = draft.world.set_of(template)
        if rs is not None:
            used.add(rs.name)
        if rs is not None and draft.wants_pods(template):
            _scale(draft, rs, template.replicas_or_default)
        elif rs is not None:
            _let_go(draft, rs, template)
        elif draft.wants_pods(template):
            _make(draft, template)
    for rs in draft.world.own_sets:
        if rs.name not in used:
            _scale(draft, rs, 0)  # of a template that is not in the spec any more


def _make(draft: Draft, template: ExperimentTemplate) -> None:
    """The ReplicaSet of a template; one that nobody owns is taken in."""
    name = set_name(draft.experiment, template)
    orphan = draft.world.set_named(name)
    if orphan is not None and is_leftover(draft, orphan.raw):
        draft.block(
            "PredecessorNotGone",
            f"ReplicaSet {name} of a deleted Experiment of this name is still there",
            object=f"ReplicaSet/{name}",
            then="the Experiment has its own once that is gone",
        )
        return
    if orphan is not None:
        draft.adopt(REPLICA_SETS, orphan.raw)
        return
    status, now = draft.status, draft.stamp
    draft.create(
        REPLICA_SETS,
        replica_set(draft.experiment, template),
        lambda error: templates.failed(
            status, template.name, f"Failed to create ReplicaSet {name}: {error.message}", now
        ),
    )


def _let_go(draft: Draft, rs: ReplicaSet, template: ExperimentTemplate) -> None:
    """After the end: note until when the pods stay, then take them away, but not from traffic."""
    delay = draft.spec.scale_down_delay
    if rs.spec == 0 or rs.deleting:
        return
    if delay and not rs.deadline:
        until = format_time(draft.stamp + delay)
        body = {"metadata": {"annotations": {keys.SCALE_DOWN_DEADLINE: until}}}
        draft.patch(REPLICA_SETS, rs.raw, body)
    elif delay and rs.deadline_at is not None and draft.now < rs.deadline_at:
        draft.wake(rs.deadline_at)
    elif service_name(draft.experiment, template) in draft.world.in_traffic:
        draft.block(
            "PodsKeptForTraffic",
            f"ReplicaSet {rs.name} keeps {rs.spec} pods: a router may still send them traffic",
            object=f"ReplicaSet/{rs.name}",
            field="spec.replicas",
            then="they go as soon as the Rollout has told its routers",
        )
    else:
        _scale(draft, rs, 0)


def _scale(draft: Draft, rs: ReplicaSet, size: int) -> None:
    if rs.deleting or (rs.spec == size and not (size and rs.deadline)):
        return
    body: Obj = {}
    if rs.deadline:
        body["metadata"] = {"annotations": {keys.SCALE_DOWN_DEADLINE: None}}
    effect = None
    if rs.spec != size:
        body["spec"] = {"replicas": size}
        effect = Scale(rs.hash, rs.spec, size)
    draft.patch(REPLICA_SETS, rs.raw, body, effect)
    if effect is not None:
        word = "up" if size > rs.spec else "down"
        draft.event(
            EventReason.SCALING, f"Scaled {word} ReplicaSet {rs.name} from {rs.spec} to {size}"
        )
