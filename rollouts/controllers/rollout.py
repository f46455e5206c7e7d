"""The rollout controller: observe, plan, apply, for one Rollout at a time.

Owns nothing but the order of these three and what is logged about it. Decisions are the planner's,
requests the executor's. Run by the manager's workers.
"""

from typing import Final

import structlog

from rollouts.controllers.execute import Executor, Owner
from rollouts.controllers.gather import Gatherer
from rollouts.controllers.metrics import Metrics
from rollouts.controllers.pace import Pace
from rollouts.kube.queue import Key
from rollouts.kube.resources import (
    ANALYSIS_RUNS,
    DEPLOYMENTS,
    EXPERIMENTS,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
)
from rollouts.kube.writes import WriteLog
from rollouts.planner.plan import Event, Plan
from rollouts.planner.planner import is_managed, plan
from rollouts.planner.world import World
from rollouts.runtime.clock import Clock

_STALE_RETRY_SECONDS: Final = 0.5
_SUMMARY: Final = frozenset(
    {
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "HPAReplicas",
        "conditions",
        "phase",
        "message",
    }
)
_log = structlog.get_logger("rollout")


class RolloutReconciler:
    """Reconciles Rollouts; see ``controllers.manager.Reconciler``."""

    name = "rollout"

    def __init__(
        self,
        gatherer: Gatherer,
        executor: Executor,
        log: WriteLog,
        clock: Clock,
        metrics: Metrics | None = None,
    ) -> None:
        self._gatherer = gatherer
        self._executor = executor
        self._written = log
        self._clock = clock
        self._metrics = metrics
        self._pace = Pace(clock)
        self._remarked: dict[Key, tuple[Event, ...]] = {}

    async def reconcile(self, key: Key) -> float | None:
        """Bring one Rollout a plan further; returns the wall time to look again, in seconds."""
        world = self._gatherer.gather(key, self._clock.wall())
        if world is None or not is_managed(world):
            self._written.forget(key)
            self._pace.forget(key)
            self._remarked.pop(key, None)
            if self._metrics is not None:
                self._metrics.forget_rollout(key)
            return None
        caches = self._gatherer.caches
        stores = {
            ROLLOUTS: caches.rollouts,
            REPLICA_SETS: caches.replica_sets,
            SERVICES: caches.services,
            PODS: caches.pods,
            ANALYSIS_RUNS: caches.runs,
            EXPERIMENTS: caches.experiments,
            DEPLOYMENTS: caches.workloads[DEPLOYMENTS],
        }
        behind = self._written.behind(key, world.rollout.metadata.uid, stores) is not None
        if behind or not self._gatherer.knows_workload(world):
            return self._clock.wall() + _STALE_RETRY_SECONDS
        world = await self._gatherer.with_router_objects(world)
        decided = plan(world)
        self._remark(key, world, decided)
        rest = self._pace.rest(key, decided, counts_only=_counts_only(decided))
        if rest > 0:
            return self._clock.wall() + rest
        if decided.writes:
            _tell(world, decided)
        await self._executor.execute(Owner(ROLLOUTS, world.rollout.raw), decided)
        if self._metrics is not None:
            self._metrics.observe_rollout(world.rollout, decided.status or {})
        return decided.wake_at

    def _remark(self, key: Key, world: World, decided: Plan) -> None:
        """Tell what has not been told since it became true."""
        known = self._remarked.pop(key, ())
        for remark in decided.remarks:
            if remark not in known:
                self._executor.tell(Owner(ROLLOUTS, world.rollout.raw), remark)
        if decided.remarks:
            self._remarked[key] = decided.remarks


def _counts_only(decided: Plan) -> bool:
    """Whether all there is to write are numbers of pods and what follows from them."""
    if len(decided.writes) != 1 or not decided.writes[0].subresource:
        return False
    return set(decided.writes[0].body.get("status", {})) <= _SUMMARY


def _tell(world: World, decided: Plan) -> None:
    meta = world.rollout.metadata
    status = decided.status or {}
    _log.info(
        "plan",
        rollout=f"{meta.namespace}/{meta.name}",
        hash=status.get("currentPodHash", ""),
        step=status.get("currentStepIndex"),
        phase=status.get("phase", ""),
        writes=[f"{write.verb} {write.resource.plural}/{write.name}" for write in decided.writes],
        why=[blocker.code for blocker in decided.why],
    )
