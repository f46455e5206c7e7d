"""Creating and deleting many pods for one owner.

Owns slow start (1, 2, 4, … at a time, so that a quota that refuses all refuses a few), the pods'
metadata and the events about it. Decides nothing about how many. Called by the ReplicaSet and the
Job controller.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import ApiError, NotFound
from rollouts.kube.events import EventRecorder
from rollouts.kube.resources import PODS, Resource
from rollouts.sandbox.controllers.objects import meta, owner_reference, uid
from rollouts.sandbox.controllers.worker import Gate, namespace_ends


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a batch went: what was done, and the first refusal if there was one."""

    done: int
    error: ApiError | None = None


def pod_from(
    owner_resource: Resource, owner: Mapping[str, Any], template: Mapping[str, Any]
) -> Obj:
    """The pod a template describes, owned by ``owner``; the server completes its name."""
    head = meta(template)
    return {
        "apiVersion": PODS.api_version,
        "kind": PODS.kind,
        "metadata": {
            "generateName": f"{meta(owner)['name']}-"[:58],
            "namespace": meta(owner)["namespace"],
            "labels": dict(head.get("labels") or {}),
            "annotations": dict(head.get("annotations") or {}),
            "finalizers": list(head.get("finalizers") or []),
            "ownerReferences": [owner_reference(owner_resource, owner)],
        },
        "spec": dict(template.get("spec") or {}),
    }


class PodControl:
    """Writes pods; every write is recorded in ``gate`` so that nobody decides before it is seen."""

    def __init__(self, api: KubeApi, gate: Gate, events: EventRecorder) -> None:
        self._api, self._gate, self._events = api, gate, events

    async def create(self, owner: Obj, pod: Obj, count: int) -> Outcome:
        """Create ``count`` pods like ``pod``; stops after the first batch that was refused."""
        done, size = 0, 1
        while done < count:
            size = min(size, count - done)
            results = await asyncio.gather(
                *(self._create_one(owner, pod) for _ in range(size)), return_exceptions=True
            )
            error = _first_error(results)
            done += sum(not isinstance(result, BaseException) for result in results)
            if error is not None and namespace_ends(error):
                raise error
            if error is not None:
                message = f"Error creating: {error.message}"
                self._events.record(owner, "Warning", "FailedCreate", message)
                return Outcome(done, error)
            size *= 2
        return Outcome(done)

    async def _create_one(self, owner: Obj, pod: Obj) -> None:
        made = await self._api.create(PODS, pod, meta(owner)["namespace"])
        self._gate.wrote(owner, PODS, made)
        message = f"Created pod: {meta(made)['name']}"
        self._events.record(owner, "Normal", "SuccessfulCreate", message)

    async def delete(self, owner: Obj, pods: list[Obj]) -> Outcome:
        """Delete ``pods``; one that is already gone counts as deleted."""
        results = await asyncio.gather(
            *(self._delete_one(owner, pod) for pod in pods), return_exceptions=True
        )
        error = _first_error(results)
        return Outcome(sum(not isinstance(result, BaseException) for result in results), error)

    async def _delete_one(self, owner: Obj, pod: Obj) -> None:
        name = meta(pod)["name"]
        try:
            await self._api.delete(PODS, name, meta(pod)["namespace"], uid=uid(pod))
        except NotFound:
            return
        self._gate.deleted(owner, PODS, pod)
        message = f"Deleted pod: {name}"
        self._events.record(owner, "Normal", "SuccessfulDelete", message)


def _first_error(results: list[BaseException | None]) -> ApiError | None:
    """The first refusal; anything that is not an answer of the API is raised as it is."""
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, ApiError):
            raise result
    return next((result for result in results if isinstance(result, ApiError)), None)
