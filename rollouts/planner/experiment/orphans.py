"""Children of an Experiment that nobody owns, as after ``kubectl delete --cascade=orphan``.

Owns telling them: they carry the Experiment's marks, and are what it would make. They are taken in
instead of standing in the way of their successors. Pure; asked by ``templates``, ``sets`` and
``services``.
"""

from rollouts.api.experiment import ExperimentTemplate
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


def _is_orphan(draft: Draft, template: ExperimentTemplate, obj: Obj) -> bool:
    meta = obj["metadata"]
    annotations = meta.get("annotations") or {}
    marked = marks(draft.experiment, template).items() <= annotations.items()
    return marked and not controller_uid(obj) and not meta.get("deletionTimestamp")
