"""What the controller tells Prometheus.

Owns names, labels and the phase vocabulary of Argo Rollouts' metrics (its dashboards keep working)
and a registry of its own. Reconciles and queues report here; a scrape reads numbers and never lists
objects. Series of an object vanish when it is forgotten.
"""

import contextlib
import platform
from collections.abc import Iterable, Mapping
from typing import Any, Final

import prometheus_client
from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from rollouts.api.reasons import ConditionType, Reason
from rollouts.api.rollout import Rollout
from rollouts.controllers.families import Family, Labels, Reading
from rollouts.kube.api import Obj
from rollouts.kube.queue import Key, WorkQueue
from rollouts.kube.reflector import Reflector
from rollouts.kube.resources import ROLLOUTS, Resource
from rollouts.kube.writes import WriteLog
from rollouts.planner.plan import Timing

VERSION: Final = "0.1.0"
_RECONCILE_BUCKETS: Final = (0.01, 0.15, 0.25, 0.5, 1.0)
_QUEUE_BUCKETS: Final = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 60.0)
_NAMED: Final = ("name", "namespace")
_RECONCILED_KINDS: Final = ("rollout", "analysis_run", "experiment")
_DURATION_BUCKETS: Final = (30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800)
_PROGRESSION_BUCKETS: Final = (30, 60, 120, 300, 600, 900, 1200, 1800, 3600)
_MANUAL_PAUSE_BUCKETS: Final = (0, 30, 60, 300, 600, 1800, 3600, 7200, 14400, 28800)
_ROLLOUT_PHASES: Final = (
    "InvalidSpec",
    "Completed",
    "Progressing",
    "Paused",
    "Timeout",
    "Error",
    "Abort",
)
_RUN_PHASES: Final = ("Pending", "Running", "Successful", "Failed", "Error", "Inconclusive")
# Argo Rollouts has no series for Failed; experiment_info tells it.
_EXPERIMENT_PHASES: Final = ("Pending", "Running", "Successful", "Error", "Inconclusive")
_PHASE_OF_REASON: Final = {
    Reason.REPLICA_SET_AVAILABLE: "Completed",
    Reason.TIMED_OUT: "Timeout",
    Reason.ABORTED: "Abort",
    Reason.PAUSED: "Paused",
    Reason.REPLICA_SET_CREATE_ERROR: "Error",
}
_ROUTERS: Final = (
    ("alb", "ALB"),
    ("ambassador", "Ambassador"),
    ("istio", "Istio"),
    ("nginx", "Nginx"),
    ("smi", "SMI"),
    ("appMesh", "AppMesh"),
)


