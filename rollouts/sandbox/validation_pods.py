"""Whether a pod or a pod template makes sense, in the API server's words.

Owns the rules people run into: names, images, ports, volumes and mounts, probes, resources. Pure;
assumes defaults are filled in. Used by ``validation_workloads`` and for pods themselves.
"""

import re
from collections.abc import Generator, Iterator
from typing import Any, Final

from rollouts.kube.api import Obj
from rollouts.kube.quantities import parse_quantity
from rollouts.sandbox.causes import (
    CauseLike,
    duplicate,
    forbidden,
    invalid,
    not_found,
    required,
    unsupported,
)
from rollouts.sandbox.validation import LABEL_TEXT, is_label

_PORT_NAME: Final = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.ASCII)
_ENV_NAME: Final = re.compile(r"[^=\x00-\x1f\x7f]+")
PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
_RESTART_POLICIES: Final = ("Always", "Never", "OnFailure")
_DNS_POLICIES: Final = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "grpc")
_SOURCES: Final = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
PORT_TEXT: Final = "must be between 1 and 65535, inclusive"
_ONE_HANDLER: Final = "may not specify more than 1 handler type"


def pod_causes(obj: Obj) -> list[CauseLike]:
    return list(spec_causes("spec", obj["spec"]))


def pod_update_causes(obj: Obj, old: Obj) -> list[CauseLike]:
    """A pod's spec is fixed, apart from its images and a few numbers."""
    if _fixed_part(obj["spec"]) == _fixed_part(old["spec"]):
        return []
    detail = (
        "pod updates may not change fields other than `spec.containers[*].image`,"
        "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
        "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be "
        "set to 1 if it was previously negative)"
    )
    return [forbidden("spec", detail)]


def _fixed_part(spec: Obj) -> Obj:
    loose = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds")
    fixed = {name: value for name, value in spec.items() if name not in loose}
    for field in ("containers", "initContainers"):
        fixed[field] = [
            {name: value for name, value in one.items() if name != "image"}
            for one in spec.get(field) or []
        ]
    return fixed


def spec_causes(path: str, spec: Obj) -> Iterator[CauseLike]:
    """What is wrong with a pod spec found at ``path``."""
    volumes = spec.get("volumes") or []
    names = yield from _volume_causes(f"{path}.volumes", volumes)
    if not spec.get("containers"):
        yield required(f"{path}.containers")
    seen: set[str] = set()
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field) or []):
            where = f"{path}.{field}[{index}]"
            yield from _container_causes(where, container, names)
            name = container.get("name")
            if name in seen:
                yield duplicate(f"{where}.name", name)
            elif name:
                seen.add(name)
    yield from _choice(path, spec, "restartPolicy", _RESTART_POLICIES)
    yield from _choice(path, spec, "dnsPolicy", _DNS_POLICIES)
    grace = spec.get("terminationGracePeriodSeconds")
    if isinstance(grace, int) and grace < 0:
        detail = "must be greater than or equal to 0"
        yield invalid(f"{path}.terminationGracePeriodSeconds", grace, detail)


def _choice(path: str, obj: Obj, field: str, allowed: tuple[str, ...]) -> Iterator[CauseLike]:
    value = obj.get(field)
    if value is not None and value not in allowed:
        yield unsupported(f"{path}.{field}", value, allowed)


def _volume_causes(path: str, volumes: list[Obj]) -> Generator[CauseLike, None, set[str]]:
    """Yields causes; returns the names of the volumes."""
    names: set[str] = set()
    for index, volume in enumerate(volumes):
        where, name = f"{path}[{index}]", volume.get("name")
        if not name:
            yield required(f"{where}.name")
        elif not is_label(name):
            yield invalid(f"{where}.name", name, LABEL_TEXT)
        elif name in names:
            yield duplicate(f"{where}.name", name)
        else:
            names.add(name)
        sources = [field for field, value in volume.items() if isinstance(value, dict)]
        for extra in sources[1:]:
            yield forbidden(f"{where}.{extra}", "may not specify more than 1 volume type")
    return names


def _container_causes(path: str, container: Obj, volumes: set[str]) -> Iterator[CauseLike]:
    name, image = container.get("name"), container.get("image")
    if not name:
        yield required(f"{path}.name")
    elif not is_label(name):
        yield invalid(f"{path}.name", name, LABEL_TEXT)
    if not image:
        yield required(f"{path}.image")
    elif image != image.strip():
        yield invalid(f"{path}.image", image, "must not have leading or trailing whitespace")
    yield from _choice(path, container, "imagePullPolicy", _PULL_POLICIES)
    yield from _port_causes(f"{path}.ports", container.get("ports") or [])
    yield from _env_causes(f"{path}.env", container.get("env") or [])
    yield from _mount_causes(f"{path}.volumeMounts", container.get("volumeMounts") or [], volumes)
    yield from _resource_causes(f"{path}.resources", container.get("resources") or {})
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(probe) is not None:
            yield from _probe_causes(f"{path}.{probe}", container[probe])


