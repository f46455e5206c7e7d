"""A Kubernetes Job as a measurement: it succeeds or it fails.

Owns the Job's name, labels and owner, and what its conditions mean. Knows no Kubernetes client: a
JobRunner does the talking. The name follows from the run, the metric and the measurement's number,
so a controller that died in between finds the Job it started instead of starting another.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from analysis.providers.base import Now, ProviderError, RunRef
from analysis.providers.config import Job
from analysis.spec import Measurement, Metric, Phase
from analysis.times import format_time, parse_time

NAMESPACE_VARIABLE: Final = "ARGO_ROLLOUTS_ANALYSIS_JOB_NAMESPACE"
KUBECONFIG_VARIABLE: Final = "ARGO_ROLLOUTS_ANALYSIS_JOB_KUBECONFIG"
UID_LABEL: Final = "analysisrun.argoproj.io/uid"
NAME_ANNOTATION: Final = "analysisrun.argoproj.io/name"
NAMESPACE_ANNOTATION: Final = "analysisrun.argoproj.io/namespace"
METRIC_ANNOTATION: Final = "analysisrun.argoproj.io/metric-name"
JOB_NAME: Final = "job-name"
JOB_NAMESPACE: Final = "job-namespace"
_MAX_NAME: Final = 63
_HOPELESS: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName"})

Obj = dict[str, Any]


class JobRunner(Protocol):
    """What is needed of a cluster. Errors of the cluster pass through."""

    async def create(self, job: Obj) -> Obj:
        """Create, or adopt a namesake that belongs to the same run. Raises ProviderError."""
        ...

    async def get(self, namespace: str, name: str) -> Obj | None: ...

    async def labelled(self, namespace: str, labels: str) -> list[Obj]: ...

    async def pods(self, namespace: str, job: str) -> list[Obj]: ...

    async def delete(self, namespace: str, name: str) -> None:
        """Delete in the foreground; a Job that is gone is fine."""
        ...


@dataclass(frozen=True, slots=True)
class JobProvider:
    """``namespace`` overrides the run's own, for Jobs that run elsewhere. ``elsewhere``: in another
    cluster, where a run can own nothing.
    """

    runner: JobRunner
    now: Now
    namespace: str = ""
    elsewhere: bool = False

    async def run(self, run: RunRef, metric: Metric, ordinal: int) -> Measurement:
        now = self.now()
        namespace = self.namespace or run.namespace
        owned = namespace == run.namespace and not self.elsewhere
        job = build_job(run, metric, ordinal, namespace, owned=owned)
        made = await self.runner.create(job)
        meta = made["metadata"]
        stamp = format_time(now)
        return Measurement(
            phase=Phase.RUNNING,
            started_at=stamp,
            resume_at=stamp,
            metadata={JOB_NAME: meta["name"], JOB_NAMESPACE: meta["namespace"]},
        )

    async def resume(self, run: RunRef, metric: Metric, measurement: Measurement) -> Measurement:  # noqa: ARG002 - the seam
        now = self.now()
        namespace, name = self._where(run, measurement)
        job = await self.runner.get(namespace, name)
        if job is None:
            return _ended(measurement, Phase.ERROR, f"Job {namespace}/{name} is gone", now)
        if (ended := outcome(job)) is not None:
            became = "completed" if ended[0] is Phase.SUCCESSFUL else "failed"
            found = _ended(measurement, *ended, now)
            reason = f"Job {namespace}/{name} has {became}"
            return found.model_copy(update={"metadata": {**found.metadata, "reason": reason}})
        for pod in await self.runner.pods(namespace, name):
            if reason := hopeless(pod):
                return _ended(measurement, Phase.INCONCLUSIVE, reason, now)
        elapsed = max(0.0, now - (parse_time(measurement.started_at) or now))
        wait = max(1.0, math.sqrt(2 * elapsed))
        return measurement.model_copy(update={"resume_at": format_time(now + wait)})

    async def terminate(self, run: RunRef, metric: Metric, measurement: Measurement) -> Measurement:  # noqa: ARG002 - the seam
        namespace, name = self._where(run, measurement)
        await self.runner.delete(namespace, name)
        return _ended(measurement, Phase.INCONCLUSIVE, "Metric Terminated", self.now())

    async def garbage_collect(self, run: RunRef, metric: Metric, limit: int) -> None:
        namespace = self.namespace or run.namespace
        jobs = await self.runner.labelled(namespace, f"{UID_LABEL}={run.uid}")
        ended = [job for job in jobs if _metric_of(job) == metric.name and outcome(job) is not None]
        ended.sort(key=lambda job: str(job["metadata"].get("creationTimestamp", "")))
        for job in ended[: max(0, len(ended) - limit)]:
            await self.runner.delete(namespace, job["metadata"]["name"])

    def metadata(self, metric: Metric) -> dict[str, str]:  # noqa: ARG002 - nothing to add
        return {}

    def _where(self, run: RunRef, measurement: Measurement) -> tuple[str, str]:
        namespace = measurement.metadata.get(JOB_NAMESPACE) or self.namespace or run.namespace
        name = measurement.metadata.get(JOB_NAME)
        if not name:
            raise ProviderError("the measurement does not say which Job it is waiting for")
        return namespace, name


def build_job(run: RunRef, metric: Metric, ordinal: int, namespace: str, *, owned: bool) -> Obj:
    """The Job of the ``ordinal``-th measurement; ``owned``: it goes when its run does."""
    config = metric.provider.job or Job()
    spec = copy.deepcopy(config.spec)
    template = _child(_child(spec, "template"), "metadata")
    _child(template, "labels")[UID_LABEL] = run.uid
    tail = f".{ordinal}"
    room = _MAX_NAME - len(run.uid) - 1 - len(tail)
    meta: Obj = {
        # Where it is cut, a "-" or "." may be left at the end, which no part of a name may have.
        "name": f"{run.uid}.{metric.name[:room].rstrip('-.')}{tail}",
        "namespace": namespace,
        "labels": {**config.metadata.labels, UID_LABEL: run.uid},
        "annotations": {
            **config.metadata.annotations,
            NAME_ANNOTATION: run.name,
            NAMESPACE_ANNOTATION: run.namespace,
            METRIC_ANNOTATION: metric.name,
        },
    }
    if owned:
        meta["ownerReferences"] = [
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "AnalysisRun",
                "name": run.name,
                "uid": run.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}


def outcome(job: Mapping[str, Any]) -> tuple[Phase, str] | None:
    """What a Job came to, and why; None while it goes on."""
    for condition in job.get("status", {}).get("conditions") or ():
        if condition.get("status") != "True":
            continue
        if condition.get("type") == "Complete":
            return Phase.SUCCESSFUL, ""
        if condition.get("type") == "Failed":
            return Phase.FAILED, str(condition.get("message", ""))
    return None


def hopeless(pod: Mapping[str, Any]) -> str:
    """Why a pod will never start, or nothing."""
    status = pod.get("status", {})
    for field in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(field, ()):
            waiting = container.get("state", {}).get("waiting") or {}
            if waiting.get("reason") in _HOPELESS:
                name = pod.get("metadata", {}).get("name", "")
                return (
                    f"Pod {name}, container {container.get('name', '')} has terminal error "
                    f"({waiting['reason']}): {waiting.get('message', '')}"
                )
    return ""


def _metric_of(job: Obj) -> str:
    return str(job["metadata"].get("annotations", {}).get(METRIC_ANNOTATION, ""))


def _child(parent: Obj, key: str) -> Obj:
    """``parent[key]``, made an object when it is none."""
    if not isinstance(parent.get(key), dict):
        parent[key] = {}
    child: Obj = parent[key]
    return child


def _ended(measurement: Measurement, phase: Phase, message: str, now: float) -> Measurement:
    return measurement.model_copy(
        update={"phase": phase, "message": message, "finished_at": format_time(now)}
    )
