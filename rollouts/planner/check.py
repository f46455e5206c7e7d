"""Whether a Rollout's spec can be acted upon at all.

Owns the order of the checks (the spec itself, what this version can do, what the spec refers to)
and the sentence for the first thing wrong. While there is one, nothing of the Rollout is touched.
Pure; called at the start of every pass.
"""

from collections.abc import Sequence

from rollouts.api.canary import CanaryStrategy
from rollouts.api.fielderror import FieldError, invalid_message
from rollouts.api.references import References, validate_references
from rollouts.api.rollout import Rollout
from rollouts.api.steps import StepKind
from rollouts.api.trafficrouting import DEFAULT_MAX_WEIGHT
from rollouts.api.validation import validate
from rollouts.planner import workload
from rollouts.planner.world import World
from rollouts.traffic.registry import routers
from rollouts.traffic.router import Router


def check(world: World) -> str | None:
    """What is wrong, as the message of the InvalidSpec condition; None when nothing is."""
    rollout = world.rollout
    found = References(
        service=world.services.get,
        template=world.templates.get,
        cluster_template=world.cluster_templates.get,
    )
    error = (
        validate(rollout, resolved=workload.is_resolved(world))
        or workload.problem(world)
        or _beyond_us(rollout)
        or validate_references(rollout, found)
        or _routing(world)
    )
    return None if error is None else invalid_message("Rollout", rollout.metadata.name, error)


def _beyond_us(rollout: Rollout) -> FieldError | None:
    """Fields that ask for something this version does not do; better refused than half done."""
    canary = rollout.spec.canary
    if canary is None:
        return None
    path = "spec.strategy.canary"
    if unknown := routers(rollout).unknown:
        return FieldError.forbidden(
            f"{path}.trafficRouting",
            f"routers not supported yet: {', '.join(unknown)}; without trafficRouting the split "
            "follows the numbers of pods",
        )
    if canary.ping_pong is not None:
        return FieldError.forbidden(f"{path}.pingPong", "not supported yet")
    for number, step in enumerate(canary.steps):
        if step.kind is StepKind.PLUGIN:
            return FieldError.forbidden(f"{path}.steps[{number}].{step.kind}", "not supported yet")
    return None


def _routing(world: World) -> FieldError | None:
    """The first thing wrong with what the routers work on."""
    known, canary = routers(world.rollout).known, world.rollout.spec.canary
    found = next((e for each in known if (e := each.check(world.router_objects))), None)
    return found or (unable(canary, known) if canary is not None else None)


def unable(canary: CanaryStrategy, known: Sequence[Router]) -> FieldError | None:
    """The first thing the strategy asks for that none of its routers, or not each of them, can do.

    A route is enough in one router; weights must mean the same in all of them.
    """
    path, can = "spec.strategy.canary", [router.abilities for router in known]
    for number, step in enumerate(canary.steps if known else ()):
        at = f"{path}.steps[{number}]"
        if step.set_header_route is not None and not any(each.header_routes for each in can):
            return FieldError.forbidden(f"{at}.setHeaderRoute", "no router here can do this")
        if step.set_mirror_route is not None and not any(each.mirror_routes for each in can):
            return FieldError.forbidden(f"{at}.setMirrorRoute", "no router here can do this")
        for index, template in enumerate(step.experiment.templates if step.experiment else ()):
            if template.weight is not None and not all(each.additional for each in can):
                where = f"{at}.experiment.templates[{index}].weight"
                return FieldError.forbidden(where, "not every router here can do this")
    if canary.max_weight != DEFAULT_MAX_WEIGHT and not all(each.max_weight for each in can):
        at = f"{path}.trafficRouting.maxTrafficWeight"
        return FieldError.forbidden(at, "not every router here can do this")
    return None
