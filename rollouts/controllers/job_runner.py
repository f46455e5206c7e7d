"""Jobs of metrics, on a cluster.

Owns what the Job provider needs of an API server: create or adopt, look, delete in the foreground.
Decides nothing; errors of the API server pass through, except a name that is taken by somebody
else. Called by ``analysis.providers.job`` through its JobRunner seam.
"""

from typing import Any

from analysis.providers.base import ProviderError
from analysis.providers.job import UID_LABEL
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import AlreadyExists, NotFound
from rollouts.kube.resources import JOBS, PODS

_POD_JOB_LABEL = "job-name"


class KubeJobRunner:
    """JobRunner over a KubeApi."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def create(self, job: Obj) -> Obj:
        meta = job["metadata"]
        try:
            return await self._api.create(JOBS, job, meta["namespace"])
        except AlreadyExists:
            found = await self._api.get(JOBS, meta["name"], meta["namespace"])
        if (found["metadata"].get("labels") or {}).get(UID_LABEL) != meta["labels"][UID_LABEL]:
            raise ProviderError(
                f"Job {meta['namespace']}/{meta['name']} exists and belongs to another run"
            )
        return found

    async def get(self, namespace: str, name: str) -> Obj | None:
        try:
            return await self._api.get(JOBS, name, namespace)
        except NotFound:
            return None

    async def labelled(self, namespace: str, labels: str) -> list[Obj]:
        return _items(await self._api.list(JOBS, namespace, labels=labels))

    async def pods(self, namespace: str, job: str) -> list[Obj]:
        return _items(await self._api.list(PODS, namespace, labels=f"{_POD_JOB_LABEL}={job}"))

    async def delete(self, namespace: str, name: str) -> None:
        try:
            await self._api.delete(JOBS, name, namespace, propagation="Foreground")
        except NotFound:
            return


def _items(page: dict[str, Any]) -> list[Obj]:
    items: list[Obj] = page.get("items") or []
    return items
