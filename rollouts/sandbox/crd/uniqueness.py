"""Lists that are sets or maps: no element twice, and which old element a new one continues.

Follows x-kubernetes-list-type and x-kubernetes-list-map-keys. Elements of other lists cannot be
told apart, so they have no past.
"""

from collections.abc import Callable
from typing import Any

from rollouts.sandbox.crd import causes
from rollouts.sandbox.crd.causes import Cause, child
from rollouts.sandbox.crd.jsonvalues import identity
from rollouts.sandbox.crd.node import MISSING, Node


def check_unique(value: Any, node: Node, path: str, out: list[Cause]) -> None:
    """Appends a cause for every element that repeats an earlier one, once per repeated value."""
    if not node.unique:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            inner = node.properties.get(key)
            if inner is not None:
                check_unique(item, inner, child(path, key), out)
            elif node.additional is not None:
                check_unique(item, node.additional, f"{path}[{key}]", out)
    elif isinstance(value, list):
        if node.list_type == "set":
            _report(value, value, path, out)
        elif node.list_type == "map":
            _check_map_list(value, node, path, out)
        if node.items is not None and node.items.unique:
            for i, item in enumerate(value):
                check_unique(item, node.items, f"{path}[{i}]", out)


def _check_map_list(value: list[Any], node: Node, path: str, out: list[Cause]) -> None:
    for i, item in enumerate(value):
        if item is not None and not isinstance(item, dict):
            detail = "must be an object for an array of list-type map"
            out.append(causes.invalid(f"{path}[{i}]", item, detail))
            return
    _report([_key(item, node) for item in value], value, path, out)


def _report(keys: list[Any], items: list[Any], path: str, out: list[Cause]) -> None:
    if len(items) < 2:
        return
    seen: dict[Any, int] = {}
    for i, key in enumerate(keys):
        mark = identity(key)
        seen[mark] = seen.get(mark, 0) + 1
        if seen[mark] == 2:
            out.append(causes.duplicate(f"{path}[{i}]", key))


def _key(item: Any, node: Node) -> dict[str, Any]:
    if not isinstance(item, dict):
        return {}
    return {key: item[key] for key in node.list_keys if key in item}


def correlate(node: Node, old: Any) -> Callable[[Any], Any]:
    """A function from a new element to the old one with the same keys, or MISSING."""
    if node.list_type != "map" or not isinstance(old, list):
        return lambda _: MISSING
    known = {identity(_key(item, node)): item for item in old if isinstance(item, dict)}
    return lambda item: known.get(identity(_key(item, node)), MISSING)