def is_port(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535


def port_name_fault(name: str) -> str:
    """Why a text cannot name a port, "" when it can."""
    if len(name) > 15:
        return "must be no more than 15 characters"
    if not _PORT_NAME.fullmatch(name):
        return (
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-), with at least "
            "one letter (a-z), and must not begin or end with a hyphen"
        )
    return "must not contain consecutive hyphens" if "--" in name else ""


def _port_causes(path: str, ports: list[Obj]) -> Iterator[CauseLike]:
    names: set[str] = set()
    for index, port in enumerate(ports):
        where, name, number = f"{path}[{index}]", port.get("name"), port.get("containerPort")
        if name:
            if fault := port_name_fault(name):
                yield invalid(f"{where}.name", name, fault)
            elif name in names:
                yield duplicate(f"{where}.name", name)
            names.add(name)
        if not number:
            yield required(f"{where}.containerPort")
        elif not is_port(number):
            yield invalid(f"{where}.containerPort", number, PORT_TEXT)
        if port.get("hostPort") and not is_port(port["hostPort"]):
            yield invalid(f"{where}.hostPort", port["hostPort"], PORT_TEXT)
        yield from _choice(where, port, "protocol", PROTOCOLS)


def _env_causes(path: str, variables: list[Obj]) -> Iterator[CauseLike]:
    for index, variable in enumerate(variables):
        where, name, source = f"{path}[{index}]", variable.get("name"), variable.get("valueFrom")
        if not name:
            yield required(f"{where}.name")
        elif not _ENV_NAME.fullmatch(name):
            detail = "a valid environment variable name must not contain '=' or control characters"
            yield invalid(f"{where}.name", name, detail)
        if source is None:
            continue
        given = [field for field in _SOURCES if source.get(field) is not None]
        if variable.get("value"):
            detail = "may not be specified when `value` is not empty"
            yield invalid(f"{where}.valueFrom", "", detail)
        elif len(given) != 1:
            many = "may not have more than one field specified at a time"
            none = f"must specify one of: `{'`, `'.join(_SOURCES)}`"
            yield invalid(f"{where}.valueFrom", "", many if given else none)


def _mount_causes(path: str, mounts: list[Obj], volumes: set[str]) -> Iterator[CauseLike]:
    seen: set[str] = set()
    for index, mount in enumerate(mounts):
        where, name, target = f"{path}[{index}]", mount.get("name"), mount.get("mountPath")
        if not name:
            yield required(f"{where}.name")
        elif name not in volumes:
            yield not_found(f"{where}.name", name)
        if not target:
            yield required(f"{where}.mountPath")
        elif target in seen:
            yield invalid(f"{where}.mountPath", target, "must be unique")
        else:
            seen.add(target)


def _resource_causes(path: str, resources: Obj) -> Iterator[CauseLike]:
    for kind in ("limits", "requests"):
        for name, text in (resources.get(kind) or {}).items():
            amount = parse_quantity(str(text))
            if amount is None:
                detail = (
                    "quantities must match the regular expression "
                    "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                )
                yield invalid(f"{path}.{kind}.{name}", text, detail)
            elif amount < 0:
                yield invalid(f"{path}.{kind}.{name}", text, "must be greater than or equal to 0")
    limits = resources.get("limits") or {}
    for name, text in (resources.get("requests") or {}).items():
        asked = parse_quantity(str(text))
        most = parse_quantity(str(limits[name])) if name in limits else None
        if asked is not None and most is not None and asked > most:
            detail = f"must be less than or equal to {name} limit of {limits[name]}"
            yield invalid(f"{path}.requests", text, detail)


def _probe_causes(path: str, probe: Obj) -> Iterator[CauseLike]:
    handlers = [name for name in _HANDLERS if probe.get(name) is not None]
    if not handlers:
        yield required(path, "must specify a handler type")
    for extra in handlers[1:]:
        yield forbidden(f"{path}.{extra}", _ONE_HANDLER)
    for name in ("httpGet", "tcpSocket"):
        port = (probe.get(name) or {}).get("port")
        if probe.get(name) is None:
            continue
        if port is None:
            yield required(f"{path}.{name}.port")
        elif isinstance(port, str):
            if fault := port_name_fault(port):
                yield invalid(f"{path}.{name}.port", port, fault)
        elif not is_port(port):
            yield invalid(f"{path}.{name}.port", port, PORT_TEXT)
    for field in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "failureThreshold"):
        value = probe.get(field)
        if isinstance(value, int) and value < 0:
            yield invalid(f"{path}.{field}", value, "must be greater than or equal to 0")
    if not path.endswith("readinessProbe") and probe.get("successThreshold", 1) != 1:
        yield invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1")
