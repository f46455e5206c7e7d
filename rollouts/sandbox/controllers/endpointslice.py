"""The EndpointSlice controller: which addresses stand behind a Service.

Owns the slices of Services that have a selector; slices somebody else labels as theirs are left
alone. Slices go with their Service through their owner reference. What a slice holds is a pure
function of the Service and its pods; names are derived, so a stale cache can never make two.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import AlreadyExists
from rollouts.kube.queue import Key
from rollouts.kube.resources import ENDPOINT_SLICES, PODS, SERVICES
from rollouts.kube.selectors import from_map
from rollouts.kube.store import Change
from rollouts.runtime.clock import Clock
from rollouts.sandbox.controllers.informers import Informers, pair
from rollouts.sandbox.controllers.objects import (
    by_name,
    controller_uid,
    deleting,
    finished,
    key_of,
    labels,
    meta,
    owner_reference,
    ready,
    spec,
    status,
    uid,
)
from rollouts.sandbox.controllers.worker import STALE_RETRY, Gate, Worker

SERVICE_NAME: Final = "kubernetes.io/service-name"
MANAGED_BY: Final = "endpointslice.kubernetes.io/managed-by"
MANAGER: Final = "endpointslice-controller.k8s.io"
PER_SLICE: Final = 100
# name, protocol and number of each port a pod offers to a Service
Ports: TypeAlias = tuple[tuple[str, str, int], ...]


def target_port(port: Mapping[str, Any], pod: Mapping[str, Any]) -> int | None:
    """The pod's port number behind a Service port; None where it names a port the pod lacks."""
    target = port.get("targetPort") or port.get("port")
    if isinstance(target, int):
        return target
    protocol = port.get("protocol") or "TCP"
    for container in spec(pod).get("containers") or ():
        for offered in container.get("ports") or ():
            same = offered.get("name") == target
            if same and (offered.get("protocol") or "TCP") == protocol:
                return int(offered["containerPort"])
    return None


def ports_of(service: Mapping[str, Any], pod: Mapping[str, Any]) -> Ports:
    found: list[tuple[str, str, int]] = []
    for port in spec(service).get("ports") or ():
        number = target_port(port, pod)
        if number is not None:
            found.append((port.get("name") or "", port.get("protocol") or "TCP", number))
    return tuple(found)


def endpoint(service: Mapping[str, Any], pod: Mapping[str, Any]) -> Obj:
    """One endpoint: a pod that is on its way out may still serve, but gets nothing new."""
    always = bool(spec(service).get("publishNotReadyAddresses"))
    wanted: Obj = {
        "addresses": [status(pod)["podIP"]],
        "conditions": {
            "ready": always or (ready(pod) and not deleting(pod)),
            "serving": always or ready(pod),
            "terminating": deleting(pod),
        },
        "targetRef": {
            "kind": PODS.kind,
            "namespace": meta(pod)["namespace"],
            "name": meta(pod)["name"],
            "uid": uid(pod),
        },
    }
    if spec(pod).get("nodeName"):
        wanted["nodeName"] = spec(pod)["nodeName"]
    return wanted


