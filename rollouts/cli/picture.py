"""Header and tree together, for either kind. Pure; used by ``get`` and by the demo."""

from typing import Final

from rollouts.cli.header import experiment_header, rollout_header
from rollouts.cli.objects import Snapshot
from rollouts.cli.tree import experiment_tree, render, rollout_tree
from rollouts.kube.resources import EXPERIMENTS, ROLLOUTS

RESOURCES: Final = {"rollout": ROLLOUTS, "experiment": EXPERIMENTS}


def picture(kind: str, found: Snapshot, now: float, *, color: bool) -> list[str]:
    """Lines to print; ``now`` in seconds since the epoch."""
    if kind == "rollout":
        header, root = rollout_header(found, color=color), rollout_tree(found, now)
    else:
        header, root = experiment_header(found, color=color), experiment_tree(found, now)
    return [*header, "", *render(root, color=color)]
