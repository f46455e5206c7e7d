"""Resources inside resources (x-kubernetes-embedded-resource): apiVersion, kind and metadata.

Owns the checks of those three fields; the rest of an embedded resource is ordinary schema. The
root object's own metadata belongs to the API server.
"""

import re
from typing import Any, Final

from rollouts.sandbox.crd import causes
from rollouts.sandbox.crd.causes import Cause, child
from rollouts.sandbox.crd.node import Node

_KIND: Final = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?", re.IGNORECASE)
_KEY: Final = re.compile(
    r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?",
    re.ASCII,
)
_VALUE: Final = re.compile(r"(?:[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?)?", re.ASCII)
_STRINGS: Final = ("name", "generateName", "namespace", "uid", "resourceVersion", "selfLink")
_SEGMENT_PROBLEM: Final = re.compile(r"/|%")


def check_embedded(value: Any, node: Node, path: str, out: list[Cause]) -> None:
    """Appends what is wrong with the embedded resources in ``value``."""
    if not node.embeds:
        return
    if isinstance(value, dict):
        if node.embedded:
            _check_resource(value, path, out)
        for key, item in value.items():
            inner = node.properties.get(key)
            if inner is not None:
                check_embedded(item, inner, child(path, key), out)
            elif node.additional is not None:
                check_embedded(item, node.additional, f"{path}[{key}]", out)
    elif isinstance(value, list) and node.items is not None:
        for i, item in enumerate(value):
            check_embedded(item, node.items, f"{path}[{i}]", out)


def _check_resource(value: dict[str, Any], path: str, out: list[Cause]) -> None:
    for name in ("apiVersion", "kind"):
        where = child(path, name)
        text = value.get(name)
        if name not in value:
            out.append(causes.required(where))
        elif not isinstance(text, str):
            out.append(causes.invalid(where, text, "must be a string"))
        elif not text:
            out.append(causes.invalid(where, text, "must not be empty"))
        elif name == "apiVersion" and text.count("/") > 1:
            out.append(causes.invalid(where, text, f"unexpected GroupVersion string: {text}"))
        elif name == "kind" and not _KIND.fullmatch(text):
            detail = "may have mixed case, but should otherwise match a DNS-1035 label"
            out.append(causes.invalid(where, text, detail))
    if "metadata" in value:
        _check_metadata(value["metadata"], child(path, "metadata"), out)


def _check_metadata(metadata: Any, path: str, out: list[Cause]) -> None:
    if not isinstance(metadata, dict):
        if metadata is not None:
            out.append(causes.invalid(path, metadata, "must be an object"))
        return
    for name in _STRINGS:
        text = metadata.get(name)
        if text is not None and not isinstance(text, str):
            out.append(causes.invalid(child(path, name), text, "must be a string"))
        elif text and name == "name" and (text in (".", "..") or _SEGMENT_PROBLEM.search(text)):
            detail = "may not be '.' or '..', nor contain '/' or '%'"
            out.append(causes.invalid(child(path, name), text, detail))
    for name in ("labels", "annotations"):
        _check_map(metadata.get(name), name == "labels", child(path, name), out)


def _check_map(value: Any, labels: bool, path: str, out: list[Cause]) -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        out.append(causes.invalid(path, value, "must be an object"))
        return
    for key, text in value.items():
        if not _KEY.fullmatch(key if labels else key.lower()):
            out.append(causes.invalid(path, key, "must be a qualified name"))
        if not isinstance(text, str):
            out.append(causes.invalid(f"{path}[{key}]", text, "must be a string"))
        elif labels and not _VALUE.fullmatch(text):
            detail = (
                "a valid label must be an empty string or consist of alphanumeric characters,"
                " '-', '_' or '.', and must start and end with an alphanumeric character"
            )
            out.append(causes.invalid(path, text, detail))
