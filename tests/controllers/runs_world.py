"""A cluster in virtual time with the reconciler of AnalysisRuns in it, and providers that obey."""

import asyncio
import base64
import contextlib
import random
from dataclasses import dataclass, field

from analysis.providers.base import Answer, ProviderError, Providers, Queried, Question
from analysis.providers.job import JobProvider
from rollouts.controllers.analysis_run import AnalysisRunReconciler
from rollouts.controllers.job_runner import KubeJobRunner
from rollouts.controllers.metrics import Metrics
from rollouts.kube.errors import ApiError, NotFound
from rollouts.kube.queue import Key, WorkQueue
from rollouts.kube.reflector import Reflector
from rollouts.kube.resources import ANALYSIS_RUNS, SECRETS
from rollouts.kube.store import Store
from rollouts.sandbox.cluster import Cluster
from rollouts.simulate.loop import run_virtual, virtual_clock

NAMESPACE = "default"


@dataclass
class Script:
    """A source of values: each answer is used once, the last one for ever."""

    answers: list = field(default_factory=lambda: [[1.0]])
    seconds: float = 0.0
    asked: list = field(default_factory=list)

    def question(self, metric):
        return Question(metric.provider.prometheus.query)

    async def ask(self, run, metric, question):  # noqa: ARG002 - the seam
        self.asked.append(metric)
        await asyncio.sleep(self.seconds)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return Answer(answer, str(answer))

    def metadata(self, metric):
        return {"ResolvedPrometheusQuery": metric.provider.prometheus.query}


class World:
    """``api`` is what the controller uses; ``cluster.api`` what the test looks at."""

    def __init__(self, script=None, *, api=None, instance_id="", more=None):
        self.clock = virtual_clock()
        self.cluster = Cluster(self.clock, random.Random(7))
        self.truth = self.cluster.api
        self.api = api(self.truth) if api else self.truth
        self.script = script or Script()
        self.instance_id = instance_id
        self.more = more or (lambda _now: {})  # other providers
        self.events = []
        self.metrics = Metrics()
        self.tasks = []

    async def start(self):
        await self.cluster.start()
        self.start_controller()

    def start_controller(self):
        store = Store(ANALYSIS_RUNS)
        queue = WorkQueue(self.clock)
        store.subscribe(lambda change: queue.add(Key(*_key(change.object))))
        now = self.clock.wall
        jobs = JobProvider(KubeJobRunner(self.api), now)
        providers = Providers(
            {"prometheus": Queried(self.script, now), "job": jobs, **self.more(now)}
        )
        reconciler = AnalysisRunReconciler(
            self.api,
            store,
            providers,
            self.clock,
            lambda _, kind, reason, message: self.events.append((kind, reason, message)),
            instance_id=self.instance_id,
            metrics=self.metrics,
        )
        reconciler.wake = queue.add
        self.reconciler = reconciler
        reflector = Reflector(self.api, store, clock=self.clock, rng=random.Random(1))
        self.tasks = [
            asyncio.create_task(reflector.run()),
            asyncio.create_task(self._work(queue, reconciler)),
        ]

    async def kill_controller(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.reconciler.close()

    async def stop(self):
        await self.kill_controller()
        await self.cluster.stop()

    async def _work(self, queue, reconciler):
        while (key := await queue.get()) is not None:
            try:
                wake = await reconciler.reconcile(key)
            except ApiError:
                queue.retry(key)
            else:
                queue.forget(key)
                if wake is not None:
                    queue.add_after(key, wake - self.clock.wall())
            finally:
                queue.done(key)

    # --- the world ---

    async def apply(self, spec, name="run", **metadata):
        body = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "AnalysisRun",
            "metadata": {"name": name, "namespace": NAMESPACE, **metadata},
            "spec": spec,
        }
        return await self.truth.create(ANALYSIS_RUNS, body, NAMESPACE)

    async def secret(self, name, **data):
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded}
        await self.truth.create(SECRETS, body, NAMESPACE)

    async def run(self, name="run"):
        return await self.truth.get(ANALYSIS_RUNS, name, NAMESPACE)

    async def status(self, name="run"):
        return (await self.run(name)).get("status") or {}

    async def until(self, condition, seconds=600.0, name="run"):
        """The status once ``condition`` holds for it; fails after so many virtual seconds."""
        deadline = self.clock.monotonic() + seconds
        while True:
            status = await self.status(name)
            if condition(status):
                return status
            assert self.clock.monotonic() < deadline, f"still {status}"
            await asyncio.sleep(0.5)

    async def completed(self, seconds=600.0, name="run"):
        ends = ("Successful", "Failed", "Error", "Inconclusive")
        return await self.until(lambda status: status.get("phase") in ends, seconds, name)

    async def gone(self, name="run"):
        with contextlib.suppress(NotFound):
            await self.run(name)
            return False
        return True


def story(script=None, **options):
    """Decorator: run an async test in virtual time, in a world of its own."""

    def decorate(test):
        def told():
            async def main():
                world = World(script() if script else None, **options)
                await world.start()
                try:
                    await test(world)
                finally:
                    await world.stop()

            run_virtual(main())

        told.__name__, told.__doc__ = test.__name__, test.__doc__
        return told

    return decorate


def metric(name="errors", **fields):
    prometheus = {"query": fields.pop("query", "up"), "address": "http://prometheus"}
    return {"name": name, "provider": {"prometheus": prometheus}, **fields}


def away():
    return ProviderError("server_error: server error: 503")


def _key(obj):
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
