"""What the API server fills in when it stores a pod or a pod template.

Owns the defaults of core/v1's pod types, as Kubernetes documents them. Pure: two templates are the
same to Kubernetes when they are equal after ``default_pod_template``. Used by the planner to
recognise a template, and by the embedded API server when it stores one.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from rollouts.kube.api import Obj
from rollouts.kube.quantities import canonical_quantity

_FILE_MODE: Final = 0o644
# Where "not read-only" and "not said" are two things.
_READ_ONLY_POINTERS: Final = frozenset({"azureDisk", "csi", "storageos"})
_IMAGE: Final = re.compile(
    r"(?P<name>(?:[A-Za-z0-9.-]+(?::\d+)?/)?[a-z0-9._/-]+)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>[A-Za-z0-9_+.-]+:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)


def default_pod_template(template: Obj) -> Obj:
    """A copy of a pod template with every default filled in and nulls left out."""
    result: Obj = _copy(template)
    spec = result.setdefault("spec", {})
    fill_pod_spec(spec)
    return result


def fill_pod_spec(spec: Obj) -> None:
    """Fill in the defaults of a pod spec in place."""
    _drop_unset(spec, "hostNetwork", "hostPID", "hostIPC", "serviceAccountName", "nodeName")
    _set(spec, "restartPolicy", "Always")
    _set(spec, "dnsPolicy", "ClusterFirst")
    _set(spec, "schedulerName", "default-scheduler")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("securityContext", {})
    _fill_service_account(spec)
    for container in _containers(spec):
        _fill_container(container)
        if spec.get("hostNetwork"):
            for port in container.get("ports") or []:
                if not port.get("hostPort") and "containerPort" in port:
                    port["hostPort"] = port["containerPort"]
    for volume in spec.get("volumes") or []:
        _fill_volume(volume)


def fill_pod(pod: Obj) -> None:
    """Fill in the defaults of a pod in place: those of its spec, and what only a pod gets."""
    spec = pod.setdefault("spec", {})
    fill_pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    for container in _containers(spec):
        resources = container["resources"]
        for name, amount in (resources.get("limits") or {}).items():
            resources.setdefault("requests", {}).setdefault(name, amount)


def pull_policy(image: str) -> str:
    """Always for ``latest``, said or implied; IfNotPresent for any other tag or a digest."""
    match = _IMAGE.fullmatch(image)
    if match is None:
        return "IfNotPresent"
    tag = match["tag"] or ("" if match["digest"] else "latest")
    return "Always" if tag == "latest" else "IfNotPresent"


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_copy(item) for item in value if item is not None]
    return value


def _containers(spec: Obj) -> Iterator[Obj]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(field) or []


def _set(obj: Obj, field: str, value: Any) -> None:
    """Zero counts as unset, as it does for Go fields without a pointer."""
    if not obj.get(field):
        obj[field] = value


def _drop_unset(obj: Obj, *fields: str) -> None:
    """A field without a pointer disappears when it holds its zero."""
    for field in fields:
        if field in obj and obj[field] in (False, "", 0):
            del obj[field]


def _fill_service_account(spec: Obj) -> None:
    """The old name of the field always repeats the new one."""
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account


def _fill_container(container: Obj) -> None:
    _set(container, "terminationMessagePath", "/dev/termination-log")
    _set(container, "terminationMessagePolicy", "File")
    _set(container, "imagePullPolicy", pull_policy(container.get("image", "")))
    _drop_unset(container, "stdin", "stdinOnce", "tty", "workingDir")
    _fill_resources(container.setdefault("resources", {}))
    for port in container.get("ports") or []:
        _set(port, "protocol", "TCP")
        _drop_unset(port, "hostPort", "name")
    for variable in container.get("env") or []:
        _drop_unset(variable, "value")
        _fill_source(variable.get("valueFrom") or {})
    for mount in container.get("volumeMounts") or []:
        _drop_unset(mount, "readOnly", "subPath", "subPathExpr")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(name) is not None:
            _fill_probe(container[name])
    for handler in (container.get("lifecycle") or {}).values():
        if isinstance(handler, dict):
            _fill_http_get(handler)


def _fill_resources(resources: Obj) -> None:
    for kind in ("limits", "requests"):
        amounts = resources.get(kind)
        if amounts:
            resources[kind] = {name: canonical_quantity(value) for name, value in amounts.items()}
        elif amounts is not None:
            del resources[kind]


def _fill_source(source: Obj) -> None:
    """Where an environment variable or a file of a downward volume comes from."""
    if source.get("fieldRef") is not None:
        _set(source["fieldRef"], "apiVersion", "v1")
    if source.get("resourceFieldRef") is not None:
        reference = source["resourceFieldRef"]
        reference["divisor"] = canonical_quantity(reference.get("divisor") or "0")


def _fill_probe(probe: Obj) -> None:
    _set(probe, "timeoutSeconds", 1)
    _set(probe, "periodSeconds", 10)
    _set(probe, "successThreshold", 1)
    _set(probe, "failureThreshold", 3)
    _drop_unset(probe, "initialDelaySeconds")
    _fill_http_get(probe)
    if probe.get("grpc") is not None:
        probe["grpc"].setdefault("service", "")


def _fill_http_get(handler: Obj) -> None:
    if handler.get("httpGet") is not None:
        _set(handler["httpGet"], "path", "/")
        _set(handler["httpGet"], "scheme", "HTTP")


def _fill_volume(volume: Obj) -> None:
    if not any(isinstance(value, dict) for value in volume.values()):
        volume["emptyDir"] = {}
    for source, value in volume.items():
        if isinstance(value, dict) and source not in _READ_ONLY_POINTERS:
            _drop_unset(value, "readOnly")
    for source, fill in _VOLUMES.items():
        if isinstance(volume.get(source), dict):
            fill(volume[source])


def _fill_mode(source: Obj) -> None:
    source.setdefault("defaultMode", _FILE_MODE)


def _fill_downward(source: Obj) -> None:
    _fill_mode(source)
    for item in source.get("items") or []:
        _fill_source(item)


def _fill_projected(source: Obj) -> None:
    _fill_mode(source)
    for part in source.get("sources") or []:
        for item in (part.get("downwardAPI") or {}).get("items") or []:
            _fill_source(item)
        if part.get("serviceAccountToken") is not None:
            part["serviceAccountToken"].setdefault("expirationSeconds", 3600)


def _fill_host_path(source: Obj) -> None:
    source.setdefault("type", "")


def _fill_empty_dir(source: Obj) -> None:
    if source.get("sizeLimit") is not None:
        source["sizeLimit"] = canonical_quantity(source["sizeLimit"])


def _fill_claim(source: Obj) -> None:
    template = source.get("volumeClaimTemplate") or {}
    if isinstance(template.get("spec"), dict):
        template["spec"].setdefault("volumeMode", "Filesystem")
        _fill_resources(template["spec"].setdefault("resources", {}))


def _fill_iscsi(source: Obj) -> None:
    _set(source, "iscsiInterface", "default")


def _fill_image(source: Obj) -> None:
    _set(source, "pullPolicy", pull_policy(source.get("reference", "")))


def _fill_azure_disk(source: Obj) -> None:
    for field, value in (("cachingMode", "ReadWrite"), ("kind", "Shared"), ("fsType", "ext4")):
        source.setdefault(field, value)
    source.setdefault("readOnly", False)


_VOLUMES: Final[dict[str, Callable[[Obj], None]]] = {
    "secret": _fill_mode,
    "configMap": _fill_mode,
    "downwardAPI": _fill_downward,
    "projected": _fill_projected,
    "hostPath": _fill_host_path,
    "emptyDir": _fill_empty_dir,
    "ephemeral": _fill_claim,
    "iscsi": _fill_iscsi,
    "image": _fill_image,
    "azureDisk": _fill_azure_disk,
}