class Metrics:
    """One per process. ``registry`` is what a scrape reads."""

    def __init__(self) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry(auto_describe=False)
        self._queues: dict[str, WorkQueue] = {}
        self._logs: list[WriteLog] = []
        self._reflectors: list[Reflector] = []
        self._define_objects()
        self._define_durations()
        self._define_machinery()
        self._define_build()

    def text(self) -> bytes:
        """The exposition, as a scrape wants it."""
        return generate_latest(self.registry)

    # Objects.

    def observe_rollout(self, rollout: Rollout, status: Mapping[str, Any]) -> None:
        """A Rollout was reconciled; ``status`` is the one computed, or empty where unchanged."""
        raw = rollout.raw
        key = _key_of(raw)
        current = status or raw.get("status") or {}
        spec = raw.get("spec") or {}
        strategy = (spec.get("strategy") or {}) if isinstance(spec, dict) else {}
        router = _router_of(strategy)
        named: Labels = (key.name, key.namespace)
        kind, phase = _strategy_of(strategy), rollout_phase(current)
        self._rollout_info.replace(key, {(*named, kind, router, phase): 1.0})
        self._rollout_phase.replace(key, _one_of(_ROLLOUT_PHASES, phase, (*named, kind)))
        available = _number(current.get("availableReplicas"))
        for family, value in (
            (self._available, available),
            (self._unavailable, max(0.0, _number(current.get("replicas")) - available)),
            (self._desired, _number(spec.get("replicas", 1))),
            (self._updated, _number(current.get("updatedReplicas"))),
        ):
            family.replace(key, {named: value})

    def forget_rollout(self, key: Key) -> None:
        for family in (
            self._rollout_info,
            self._rollout_phase,
            self._available,
            self._unavailable,
            self._desired,
            self._updated,
            self._events,
        ):
            family.forget(key)
        self._forget_reconciles("rollout", key)

    def observe_run(self, run: Obj) -> None:
        """An AnalysisRun was reconciled, or changed."""
        key = _key_of(run)
        named = (key.name, key.namespace)
        status, spec = run.get("status") or {}, run.get("spec") or {}
        phase = str(status.get("phase") or "")
        self._run_info.replace(key, {(*named, phase): 1.0})
        self._run_phase.replace(key, _one_of(_RUN_PHASES, phase or "Pending", named))
        dry = {d.get("metricName") for d in spec.get("dryRun") or ()}
        phases: dict[Labels, float] = {
            (*named, str(r.get("name", "")), str(r.get("phase") or ""), _flag(r.get("dryRun"))): 1.0
            for r in status.get("metricResults") or ()
        }
        kinds: dict[Labels, float] = {}
        for metric in spec.get("metrics") or ():
            name = str(metric.get("name", ""))
            kind = next(iter(sorted(metric.get("provider") or {})), "")
            kinds[(*named, name, kind, _flag(bool({name, ".*"} & dry)))] = 1.0
        self._run_metric_phase.replace(key, phases)
        self._run_metric_type.replace(key, kinds)

    def forget_run(self, key: Key) -> None:
        for family in (
            self._run_info,
            self._run_phase,
            self._run_metric_phase,
            self._run_metric_type,
        ):
            family.forget(key)
        self._forget_reconciles("analysis_run", key)

    def observe_experiment(self, experiment: Obj, status: Mapping[str, Any]) -> None:
        """An Experiment was reconciled; ``status`` as for a Rollout."""
        key = _key_of(experiment)
        named = (key.name, key.namespace)
        current = status or experiment.get("status") or {}
        phase = str(current.get("phase") or "Pending")
        self._experiment_info.replace(key, {(*named, phase): 1.0})
        self._experiment_phase.replace(key, _one_of(_EXPERIMENT_PHASES, phase, named))

    def forget_experiment(self, key: Key) -> None:
        for family in (self._experiment_info, self._experiment_phase):
            family.forget(key)
        self._forget_reconciles("experiment", key)

    def timed(self, timing: Timing) -> None:
        """An update has ended, and that is stored."""
        for histogram, seconds in (
            (self._duration, timing.total),
            (self._progression, max(0.0, timing.total - timing.paused)),
            (self._manual_pause, timing.paused),
        ):
            histogram.labels(timing.outcome).observe(seconds)

    def event(self, obj: Obj, kind: str, reason: str) -> None:
        """An event was recorded (see EventRecorder's ``heard``)."""
        key = _key_of(obj)
        if obj.get("kind") == ROLLOUTS.kind:
            self._events.add(key, (key.name, key.namespace, kind, reason))

    # Machinery.

    def reconciled(self, name: str, key: Key, seconds: float, *, failed: bool) -> None:
        """One pass of the reconciler called ``name`` took ``seconds``."""
        name = name.replace("-", "_")
        if name not in self._reconciles:
            return
        self._reconciles[name].labels(key.name, key.namespace).observe(seconds)
        if failed:
            self._failures[name].add(key, (key.name, key.namespace))

    def request(
        self, resource: Resource, namespace: str, name: str, verb: str, status: int
    ) -> None:
        """One request was answered (a client's ``observer``). Only Rollouts are named: the names of
        runs and events are without end, and so would be the series.
        """
        named = name if resource == ROLLOUTS else ""
        labels = (resource.kind, namespace, named, verb, str(status))
        self._requests.add(None, labels)

    def watch_queue(self, name: str, queue: WorkQueue) -> None:
        self._queues[name] = queue

    def watch_writes(self, log: WriteLog) -> None:
        self._logs.append(log)

    def watch_reflectors(self, reflectors: Iterable[Reflector]) -> None:
        self._reflectors.extend(reflectors)

    def queue_observer(self, name: str) -> "QueueTimes":
        """What a WorkQueue called ``name`` reports its times to."""
        return QueueTimes(self._queue_wait.labels(name), self._queue_work.labels(name))

    def _forget_reconciles(self, name: str, key: Key) -> None:
        self._failures[name].forget(key)
        with contextlib.suppress(KeyError):
            self._reconciles[name].remove(key.name, key.namespace)

    def _define_objects(self) -> None:
        def family(name: str, text: str, *labels: str, kind: str = "gauge") -> Family:
            made = Family(name, text, (*_NAMED, *labels), kind=kind)
            self.registry.register(made)
            return made

        self._rollout_info = family(
            "rollout_info", "Information about a Rollout.", "strategy", "traffic_router", "phase"
        )
        self._rollout_phase = family(
            "rollout_phase", "Phase of a Rollout; rollout_info has it too.", "strategy", "phase"
        )
        replicas = "rollout_info_replicas_"
        self._available = family(replicas + "available", "Available replicas.")
        self._unavailable = family(replicas + "unavailable", "Unavailable replicas.")
        self._desired = family(replicas + "desired", "Wanted replicas.")
        self._updated = family(replicas + "updated", "Updated replicas.")
        self._events = family(
            "rollout_events_total", "Events of a Rollout.", "type", "reason", kind="counter"
        )
        self._run_info = family("analysis_run_info", "Information about an AnalysisRun.", "phase")
        self._run_phase = family(
            "analysis_run_phase", "Phase of an AnalysisRun; analysis_run_info has it too.", "phase"
        )
        metric = ("metric", "phase", "dry_run")
        self._run_metric_phase = family("analysis_run_metric_phase", "Phase of a metric.", *metric)
        kind = ("metric", "type", "dry_run")
        self._run_metric_type = family("analysis_run_metric_type", "Provider of a metric.", *kind)
        self._experiment_info = family(
            "experiment_info", "Information about an Experiment.", "phase"
        )
        self._experiment_phase = family(
            "experiment_phase", "Phase of an Experiment; experiment_info has it too.", "phase"
        )
        self._failures = {
            name: family(f"{name}_reconcile_error", "Failed reconciles.", kind="counter")
            for name in _RECONCILED_KINDS
        }
        self._reconciles = {
            name: Histogram(
                f"{name}_reconcile",
                "Seconds a reconcile took.",
                _NAMED,
                registry=self.registry,
                buckets=_RECONCILE_BUCKETS,
            )
            for name in _RECONCILED_KINDS
        }

    def _define_durations(self) -> None:
        self._duration, self._progression, self._manual_pause = (
            Histogram(name, text, ("status",), registry=self.registry, buckets=buckets)
            for name, text, buckets in (
                ("rollout_duration_seconds", "Seconds an update took.", _DURATION_BUCKETS),
                (
                    "rollout_progression_duration_seconds",
                    "Seconds an update took without waiting for people.",
                    _PROGRESSION_BUCKETS,
                ),
                (
                    "rollout_manual_pause_duration_seconds",
                    "Seconds an update waited for people.",
                    _MANUAL_PAUSE_BUCKETS,
                ),
            )
        )

    def _define_machinery(self) -> None:
        self._requests = Family(
            "controller_clientset_k8s_request_total",
            "Requests to the API server.",
            ("kind", "namespace", "name", "verb", "status_code"),
            kind="counter",
        )
        self.registry.register(self._requests)
        self._queue_wait, self._queue_work = (
            Histogram(name, text, ("name",), registry=self.registry, buckets=_QUEUE_BUCKETS)
            for name, text in (
                ("workqueue_queue_duration_seconds", "Seconds a key waits for a worker."),
                ("workqueue_work_duration_seconds", "Seconds a worker takes for a key."),
            )
        )
        for name, text, kind, read in (
            ("depth", "Keys that wait.", "gauge", len),
            ("adds_total", "Keys added.", "counter", lambda q: q.adds),
            ("retries_total", "Keys tried again.", "counter", lambda q: q.retries),
            ("unfinished_work_seconds", "Age of work, summed.", "gauge", _unfinished),
            ("longest_running_processor_seconds", "Age of the oldest work.", "gauge", _longest),
        ):
            self._define_queue_reading(f"workqueue_{name}", text, kind, read)
        stale = Reading(
            "reconcile_stale_total",
            "Reconciles put off because the cache was behind our own writes.",
            (),
            lambda: [((), float(sum(log.stale_total for log in self._logs)))],
            kind="counter",
        )
        self.registry.register(stale)
        drift = Reading(
            "cache_drift_total",
            "Objects the cache had wrong, found by comparing it with the server.",
            ("resource",),
            lambda: list(self._drift().items()),
            kind="counter",
        )
        self.registry.register(drift)
        self.event_loop_lag = Gauge(
            "event_loop_lag_seconds",
            "The longest the event loop was late in the last minute.",
            registry=self.registry,
        )

    def _drift(self) -> dict[Labels, float]:
        """By resource; some have two caches."""
        found: dict[Labels, float] = {}
        for reflector in self._reflectors:
            labels = (reflector.store.resource.plural,)
            found[labels] = found.get(labels, 0.0) + reflector.drift
        return found

    def _define_queue_reading(self, name: str, text: str, kind: str, read: Any) -> None:
        def values() -> list[tuple[Labels, float]]:
            return [((label,), float(read(queue))) for label, queue in self._queues.items()]

        self.registry.register(Reading(name, text, ("name",), values, kind=kind))

    def _define_build(self) -> None:
        build = Family("build_info", "What this program is.", ("version", "pythonversion"))
        build.replace(None, {(VERSION, platform.python_version()): 1.0})
        info = Family("argo_rollouts_controller_info", "Running controller.", ("version",))
        info.replace(None, {(VERSION,): 1.0})
        for family in (build, info):
            self.registry.register(family)
        prometheus_client.ProcessCollector(registry=self.registry)
        prometheus_client.GCCollector(registry=self.registry)


