"""Which finished children of a Rollout are kept, and which are forgotten.

Owns the limits of ``spec.analysis``, the same for AnalysisRuns and for Experiments (Argo Rollouts'
behaviour). Pure.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

from rollouts.api import labels as keys
from rollouts.planner.draft import Draft


class Finished(Protocol):
    """A child that has come to an end; ``created`` in seconds since the epoch."""

    @property
    def name(self) -> str: ...
    @property
    def phase(self) -> str: ...
    @property
    def created(self) -> float: ...
    @property
    def labels(self) -> Mapping[str, str]: ...


Child = TypeVar("Child", bound=Finished)


def surplus(draft: Draft, finished: Iterable[Child]) -> list[Child]:
    """Those of revisions that are gone, and the oldest beyond either limit."""
    living = {rs.hash for rs in draft.all_sets if not rs.deleting}
    limits = draft.spec.analysis
    left = {True: limits.successful, False: limits.unsuccessful}
    found: list[Child] = []
    for child in sorted(finished, key=lambda each: (-each.created, each.name)):
        good = child.phase == "Successful"
        if child.labels.get(keys.POD_TEMPLATE_HASH) in living and left[good] > 0:
            left[good] -= 1
        else:
            found.append(child)
    return found
