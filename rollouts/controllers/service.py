"""Services that were switched by a Rollout which no longer uses them.

Owns giving them back as they were found: without the hash in their selector and without our
annotation. Asks the API server, not the cache, before it believes that a Rollout is gone. Leaves
the Services of another instance's Rollouts alone, also when those are gone: the annotation names no
instance, so whose a Rollout was is remembered from when it was seen. Run by the manager's workers.
"""

import structlog

from rollouts.api.labels import INSTANCE_ID, MANAGED_BY, POD_TEMPLATE_HASH
from rollouts.api.references import services
from rollouts.api.rollout import Rollout
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import NotFound
from rollouts.kube.queue import Key
from rollouts.kube.resources import ROLLOUTS, SERVICES
from rollouts.kube.store import Store

_log = structlog.get_logger("service")


class ServiceReconciler:
    """Reconciles Services; see ``controllers.manager.Reconciler``.

    ``instance_id``: the one whose Rollouts are ours.
    """

    name = "service"

    def __init__(
        self, api: KubeApi, services: Store, rollouts: Store, instance_id: str = ""
    ) -> None:
        self._api = api
        self._services = services
        self._rollouts = rollouts
        self._instance_id = instance_id
        self._others: dict[Key, str] = {}
        """Services another instance has switched, and the Rollout it did so for."""

    async def reconcile(self, key: Key) -> float | None:
        """Release one Service if nobody uses it; nothing else is ever changed here."""
        service = self._services.get(key.namespace, key.name)
        user = _manager_of(service) if service is not None else ""
        if self._others.get(key) != user:
            self._others.pop(key, None)
        if service is None or not user or await self._kept(key, user):
            return None
        body = {
            "metadata": {
                "resourceVersion": service["metadata"].get("resourceVersion", ""),
                "annotations": {MANAGED_BY: None},
            },
            "spec": {"selector": {POD_TEMPLATE_HASH: None}},
        }
        await self._api.patch(SERVICES, key.name, body, key.namespace)
        _log.info("service released", service=str(key), rollout=user)
        return None

    async def _kept(self, key: Key, user: str) -> bool:
        """Whether the Rollout ``user`` uses the Service, or is not ours to judge."""
        cached = self._rollouts.get(key.namespace, user)
        if cached is not None and _refers(cached, key.name):
            self._others.pop(key, None)
            return True
        try:
            live = await self._api.get(ROLLOUTS, user, key.namespace)
        except NotFound:
            return key in self._others
        if (live["metadata"].get("labels") or {}).get(INSTANCE_ID, "") != self._instance_id:
            self._others[key] = user
            return True
        self._others.pop(key, None)
        return _refers(live, key.name)


def _manager_of(service: Obj) -> str:
    """The Rollout that has pinned the Service; empty when it is not pinned, or not by a Rollout."""
    selector = (service.get("spec") or {}).get("selector") or {}
    annotations = service["metadata"].get("annotations") or {}
    return str(annotations.get(MANAGED_BY, "")) if POD_TEMPLATE_HASH in selector else ""


def _refers(rollout: Obj, service: str) -> bool:
    return any(use.name == service for use in services(Rollout.decode(rollout)))
