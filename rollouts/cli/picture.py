"""Header and tree together, for each kind. Pure; used by ``get`` and by the demo."""

from typing import Final

from rollouts.cli.header import experiment_header, rollout_header
from rollouts.cli.objects import Snapshot
from rollouts.cli.runpicture import run_lines
from rollouts.cli.tree import experiment_tree, render, rollout_tree
from rollouts.kube.resources import ANALYSIS_RUNS, EXPERIMENTS, ROLLOUTS

RESOURCES: Final = {
    "rollout": ROLLOUTS,
    "experiment": EXPERIMENTS,
    "analysisrun": ANALYSIS_RUNS,
}


def picture(kind: str, found: Snapshot, now: float, *, color: bool) -> list[str]:
    """Lines to print; ``now`` in seconds since the epoch."""
    if kind == "analysisrun":
        return run_lines(found.root, color=color)
    if kind == "rollout":
        header, root = rollout_header(found, color=color), rollout_tree(found, now)
    else:
        header, root = experiment_header(found, color=color), experiment_tree(found, now)
    return [*header, "", *render(root, color=color)]
