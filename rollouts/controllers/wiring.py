"""One controller process, put together.

Owns which caches exist, which changes concern which Rollout, and what each reconciler is given. No
decisions, no requests. Called by the ``controller`` command, the sandbox, the demo and the tests,
which differ in their KubeApi, their clock and nothing else.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from analysis.providers.http import HttpClient
from analysis.providers.job import KUBECONFIG_VARIABLE
from analysis.providers.prometheus import ADDRESS_VARIABLE
from analysis.providers.registry import default_providers
from analysis.providers.tools import Tools
from rollouts.api import labels as keys
from rollouts.api.references import analyses, services
from rollouts.api.rollout import Rollout
from rollouts.controllers.analysis_run import AnalysisRunReconciler
from rollouts.controllers.execute import Executor
from rollouts.controllers.experiment import ExperimentReconciler
from rollouts.controllers.experiment_world import EXPERIMENT_INDEXES
from rollouts.controllers.experiment_world import sources as experiment_sources
from rollouts.controllers.gather import (
    BY_WORKLOAD,
    POD_INDEXES,
    RUN_INDEXES,
    SERVICE_INDEXES,
    SET_INDEXES,
    Caches,
    Gatherer,
    by_workload,
)
from rollouts.controllers.job_cluster import RemoteJobRunner, over_http
from rollouts.controllers.job_runner import KubeJobRunner
from rollouts.controllers.manager import (
    Controller,
    KeyMapper,
    Manager,
    Reconciler,
    WhenChanged,
    own_key,
    owner_key,
)
from rollouts.controllers.metrics import Metrics
from rollouts.controllers.podwatch import rollouts_of_pods
from rollouts.controllers.reading import RolloutReader
from rollouts.controllers.rollout import RolloutReconciler
from rollouts.controllers.runnews import of_run
from rollouts.controllers.service import ServiceReconciler
from rollouts.controllers.settings import Settings
from rollouts.controllers.trials import rollouts_of_belongings
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.events import EventRecorder
from rollouts.kube.guard import GuardedApi
from rollouts.kube.lease import Election
from rollouts.kube.ondemand import OnDemandReflector
from rollouts.kube.queue import Key, WorkQueue
from rollouts.kube.reflector import Reflector
from rollouts.kube.resources import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    CLUSTER_ANALYSIS_TEMPLATES,
    EXPERIMENTS,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
)
from rollouts.kube.store import Change, Store, trim_pod
from rollouts.kube.writes import WriteLog
from rollouts.planner.workload import KINDS, reference
from rollouts.runtime.clock import Clock
from rollouts.runtime.ids import hex_ids, uuids

_GROUP: Final = ROLLOUTS.group
_SERVICE: Final = "service"
_TEMPLATE: Final = "template"
_CLUSTER_TEMPLATE: Final = "cluster-template"


def controller_set(
    api: KubeApi,
    clock: Clock,
    rng: random.Random,
    *,
    settings: Settings | None = None,
    metrics: Metrics | None = None,
    http: HttpClient | None = None,
    allow_loopback: bool = False,
    api_server: str = "",
    environ: Mapping[str, str] | None = None,
) -> tuple[Manager, ...]:
    """The managers of one process, each with ``run`` and ``stop``.

    Without ``settings`` there is no election: for a cluster only this process knows.
    ``allow_loopback``: metrics may be fetched from this machine. ``api_server``: the address of the
    API server, which no metric may be fetched from. ``environ``: for metric providers.
    """
    chosen = settings or Settings(leader_elect=False)
    election = _election(api, clock, rng, chosen)
    writer: KubeApi = api if election is None else GuardedApi(api, election.remaining)
    heard = None if metrics is None else metrics.event
    recorder = EventRecorder(writer, clock, hex_ids(rng), heard=heard)
    # One each: a Rollout and an Experiment may have the same name.
    log, experiment_log = WriteLog(clock), WriteLog(clock)
    if metrics is not None:
        metrics.watch_writes(log)
        metrics.watch_writes(experiment_log)
    caches = _caches(chosen)
    policy = chosen.address_policy(allow_loopback=allow_loopback, api_server=api_server)
    client = http or HttpClient(policy=policy)
    jobs = _jobs(writer, election, rng, (environ or {}).get(KUBECONFIG_VARIABLE, ""))
    tools = Tools(
        client, clock.wall, {**(environ or {}), ADDRESS_VARIABLE: chosen.prometheus_address}
    )
    providers = default_providers(tools, jobs)

    def controller(
        reconciler: Reconciler, workers: int, sources: list[tuple[Store, KeyMapper]]
    ) -> Controller:
        observer = metrics.queue_observer(reconciler.name) if metrics else None
        return Controller(reconciler, WorkQueue(clock, observer=observer), sources, workers)

    gatherer = Gatherer(api, caches, chosen.instance_id)
    executor = Executor(writer, log, recorder.record, metrics.timed if metrics else None)
    rollouts = RolloutReconciler(gatherer, executor, log, clock, metrics)
    record, mine = recorder.record, chosen.instance_id
    runs = AnalysisRunReconciler(
        writer,
        caches.runs,
        providers,
        clock,
        record,
        instance_id=mine,
        metrics=metrics,
        home=chosen.namespace,
    )
    experiments = ExperimentReconciler(
        api,
        caches,
        Executor(writer, experiment_log, record),
        experiment_log,
        clock,
        instance_id=mine,
        metrics=metrics,
    )
    released = ServiceReconciler(writer, caches.services, caches.rollouts, mine)
    named = (caches.rollouts, _named_services(caches.reader))
    controllers = [controller(runs, chosen.analysis_workers, [(caches.runs, own_key)])]
    runs.wake = controllers[0].queue.add
    if not chosen.only_analysis:
        controllers += [
            controller(rollouts, chosen.rollout_workers, _sources(caches)),
            controller(experiments, chosen.experiment_workers, experiment_sources(caches)),
            controller(released, chosen.service_workers, [(caches.services, own_key), named]),
        ]
    manager = Manager(
        controllers,
        _reflectors(api, clock, rng, caches, chosen),
        clock=clock,
        metrics=metrics,
        election=election,
        recorder=recorder,
        sweep=chosen.sweep,
    )
    if isinstance(jobs, RemoteJobRunner):
        manager.on_stop = jobs.close
    return (manager,)


def _jobs(
    writer: KubeApi, election: Election | None, rng: random.Random, place: str
) -> KubeJobRunner | RemoteJobRunner:
    """Runs the Jobs of metrics: here, or in the cluster at ``place``."""
    if not place:
        return KubeJobRunner(writer)

    def guarded(api: KubeApi) -> KubeApi:
        return api if election is None else GuardedApi(api, election.remaining)

    return RemoteJobRunner(over_http(place, rng), guarded)


def _named_services(reader: RolloutReader) -> KeyMapper:
    """The Services a Rollout names."""

    def keys_of(rollout: Obj) -> Iterator[Key]:
        namespace = rollout["metadata"].get("namespace", "")
        for use in services(reader.read(rollout)):
            yield Key(namespace, use.name)

    return keys_of


def _election(
    api: KubeApi, clock: Clock, rng: random.Random, settings: Settings
) -> Election | None:
    if not settings.leader_elect:
        return None
    import socket

    identity = f"{socket.gethostname()}_{uuids(rng)()}"
    return Election(
        api,
        clock,
        identity,
        settings.namespace,
        name=settings.lease_name,
        timing=settings.lease_timing(),
    )


def _caches(settings: Settings) -> Caches:
    reader = RolloutReader()
    references = {
        _SERVICE: _references(reader, lambda rollout: (use.name for use in services(rollout))),
        _TEMPLATE: _references(reader, lambda rollout: _templates(rollout, cluster=False)),
        _CLUSTER_TEMPLATE: lambda obj: _templates(reader.read(obj), cluster=True),
        BY_WORKLOAD: by_workload,
    }
    return Caches(
        reader=reader,
        rollouts=Store(ROLLOUTS, references),
        replica_sets=Store(REPLICA_SETS, SET_INDEXES),
        services=Store(SERVICES, SERVICE_INDEXES),
        pods=Store(PODS, POD_INDEXES, trim_pod),
        runs=Store(ANALYSIS_RUNS, RUN_INDEXES),
        templates=Store(ANALYSIS_TEMPLATES),
        cluster_templates=None if settings.namespaced else Store(CLUSTER_ANALYSIS_TEMPLATES),
        experiments=Store(EXPERIMENTS, EXPERIMENT_INDEXES),
        workloads={resource: Store(resource) for resource in KINDS.values()},
    )


def _references(
    reader: RolloutReader, names: Callable[[Rollout], Iterable[str]]
) -> Callable[[Obj], Iterator[str]]:
    """Indexer of Rollouts: ``namespace/name`` of what they refer to."""

    def index(obj: Obj) -> Iterator[str]:
        namespace = obj["metadata"].get("namespace", "")
        for name in names(reader.read(obj)):
            yield f"{namespace}/{name}"

    return index


def _templates(rollout: Rollout, *, cluster: bool) -> Iterator[str]:
    for use in analyses(rollout):
        for _, ref in use.templates:
            if ref.cluster_scope is cluster:
                yield ref.template_name


def _sources(caches: Caches) -> list[tuple[Store, KeyMapper]]:
    """Which changes make which Rollouts worth a look."""

    def users(index: str) -> KeyMapper:
        def keys_of(obj: Obj) -> Iterator[Key]:
            meta = obj["metadata"]
            value = f"{meta.get('namespace', '')}/{meta['name']}"
            for rollout in caches.rollouts.by_index(index, value):
                yield from own_key(rollout)

        return keys_of

    def users_anywhere(obj: Obj) -> Iterator[Key]:
        for rollout in caches.rollouts.by_index(_CLUSTER_TEMPLATE, obj["metadata"]["name"]):
            yield from own_key(rollout)

    def users_of_workload(obj: Obj) -> Iterator[Key]:
        meta = obj["metadata"]
        value = f"{obj['kind']}/{meta.get('namespace', '')}/{meta['name']}"
        for rollout in caches.rollouts.by_index(BY_WORKLOAD, value):
            yield from own_key(rollout)

    by_owner = owner_key("Rollout", _GROUP)
    of_experiments = rollouts_of_belongings(caches.experiments)
    sources: list[tuple[Store, KeyMapper]] = [
        (caches.rollouts, own_key),
        (caches.replica_sets, by_owner),
        (caches.runs, WhenChanged(by_owner, of_run)),
        (caches.experiments, by_owner),
        (caches.replica_sets, of_experiments),
        (caches.services, of_experiments),
        (caches.services, users(_SERVICE)),
        (caches.pods, rollouts_of_pods(caches)),
        (caches.templates, users(_TEMPLATE)),
    ]
    if caches.cluster_templates is not None:
        sources.append((caches.cluster_templates, users_anywhere))
    sources += [(store, users_of_workload) for store in caches.workloads.values()]
    return sources


def _reflectors(
    api: KubeApi, clock: Clock, rng: random.Random, caches: Caches, settings: Settings
) -> list[Reflector]:
    """Watches of everything cached; ours only, where kinds can carry an instance id."""
    ours = f"{keys.INSTANCE_ID}={settings.instance_id}" if settings.instance_id else ""
    mine = ours or f"!{keys.INSTANCE_ID}"
    restricted = [
        (caches.rollouts, mine),
        (caches.runs, mine),
        (caches.templates, mine),
        (caches.experiments, mine),
        (caches.replica_sets, keys.POD_TEMPLATE_HASH),
        (caches.services, ""),
        (caches.pods, keys.POD_TEMPLATE_HASH),
    ]
    if settings.only_analysis:
        restricted = [(caches.runs, mine)]
    namespace = settings.watched_namespace
    reflectors = [
        Reflector(api, store, namespace=namespace, labels=labels, clock=clock, rng=rng)
        for store, labels in restricted
    ]
    if caches.cluster_templates is not None and not settings.only_analysis:
        reflectors.append(
            Reflector(api, caches.cluster_templates, labels=mine, clock=clock, rng=rng)
        )
    if settings.only_analysis:
        return reflectors
    wanted = {
        resource: OnDemandReflector(api, store, namespace=namespace, clock=clock, rng=rng)
        for resource, store in caches.workloads.items()
    }

    def want(change: Change) -> None:
        found = reference(change.object)
        if found is not None:
            wanted[found[0]].want()

    caches.rollouts.subscribe(want)
    # Last: by then the first list of Rollouts has said which of them are wanted.
    return [*reflectors, *wanted.values()]
