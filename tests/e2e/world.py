"""A cluster as an end-to-end test sees it: objects in, objects out, and waiting.

Everything goes through the KubeApi seam, so the same test runs against the embedded cluster in
virtual time and against a real one named by ``--kubeconfig`` in real time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from rollouts.api.labels import POD_TEMPLATE_HASH
from rollouts.kube.api import KubeApi, Obj, PatchType
from rollouts.kube.resources import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    DEPLOYMENTS,
    EXPERIMENTS,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
)
from rollouts.runtime.clock import Clock
from tests.e2e.traffic import Traffic

EXAMPLES = Path(__file__).parents[2] / "examples"
KINDS = {
    each.kind: each for each in (SERVICES, ANALYSIS_TEMPLATES, DEPLOYMENTS, ROLLOUTS, EXPERIMENTS)
}
POLL = 0.5  # seconds between two looks


@dataclass(frozen=True)
class World:
    """One namespace of a cluster in which our controller runs."""

    api: KubeApi
    clock: Clock
    namespace: str
    traffic: Traffic

    async def apply(self, *names: str) -> None:
        """Create everything in these example files."""
        for name in names:
            for obj in yaml.safe_load_all((EXAMPLES / name).read_text()):
                await self.api.create(KINDS[obj["kind"]], obj, self.namespace)

    async def until(
        self,
        holds: Callable[[], Awaitable[bool]],
        within: float = 120.0,
        show: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """Wait until something holds; fail, showing what there is, after ``within`` seconds."""
        deadline = self.clock.monotonic() + within
        while not await holds():
            if self.clock.monotonic() > deadline:
                seen = yaml.safe_dump(await show()) if show else "it never came to hold"
                raise AssertionError(f"not within {within:g} s:\n{seen}")
            await asyncio.sleep(POLL)

    async def rollout(self, name: str) -> Obj:
        return await self.api.get(ROLLOUTS, name, self.namespace)

    async def until_rollout(
        self, name: str, true: Callable[[Obj], bool], within: float = 120.0
    ) -> Obj:
        """Wait until something is true of a Rollout whose status speaks of its current spec."""

        async def holds() -> bool:
            found = await self.rollout(name)
            status = found.get("status") or {}
            current = str(status.get("observedGeneration")) == str(found["metadata"]["generation"])
            return current and true(status)

        async def show() -> object:
            return (await self.rollout(name)).get("status")

        await self.until(holds, within, show)
        return (await self.rollout(name))["status"]

    async def until_phase(self, name: str, phase: str, within: float = 120.0) -> Obj:
        return await self.until_rollout(name, lambda status: status.get("phase") == phase, within)

    async def set_image(self, name: str, image: str) -> None:
        path = "/spec/template/spec/containers/0/image"
        patch = [{"op": "replace", "path": path, "value": image}]
        await self.api.patch(ROLLOUTS, name, patch, self.namespace, type=PatchType.JSON)

    async def promote(self, name: str) -> None:
        """What `kubectl argo rollouts promote` does to a Rollout that is paused."""
        patch = {"status": {"pauseConditions": None}}
        await self.api.patch(ROLLOUTS, name, patch, self.namespace, subresource="status")

    async def selected(self, service: str) -> str | None:
        """The hash a Service selects."""
        found = await self.api.get(SERVICES, service, self.namespace)
        return found["spec"]["selector"].get(POD_TEMPLATE_HASH)

    async def replica_set(self, rollout: str, pod_hash: str) -> tuple[int, int, int]:
        """DESIRED, CURRENT and READY of one version."""
        found = await self.api.get(REPLICA_SETS, f"{rollout}-{pod_hash}", self.namespace)
        status = found.get("status") or {}
        return found["spec"]["replicas"], status.get("replicas", 0), status.get("readyReplicas", 0)

    async def images(self, rollout: str) -> dict[str, int]:
        """Ready pods by image tag."""
        found = await self.api.list(REPLICA_SETS, self.namespace, labels=f"app={rollout}")
        ready = {
            each["spec"]["template"]["spec"]["containers"][0]["image"].rpartition(":")[2]: (
                each.get("status") or {}
            ).get("readyReplicas", 0)
            for each in found["items"]
        }
        return {tag: count for tag, count in ready.items() if count}

    async def runs(self, rollout: str, pod_hash: str) -> list[Obj]:
        """AnalysisRuns of one version."""
        labels = f"{POD_TEMPLATE_HASH}={pod_hash}"
        found = (await self.api.list(ANALYSIS_RUNS, self.namespace, labels=labels))["items"]
        return [run for run in found if run["metadata"]["name"].startswith(rollout)]
