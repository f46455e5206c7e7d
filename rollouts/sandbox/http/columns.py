"""Columns of the built-in kinds as ``kubectl get`` prints them.

Owns names, order, which need ``-o wide``, and how each cell is read from an object. A kind without
an entry gets Name and Age, as on a real server. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rollouts.kube.api import Obj
from rollouts.kube.human import (
    NONE,
    UNKNOWN,
    age,
    duration,
    first,
    labels,
    seconds_of,
    selector,
)
from rollouts.kube.podcells import pod_cells


@dataclass(frozen=True, slots=True)
class Column:
    """``wide`` columns appear with ``-o wide`` only."""

    name: str
    type: str = "string"
    wide: bool = False
    description: str = ""
    format: str = ""

    def definition(self) -> Obj:
        kind = "name" if self.name == "Name" else self.format
        return {
            "name": self.name,
            "type": self.type,
            "format": kind,
            "description": self.description or self.name,
            "priority": int(self.wide),
        }


@dataclass(frozen=True, slots=True)
class Layout:
    """``cells(object, now)``: one value per column; ``now`` in seconds since the epoch."""

    columns: tuple[Column, ...]
    cells: Callable[[Obj, float], list[Any]]


def _columns(text: str) -> tuple[Column, ...]:
    """``Name; Desired:integer; Selector*``: a star marks a wide column."""
    found = []
    for part in text.split(";"):
        name, _, kind = part.strip().partition(":")
        found.append(Column(name.rstrip("*"), kind or "string", wide=name.endswith("*")))
    return tuple(found)


def _name(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


def _age(obj: Obj, now: float) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now)


def _containers(template: Obj | None) -> list[Any]:
    found = ((template or {}).get("spec") or {}).get("containers") or []
    return [
        ",".join(one.get("name", "") for one in found),
        ",".join(one.get("image", "") for one in found),
    ]


def _plain(obj: Obj, now: float) -> list[Any]:
    return [_name(obj), _age(obj, now)]


def _replica_set(obj: Obj, now: float) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    counts = [spec.get("replicas", 1), status.get("replicas", 0), status.get("readyReplicas", 0)]
    template = _containers(spec.get("template"))
    return [_name(obj), *counts, _age(obj, now), *template, selector(spec.get("selector"))]


def _deployment(obj: Obj, now: float) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return [
        _name(obj),
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 1)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        _age(obj, now),
        *_containers(spec.get("template")),
        selector(spec.get("selector")),
    ]


def _service(obj: Obj, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    kind = spec.get("type") or "ClusterIP"
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    addresses = [one.get("ip") or one.get("hostname") or "" for one in ingress]
    external = ",".join(addresses + list(spec.get("externalIPs") or []))
    if kind == "ExternalName":
        external = spec.get("externalName", "")
    elif not external:
        external = "<pending>" if kind == "LoadBalancer" else NONE
    ports = [
        f"{one.get('port')}"
        + (f":{one['nodePort']}" if one.get("nodePort") else "")
        + f"/{one.get('protocol', 'TCP')}"
        for one in spec.get("ports") or []
    ]
    return [
        _name(obj), kind, spec.get("clusterIP") or NONE, external,
        ",".join(ports) or NONE, _age(obj, now), labels(spec.get("selector")),
    ]  # fmt: skip


def _endpoint_slice(obj: Obj, now: float) -> list[Any]:
    ports = [str(one.get("port", "*")) for one in obj.get("ports") or []]
    addresses = [
        address for one in obj.get("endpoints") or [] for address in one.get("addresses") or []
    ]
    kind = obj.get("addressType", "")
    shown = first(addresses, 3) if addresses else "<unset>"
    return [_name(obj), kind, ",".join(ports) or "<unset>", shown, _age(obj, now)]


def _endpoints(obj: Obj, now: float) -> list[Any]:
    pairs = [
        f"{address.get('ip')}:{port.get('port')}"
        for subset in obj.get("subsets") or []
        for port in subset.get("ports") or []
        for address in subset.get("addresses") or []
    ]
    return [_name(obj), first(pairs, 3), _age(obj, now)]


def _event(obj: Obj, now: float) -> list[Any]:
    about = obj.get("involvedObject") or obj.get("regarding") or {}
    series = obj.get("series") or {}
    count = series.get("count") or obj.get("count") or obj.get("deprecatedCount") or 1
    begin = obj.get("firstTimestamp") or obj.get("eventTime")
    begin = begin or obj.get("deprecatedFirstTimestamp")
    end = series.get("lastObservedTime") or obj.get("lastTimestamp")
    end = end or obj.get("deprecatedLastTimestamp") or begin
    source = obj.get("source") or obj.get("deprecatedSource") or {}
    component = source.get("component") or obj.get("reportingComponent")
    component = component or obj.get("reportingController") or ""
    host = source.get("host") or ""
    return [
        age(end, now),
        obj.get("type") or "",
        obj.get("reason") or "",
        f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}",
        about.get("fieldPath") or "",
        f"{component}, {host}" if host else component,
        str(obj.get("message") or obj.get("note") or "").strip(),
        age(begin, now),
        count,
        _name(obj),
    ]


def _job(obj: Obj, now: float) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    true = {
        one["type"]: one for one in status.get("conditions") or [] if one.get("status") == "True"
    }
    state = next(
        (word for word in ("Complete", "Failed", "Suspended", "FailureTarget") if word in true),
        "Terminating" if obj["metadata"].get("deletionTimestamp") else "Running",
    )
    start = seconds_of(status.get("startTime"))
    end = seconds_of(status.get("completionTime"))
    taken = "" if start is None else duration((now if end is None else end) - start)
    wanted = spec.get("completions") or 1
    done = f"{status.get('succeeded', 0)}/{wanted}"
    template = _containers(spec.get("template"))
    return [_name(obj), state, done, taken, _age(obj, now), *template,
            selector(spec.get("selector"))]  # fmt: skip


def _hpa(obj: Obj, now: float) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    target = spec.get("scaleTargetRef") or {}
    metrics = []
    for metric in spec.get("metrics") or []:
        resource = metric.get("resource") or {}
        wanted = (resource.get("target") or {}).get("averageUtilization")
        metrics.append(f"{resource.get('name', metric.get('type'))}: {UNKNOWN}/{wanted}%")
    return [
        _name(obj),
        f"{target.get('kind', '')}/{target.get('name', '')}",
        ", ".join(metrics) or NONE,
        str(spec.get("minReplicas", 1)),
        spec.get("maxReplicas", 0),
        status.get("currentReplicas", 0),
        _age(obj, now),
    ]


def _lease(obj: Obj, now: float) -> list[Any]:
    return [_name(obj), (obj.get("spec") or {}).get("holderIdentity") or "", _age(obj, now)]


def _config_map(obj: Obj, now: float) -> list[Any]:
    count = len(obj.get("data") or {}) + len(obj.get("binaryData") or {})
    return [_name(obj), count, _age(obj, now)]


def _secret(obj: Obj, now: float) -> list[Any]:
    return [_name(obj), obj.get("type") or "Opaque", len(obj.get("data") or {}), _age(obj, now)]


def _namespace(obj: Obj, now: float) -> list[Any]:
    return [_name(obj), (obj.get("status") or {}).get("phase") or "", _age(obj, now)]


def _service_account(obj: Obj, now: float) -> list[Any]:
    return [_name(obj), len(obj.get("secrets") or []), _age(obj, now)]


def _node(obj: Obj, now: float) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    conditions = {one["type"]: one.get("status") for one in status.get("conditions") or []}
    ready = {"True": "Ready", "False": "NotReady"}.get(conditions.get("Ready", ""), "Unknown")
    if spec.get("unschedulable"):
        ready += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    roles = [key[len(prefix):] for key in obj["metadata"].get("labels") or {}
             if key.startswith(prefix)]  # fmt: skip
    info = status.get("nodeInfo") or {}
    addresses = {one["type"]: one["address"] for one in status.get("addresses") or []}
    return [
        _name(obj), ready, ",".join(sorted(roles)) or NONE, _age(obj, now),
        info.get("kubeletVersion") or "", addresses.get("InternalIP") or NONE,
        addresses.get("ExternalIP") or NONE, info.get("osImage") or UNKNOWN,
        info.get("kernelVersion") or UNKNOWN, info.get("containerRuntimeVersion") or UNKNOWN,
    ]  # fmt: skip


def _ingress(obj: Obj, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    hosts = [rule["host"] for rule in spec.get("rules") or [] if rule.get("host")]
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    addresses = [one.get("ip") or one.get("hostname") or "" for one in ingress]
    ports = "80, 443" if spec.get("tls") else "80"
    class_name = spec.get("ingressClassName") or NONE
    shown = first(hosts, 3) if hosts else "*"
    return [_name(obj), class_name, shown, ",".join(addresses), ports, _age(obj, now)]


def _ingress_class(obj: Obj, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    parameters = (spec.get("parameters") or {}).get("name") or NONE
    return [_name(obj), spec.get("controller") or "", parameters, _age(obj, now)]


def _budget(obj: Obj, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    bounds = [str(spec.get(field, "N/A")) for field in ("minAvailable", "maxUnavailable")]
    allowed = (obj.get("status") or {}).get("disruptionsAllowed", 0)
    return [_name(obj), *bounds, allowed, _age(obj, now)]


def _role_binding(obj: Obj, now: float) -> list[Any]:
    role = obj.get("roleRef") or {}
    return [_name(obj), f"{role.get('kind')}/{role.get('name')}", _age(obj, now)]


def _created(obj: Obj, _now: float) -> list[Any]:
    return [_name(obj), obj["metadata"].get("creationTimestamp")]


_BINDING: Final = Layout(_columns("Name; Role; Age"), _role_binding)
_CREATED: Final = Layout(_columns("Name; Created At:date"), _created)
_EVENT: Final = Layout(
    _columns(
        "Last Seen; Type; Reason; Object; Subobject*; Source*; Message; First Seen*; "
        "Count*:integer; Name*"
    ),
    _event,
)
PLAIN: Final = Layout(_columns("Name; Age"), _plain)
LAYOUTS: Final[Mapping[str, Layout]] = {
    "pods": Layout(
        _columns(
            "Name; Ready; Status; Restarts; Age; IP*; Node*; Nominated Node*; Readiness Gates*"
        ),
        pod_cells,
    ),
    "replicasets.apps": Layout(
        _columns(
            "Name; Desired:integer; Current:integer; Ready:integer; Age; "
            "Containers*; Images*; Selector*"
        ),
        _replica_set,
    ),
    "deployments.apps": Layout(
        _columns(
            "Name; Ready; Up-to-date:integer; Available:integer; Age; "
            "Containers*; Images*; Selector*"
        ),
        _deployment,
    ),
    "services": Layout(
        _columns("Name; Type; Cluster-IP; External-IP; Port(s); Age; Selector*"), _service
    ),
    "endpointslices.discovery.k8s.io": Layout(
        _columns("Name; AddressType; Ports; Endpoints; Age"), _endpoint_slice
    ),
    "endpoints": Layout(_columns("Name; Endpoints; Age"), _endpoints),
    "events": _EVENT,
    "events.events.k8s.io": _EVENT,
    "jobs.batch": Layout(
        _columns("Name; Status; Completions; Duration; Age; Containers*; Images*; Selector*"), _job
    ),
    "horizontalpodautoscalers.autoscaling": Layout(
        _columns("Name; Reference; Targets; MinPods; MaxPods:integer; Replicas:integer; Age"), _hpa
    ),
    "leases.coordination.k8s.io": Layout(_columns("Name; Holder; Age"), _lease),
    "configmaps": Layout(_columns("Name; Data:integer; Age"), _config_map),
    "secrets": Layout(_columns("Name; Type; Data:integer; Age"), _secret),
    "namespaces": Layout(_columns("Name; Status; Age"), _namespace),
    "serviceaccounts": Layout(_columns("Name; Secrets:integer; Age"), _service_account),
    "nodes": Layout(
        _columns(
            "Name; Status; Roles; Age; Version; Internal-IP*; External-IP*; OS-Image*; "
            "Kernel-Version*; Container-Runtime*"
        ),
        _node,
    ),
    "ingresses.networking.k8s.io": Layout(
        _columns("Name; Class; Hosts; Address; Ports; Age"), _ingress
    ),
    "ingressclasses.networking.k8s.io": Layout(
        _columns("Name; Controller; Parameters; Age"), _ingress_class
    ),
    "poddisruptionbudgets.policy": Layout(
        _columns("Name; Min Available; Max Unavailable; Allowed Disruptions:integer; Age"), _budget
    ),
    "rolebindings.rbac.authorization.k8s.io": _BINDING,
    "clusterrolebindings.rbac.authorization.k8s.io": _BINDING,
    "roles.rbac.authorization.k8s.io": _CREATED,
    "clusterroles.rbac.authorization.k8s.io": _CREATED,
    "customresourcedefinitions.apiextensions.k8s.io": _CREATED,
}
