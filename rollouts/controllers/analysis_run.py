"""AnalysisRuns: measure what is due, conclude, write the status.

Owns one pass over one run: observe (cache), start what is due, take what has come (``underway``),
conclude (pure, in ``analysis``), write. Refuses to decide anything itself. A measurement and its
count are one write guarded by the version decided from, so a crash or a stale cache can repeat a
query but never count it twice. What cannot be measured is an error within the limits, never
a success. The manager calls ``reconcile`` and wakes it again at the time it returns.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import structlog

from analysis import args
from analysis.assess import conclude, record, refuse, transitions
from analysis.bounds import bounded
from analysis.decode import Problem, decode
from analysis.measure import Done, Given, Measurer
from analysis.plan import RunPlan, SpecError, plan_run
from analysis.providers.base import Providers, RunRef
from analysis.redact import Redactor
from analysis.schedule import is_current, is_terminating, tasks, wake_at
from analysis.spec import RunSpec, RunStatus
from rollouts.api.labels import INSTANCE_ID
from rollouts.controllers.provider_secrets import ClusterSecrets
from rollouts.controllers.run_secrets import SecretsMissing, read_secrets
from rollouts.controllers.run_status import expires_at, status_obj
from rollouts.controllers.underway import Underway
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import (
    ApiError,
    Conflict,
    NotFound,
    ServerError,
    Throttled,
    Unauthorized,
    Unreachable,
)
from rollouts.kube.patches import merge_diff
from rollouts.kube.queue import Key
from rollouts.kube.resources import ANALYSIS_RUNS
from rollouts.kube.store import Store
from rollouts.kube.writes import WriteLog
from rollouts.runtime.clock import Clock

_TRANSIENT: Final = (Conflict, ServerError, Throttled, Unauthorized, Unreachable)
_WRITE_ATTEMPTS: Final = 4
_LOOK_SECONDS: Final = 0.5
_STALE_SECONDS: Final = 1.0  # how long to wait for a cache that is behind our own write

_log = structlog.get_logger("controllers.analysis_run")


class Record(Protocol):
    """Where events go; never blocks, never fails. ``kind`` is Normal or Warning."""

    def __call__(self, obj: Obj, kind: str, reason: str, message: str, /) -> None: ...


class Observer(Protocol):
    """Hears of every run that is looked at, and of those that are gone."""

    def observe_run(self, run: Obj) -> None: ...

    def forget_run(self, key: Key) -> None: ...


class AnalysisRunReconciler:
    """One pass at a time per run; passes over different runs may overlap."""

    name = "analysis_run"

    def __init__(
        self,
        api: KubeApi,
        runs: Store,
        providers: Providers,
        clock: Clock,
        record_event: Record,
        *,
        writes: WriteLog | None = None,
        instance_id: str = "",
        metrics: Observer | None = None,
        home: str = "default",
    ) -> None:
        """``home``: the controller's own namespace, where providers' usual Secrets are."""
        self._api = api
        self._home = home
        self._runs = runs
        self._clock = clock
        self._measurer = Measurer(providers, clock.wall, _TRANSIENT, (ApiError,))
        self._underway = Underway(self._measurer, self._woken)
        self.wake: Callable[[Key], None] | None = None  # set by whoever owns the queue
        self._record = record_event
        self._writes = writes or WriteLog(clock)
        self._instance_id = instance_id
        self._metrics = metrics

    async def close(self) -> None:
        """Give up what is under way; the next controller asks again."""
        await self._underway.close()

    def _woken(self, key: Key) -> None:
        if self.wake is not None:
            self.wake(key)

    async def reconcile(self, key: Key) -> float | None:
        """Returns when to come back (epoch seconds), or None: only when the run changes.

        Raises ApiError when the API server could not be reached; nothing is lost by trying again.
        """
        obj = self._runs.get(key.namespace, key.name)
        if obj is None or not self._is_ours(obj):
            self._forget(key)
            return None
        if self._metrics is not None:
            self._metrics.observe_run(obj)
        meta = obj["metadata"]
        if "deletionTimestamp" in meta:
            return None
        if self._writes.behind(key, meta.get("uid", ""), {ANALYSIS_RUNS: self._runs}):
            return self._clock.wall() + _STALE_SECONDS
        spec, problems = decode(RunSpec, obj.get("spec"), at="spec")
        status, damage = decode(RunStatus, obj.get("status"), at="status")
        self._underway.keep(key, meta.get("uid", ""))
        if status.phase.completed:
            self._underway.drop(key)
            return await self._expire(key, obj, spec, status)
        try:
            plan = _planned(spec, (*problems, *damage))
        except SpecError as error:
            await self._write(key, obj, status, refuse(status, error, self._clock.wall()))
            return None
        return await self._pass(key, obj, spec, plan, status)

    def _is_ours(self, obj: Obj) -> bool:
        labels = obj["metadata"].get("labels") or {}
        return bool(labels.get(INSTANCE_ID, "") == self._instance_id)

    def _forget(self, key: Key) -> None:
        self._underway.drop(key)
        self._writes.forget(key)
        if self._metrics is not None:
            self._metrics.forget_run(key)

    async def _pass(
        self, key: Key, obj: Obj, spec: RunSpec, plan: RunPlan, status: RunStatus
    ) -> float | None:
        """Measure what is due, conclude, write; returns when to come back."""
        secrets = ClusterSecrets(self._api, key.namespace, self._home)
        run = RunRef(key.namespace, key.name, obj["metadata"].get("uid", ""), secrets)
        stopping, now = is_terminating(plan, status), self._clock.wall()
        if stopping and now >= self._underway.deadline(key, now):
            self._underway.drop(key)
        done = await self._measure(key, run, spec, plan, status)
        waiting = bool(stopping and self._underway.busy(key))
        after = status
        for one in done:
            if one.measurement is not None and is_current(one.task, plan, status):
                after = record(after, one.task.plan, one.measurement, one.metadata)
        after = bounded(
            conclude(plan, after, self._clock.wall(), stopping=stopping and not waiting)
        )
        if not await self._write(key, obj, status, after):
            return self._clock.wall() + _STALE_SECONDS
        self._underway.aside(self._collect_garbage(run, done))
        for one in done:
            if one.failure is not None:
                raise one.failure
        if after.phase.completed:
            return expires_at(spec, after)
        return self._next(key, plan, after, waiting=waiting)

    def _next(self, key: Key, plan: RunPlan, status: RunStatus, *, waiting: bool) -> float | None:
        """When to come back; sooner where something is under way and nobody would tell."""
        now, busy = self._clock.wall(), self._underway.busy(key)
        if waiting:
            moment: float | None = self._underway.deadline(key, now)
        else:
            moment = wake_at(plan, status, now, busy)
        if busy and self.wake is None:
            return min(now + _LOOK_SECONDS, moment or math.inf)
        return moment

    # --- measuring ---

    async def _measure(
        self, key: Key, run: RunRef, spec: RunSpec, plan: RunPlan, status: RunStatus
    ) -> list[Done]:
        """Start what is due, with the Secrets read for it; what has come by now, old or new."""
        busy = self._underway.busy(key)
        due = [
            task for task in tasks(plan, status, self._clock.wall()) if task.plan.name not in busy
        ]
        if due:
            await self._underway.measure(key, run, due, await self._given(run, spec))
        done = self._underway.take(key)
        for one in done:
            if one.measurement is not None and one.measurement.finished_at is not None:
                _log.info(
                    "measured",
                    run=f"{run.namespace}/{run.name}",
                    metric=one.task.plan.name,
                    phase=str(one.measurement.phase),
                    message=one.measurement.message,
                )
        return done

    async def _given(self, run: RunRef, spec: RunSpec) -> Given:
        try:
            secrets = await read_secrets(self._api, run.namespace, spec.args)
        except SecretsMissing as error:
            missing = f"Unable to resolve metric arguments: {error}"
            return Given({}, Redactor.of(()), missing)
        return Given(args.values(spec.args, secrets), Redactor.of(secrets.values()))

    async def _collect_garbage(self, run: RunRef, done: Sequence[Done]) -> None:
        where = f"{run.namespace}/{run.name}"
        try:
            failed = await self._measurer.collect_garbage(run, done)
        except Exception as error:  # noqa: BLE001 - what stays is looked at again next time
            failed = [("all", error)]
        for metric, reason in failed:
            _log.warning(
                "garbage of a metric stays for now", run=where, metric=metric, error=str(reason)
            )

    # --- writing ---

    async def _write(self, key: Key, obj: Obj, old: RunStatus, new: RunStatus) -> bool:
        """Write the status when it differs; False when somebody else wrote one meanwhile.

        A conflict over anything but the status (a label, ``spec.terminate``) keeps what was
        measured: the same status is written over the newer version.
        """
        before = obj.get("status") or {}
        difference = merge_diff(before, status_obj(new))
        if not difference:
            return True
        current = obj
        for _ in range(_WRITE_ATTEMPTS):
            version = current["metadata"].get("resourceVersion", "")
            patch = {"metadata": {"resourceVersion": version}, "status": difference}
            try:
                written = await self._api.patch(ANALYSIS_RUNS, key.name, patch, key.namespace)
            except Conflict:
                current = await self._api.get(ANALYSIS_RUNS, key.name, key.namespace)
            except NotFound:
                return True
            else:
                self._written(key, obj, old, new, written)
                return True
            same = current["metadata"].get("uid") == obj["metadata"].get("uid")
            if not same or (current.get("status") or {}) != before:
                break
        _log.info("status moved on, deciding again", run=str(key))
        return False

    def _written(self, key: Key, obj: Obj, old: RunStatus, new: RunStatus, written: Any) -> None:
        self._writes.wrote(key, obj["metadata"].get("uid", ""), ANALYSIS_RUNS, written)
        for ended in transitions(old, new):
            kind = "Warning" if ended.warning else "Normal"
            self._record(obj, kind, ended.reason, ended.message)
        if new.phase is not old.phase:
            _log.info("run", run=str(key), phase=str(new.phase), message=new.message)

    async def _expire(self, key: Key, obj: Obj, spec: RunSpec, status: RunStatus) -> float | None:
        """Delete a completed run whose time has come."""
        moment = expires_at(spec, status)
        if moment is None or moment > self._clock.wall():
            return moment
        meta = obj["metadata"]
        try:
            await self._api.delete(
                ANALYSIS_RUNS,
                key.name,
                key.namespace,
                uid=meta.get("uid", ""),
                resource_version=meta.get("resourceVersion", ""),
            )
        except NotFound:
            return None
        _log.info("run expired", run=str(key), completed_at=status.completed_at)
        return None


def _planned(spec: RunSpec, problems: Sequence[Problem]) -> RunPlan:
    """A field that cannot be read is refused: guessing could weaken the analysis unseen."""
    if problems:
        raise SpecError(f"Analysis spec invalid: {problems[0]}")
    return plan_run(spec)