def slices(service: Mapping[str, Any], pods: Iterable[Obj]) -> Iterator[Obj]:
    """The slices a Service should have: one per distinct set of ports and hundred pods."""
    groups: dict[Ports, list[Obj]] = {}
    for pod in by_name(pods):
        if status(pod).get("podIP") and not finished(pod):
            groups.setdefault(ports_of(service, pod), []).append(endpoint(service, pod))
    if not groups:
        groups[()] = []
    for ports, endpoints in sorted(groups.items()):
        for start in range(0, max(len(endpoints), 1), PER_SLICE):
            yield _slice(service, ports, start // PER_SLICE, endpoints[start : start + PER_SLICE])


def _slice(service: Mapping[str, Any], ports: Ports, number: int, endpoints: list[Obj]) -> Obj:
    unique = hashlib.sha256(f"{uid(service)}/{ports}/{number}".encode()).hexdigest()[:5]
    return {
        "apiVersion": ENDPOINT_SLICES.api_version,
        "kind": ENDPOINT_SLICES.kind,
        "metadata": {
            "name": f"{meta(service)['name']}-{unique}",
            "namespace": meta(service)["namespace"],
            "labels": {
                **labels(service),
                SERVICE_NAME: meta(service)["name"],
                MANAGED_BY: MANAGER,
            },
            "ownerReferences": [owner_reference(SERVICES, service)],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [
            {"name": name, "protocol": protocol, "port": number} for name, protocol, number in ports
        ],
    }


class EndpointSliceController(Worker):
    """Keeps the slices of every Service with a selector."""

    name = "endpointslice"
    reads = (SERVICES, PODS, ENDPOINT_SLICES)

    def __init__(self, api: KubeApi, informers: Informers, clock: Clock) -> None:
        super().__init__(api, informers, clock)
        self._services = informers.store(SERVICES)
        self._pods = informers.store(PODS)
        self._slices = informers.store(ENDPOINT_SLICES)
        self._gate = Gate(informers, clock, *self.reads)
        self._services.subscribe(self._service_changed)
        self._pods.subscribe(self._pod_changed)
        self._slices.subscribe(self._slice_changed)

    def _service_changed(self, change: Change) -> None:
        if change.new is None:
            self._gate.forget(change.object)
        self.queue.add(key_of(change.object))

    def _pod_changed(self, change: Change) -> None:
        for pod in filter(None, (change.old, change.new)):
            namespace = meta(pod)["namespace"]
            for each in labels(pod).items():
                for service in self._services.by_index("selector", pair(namespace, *each)):
                    if from_map(spec(service)["selector"]).matches(labels(pod)):
                        self.queue.add(key_of(service))

    def _slice_changed(self, change: Change) -> None:
        name = labels(change.object).get(SERVICE_NAME)
        if name:
            self.queue.add(Key(meta(change.object)["namespace"], name))

    async def reconcile(self, key: Key) -> float | None:
        service = self._services.get(*key)
        if service is None or deleting(service):
            return None
        if self._gate.behind(service):
            return STALE_RETRY
        selector = spec(service).get("selector")
        if not selector or spec(service).get("type") == "ExternalName":
            return None
        matching = from_map(selector)
        candidates = self._pods.by_index("labels", pair(key.namespace, *min(selector.items())))
        pods = [pod for pod in candidates if matching.matches(labels(pod))]
        wanted = {meta(one)["name"]: one for one in slices(service, pods)}
        present = {
            meta(one)["name"]: one
            for one in self._slices.by_index("controller", uid(service))
            if labels(one).get(MANAGED_BY) == MANAGER
        }
        for name, body in wanted.items():
            await self._write(service, present.get(name), body)
        for name in present.keys() - wanted.keys():
            await self.api.delete(ENDPOINT_SLICES, name, key.namespace, uid=uid(present[name]))
            self._gate.deleted(service, ENDPOINT_SLICES, present[name])
        return None

    async def _write(self, service: Obj, old: Obj | None, body: Obj) -> None:
        namespace, name = meta(body)["namespace"], meta(body)["name"]
        if old is None:
            try:
                made = await self.api.create(ENDPOINT_SLICES, body, namespace)
            except AlreadyExists:
                if controller_uid(await self.api.get(ENDPOINT_SLICES, name, namespace)) == uid(
                    service
                ):
                    return  # our own, the cache will show it
                raise
        elif _differs(old, body):
            patch = {
                "metadata": {"uid": uid(old), "labels": meta(body)["labels"]},
                "endpoints": body["endpoints"],
                "ports": body["ports"],
            }
            made = await self.api.patch(ENDPOINT_SLICES, name, patch, namespace)
        else:
            return
        self._gate.wrote(service, ENDPOINT_SLICES, made)


def _differs(old: Obj, body: Obj) -> bool:
    return (
        (old.get("endpoints") or []) != body["endpoints"]
        or (old.get("ports") or []) != body["ports"]
        or not meta(body)["labels"].items() <= labels(old).items()
    )
