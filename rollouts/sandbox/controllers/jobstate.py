"""What a Job's pods mean for the Job.

Owns the accounting: how many succeeded, failed and run, whether the Job is over and why, and how
many pods to add or remove. Pure. Called by the Job controller. Indexed Jobs are refused there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from analysis.times import parse_time
from rollouts.kube.api import Obj
from rollouts.sandbox.controllers.objects import (
    active,
    deleting,
    ready,
    restarts,
    spec,
    status,
)

FIRST_BACKOFF: Final = 10.0
MAX_BACKOFF: Final = 360.0
DEFAULT_BACKOFF_LIMIT: Final = 6


@dataclass(frozen=True, slots=True)
class Count:
    """A Job's pods in numbers. ``last_failure``: seconds since the epoch, 0 when none failed."""

    active: int = 0
    ready: int = 0
    succeeded: int = 0
    failed: int = 0
    terminating: int = 0
    restarts: int = 0
    last_failure: float = 0.0


@dataclass(frozen=True, slots=True)
class End:
    """Why a Job is over."""

    failed: bool
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Need:
    """Pods to create (negative: to delete), or when to look again (seconds since the epoch)."""

    pods: int = 0
    not_before: float | None = None


def _finished_at(pod: Mapping[str, Any]) -> float:
    states = [
        (one.get("state") or {}).get("terminated") or {}
        for one in status(pod).get("containerStatuses") or ()
    ]
    return max((parse_time(one.get("finishedAt")) or 0.0 for one in states), default=0.0)


def count(job: Mapping[str, Any], pods: Iterable[Obj]) -> Count:
    """Counts pods; what was counted once stays counted even when the pod is gone."""
    everyone = list(pods)
    running = [pod for pod in everyone if active(pod)]
    failed = [pod for pod in everyone if status(pod).get("phase") == "Failed"]
    succeeded = sum(status(pod).get("phase") == "Succeeded" for pod in everyone)
    before = status(job)
    return Count(
        active=len(running),
        ready=sum(ready(pod) for pod in running),
        succeeded=max(succeeded, int(before.get("succeeded") or 0)),
        failed=max(len(failed), int(before.get("failed") or 0)),
        terminating=sum(
            deleting(pod) and status(pod).get("phase") not in ("Succeeded", "Failed")
            for pod in everyone
        ),
        restarts=sum(restarts(pod) for pod in running),
        last_failure=max((_finished_at(pod) for pod in failed), default=0.0),
    )


def _number(job: Mapping[str, Any], field: str, default: int) -> int:
    value = spec(job).get(field)
    return default if value is None else int(value)


def _enough(job: Mapping[str, Any], now: Count) -> bool:
    """Without completions the first success ends the work and the rest may finish theirs."""
    if spec(job).get("completions") is None and spec(job).get("parallelism") is not None:
        return now.succeeded > 0 and now.active == 0
    return now.succeeded >= _number(job, "completions", 1)


def _too_many_failures(job: Mapping[str, Any], now: Count) -> bool:
    limit = _number(job, "backoffLimit", DEFAULT_BACKOFF_LIMIT)
    if now.failed > limit:
        return True
    policy = ((spec(job).get("template") or {}).get("spec") or {}).get("restartPolicy")
    if policy != "OnFailure":
        return False
    return now.restarts > 0 if limit == 0 else now.restarts >= limit


def deadline(job: Mapping[str, Any]) -> float | None:
    """When the Job is given up (seconds since the epoch); None without a deadline or a start."""
    seconds = spec(job).get("activeDeadlineSeconds")
    started = parse_time(status(job).get("startTime"))
    if seconds is None or started is None or spec(job).get("suspend"):
        return None
    return started + float(seconds)


def end(job: Mapping[str, Any], counted: Count, now: float) -> End | None:
    """Whether the Job is over; ``now`` in seconds since the epoch."""
    if _too_many_failures(job, counted):
        return End(True, "BackoffLimitExceeded", "pods failed more often than backoffLimit allows")
    due = deadline(job)
    if due is not None and now >= due:
        return End(True, "DeadlineExceeded", "the Job ran longer than activeDeadlineSeconds")
    if _enough(job, counted):
        return End(False, "CompletionsReached", "as many pods succeeded as were wanted")
    return None


def need(job: Mapping[str, Any], counted: Count, now: float) -> Need:
    """How many pods to add or remove for a Job that goes on."""
    if spec(job).get("suspend"):
        return Need(-counted.active)
    wanted = _number(job, "parallelism", 1)
    if spec(job).get("completions") is None and spec(job).get("parallelism") is not None:
        wanted = counted.active if counted.succeeded else wanted
    else:
        wanted = min(wanted, _number(job, "completions", 1) - counted.succeeded)
    missing = wanted - counted.active - counted.terminating
    if missing <= 0:
        return Need(min(wanted - counted.active, 0))
    if counted.failed:
        wait = min(FIRST_BACKOFF * 2.0 ** min(counted.failed - 1, 10), MAX_BACKOFF)
        due = counted.last_failure + wait
        if now < due:
            return Need(not_before=due)
    return Need(missing)
