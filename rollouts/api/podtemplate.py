"""Whether Kubernetes would accept a pod template in a ReplicaSet.

Owns the rules people break in practice, with Kubernetes' own messages, so that a bad template is an
InvalidSpec with a path instead of a ReplicaSet that cannot be created. Refuses to be complete: the
API server stays the judge of everything else. The template is a raw dict. Used by ``validation``.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from rollouts.api import names
from rollouts.api.base import Obj
from rollouts.api.fielderror import FieldError
from rollouts.api.meta import LabelSelector

Found = Iterator[FieldError]
_PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
_PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
_HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "grpc")
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_POSITIVE: Final = ("periodSeconds", "timeoutSeconds", "successThreshold", "failureThreshold")


def template_errors(template: Obj, selector: LabelSelector | None, path: str) -> Found:
    """What is wrong with ``template``, which stands at ``path``."""
    meta = _object(template.get("metadata"))
    labels = _object(meta.get("labels"))
    strings = {k: v for k, v in labels.items() if isinstance(v, str)}
    if selector is not None and not selector.matches(strings):
        yield FieldError.invalid(
            f"{path}.metadata.labels", labels, "`selector` does not match template `labels`"
        )
    yield from _labels(labels, f"{path}.metadata.labels")
    yield from _annotations(_object(meta.get("annotations")), f"{path}.metadata.annotations")
    spec = _object(template.get("spec"))
    yield from _pod(spec, f"{path}.spec")
    policy = spec.get("restartPolicy", "Always")
    if policy != "Always":
        yield FieldError.unsupported(f"{path}.spec.restartPolicy", policy, ("Always",))
    if spec.get("activeDeadlineSeconds") is not None:
        yield FieldError.forbidden(
            f"{path}.spec.activeDeadlineSeconds",
            "activeDeadlineSeconds in ReplicaSet is not Supported",
        )


def _labels(labels: Obj, path: str) -> Found:
    for key, value in labels.items():
        if complaint := names.label_key(key):
            yield FieldError.invalid(path, key, complaint)
        if not isinstance(value, str):
            yield FieldError.invalid(path, value, "must be a string")
        elif complaint := names.label_value(value):
            yield FieldError.invalid(path, value, complaint)


def _annotations(annotations: Obj, path: str) -> Found:
    for key, value in annotations.items():
        if complaint := names.label_key(key.lower()):
            yield FieldError.invalid(path, key, complaint)
        if not isinstance(value, str):
            yield FieldError.invalid(path, value, "must be a string")


def _pod(spec: Obj, path: str) -> Found:
    volumes: set[str] = set()
    yield from _named(spec.get("volumes"), f"{path}.volumes", volumes)
    containers = _objects(spec.get("containers"))
    if not containers:
        yield FieldError.required(f"{path}.containers")
    seen: set[str] = set()
    for field in ("containers", "initContainers"):
        yield from _named(spec.get(field), f"{path}.{field}", seen)
        for index, container in enumerate(_objects(spec.get(field))):
            yield from _container(container, f"{path}.{field}[{index}]", volumes)
    grace = spec.get("terminationGracePeriodSeconds")
    if isinstance(grace, int) and grace < 0:
        yield FieldError.invalid(
            f"{path}.terminationGracePeriodSeconds", grace, "must be greater than or equal to 0"
        )


def _named(entries: Any, path: str, seen: set[str]) -> Found:
    """Entries need unique names that are DNS labels; the names are added to ``seen``."""
    for index, entry in enumerate(_objects(entries)):
        at, name = f"{path}[{index}].name", entry.get("name")
        if not name:
            yield FieldError.required(at)
        elif not isinstance(name, str):
            yield FieldError.invalid(at, name, "must be a string")
        elif complaint := names.dns_label(name):
            yield FieldError.invalid(at, name, complaint)
        elif name in seen:
            yield FieldError.duplicate(at, name)
        else:
            seen.add(name)


def _container(container: Obj, path: str, volumes: set[str]) -> Found:
    image = container.get("image")
    if not image:
        yield FieldError.required(f"{path}.image")
    elif not isinstance(image, str):
        yield FieldError.invalid(f"{path}.image", image, "must be a string")
    elif image != image.strip():
        yield FieldError.invalid(
            f"{path}.image", image, "must not have leading or trailing whitespace"
        )
    policy = container.get("imagePullPolicy", "Always")
    if policy not in _PULL_POLICIES:
        yield FieldError.unsupported(f"{path}.imagePullPolicy", policy, _PULL_POLICIES)
    for check in _CONTAINER_PARTS:
        yield from check(container, path)
    for index, mount in enumerate(_objects(container.get("volumeMounts"))):
        at, name = f"{path}.volumeMounts[{index}]", mount.get("name")
        if not name:
            yield FieldError.required(f"{at}.name")
        elif name not in volumes:
            yield FieldError.not_found(f"{at}.name", name)
        if not mount.get("mountPath"):
            yield FieldError.required(f"{at}.mountPath")


def _ports(container: Obj, path: str) -> Found:
    seen: set[str] = set()
    for index, port in enumerate(_objects(container.get("ports"))):
        at = f"{path}.ports[{index}]"
        name = port.get("name")
        if isinstance(name, str) and name:
            if complaint := names.port_name(name):
                yield FieldError.invalid(f"{at}.name", name, complaint)
            elif name in seen:
                yield FieldError.duplicate(f"{at}.name", name)
            seen.add(name)
        if not port.get("containerPort"):
            yield FieldError.required(f"{at}.containerPort")
        for field in ("containerPort", "hostPort"):
            number = port.get(field) or 1
            if not isinstance(number, int) or not 0 < number < 65536:
                yield FieldError.invalid(
                    f"{at}.{field}", number, "must be between 1 and 65535, inclusive"
                )
        protocol = port.get("protocol") or "TCP"
        if protocol not in _PROTOCOLS:
            yield FieldError.unsupported(f"{at}.protocol", protocol, _PROTOCOLS)


def _env(container: Obj, path: str) -> Found:
    for index, entry in enumerate(_objects(container.get("env"))):
        at = f"{path}.env[{index}]"
        if not entry.get("name"):
            yield FieldError.required(f"{at}.name")
        if entry.get("value") and entry.get("valueFrom"):
            yield FieldError.invalid(
                f"{at}.valueFrom", "", "may not be specified when `value` is not empty"
            )


def _probes(container: Obj, path: str) -> Found:
    for field in _PROBES:
        probe = container.get(field)
        if not isinstance(probe, dict):
            continue
        at = f"{path}.{field}"
        handlers = [name for name in _HANDLERS if probe.get(name) is not None]
        if not handlers:
            yield FieldError.required(at, "must specify a handler type")
        for extra in handlers[1:]:
            yield FieldError.forbidden(f"{at}.{extra}", "may not specify more than 1 handler type")
        for name in ("initialDelaySeconds", *_POSITIVE):
            seconds = probe.get(name)
            if isinstance(seconds, int) and seconds < 0:
                yield FieldError.invalid(
                    f"{at}.{name}", seconds, "must be greater than or equal to 0"
                )


_CONTAINER_PARTS: Final[tuple[Callable[[Obj, str], Found], ...]] = (_ports, _env, _probes)


def _object(value: Any) -> Obj:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[Obj]:
    return [_object(item) for item in value] if isinstance(value, list) else []
