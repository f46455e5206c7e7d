"""What a Rollout's Experiments get of the traffic, and whether their pods can take it.

Owns the shares beside those of the two revisions: which are due now, which the routers may know of,
and the rule that a share is only given to pods that are there and pods only go when no router knows
of their share. Refuses to write. Pure; used by ``planner.weights`` and ``planner.capacity``.
"""

from collections.abc import Iterator

from rollouts.api.canary import CanaryStrategy
from rollouts.api.reasons import ExperimentPhase
from rollouts.api.steps import ExperimentStepTemplate, StepKind
from rollouts.planner import runs, steps
from rollouts.planner.backends import Lack, recorded, unverified
from rollouts.planner.draft import Draft
from rollouts.planner.plan import Shift
from rollouts.planner.trials import Backend, Trial
from rollouts.traffic.registry import routers
from rollouts.traffic.router import Destination


def current(draft: Draft) -> Trial | None:
    """The Experiment the status names, where it exists and is ours."""
    name = draft.status.canary.current_experiment
    mine = (each for each in draft.world.experiments if each.owned)
    return next((each for each in mine if name and each.name == name), None)


def due(draft: Draft, canary: CanaryStrategy, room: int) -> tuple[Destination, ...]:
    """What the Experiment of the current step gets now; all its shares, or none.

    ``room``: the weight that may be taken from the stable revision.
    """
    trial, wanted = current(draft), tuple(weighted(draft, canary))
    if trial is None or trial.phase != ExperimentPhase.RUNNING or trial.terminating:
        return ()
    found: list[Destination] = []
    for template in wanted:
        backend, weight = trial.backend(template.name), template.weight or 0
        if backend is None or backend.available < _needed(draft, canary, backend, weight):
            return ()
        found.append(Destination(backend.service, backend.hash, weight))
    return tuple(found) if sum(each.weight for each in found) <= room else ()


def weighted(draft: Draft, canary: CanaryStrategy) -> Iterator[ExperimentStepTemplate]:
    """The templates of the current step that are to get traffic, while the step is on."""
    step = steps.current(draft, canary)
    if step is None or step.kind is not StepKind.EXPERIMENT or runs.over(draft):
        return
    for template in step.experiment.templates if step.experiment else ():
        if template.weight:
            yield template


def told(draft: Draft) -> dict[str, int]:
    """What Services of Experiments may get now: as recorded, or as the routers' objects say."""
    weights = recorded(draft)
    found = {each.service_name: each.weight for each in weights.additional} if weights else {}
    for router in routers(draft.rollout).known:
        for name, weight in router.additional(draft.world.router_objects).items():
            found[name] = max(weight, found.get(name, 0))
    return found


def lack(draft: Draft, canary: CanaryStrategy, shift: Shift) -> Lack | None:
    """The first Experiment's Service that would get more than its pods can take."""
    before = told(draft)
    known = {each.service: each for trial in draft.world.experiments for each in trial.backends}
    for name, weight in shift.additional:
        if weight <= before.get(name, 0):
            continue
        backend = known.get(name)
        if backend is None:
            return Lack(name, 0, 1)
        needed = _needed(draft, canary, backend, weight)
        if backend.available < needed:
            return Lack(backend.hash, backend.available, needed)
    return None


def reached(draft: Draft, name: str) -> bool:
    """Whether traffic may still reach the Experiment called ``name``."""
    if not routers(draft.rollout).known:
        return False
    trial = next((each for each in draft.world.experiments if each.name == name), None)
    services = trial.services if trial is not None else frozenset()
    shares = told(draft)
    return any(shares.get(each) for each in services) or bool(services and unverified(draft))


def _needed(draft: Draft, canary: CanaryStrategy, backend: Backend, weight: int) -> int:
    """Pods for a share; never more than the person who wrote the step gave the Experiment."""
    return max(1, min(backend.size, -(-weight * draft.replicas // canary.max_weight)))