class QueueTimes:
    """Reports one queue's waiting and working times."""

    def __init__(self, wait: Histogram, work: Histogram) -> None:
        self._wait = wait
        self._work = work

    def waited(self, seconds: float) -> None:
        self._wait.observe(seconds)

    def worked(self, seconds: float) -> None:
        self._work.observe(seconds)


def rollout_phase(status: Mapping[str, Any]) -> str:
    """The ``phase`` label of rollout_info, a vocabulary older than ``status.phase``."""
    conditions = {c.get("type"): c for c in status.get("conditions") or ()}
    if ConditionType.INVALID_SPEC in conditions:
        return "InvalidSpec"
    progressing = conditions.get(ConditionType.PROGRESSING) or {}
    return _PHASE_OF_REASON.get(progressing.get("reason", ""), "Progressing")


def _one_of(words: Iterable[str], true: str, labels: Labels) -> dict[Labels, float]:
    """One series per word, 1 for the one that is true."""
    return {(*labels, word): float(word == true) for word in words}


def _strategy_of(strategy: Mapping[str, Any]) -> str:
    return next((name for name in ("canary", "blueGreen") if name in strategy), "none")


def _router_of(strategy: Mapping[str, Any]) -> str:
    routing = (strategy.get("canary") or {}).get("trafficRouting") or {}
    return next((label for field, label in _ROUTERS if routing.get(field) is not None), "")


def _key_of(obj: Obj) -> Key:
    metadata = obj["metadata"]
    return Key(metadata.get("namespace") or "", metadata["name"])


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _flag(value: object) -> str:
    return "true" if value else "false"


def _unfinished(queue: WorkQueue) -> float:
    return queue.unfinished_seconds()[0]


def _longest(queue: WorkQueue) -> float:
    return queue.unfinished_seconds()[1]
