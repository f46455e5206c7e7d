"""An API server without controllers, and the command line in front of it."""

import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

from analysis.times import format_time
from rollouts.api import labels
from rollouts.cli.common import Client, Session
from rollouts.cli.main import program, run
from rollouts.kube.resources import (
    ANALYSIS_RUNS,
    EXPERIMENTS,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    Resource,
)
from rollouts.sandbox.cluster import Cluster
from rollouts.sandbox.options import Options

NOW = 1_767_225_600.0


class FixedClock:
    """Always the same moment."""

    def wall(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return 0.0


class World:
    """Objects in an API server that nobody reconciles."""

    def __init__(self, clock: Any = None) -> None:
        self.clock = clock or FixedClock()
        self.cluster = Cluster(self.clock, random.Random(1))
        self.api = self.cluster.api
        self.flags: dict[str, Any] = {}

    def client(self, name: str = "rollouts") -> Client:
        return Client(self.api, "default", self.clock, name)

    def run(self, *args: str, name: str = "rollouts") -> int:
        """One command line; the exit code."""
        session = Session(name, connect=self._connect)
        code = run(program(name), list(args), session)
        self.flags = session.flags
        return code

    @contextlib.asynccontextmanager
    async def _connect(self, session: Session) -> AsyncIterator[Client]:
        yield Client(
            self.api, session.flags.get("namespace", "default"), self.clock, session.program
        )

    # Objects.

    def get(self, resource: Resource, name: str, namespace: str = "default") -> dict[str, Any]:
        info = self.cluster.server.info(resource.group, resource.version, resource.plural)
        return self.cluster.server.get(info, namespace, name)

    def put(
        self, resource: Resource, body: dict[str, Any], namespace: str = "default"
    ) -> dict[str, Any]:
        """Create an object together with its status."""
        server = self.cluster.server
        info = server.info(resource.group, resource.version, resource.plural)
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
        stored = server.create(info, namespace, body, Options())
        if "status" in body and info.has_status:
            changed = {**stored, "status": body["status"]}
            name = stored["metadata"]["name"]
            server.update(info, namespace, name, changed, Options(), subresource="status")
        return self.get(resource, stored["metadata"]["name"], namespace)

    def rollout(self, name: str = "shop", *, status: Any = None, **spec: Any) -> dict[str, Any]:
        """A canary of two steps whose second revision is paused at the second step."""
        body = {
            "metadata": {"name": name},
            "spec": {
                "replicas": 5,
                "selector": {"matchLabels": {"app": name}},
                "template": template(name, "shop:2"),
                "strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}},
                **spec,
            },
            "status": {
                "observedGeneration": "1",
                "phase": "Paused",
                "message": "CanaryPauseStep",
                "stableRS": "aaa",
                "currentPodHash": "bbb",
                "currentStepIndex": 1,
                "replicas": 5,
                "readyReplicas": 5,
                "availableReplicas": 5,
                "updatedReplicas": 1,
                "controllerPause": True,
                "pauseConditions": [
                    {"reason": "CanaryPauseStep", "startTime": "2026-01-01T00:00:00Z"}
                ],
                **(status or {}),
            },
        }
        return self.put(ROLLOUTS, body)

    def replica_set(
        self, owner: dict[str, Any], hash_: str, image: str, replicas: int, **annotations: str
    ) -> dict[str, Any]:
        name = owner["metadata"]["name"]
        pods = template(name, image)
        pods["metadata"]["labels"][labels.POD_TEMPLATE_HASH] = hash_
        body = {
            "metadata": {
                "name": f"{name}-{hash_}",
                "labels": {"app": name, labels.POD_TEMPLATE_HASH: hash_},
                "annotations": annotations,
                "ownerReferences": [owner_of(owner)],
            },
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": name, labels.POD_TEMPLATE_HASH: hash_}},
                "template": pods,
            },
            "status": {
                "replicas": replicas,
                "readyReplicas": replicas,
                "availableReplicas": replicas,
                "observedGeneration": 1,
            },
        }
        return self.put(REPLICA_SETS, body)

    def pod(self, owner: dict[str, Any], suffix: str, **status: Any) -> dict[str, Any]:
        spec = owner["spec"]["template"]
        body = {
            "metadata": {
                "name": f"{owner['metadata']['name']}-{suffix}",
                "labels": spec["metadata"]["labels"],
                "ownerReferences": [owner_of(owner)],
            },
            "spec": spec["spec"],
            "status": status,
        }
        return self.put(PODS, body)

    def run_of(self, owner: dict[str, Any], name: str, revision: int, **status: Any) -> None:
        body = {
            "metadata": {
                "name": name,
                "annotations": {labels.REVISION: str(revision)},
                "ownerReferences": [owner_of(owner)],
            },
            "spec": {"metrics": [{"name": "m", "provider": {"job": {"spec": {}}}}]},
            "status": status,
        }
        self.put(ANALYSIS_RUNS, body)

    def experiment(self, owner: dict[str, Any], name: str, revision: int) -> dict[str, Any]:
        body = {
            "metadata": {
                "name": name,
                "annotations": {labels.REVISION: str(revision)},
                "ownerReferences": [owner_of(owner)],
            },
            "spec": {
                "duration": "10m",
                "templates": [
                    {
                        "name": "base",
                        "selector": {"matchLabels": {"app": "x"}},
                        "template": template("x", "shop:1"),
                    }
                ],
            },
            "status": {"phase": "Running", "availableAt": format_time(NOW - 60)},
        }
        return self.put(EXPERIMENTS, body)


def owner_of(obj: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "name": obj["metadata"]["name"],
        "uid": obj["metadata"]["uid"],
        "controller": True,
    }


def template(name: str, image: str) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "main", "image": image}]},
    }


def running(*, restarts: int = 0, ready: bool = True) -> dict[str, Any]:
    """The status of a pod that runs."""
    return {
        "phase": "Running",
        "containerStatuses": [
            {
                "name": "main",
                "image": "shop",
                "imageID": "",
                "ready": ready,
                "restartCount": restarts,
                "state": {"running": {}},
            }
        ],
    }
