"""The objects routers work on, read when a decision needs them.

Owns reading them one by one, live: few Rollouts have a router, kinds of routers come and go with
what is installed, and a split is decided from nothing older than the request. Refuses to interpret
them. Called by the rollout controller and by ``controllers.explain``.
"""

from dataclasses import replace

from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import NotFound
from rollouts.planner.world import World
from rollouts.traffic.registry import routers
from rollouts.traffic.router import Ref


async def with_router_objects(api: KubeApi, world: World) -> World:
    """``world`` with the objects of the Rollout's routers that exist. Raises ApiError."""
    refs = routers(world.rollout).refs
    if not refs:
        return world
    found: dict[Ref, Obj] = {}
    for ref in refs:
        try:
            found[ref] = await api.get(ref.resource, ref.name, ref.namespace or None)
        except NotFound:
            continue
    return replace(world, router_objects=found)
