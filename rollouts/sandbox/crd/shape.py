"""What the server does to an object before judging it: prune, drop nulls, fill defaults.

All three change the object in place and none can fail, whatever the object holds. Pruning never
touches apiVersion, kind and metadata of a resource; their own rules are elsewhere.
"""

from typing import Any, Final

from rollouts.sandbox.crd.causes import child
from rollouts.sandbox.crd.jsonvalues import copy
from rollouts.sandbox.crd.node import META_FIELDS, MISSING, Node

_OBJECT_META: Final = frozenset(
    [
        "annotations",
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "labels",
        "managedFields",
        "name",
        "namespace",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    ]
)


def prune(
    value: Any, node: Node, path: str, unknown: list[str], *, root: bool = False, keep: bool = False
) -> None:
    """Removes fields the schema does not know; appends their paths to ``unknown``.

    ``root`` for a whole resource; ``keep`` inside a list that preserves unknown fields.
    """
    keep = keep or node.preserve
    if isinstance(value, dict):
        for key in list(value):
            if (root or node.embedded) and key in META_FIELDS:
                if not root and key == "metadata":
                    _prune_metadata(value[key], child(path, key), unknown)
                continue
            inner = node.property(key)
            if inner is not None:
                prune(value[key], inner, child(path, key), unknown)
            elif node.any_additional:
                _clear(value[key], child(path, key), unknown)
            elif not keep:
                unknown.append(child(path, key))
                del value[key]
    elif isinstance(value, list):
        for i, item in enumerate(value):
            if node.items is not None:
                prune(item, node.items, f"{path}[{i}]", unknown, keep=keep)
            elif not keep:
                _clear(item, f"{path}[{i}]", unknown)


def _prune_metadata(metadata: Any, path: str, unknown: list[str]) -> None:
    if isinstance(metadata, dict):
        for key in [key for key in metadata if key not in _OBJECT_META]:
            unknown.append(child(path, key))
            del metadata[key]


def _clear(value: Any, path: str, unknown: list[str]) -> None:
    """Without a schema below, scalars stay and objects lose every field."""
    pending = [(value, path)]
    while pending:  # lists may nest deeper than Python's stack
        found, where = pending.pop()
        if isinstance(found, dict):
            unknown.extend(child(where, key) for key in found)
            found.clear()
        elif isinstance(found, list):
            pending.extend((item, f"{where}[{i}]") for i, item in enumerate(found))


def drop_nulls(value: Any, node: Node) -> None:
    """Removes nulls from fields that neither allow them nor have a default."""
    if isinstance(value, dict):
        for key in list(value):
            inner = node.property(key)
            if inner is None:
                continue
            if value[key] is not None:
                drop_nulls(value[key], inner)
            elif not inner.nullable and inner.default is MISSING:
                del value[key]
    elif isinstance(value, list) and node.items is not None:
        for item in value:
            drop_nulls(item, node.items)


def fill(value: Any, node: Node) -> None:
    """Sets defaults: where a field is absent, or null without being nullable."""
    if isinstance(value, dict):
        for key, inner in node.properties.items():
            if inner.default is not MISSING and _replaceable(value, key, inner):
                value[key] = copy(inner.default)
        for key in value:
            below = node.property(key)
            if below is not None:
                if value[key] is None and not below.nullable and below.default is not MISSING:
                    value[key] = copy(below.default)
                fill(value[key], below)
    elif isinstance(value, list) and node.items is not None:
        for i, item in enumerate(value):
            if item is None and not node.items.nullable and node.items.default is not MISSING:
                value[i] = copy(node.items.default)
            fill(value[i], node.items)


def _replaceable(value: dict[str, Any], key: str, inner: Node) -> bool:
    return key not in value or (value[key] is None and not inner.nullable)
