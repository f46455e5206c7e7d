"""A cluster in virtual time with a whole controller in it, as stories of Experiments see it."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

from rollouts.controllers.metrics import Metrics
from rollouts.controllers.settings import Settings
from rollouts.controllers.wiring import controller_set
from rollouts.kube.api import KubeApi, Obj, WatchEvent
from rollouts.kube.resources import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    EVENTS,
    EXPERIMENTS,
    PODS,
    REPLICA_SETS,
    SERVICES,
    Resource,
)
from rollouts.sandbox.cluster import Cluster
from rollouts.simulate.loop import run_virtual, virtual_clock
from rollouts.simulate.stage import Metrics as Answers

SHOP = "default"
ARGO = "argoproj.io/v1alpha1"
ENDS = ("Successful", "Failed", "Error", "Inconclusive")


def tried(name: str, *, replicas: int = 1, **fields: Any) -> Obj:
    """A template of an Experiment; its pods listen on port 80."""
    labels = {"app": "shop", "variant": name}
    container = {"name": "main", "image": f"shop:{name}", "ports": [{"containerPort": 80}]}
    pods = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    selector = {"matchLabels": labels}
    return {"name": name, "replicas": replicas, "selector": selector, "template": pods, **fields}


def experiment(name: str = "trial", *templates: Obj, **spec: Any) -> Obj:
    chosen = list(templates or (tried("a"), tried("b")))
    return {
        "apiVersion": ARGO,
        "kind": "Experiment",
        "metadata": {"name": name},
        "spec": {"templates": chosen, **spec},
    }


def metric(name: str, **fields: Any) -> Obj:
    """An AnalysisTemplate of one metric that must answer ok."""
    web = {"url": f"http://metrics.example/{name}", "jsonPath": "{$.ok}"}
    measured = {"name": name, "successCondition": "result == true", "provider": {"web": web}}
    return {
        "apiVersion": ARGO,
        "kind": "AnalysisTemplate",
        "metadata": {"name": name},
        "spec": {"metrics": [{**measured, **fields}]},
    }


def analysis(name: str, **fields: Any) -> Obj:
    return {"name": name, "templateName": name, **fields}


class Watched:
    """A KubeApi that counts what it is asked to write, events apart.

    ``hidden``: names that lists and watches do not tell of, as when they come from an old copy.
    """

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self.writes: list[tuple[str, str]] = []
        self.hidden: set[str] = set()

    def __getattr__(self, verb: str) -> Any:
        call = getattr(self._api, verb)

        def counted(resource: Resource, *given: Any, **more: Any) -> Any:
            if verb != "get" and resource != EVENTS:
                self.writes.append((verb, resource.plural))
            return call(resource, *given, **more)

        return counted

    async def list(self, *given: Any, **more: Any) -> Obj:
        found = await self._api.list(*given, **more)
        items = [o for o in found["items"] if o["metadata"]["name"] not in self.hidden]
        return {**found, "items": items}

    async def watch(self, *given: Any, **more: Any) -> AsyncIterator[WatchEvent]:
        async for event in self._api.watch(*given, **more):
            if event.object["metadata"].get("name") not in self.hidden:
                yield event


class Shop:
    """What a story can do and see. ``answers.good``: what every metric says."""

    def __init__(self, instance_id: str = "") -> None:
        self.clock = virtual_clock()
        self.cluster = Cluster(self.clock, random.Random(3), pods="fast")
        self.api = self.cluster.api
        self.seen = Watched(self.api)
        self.answers = Answers()
        self.metrics = Metrics()
        self._settings = Settings(leader_elect=False, instance_id=instance_id)
        self._tasks: list[asyncio.Future[None]] = []

    async def start(self) -> None:
        await self.cluster.start()
        self.start_controller()

    def start_controller(self) -> None:
        managers = controller_set(
            self.seen,  # type: ignore[arg-type]
            self.clock,
            random.Random(4),
            settings=self._settings,
            metrics=self.metrics,
            http=self.answers,
        )
        self._tasks = [asyncio.ensure_future(manager.run()) for manager in managers]

    async def kill_controller(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        await self.kill_controller()
        await self.cluster.stop()

    async def apply(self, *objects: Obj) -> None:
        kinds = {
            each.kind: each for each in (EXPERIMENTS, ANALYSIS_TEMPLATES, SERVICES, REPLICA_SETS)
        }
        for obj in objects:
            await self.api.create(kinds[obj["kind"]], obj, SHOP)

    async def get(self, name: str = "trial") -> Obj:
        return await self.api.get(EXPERIMENTS, name, SHOP)

    async def status(self, name: str = "trial") -> Obj:
        return (await self.get(name)).get("status") or {}

    async def patch(self, body: Obj, name: str = "trial") -> None:
        await self.api.patch(EXPERIMENTS, name, body, SHOP)

    async def until(
        self, true: Callable[[Obj], bool], seconds: float = 900.0, name: str = "trial"
    ) -> Obj:
        """The status once something is true of it; fails after so many virtual seconds."""
        deadline = self.clock.monotonic() + seconds
        while True:
            status = await self.status(name)
            if true(status):
                return status
            assert self.clock.monotonic() < deadline, f"still {status}"
            await asyncio.sleep(0.25)

    async def until_phase(self, *phases: str, name: str = "trial") -> Obj:
        return await self.until(lambda status: status.get("phase") in phases, name=name)

    async def all(self, resource: Resource) -> dict[str, Obj]:
        found = (await self.api.list(resource, SHOP))["items"]
        return {each["metadata"]["name"]: each for each in found}

    async def sizes(self) -> dict[str, int]:
        sets = await self.all(REPLICA_SETS)
        return {name: each["spec"]["replicas"] for name, each in sets.items()}

    async def pods(self) -> int:
        return len(await self.all(PODS))

    async def runs(self) -> dict[str, str]:
        runs = await self.all(ANALYSIS_RUNS)
        return {name: (run.get("status") or {}).get("phase", "") for name, run in runs.items()}

    async def told(self, kind: str) -> list[tuple[str, str]]:
        """Events about objects of a kind: reason, message."""
        events = (await self.all(EVENTS)).values()
        return [(e["reason"], e["message"]) for e in events if e["involvedObject"]["kind"] == kind]


def story(**options: Any) -> Callable[[Any], Callable[[], None]]:
    """Decorator: run an async test in virtual time, in a shop of its own."""

    def decorate(test: Any) -> Callable[[], None]:
        def told() -> None:
            async def main() -> None:
                shop = Shop(**options)
                await shop.start()
                try:
                    await test(shop)
                finally:
                    await shop.stop()

            run_virtual(main())

        told.__name__, told.__doc__ = test.__name__, test.__doc__
        return told

    return decorate
