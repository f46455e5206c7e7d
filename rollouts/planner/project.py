"""What the world looks like once writes have been made, before anybody reacts to them.

Owns the planner's picture of its own effects: specs, labels and annotations change at once,
observed counts do not. Planning again on the projected world is how one plan becomes complete, and
why planning after applying it finds nothing left to do. Pure.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from analysis.times import format_time
from rollouts.kube.patches import apply_merge
from rollouts.kube.resources import (
    ANALYSIS_RUNS,
    DEPLOYMENTS,
    EXPERIMENTS,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
)
from rollouts.planner.plan import Obj, Verb, Write
from rollouts.planner.trials import Trial
from rollouts.planner.world import ReplicaSet, Run, World
from rollouts.traffic.router import Ref


def project(world: World, writes: Iterable[Write]) -> World:
    """The World after ``writes``."""
    for write in writes:
        world = _after(world, write)
    return world


def _after(world: World, write: Write) -> World:
    orphan = next((o for o in world.orphans if o["metadata"]["name"] == write.name), None)
    if write.resource == REPLICA_SETS and orphan is not None:
        left = tuple(o for o in world.orphans if o is not orphan)
        adopted = ReplicaSet.of(apply_merge(orphan, write.body))
        return replace(world, orphans=left, replica_sets=(*world.replica_sets, adopted))
    if write.resource == REPLICA_SETS:
        known = {rs.name: rs for rs in world.replica_sets}
        raws = applied({name: rs.raw for name, rs in known.items()}, write, world.now)
        sets = (
            known[name] if name != write.name else ReplicaSet.of(raw) for name, raw in raws.items()
        )
        return replace(world, replica_sets=tuple(sets))
    if write.resource == DEPLOYMENTS and world.workload is not None:
        resized: Obj = apply_merge(world.workload, write.body)
        meta = resized["metadata"]
        meta = {**meta, "generation": meta.get("generation", 0) + 1}
        return replace(world, workload={**resized, "metadata": meta})
    if write.resource == ANALYSIS_RUNS:
        runs = applied({run.name: run.raw for run in world.runs}, write, world.now)
        uid = world.rollout.metadata.uid
        return replace(world, runs=tuple(Run.of(raw, uid) for raw in runs.values()))
    if write.resource == EXPERIMENTS:
        return _after_trying(world, write)
    if write.resource == SERVICES:
        return replace(world, services=applied(dict(world.services), write, world.now))
    if write.resource == PODS:
        return _after_asking(world, write)
    if write.resource == ROLLOUTS:
        raw = apply_merge(world.rollout.raw, write.body)
        if "spec" in write.body:
            meta = raw["metadata"]
            raw = {**raw, "metadata": {**meta, "generation": meta.get("generation", 0) + 1}}
        return replace(world, rollout=world.rollout.followed_by(raw))
    return _after_routing(world, write)


def _after_trying(world: World, write: Write) -> World:
    uid = world.rollout.metadata.uid
    known = {trial.name: trial for trial in world.experiments}
    raws = applied({name: trial.raw for name, trial in known.items()}, write, world.now)
    trials = (
        known[name].followed_by(raw, uid) if name in known else Trial.of(raw, uid, (), ())
        for name, raw in raws.items()
    )
    return replace(world, experiments=tuple(trials))


def _after_routing(world: World, write: Write) -> World:
    namespace = write.namespace or world.rollout.metadata.namespace
    ref = Ref(write.resource, namespace, write.name)
    if write.verb is Verb.CREATE:
        return replace(world, router_objects={**world.router_objects, ref: write.body})
    if ref not in world.router_objects:
        return world
    changed = apply_merge(world.router_objects[ref], write.body)
    return replace(world, router_objects={**world.router_objects, ref: changed})


def _after_asking(world: World, write: Write) -> World:
    """What concerns single pods may be refused: done for now, and noted as not seen yet."""
    if write.instead:
        return world
    asked = write.body
    if write.verb is Verb.EVICT:
        asked = {"metadata": {"deletionTimestamp": format_time(world.now)}}
    pods = tuple(
        apply_merge(pod, asked) if pod["metadata"]["name"] == write.name else pod
        for pod in world.pods
    )
    return replace(world, pods=pods, unconfirmed=world.unconfirmed | {write.uid})


def applied(objects: dict[str, Obj], write: Write, now: float) -> dict[str, Obj]:
    """``objects``, by name, after ``write``; ``now`` in seconds since the epoch."""
    changed = dict(objects)
    if write.verb is Verb.DELETE:
        changed.pop(write.name, None)
    elif write.verb is Verb.CREATE:
        meta = {**write.body["metadata"], "creationTimestamp": format_time(now)}
        changed[write.name] = {**write.body, "metadata": meta}
    elif write.name in changed:
        patched: Any = apply_merge(changed[write.name], write.body)
        changed[write.name] = patched
    return changed
