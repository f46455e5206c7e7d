"""Children that an Experiment of the same name, which was deleted, has left.

Owns telling them. What nobody owns (``kubectl delete --cascade=orphan``), carries the Experiment's
marks and is what it would make is taken in instead of standing in the way of its successor. What
still names the deleted one as its owner is about to be collected, and waited for. Pure; asked by
``templates``, ``sets`` and ``services``.
"""

from rollouts.api.experiment import ExperimentTemplate
from rollouts.kube.resources import EXPERIMENTS
from rollouts.planner.experiment.draft import Draft
from rollouts.planner.experiment.podtemplates import marks
from rollouts.planner.experiment.world import controller_uid
from rollouts.planner.plan import Obj
from rollouts.planner.template import same_pods
from rollouts.planner.world import ReplicaSet


def is_orphaned_set(draft: Draft, template: ExperimentTemplate, rs: ReplicaSet) -> bool:
    """Whether nobody owns ``rs`` and it has the pods of ``template``."""
    return _is_orphan(draft, template, rs.raw) and same_pods(rs.template, template.template)


def is_orphaned_service(draft: Draft, template: ExperimentTemplate, service: Obj) -> bool:
    """Whether nobody owns ``service`` and it was made for ``template``."""
    return _is_orphan(draft, template, service)


def is_leftover(draft: Draft, obj: Obj) -> bool:
    """Whether ``obj`` belongs to an Experiment of this name that is gone: there is only one."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller") and owner.get("kind") == EXPERIMENTS.kind:
            uid = draft.experiment.metadata.uid
            return bool(owner.get("name") == draft.name and owner.get("uid") != uid)
    return False


def _is_orphan(draft: Draft, template: ExperimentTemplate, obj: Obj) -> bool:
    meta = obj["metadata"]
    annotations = meta.get("annotations") or {}
    marked = marks(draft.experiment, template).items() <= annotations.items()
    return marked and not controller_uid(obj) and not meta.get("deletionTimestamp")
