"""One pass over an Experiment: what is known so far, and what has been decided so far.

Owns the bookkeeping of a pass and the words every rule of it shares: what is over, what ends, who
is the owner. Starts from a World and never outlives its pass. Pure; used by every module of this
package that decides.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from analysis.times import parse_duration
from rollouts.api.experiment import (
    Experiment,
    ExperimentAnalysisRunStatus,
    ExperimentSpec,
    ExperimentStatus,
    ExperimentTemplate,
    TemplateStatus,
)
from rollouts.api.reasons import ExperimentPhase, TemplateState
from rollouts.kube.errors import ApiError
from rollouts.kube.resources import EXPERIMENTS, Resource
from rollouts.planner.experiment.world import World
from rollouts.planner.plan import Blocker, Event, Obj, Scale, Verb, Write

BAD: Final = (ExperimentPhase.FAILED, ExperimentPhase.ERROR, ExperimentPhase.INCONCLUSIVE)
COMPLETED: Final = (ExperimentPhase.SUCCESSFUL, *BAD)
STATES_AT_END: Final = (TemplateState.SUCCESSFUL, TemplateState.FAILED, TemplateState.ERROR)


@dataclass(slots=True)
class Draft:
    """The state of one pass; ``status`` is the one being made."""

    world: World
    status: ExperimentStatus
    writes: list[Write] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    blockers: list[Blocker] = field(default_factory=list)
    wakes: list[float] = field(default_factory=list)

    @property
    def experiment(self) -> Experiment:
        return self.world.experiment

    @property
    def spec(self) -> ExperimentSpec:
        return self.world.experiment.spec

    @property
    def name(self) -> str:
        return self.world.experiment.metadata.name

    @property
    def now(self) -> float:
        return self.world.now

    @property
    def stamp(self) -> float:
        """Now, as written into objects: rounded up, so that no wait is ever cut short."""
        return float(math.ceil(self.world.now))

    # --- what is known

    @property
    def completed(self) -> bool:
        """Whether the Experiment has come to an end; its verdict never changes then."""
        return self.status.phase in COMPLETED

    @property
    def ends_at(self) -> float | None:
        """When its time is up (seconds since the epoch); None: no duration, or not begun."""
        if not self.spec.duration or self.status.available_at is None:
            return None
        try:
            return self.status.available_at + parse_duration(self.spec.duration)
        except ValueError:
            return None  # made invalid when it was over already

    @property
    def elapsed(self) -> bool:
        """Whether its time is up."""
        return self.ends_at is not None and self.now >= self.ends_at

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the analyses whose success ends the Experiment."""
        return tuple(each.name for each in self.spec.analyses if each.required_for_completion)

    @property
    def passed(self) -> bool:
        """Whether all required analyses, of which there is one at least, are Successful."""
        phases = [self.phase_of(name) for name in self.required]
        return bool(phases) and all(phase == ExperimentPhase.SUCCESSFUL for phase in phases)

    @property
    def undecided(self) -> tuple[str, ...]:
        """Names of the required analyses that have not come to an end."""
        return tuple(name for name in self.required if self.phase_of(name) not in COMPLETED)

    @property
    def ending(self) -> bool:
        """Whether it is over or has to stop: asked to, decided by a verdict, or failed."""
        return (
            self.spec.terminate
            or self.completed
            or any(
                each.status in (TemplateState.FAILED, TemplateState.ERROR)
                for each in self.status.template_statuses
            )
            or any(each.phase in BAD for each in self.status.analysis_runs)
            or self.passed
        )

    def template_status(self, name: str) -> TemplateStatus | None:
        return next((each for each in self.status.template_statuses if each.name == name), None)

    def analysis(self, name: str) -> ExperimentAnalysisRunStatus | None:
        """What the status says of an analysis; ``name`` as in the spec."""
        return next((each for each in self.status.analysis_runs if each.name == name), None)

    def phase_of(self, analysis: str) -> str:
        """The phase of an analysis, empty before there is one."""
        entry = self.analysis(analysis)
        return entry.phase if entry is not None else ""

    def wants_pods(self, template: ExperimentTemplate) -> bool:
        """Whether the template is to run, by what is stored."""
        status = self.template_status(template.name)
        return not self.ending and status is not None and status.status not in STATES_AT_END

    # --- what is decided

    def set(self, **fields: Any) -> None:
        """Change fields of the next status."""
        self.status = self.status.model_copy(update=fields)

    def put_template(self, new: TemplateStatus) -> None:
        """Enter or replace what the status says of a template."""
        entries = self.status.template_statuses
        if self.template_status(new.name) is None:
            self.set(template_statuses=(*entries, new))
        else:
            kept = tuple(new if each.name == new.name else each for each in entries)
            self.set(template_statuses=kept)

    def put_analysis(self, new: ExperimentAnalysisRunStatus) -> None:
        """Enter or replace what the status says of an analysis."""
        entries = self.status.analysis_runs
        if self.analysis(new.name) is None:
            self.set(analysis_runs=(*entries, new))
        else:
            kept = tuple(new if each.name == new.name else each for each in entries)
            self.set(analysis_runs=kept)

    def event(
        self, reason: str, message: str, *, warning: bool = False, upwards: bool = False
    ) -> None:
        """Tell users what was decided; ``upwards``: those of the Rollout above as well."""
        kind = "Warning" if warning else "Normal"
        self.events.append(Event(kind, reason, message, upwards))

    def block(self, code: str, message: str, **where: Any) -> None:
        """Say what is being waited for; the remaining Blocker fields by name."""
        self.blockers.append(Blocker(code, message, **where))

    def wake(self, at: float) -> None:
        """Look again at ``at`` (seconds since the epoch) at the latest."""
        self.wakes.append(at)

    def create(
        self, resource: Resource, body: Obj, otherwise: Callable[[ApiError], ExperimentStatus]
    ) -> None:
        """Create a child; ``otherwise``: the status when the server will never take it."""
        name = body["metadata"]["name"]
        refused = _stored(self.experiment, otherwise)
        self.writes.append(Write(Verb.CREATE, resource, name, body, otherwise=refused))

    def patch(self, resource: Resource, obj: Obj, body: Obj, effect: Scale | None = None) -> None:
        """Merge-patch a child, provided it is still the one decided upon."""
        meta = obj["metadata"]
        version = str(meta.get("resourceVersion", ""))
        self.writes.append(
            Write(Verb.PATCH, resource, meta["name"], body, resource_version=version, effect=effect)
        )

    def adopt(self, resource: Resource, orphan: Obj) -> None:
        """Become the owner of a child nobody owns."""
        meta = orphan["metadata"]
        owners = [*(meta.get("ownerReferences") or []), owner_reference(self.experiment)]
        body = {"metadata": {"ownerReferences": owners, "uid": meta.get("uid", "")}}
        version = str(meta.get("resourceVersion", ""))
        self.writes.append(
            Write(
                Verb.PATCH,
                resource,
                meta["name"],
                body,
                resource_version=version,
                owner_must_exist=True,
            )
        )


def status_write(experiment: Experiment, status: ExperimentStatus) -> Write | None:
    """The patch that stores ``status``; None when nothing differs.

    The kind has no status subresource: this is a change of the object itself.
    """
    before = experiment.status
    changed = [
        field.alias or name
        for name, field in ExperimentStatus.model_fields.items()
        if getattr(before, name) != getattr(status, name)
    ]
    if not changed:
        return None
    wire = status.to_wire()
    meta = experiment.metadata
    return Write(
        Verb.PATCH,
        EXPERIMENTS,
        meta.name,
        {"status": {key: wire.get(key) for key in changed}},
        resource_version=meta.resource_version,
    )


def _stored(
    experiment: Experiment, otherwise: Callable[[ApiError], ExperimentStatus]
) -> Callable[[ApiError], Write | None]:
    return lambda error: status_write(experiment, otherwise(error))


def owner_reference(experiment: Experiment) -> Obj:
    """The controller reference every child of the Experiment carries."""
    return {
        "apiVersion": EXPERIMENTS.api_version,
        "kind": EXPERIMENTS.kind,
        "name": experiment.metadata.name,
        "uid": experiment.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
