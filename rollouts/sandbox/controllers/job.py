"""The Job controller: runs pods until enough of them succeeded, or says why not.

Owns the pods of a Job, its conditions and its disappearance after ttlSecondsAfterFinished. What the
pods mean is decided in ``jobstate``. Indexed Jobs are refused with a condition, never half done.
"""

from analysis.times import format_time, parse_time
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.events import EventRecorder
from rollouts.kube.queue import Key
from rollouts.kube.resources import JOBS, PODS
from rollouts.kube.store import Change
from rollouts.runtime.clock import Clock
from rollouts.sandbox.controllers import jobstate
from rollouts.sandbox.controllers.informers import Informers
from rollouts.sandbox.controllers.jobstate import Count, End
from rollouts.sandbox.controllers.objects import (
    active,
    condition,
    controller_of,
    deleting,
    is_true,
    key_of,
    labels,
    meta,
    ready,
    spec,
    status,
    subset_differs,
    uid,
    with_condition,
)
from rollouts.sandbox.controllers.podcontrol import Outcome, PodControl, pod_from
from rollouts.sandbox.controllers.worker import STALE_RETRY, Gate, Worker


class JobController(Worker):
    """Reconciles batch/v1 Jobs."""

    name = "job"
    reads = (JOBS, PODS)

    def __init__(
        self, api: KubeApi, informers: Informers, clock: Clock, events: EventRecorder
    ) -> None:
        super().__init__(api, informers, clock)
        self._jobs = informers.store(JOBS)
        self._pods = informers.store(PODS)
        self._gate, self._events = Gate(informers, clock, *self.reads), events
        self._control = PodControl(api, self._gate, events)
        self._jobs.subscribe(self._job_changed)
        self._pods.subscribe(self._pod_changed)

    def _job_changed(self, change: Change) -> None:
        if change.new is None:
            self._gate.forget(change.object)
        self.queue.add(key_of(change.object))

    def _pod_changed(self, change: Change) -> None:
        owner = controller_of(change.object) or {}
        if owner.get("kind") == JOBS.kind:
            self.queue.add(Key(meta(change.object)["namespace"], owner["name"]))

    async def reconcile(self, key: Key) -> float | None:
        job = self._jobs.get(*key)
        if job is None or deleting(job):
            return None
        if self._gate.behind(job):
            return STALE_RETRY
        if is_true(job, "Complete") or is_true(job, "Failed"):
            return await self._expire(job)
        pods = self._pods.by_index("controller", uid(job))
        now = self.clock.wall()
        counted = jobstate.count(job, pods)
        end = _refused(job) or jobstate.end(job, counted, now)
        if end is not None:
            return await self._finish(job, pods, counted, end)
        outcome, due = await self._go_on(job, pods, counted, now)
        await self._write(job, self._status(job, counted, outcome, now))
        if outcome.error is not None:
            raise outcome.error
        return None if due is None else due - now

    async def _go_on(
        self, job: Obj, pods: list[Obj], counted: Count, now: float
    ) -> tuple[Outcome, float | None]:
        """Add or remove pods; also the next moment at which something is due by itself."""
        need = jobstate.need(job, counted, now)
        outcome = Outcome(0)
        if need.pods > 0:
            outcome = await self._control.create(job, _pod(job), need.pods)
        elif need.pods < 0:
            # What has got least far goes first.
            running = sorted((pod for pod in pods if active(pod)), key=ready)
            outcome = await self._control.delete(job, running[: -need.pods])
        dues = [due for due in (need.not_before, jobstate.deadline(job)) if due is not None]
        return outcome, min(dues, default=None)

    def _status(self, job: Obj, counted: Count, outcome: Outcome, now: float) -> Obj:
        suspended = bool(spec(job).get("suspend"))
        conditions = status(job).get("conditions") or []
        if suspended != is_true(job, "Suspended") and (suspended or condition(job, "Suspended")):
            reason = "JobSuspended" if suspended else "JobResumed"
            state, word = ("True", "suspended") if suspended else ("False", "resumed")
            conditions = with_condition(
                conditions, "Suspended", state, reason, f"Job {word}", now=now
            )
            self._events.record(job, "Normal", reason.removeprefix("Job"), f"Job {word}")
        started = None if suspended else status(job).get("startTime") or format_time(now)
        return {
            **_counts(counted),
            "active": counted.active + (0 if suspended else outcome.done),
            "startTime": started,
            "conditions": conditions,
        }

    async def _finish(self, job: Obj, pods: list[Obj], counted: Count, end: End) -> float | None:
        """Stop what still runs, then say how it ended."""
        running = [pod for pod in pods if active(pod)]
        if running and end.failed:
            await self._control.delete(job, running)
            counted = jobstate.count(job, [pod for pod in pods if not active(pod)])
        now, kind = self.clock.wall(), "Failed" if end.failed else "Complete"
        interim = "FailureTarget" if end.failed else "SuccessCriteriaMet"
        conditions = status(job).get("conditions") or []
        for one in (interim, kind):
            conditions = with_condition(conditions, one, "True", end.reason, end.message, now=now)
        wanted: Obj = {
            **_counts(counted),
            "startTime": status(job).get("startTime") or format_time(now),
            "conditions": conditions,
        }
        if not end.failed:
            wanted["completionTime"] = format_time(now)
        await self._write(job, wanted)
        if end.failed:
            self._events.record(job, "Warning", end.reason, end.message)
        else:
            self._events.record(job, "Normal", "Completed", "Job completed")
        return None

    async def _expire(self, job: Obj) -> float | None:
        ttl = spec(job).get("ttlSecondsAfterFinished")
        if ttl is None:
            return None
        ended = condition(job, "Complete") or condition(job, "Failed") or {}
        since = parse_time(ended.get("lastTransitionTime")) or self.clock.wall()
        left = since + float(ttl) - self.clock.wall()
        if left > 0:
            return left
        await self.api.delete(JOBS, meta(job)["name"], meta(job)["namespace"], uid=uid(job))
        self._gate.deleted(job, JOBS, job)
        return None

    async def _write(self, job: Obj, wanted: Obj) -> None:
        absent: Obj = dict.fromkeys(_counts(Count()), 0) | {"conditions": []}
        if not subset_differs({**absent, **status(job)}, wanted):
            return
        name, namespace = meta(job)["name"], meta(job)["namespace"]
        patch = {"metadata": {"uid": uid(job)}, "status": wanted}
        made = await self.api.patch(JOBS, name, patch, namespace, subresource="status")
        self._gate.wrote(job, JOBS, made)


def _counts(counted: Count) -> Obj:
    return {
        "active": counted.active,
        "ready": counted.ready,
        "succeeded": counted.succeeded,
        "failed": counted.failed,
        "terminating": counted.terminating,
    }


def _refused(job: Obj) -> End | None:
    if spec(job).get("completionMode") == "Indexed":
        message = "Indexed Jobs are not supported by the sandbox: use completionMode NonIndexed"
        return End(True, "NotSupported", message)
    return None


def _pod(job: Obj) -> Obj:
    """The template's pod with the labels by which users find a Job's pods."""
    name = meta(job)["name"]
    pod = pod_from(JOBS, job, spec(job)["template"])
    pod["metadata"]["labels"] = {
        **labels(pod),
        "batch.kubernetes.io/job-name": name,
        "batch.kubernetes.io/controller-uid": uid(job),
        "job-name": name,
        "controller-uid": uid(job),
    }
    return pod
