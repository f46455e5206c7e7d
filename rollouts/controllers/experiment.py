"""The experiment controller: observe, plan, apply, for one Experiment at a time.

Owns nothing but the order of these three and what is logged about it. Decisions are the planner's,
requests the executor's. Run by the manager's workers.
"""

from typing import Final

import structlog

from rollouts.controllers.execute import Executor, Owner
from rollouts.controllers.experiment_world import confirmed, gather, with_traffic
from rollouts.controllers.gather import Caches
from rollouts.controllers.metrics import Metrics
from rollouts.controllers.pace import Pace
from rollouts.kube.api import KubeApi
from rollouts.kube.queue import Key
from rollouts.kube.resources import ANALYSIS_RUNS, EXPERIMENTS, REPLICA_SETS, SERVICES
from rollouts.kube.writes import WriteLog
from rollouts.planner.experiment.planner import plan
from rollouts.planner.experiment.world import World, is_managed
from rollouts.planner.plan import Plan, Scale
from rollouts.runtime.clock import Clock

_STALE_RETRY_SECONDS: Final = 0.5
_log = structlog.get_logger("experiment")


class ExperimentReconciler:
    """Reconciles Experiments; see ``controllers.manager.Reconciler``.

    ``log`` must be its own: a Rollout of the same name is another owner.
    """

    name = "experiment"

    def __init__(
        self,
        api: KubeApi,
        caches: Caches,
        executor: Executor,
        log: WriteLog,
        clock: Clock,
        *,
        instance_id: str = "",
        metrics: Metrics | None = None,
    ) -> None:
        self._api = api
        self._caches = caches
        self._executor = executor
        self._written = log
        self._clock = clock
        self._instance_id = instance_id
        self._metrics = metrics
        self._pace = Pace(clock)

    async def reconcile(self, key: Key) -> float | None:
        """Bring one Experiment a plan further; returns the wall time to look again, in seconds."""
        world = gather(self._caches, key, self._clock.wall(), self._instance_id)
        if world is None or not is_managed(world):
            self._written.forget(key)
            self._pace.forget(key)
            if self._metrics is not None:
                self._metrics.forget_experiment(key)
            return None
        stores = {
            EXPERIMENTS: self._caches.experiments,
            REPLICA_SETS: self._caches.replica_sets,
            SERVICES: self._caches.services,
            ANALYSIS_RUNS: self._caches.runs,
        }
        experiment = world.experiment
        if self._written.behind(key, experiment.metadata.uid, stores) is not None:
            return self._clock.wall() + _STALE_RETRY_SECONDS
        world = await confirmed(self._api, self._caches, world)
        decided = plan(world)
        if _takes_pods(decided):
            world = await with_traffic(self._api, world)
            decided = plan(world)
        rest = self._pace.rest(key, decided, counts_only=_counts_only(decided))
        if rest > 0:
            return self._clock.wall() + rest
        if decided.writes:
            _tell(world, decided)
        await self._executor.execute(Owner(EXPERIMENTS, experiment.raw), decided)
        if self._metrics is not None:
            self._metrics.observe_experiment(experiment.raw, decided.status or {})
        return decided.wake_at


def _takes_pods(decided: Plan) -> bool:
    """Whether pods are to go."""
    effects = (write.effect for write in decided.writes)
    return any(isinstance(each, Scale) and each.new < each.old for each in effects)


def _counts_only(decided: Plan) -> bool:
    """Whether all there is to write are numbers of pods: a change of state is an event."""
    if len(decided.writes) != 1 or decided.events or decided.writes[0].resource != EXPERIMENTS:
        return False
    return set(decided.writes[0].body["status"]) == {"templateStatuses"}


def _tell(world: World, decided: Plan) -> None:
    meta, status = world.experiment.metadata, decided.status or {}
    _log.info(
        "plan",
        experiment=f"{meta.namespace}/{meta.name}",
        phase=status.get("phase", ""),
        writes=[f"{write.verb} {write.resource.plural}/{write.name}" for write in decided.writes],
        why=[blocker.code for blocker in decided.why],
    )
