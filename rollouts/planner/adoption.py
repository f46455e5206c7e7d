"""ReplicaSets nobody owns that are the Rollout's by their labels.

Owns taking them in, as after ``kubectl delete --cascade=orphan``, so that a Rollout that is made
anew finds its pods instead of starting them a second time. Refuses to touch what has an owner, and
what an Experiment has left behind. Pure; asked before anything else of a pass.
"""

from rollouts.api import labels as keys
from rollouts.kube.resources import REPLICA_SETS
from rollouts.kube.selectors import from_object
from rollouts.planner.plan import Verb, Write
from rollouts.planner.revision import owner_reference
from rollouts.planner.world import World


def adopt(world: World) -> tuple[Write, ...]:
    """Patches that make the Rollout the owner of its orphans.

    The executor sends them only while the Rollout itself still exists on the server: owned by
    something that is gone, they would be deleted.
    """
    rollout = world.rollout
    selector = from_object((rollout.raw.get("spec") or {}).get("selector"))
    if not selector:
        return ()
    writes = []
    for orphan in world.orphans:
        meta = orphan["metadata"]
        if meta.get("deletionTimestamp") or not selector.matches(meta.get("labels")):
            continue
        if keys.EXPERIMENT_NAME in (meta.get("annotations") or {}):
            continue
        owners = [*(meta.get("ownerReferences") or []), owner_reference(rollout)]
        writes.append(
            Write(
                Verb.PATCH,
                REPLICA_SETS,
                meta["name"],
                {"metadata": {"ownerReferences": owners, "uid": meta.get("uid", "")}},
                resource_version=str(meta.get("resourceVersion", "")),
                owner_must_exist=True,
            )
        )
    return tuple(writes)
