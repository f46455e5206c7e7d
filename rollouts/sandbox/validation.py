"""Names, labels and other metadata: what every object must satisfy.

Owns the syntax of DNS-1123 names and of labels. What a kind's spec must satisfy is in
``validation_workloads`` and ``validation_services``. Pure; called by the write pipeline.
"""

import re
from typing import Any, Final

from rollouts.kube.api import Obj
from rollouts.kube.selectors import valid_label_key, valid_label_value
from rollouts.sandbox.causes import CauseLike, invalid, required, too_long
from rollouts.sandbox.registry import ResourceInfo

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SERVICE: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_LABEL_KINDS: Final = frozenset({"Namespace"})
_FREE_KINDS: Final = frozenset({"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"})

SUBDOMAIN_TEXT: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_TEXT: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SERVICE_TEXT: Final = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_LARGEST_ANNOTATIONS: Final = 256 * 1024
_VALUE_TEXT: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or "
    "'12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_KEY_TEXT: Final = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


def is_label(name: Any) -> bool:
    """A DNS-1123 label: at most 63 characters."""
    return isinstance(name, str) and len(name) <= 63 and bool(_LABEL.fullmatch(name))


def is_subdomain(name: Any) -> bool:
    """A DNS-1123 subdomain: at most 253 characters."""
    return isinstance(name, str) and len(name) <= 253 and bool(_SUBDOMAIN.fullmatch(name))


def metadata_causes(info: ResourceInfo, obj: Obj) -> list[CauseLike]:
    """What is wrong with an object's name, labels, annotations, finalizers and owners."""
    metadata = obj["metadata"]
    causes = _name_causes(info, metadata.get("name"))
    causes += label_causes("metadata.labels", metadata.get("labels"))
    causes += _annotation_causes(metadata.get("annotations"))
    for index, owner in enumerate(metadata.get("ownerReferences") or []):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                causes.append(required(f"metadata.ownerReferences[{index}].{field}"))
    controllers = [o for o in metadata.get("ownerReferences") or [] if o.get("controller")]
    if len(controllers) > 1:
        detail = "Only one reference can have Controller set to true"
        causes.append(invalid("metadata.ownerReferences", controllers, detail))
    return causes


def _name_causes(info: ResourceInfo, name: Any) -> list[CauseLike]:
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    kind = info.resource.kind
    if info.custom is None and kind in _FREE_KINDS:
        bad = not isinstance(name, str) or name in (".", "..") or "/" in name or "%" in name
        return [invalid("metadata.name", name, "may not contain '/' or '%'")] if bad else []
    if info.custom is None and kind == "Service":
        good = isinstance(name, str) and len(name) <= 63 and bool(_SERVICE.fullmatch(name))
        return [] if good else [invalid("metadata.name", name, _SERVICE_TEXT)]
    if info.custom is None and kind in _LABEL_KINDS:
        return [] if is_label(name) else [invalid("metadata.name", name, LABEL_TEXT)]
    if isinstance(name, str) and len(name) > 253:
        return [invalid("metadata.name", name, "must be no more than 253 characters")]
    return [] if is_subdomain(name) else [invalid("metadata.name", name, SUBDOMAIN_TEXT)]


def label_causes(path: str, labels: Any) -> list[CauseLike]:
    """What is wrong with a map of labels."""
    if labels is None:
        return []
    if not isinstance(labels, dict):
        return [invalid(path, labels, "must be a map of strings")]
    causes: list[CauseLike] = []
    for key, value in labels.items():
        if not valid_label_key(key):
            causes.append(invalid(path, key, _KEY_TEXT))
        if not isinstance(value, str):
            causes.append(invalid(path, value, "must be a string"))
        elif len(value) > 63:
            causes.append(invalid(path, value, "must be no more than 63 characters"))
        elif not valid_label_value(value):
            causes.append(invalid(path, value, _VALUE_TEXT))
    return causes


def _annotation_causes(annotations: Any) -> list[CauseLike]:
    if annotations is None:
        return []
    path = "metadata.annotations"
    if not isinstance(annotations, dict):
        return [invalid(path, annotations, "must be a map of strings")]
    causes: list[CauseLike] = []
    size = sum(len(str(key)) + len(str(value)) for key, value in annotations.items())
    if size > _LARGEST_ANNOTATIONS:
        causes.append(too_long(path, _LARGEST_ANNOTATIONS))
    for key, value in annotations.items():
        if not valid_label_key(key.lower()):
            causes.append(invalid(path, key, _KEY_TEXT))
        if not isinstance(value, str):
            causes.append(invalid(f"{path}.{key}", value, "must be a string"))
    return causes
