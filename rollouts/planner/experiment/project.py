"""What an Experiment's world looks like once writes have been made, before anybody reacts to them.

Owns the same picture for an Experiment that ``planner.project`` is for a Rollout. Pure.
"""

from collections.abc import Iterable
from dataclasses import replace

from rollouts.api.experiment import Experiment
from rollouts.kube.patches import apply_merge
from rollouts.kube.resources import ANALYSIS_RUNS, EXPERIMENTS, REPLICA_SETS, SERVICES
from rollouts.planner.experiment.world import World
from rollouts.planner.plan import Write
from rollouts.planner.project import applied
from rollouts.planner.world import ReplicaSet, Run


def project(world: World, writes: Iterable[Write]) -> World:
    """The World after ``writes``."""
    for write in writes:
        world = _after(world, write)
    return world


def _after(world: World, write: Write) -> World:
    if write.resource == EXPERIMENTS:
        raw = apply_merge(world.experiment.raw, write.body)
        return replace(world, experiment=Experiment.decode(raw))
    if write.resource == REPLICA_SETS:
        sets = applied({rs.name: rs.raw for rs in world.replica_sets}, write, world.now)
        return replace(world, replica_sets=tuple(ReplicaSet.of(raw) for raw in sets.values()))
    if write.resource == SERVICES:
        services = {each["metadata"]["name"]: each for each in world.services}
        return replace(world, services=tuple(applied(services, write, world.now).values()))
    if write.resource == ANALYSIS_RUNS:
        uid = world.experiment.metadata.uid
        runs = applied({run.name: run.raw for run in world.runs}, write, world.now)
        return replace(world, runs=tuple(Run.of(raw, uid) for raw in runs.values()))
    raise ValueError(f"an Experiment's plan does not write {write.resource.plural}")
