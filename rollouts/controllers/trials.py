"""A Rollout's Experiments, with what they own, and whose changes are worth a look at the Rollout.

Owns these two questions; how an Experiment is decided upon itself is asked elsewhere
(``experiment_world``). Used by ``gather``, ``explain`` and ``wiring``.
"""

from collections.abc import Callable, Iterable, Iterator

from rollouts.kube.api import Obj
from rollouts.kube.queue import Key
from rollouts.kube.resources import EXPERIMENTS, ROLLOUTS
from rollouts.kube.store import Store
from rollouts.planner.trials import Trial


def trials(
    experiments: Iterable[Obj], owner_uid: str, sets: Store, services: Store, index: str
) -> tuple[Trial, ...]:
    """Experiments with what they own, found by the uid of the owner in ``index`` of both stores."""
    found = []
    for raw in experiments:
        uid = raw["metadata"].get("uid", "")
        own = (sets.by_index(index, uid), services.by_index(index, uid))
        found.append(Trial.of(raw, owner_uid, *own))
    return tuple(found)


def rollouts_of_belongings(experiments: Store) -> Callable[[Obj], Iterator[Key]]:
    """The Rollout whose Experiment owns an object."""

    def keys_of(obj: Obj) -> Iterator[Key]:
        namespace = obj["metadata"].get("namespace") or ""
        for name in _owners(obj, EXPERIMENTS.kind):
            experiment = experiments.get(namespace, name)
            for above in _owners(experiment, ROLLOUTS.kind) if experiment is not None else ():
                yield Key(namespace, above)

    return keys_of


def _owners(obj: Obj, kind: str) -> Iterator[str]:
    for owner in obj["metadata"].get("ownerReferences") or ():
        of_group = str(owner.get("apiVersion", "")).split("/")[0] == ROLLOUTS.group
        if owner.get("controller") and owner.get("kind") == kind and of_group:
            yield owner["name"]
