"""What a new object of a built-in kind gets from the cluster: addresses, selectors, first status.

Owns the allocation of Service addresses and node ports, the selector of a Job, and the status an
object is born with. Called by the write pipeline through ``kinds``.
"""

import ipaddress
from typing import Any, Final

from rollouts.kube.api import Obj
from rollouts.kube.errors import ServerError
from rollouts.kube.resources import SERVICES
from rollouts.sandbox.core import Core
from rollouts.sandbox.objects import dig

SERVICE_RANGE: Final = ipaddress.IPv4Network("10.96.0.0/12")
_FIRST_HOST: Final = 10
NODE_PORTS: Final = range(30000, 32768)
_JOB_PREFIX: Final = "batch.kubernetes.io/"


def new_namespace(_: Core, obj: Obj) -> None:
    obj.setdefault("spec", {})["finalizers"] = ["kubernetes"]
    obj["status"] = {"phase": "Active"}


def kept_namespace(_: Core, obj: Obj, old: Obj) -> None:
    """Its finalizers change through the finalize subresource only."""
    obj["spec"] = dict(old.get("spec") or {})


def new_pod(_: Core, obj: Obj) -> None:
    obj["status"] = {"phase": "Pending", "qosClass": _qos(obj["spec"])}


def new_replica_set(_: Core, obj: Obj) -> None:
    obj["status"] = {"replicas": 0}


def with_empty_status(_: Core, obj: Obj) -> None:
    obj["status"] = {}


def new_service(core: Core, obj: Obj) -> None:
    obj["status"] = {"loadBalancer": {}}
    spec = obj["spec"]
    if spec["type"] != "ExternalName":
        _give_address(core, spec)
    if spec["type"] in ("NodePort", "LoadBalancer"):
        _give_node_ports(core, spec)


def kept_service(core: Core, obj: Obj, old: Obj) -> None:
    """An update that leaves out what was allocated keeps it; a new type may need more."""
    spec, before = obj.setdefault("spec", {}), old.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return
    for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if not spec.get(field) and before.get(field):
            spec[field] = before[field]
    if before.get("type") == "ExternalName":
        _give_address(core, spec)
    if spec.get("type") in ("NodePort", "LoadBalancer"):
        held = {(p.get("port"), p.get("protocol")): p for p in before.get("ports") or []}
        for port in spec.get("ports") or []:
            same = held.get((port.get("port"), port.get("protocol", "TCP")))
            if not port.get("nodePort") and same and same.get("nodePort"):
                port["nodePort"] = same["nodePort"]
        _give_node_ports(core, spec)


def _give_address(core: Core, spec: Obj) -> None:
    if not spec.get("clusterIP"):
        given = spec.get("clusterIPs") or []
        spec["clusterIP"] = given[0] if given else _free_address(core)
    spec["clusterIPs"] = [spec["clusterIP"]]
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")


def _free_address(core: Core) -> str:
    taken = {dig(one, "spec", "clusterIP") for _, one in core.store.items(SERVICES.group_resource)}
    number = int(SERVICE_RANGE.network_address) + _FIRST_HOST
    while str(ipaddress.IPv4Address(number)) in taken:
        number += 1
    return str(ipaddress.IPv4Address(number))


def _give_node_ports(core: Core, spec: Obj) -> None:
    if spec.get("allocateLoadBalancerNodePorts") is False:
        return
    taken = {
        port.get("nodePort")
        for _, one in core.store.items(SERVICES.group_resource)
        for port in dig(one, "spec", "ports") or []
    }
    free = iter(number for number in NODE_PORTS if number not in taken)
    for port in spec.get("ports") or []:
        if not port.get("nodePort"):
            number = next(free, None)
            if number is None:
                raise ServerError("failed to allocate a nodePort: range is full")
            port["nodePort"] = number


def new_job(_: Core, obj: Obj) -> None:
    """A Job selects its pods by its own uid, unless it was told to select by hand."""
    obj["status"] = {}
    spec = obj["spec"]
    if spec.get("manualSelector"):
        return
    uid, name = obj["metadata"]["uid"], obj["metadata"]["name"]
    labels: dict[str, Any] = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    for prefix in ("", _JOB_PREFIX):
        labels[f"{prefix}controller-uid"] = uid
        labels[f"{prefix}job-name"] = name
    obj["metadata"].setdefault("labels", dict(labels))
    spec["selector"] = {"matchLabels": {f"{_JOB_PREFIX}controller-uid": uid}}


def _qos(spec: Obj) -> str:
    """The quality-of-service class, from what the containers request and may use at most."""
    sets = [c.get("resources") or {} for c in spec.get("containers") or []]
    if not any(one.get("limits") or one.get("requests") for one in sets):
        return "BestEffort"
    wanted = ("cpu", "memory")
    guaranteed = all(
        dig(one, "limits", name) and dig(one, "limits", name) == dig(one, "requests", name)
        for one in sets
        for name in wanted
    )
    return "Guaranteed" if guaranteed else "Burstable"
