"""What may be looked at to decide about an Experiment: one frozen value.

Owns finding an Experiment's children in it by their names. Refuses to fetch anything:
``controllers.gather`` fills it from caches, tests from wherever they like. Raw objects inside are
read-only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rollouts.api import labels as keys
from rollouts.api.experiment import Experiment, ExperimentTemplate
from rollouts.planner.plan import Obj
from rollouts.planner.world import ReplicaSet, Run


@dataclass(frozen=True, slots=True)
class World:
    """Everything one decision about an Experiment may depend on.

    ``now``: seconds since the epoch. ``replica_sets`` and ``services``: those it owns and those
    that have a name it would use. ``runs``: AnalysisRuns whose names begin like its own.
    ``templates`` and ``cluster_templates``: by name, what its analyses refer to and what those
    include. ``pods``: those of its ReplicaSets. ``in_traffic``: names of its Services that a router
    of the Rollout above may send traffic to.
    """

    now: float
    experiment: Experiment
    replica_sets: tuple[ReplicaSet, ...] = ()
    services: tuple[Obj, ...] = ()
    runs: tuple[Run, ...] = ()
    templates: Mapping[str, Obj] = field(default_factory=dict)
    cluster_templates: Mapping[str, Obj] = field(default_factory=dict)
    pods: tuple[Obj, ...] = ()
    instance_id: str = ""
    in_traffic: frozenset[str] = frozenset()

    def owns(self, obj: Obj) -> bool:
        """Whether the Experiment is the controlling owner of ``obj``."""
        return controller_uid(obj) == self.experiment.metadata.uid

    @property
    def own_sets(self) -> tuple[ReplicaSet, ...]:
        return tuple(rs for rs in self.replica_sets if self.owns(rs.raw))

    @property
    def own_services(self) -> tuple[Obj, ...]:
        return tuple(service for service in self.services if self.owns(service))

    def set_named(self, name: str) -> ReplicaSet | None:
        """The ReplicaSet called ``name``, whoever owns it."""
        return next((rs for rs in self.replica_sets if rs.name == name), None)

    def service_named(self, name: str) -> Obj | None:
        """The Service called ``name``, whoever owns it."""
        return next((each for each in self.services if each["metadata"]["name"] == name), None)

    def set_of(self, template: ExperimentTemplate) -> ReplicaSet | None:
        """The Experiment's own ReplicaSet of a template."""
        name = set_name(self.experiment, template)
        return next((rs for rs in self.own_sets if rs.name == name), None)

    def run_named(self, name: str) -> Run | None:
        """The Experiment's own run called ``name``."""
        return next((run for run in self.runs if run.owned and run.name == name), None)


def set_name(experiment: Experiment, template: ExperimentTemplate) -> str:
    """What the ReplicaSet of a template is called."""
    return f"{experiment.metadata.name}-{template.name}"


def service_name(experiment: Experiment, template: ExperimentTemplate) -> str:
    """What the Service of a template is called, if it has one; else empty."""
    if template.service is None:
        return ""
    return template.service.name or set_name(experiment, template)


def in_traffic(experiment: Experiment, rollout: Obj | None) -> frozenset[str]:
    """Those of its Services that the Rollout above has on record as getting traffic, by name.

    All of them while the routers have not been seen to obey: they may not know of a change yet.
    """
    status = (rollout or {}).get("status") or {}
    weights = (status.get("canary") or {}).get("weights") or {}
    names = {service_name(experiment, each) for each in experiment.spec.templates} - {""}
    if weights.get("verified") is False:
        return frozenset(names)
    shares = weights.get("additional") or ()
    return frozenset(names & {each.get("serviceName") for each in shares if each.get("weight")})


def controller_uid(obj: Obj) -> str:
    """The uid of the controlling owner; empty where there is none."""
    owners = obj["metadata"].get("ownerReferences") or []
    return next((str(each.get("uid", "")) for each in owners if each.get("controller")), "")


def is_managed(world: World) -> bool:
    """Whether the Experiment belongs to this controller instance."""
    label = world.experiment.metadata.labels.get(keys.INSTANCE_ID, "")
    return label == world.instance_id
