"""Which routers a Rollout configures.

Owns the names under which routers are found in ``trafficRouting``. Routers it does not know are
named, never skipped: a split that only some routers follow is no split. Pure; called by the planner
and by whoever gathers the routers' objects.
"""

from dataclasses import dataclass

from rollouts.api.rollout import Rollout
from rollouts.traffic import memory
from rollouts.traffic.memory import MemoryRouter
from rollouts.traffic.router import Ref, Router

_PATH = "spec.strategy.canary.trafficRouting"


@dataclass(frozen=True, slots=True)
class Routers:
    """Routers in the order in which they are told; ``unknown`` are the names of the others."""

    known: tuple[Router, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def refs(self) -> tuple[Ref, ...]:
        """The objects all of them work on."""
        return tuple(dict.fromkeys(ref for router in self.known for ref in router.refs))


def routers(rollout: Rollout) -> Routers:
    """The routers the Rollout's canary strategy configures; none for other strategies."""
    canary = rollout.spec.canary
    routing = canary.traffic_routing if canary is not None else None
    if routing is None:
        return Routers()
    known: list[Router] = []
    unknown: list[str] = []
    for name, settings in routing.routers.items():
        if name == memory.NAME:
            path = f"{_PATH}.plugins[{name}]"
            known.append(MemoryRouter.of(settings, rollout.metadata.namespace, path))
        else:
            unknown.append(name)
    return Routers(tuple(known), tuple(unknown))
