"""Whether a Service, ConfigMap, Secret or another small kind makes sense.

Owns their required fields and what must not change. Pure; assumes defaults and addresses are
filled in. Read through the table in ``kinds``.
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterator
from typing import Any, Final

from rollouts.kube.api import Obj
from rollouts.sandbox.causes import (
    CauseLike,
    duplicate,
    forbidden,
    invalid,
    required,
    too_long,
    unsupported,
)
from rollouts.sandbox.objects import dig
from rollouts.sandbox.validation import (
    LABEL_TEXT,
    SUBDOMAIN_TEXT,
    is_label,
    is_subdomain,
    label_causes,
)
from rollouts.sandbox.validation_pods import PORT_TEXT, PROTOCOLS, is_port, port_name_fault

_TYPES: Final = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_DATA_KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}", re.ASCII)
_DATA_KEY_TEXT: Final = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name', "
    " or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_LARGEST_DATA: Final = 1024 * 1024
_NODE_PORT_TEXT: Final = (
    "provided port is not in the valid range. The range of valid ports is 30000-32767"
)


def service_causes(obj: Obj) -> list[CauseLike]:
    spec = obj["spec"]
    causes: list[CauseLike] = []
    kind, ports = spec.get("type"), spec.get("ports") or []
    if kind not in _TYPES:
        causes.append(unsupported("spec.type", kind, _TYPES))
    if kind == "ExternalName":
        target = spec.get("externalName")
        if not target:
            causes.append(required("spec.externalName"))
        elif not is_subdomain(str(target).rstrip(".")):
            causes.append(invalid("spec.externalName", target, SUBDOMAIN_TEXT))
    elif not ports and spec.get("clusterIP") != "None":
        causes.append(required("spec.ports"))
    causes += label_causes("spec.selector", spec.get("selector"))
    causes += _address_causes(spec)
    causes += _port_causes(ports)
    if spec.get("sessionAffinity") not in ("None", "ClientIP"):
        causes.append(
            unsupported("spec.sessionAffinity", spec.get("sessionAffinity"), ("ClientIP", "None"))
        )
    return causes


def _address_causes(spec: Obj) -> Iterator[CauseLike]:
    address = spec.get("clusterIP")
    if not address or address == "None":
        return
    try:
        ipaddress.ip_address(address)
    except ValueError:
        detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        yield invalid("spec.clusterIPs[0]", address, detail)


def _port_causes(ports: list[Obj]) -> Iterator[CauseLike]:
    names: set[str] = set()
    numbers: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        path, name, number = f"spec.ports[{index}]", port.get("name"), port.get("port")
        if not name and len(ports) > 1:
            yield required(f"{path}.name")
        elif name and not is_label(name):
            yield invalid(f"{path}.name", name, LABEL_TEXT)
        elif name and name in names:
            yield duplicate(f"{path}.name", name)
        names.add(name or "")
        if not is_port(number):
            yield invalid(f"{path}.port", number or 0, PORT_TEXT)
        protocol = port.get("protocol")
        if protocol not in PROTOCOLS:
            yield unsupported(f"{path}.protocol", protocol, PROTOCOLS)
        if (number, protocol) in numbers:
            yield duplicate(path, {"port": number, "protocol": protocol})
        numbers.add((number, protocol))
        yield from _target_causes(path, port)


def _target_causes(path: str, port: Obj) -> Iterator[CauseLike]:
    target, node_port = port.get("targetPort"), port.get("nodePort")
    if isinstance(target, str):
        if fault := port_name_fault(target):
            yield invalid(f"{path}.targetPort", target, fault)
    elif target is not None and not is_port(target):
        yield invalid(f"{path}.targetPort", target, PORT_TEXT)
    if node_port and not 30000 <= node_port <= 32767:
        yield invalid(f"{path}.nodePort", node_port, _NODE_PORT_TEXT)


def service_update_causes(obj: Obj, old: Obj) -> list[CauseLike]:
    """An address once given stays, unless the Service stops having one."""
    kinds = {dig(obj, "spec", "type"), dig(old, "spec", "type")}
    before, after = dig(old, "spec", "clusterIP"), dig(obj, "spec", "clusterIP")
    if "ExternalName" in kinds or before == after or not before:
        return []
    return [invalid("spec.clusterIPs[0]", [after] if after else [], "may not change once set")]


def config_map_causes(obj: Obj) -> list[CauseLike]:
    causes = _key_causes("data", obj.get("data")) + _key_causes("binaryData", obj.get("binaryData"))
    causes += _base64_causes("binaryData", obj.get("binaryData"))
    for key, value in (obj.get("data") or {}).items():
        if not isinstance(value, str):
            causes.append(invalid(f"data[{key}]", value, "must be a string"))
    both = set(obj.get("data") or {}) & set(obj.get("binaryData") or {})
    causes += [
        invalid(f"data[{key}]", key, "duplicate of key present in binaryData") for key in both
    ]
    return causes + _size_causes("", obj, "data", "binaryData")


def secret_causes(obj: Obj) -> list[CauseLike]:
    causes = _key_causes("data", obj.get("data")) + _base64_causes("data", obj.get("data"))
    return causes + _size_causes("data", obj, "data")


def immutable_data_causes(obj: Obj, old: Obj) -> list[CauseLike]:
    """``immutable: true`` holds for good: for itself and for the data."""
    if not old.get("immutable"):
        return []
    causes: list[CauseLike] = []
    if not obj.get("immutable"):
        causes.append(forbidden("immutable", "field is immutable when `immutable` is set"))
    causes += [
        forbidden(field, "field is immutable when `immutable` is set")
        for field in ("data", "binaryData")
        if obj.get(field) != old.get(field)
    ]
    return causes


def secret_update_causes(obj: Obj, old: Obj) -> list[CauseLike]:
    causes = immutable_data_causes(obj, old)
    if obj.get("type") != old.get("type"):
        causes.append(invalid("type", obj.get("type"), "field is immutable"))
    return causes


def _key_causes(path: str, data: Any) -> list[CauseLike]:
    return [
        invalid(f"{path}[{key}]", key, _DATA_KEY_TEXT)
        for key in data or {}
        if not _DATA_KEY.fullmatch(key) or key in (".", "..")
    ]


def _base64_causes(path: str, data: Any) -> list[CauseLike]:
    causes: list[CauseLike] = []
    for key, value in (data or {}).items():
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError, TypeError):
            # The value may be a secret: it is never repeated.
            causes.append(invalid(f"{path}[{key}]", "", "illegal base64 data"))
    return causes


def _size_causes(path: str, obj: Obj, *fields: str) -> list[CauseLike]:
    total = sum(len(str(value)) for field in fields for value in (obj.get(field) or {}).values())
    if total <= _LARGEST_DATA:
        return []
    return [too_long(path, _LARGEST_DATA)]


def lease_causes(obj: Obj) -> list[CauseLike]:
    duration = dig(obj, "spec", "leaseDurationSeconds")
    if isinstance(duration, int) and duration <= 0:
        return [invalid("spec.leaseDurationSeconds", duration, "must be greater than 0")]
    return []


def budget_causes(obj: Obj) -> list[CauseLike]:
    spec = obj.get("spec") or {}
    if "minAvailable" in spec and "maxUnavailable" in spec:
        detail = "minAvailable and maxUnavailable cannot be both set"
        return [invalid("spec", spec, detail)]
    return []


def role_binding_causes(obj: Obj) -> list[CauseLike]:
    reference = obj.get("roleRef") or {}
    causes: list[CauseLike] = []
    if not reference.get("name"):
        causes.append(required("roleRef.name"))
    if reference.get("kind") not in ("Role", "ClusterRole"):
        causes.append(unsupported("roleRef.kind", reference.get("kind"), ("ClusterRole", "Role")))
    for index, subject in enumerate(obj.get("subjects") or []):
        if not subject.get("name"):
            causes.append(required(f"subjects[{index}].name"))
        if subject.get("kind") == "ServiceAccount" and not subject.get("namespace"):
            causes.append(required(f"subjects[{index}].namespace"))
    return causes


def role_binding_update_causes(obj: Obj, old: Obj) -> list[CauseLike]:
    if obj.get("roleRef") == old.get("roleRef"):
        return []
    return [invalid("roleRef", obj.get("roleRef"), "cannot change roleRef")]


def hpa_causes(obj: Obj) -> list[CauseLike]:
    spec = obj["spec"]
    causes: list[CauseLike] = [
        required(f"spec.scaleTargetRef.{field}")
        for field in ("kind", "name")
        if not dig(spec, "scaleTargetRef", field)
    ]
    most, least = spec.get("maxReplicas", 0), spec.get("minReplicas", 1)
    if most < 1:
        causes.append(invalid("spec.maxReplicas", most, "must be greater than 0"))
    elif most < least:
        detail = "must be greater than or equal to `minReplicas`"
        causes.append(invalid("spec.maxReplicas", most, detail))
    return causes
