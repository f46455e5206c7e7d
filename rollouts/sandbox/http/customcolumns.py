"""Columns of custom resources, from ``additionalPrinterColumns`` of their definitions.

Owns the translation of Kubernetes' JSONPath and of the five column types into cells. A path that
finds nothing, or that cannot be read, leaves its cell empty, as on a real server. Pure.
"""

import functools
import re
from collections.abc import Callable
from typing import Any, Final

import orjson

from rollouts.kube.api import Obj
from rollouts.kube.human import age, seconds_of
from rollouts.sandbox.http.columns import PLAIN, Column, Layout

_DOTTED: Final = re.compile(r"(?:\.(?:[\w/-]|\\.)+)+")
_STEP: Final = re.compile(r"\.((?:[\w/-]|\\.)+)")

_OUTSIDE_BRACKETS: Final = re.compile(r"\[[^\]]*\]|\.(?P<name>(?:[\w/-]|\\.)+)")


def layout(definition: Obj, version: str) -> Layout:
    """Columns of one served version of a CustomResourceDefinition ``definition``."""
    versions = {one["name"]: one for one in definition["spec"]["versions"]}
    declared = versions.get(version, {}).get("additionalPrinterColumns")
    if not declared:
        return PLAIN
    columns = [Column("Name", description="Name must be unique within a namespace.")]
    readers = []
    for one in declared:
        columns.append(
            Column(
                one["name"],
                one["type"],
                wide=bool(one.get("priority")),
                description=one.get("description", ""),
                format=one.get("format", ""),
            )
        )
        readers.append((one["type"], finder(one["jsonPath"])))

    def cells(obj: Obj, now: float) -> list[Any]:
        found = [_cell(kind, find(obj), now) for kind, find in readers]
        return [obj["metadata"]["name"], *found]

    return Layout(tuple(columns), cells)


def _cell(kind: str, value: Any, now: float) -> Any:
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match kind:
        case "integer":
            return int(value) if is_number else None
        case "number":
            return float(value) if is_number else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "date":
            return age(value, now) if seconds_of(value) is not None else "<invalid>"
        case _:
            return value if isinstance(value, str) else orjson.dumps(value).decode()


@functools.lru_cache(maxsize=1024)
def finder(path: str) -> Callable[[Obj], Any]:
    """A function from an object to the first value at ``path``, or None."""
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$").removeprefix("@")
    if _DOTTED.fullmatch(text):
        steps = [re.sub(r"\\(.)", r"\1", step) for step in _STEP.findall(text)]
        return lambda obj: _dig(obj, steps)
    # The library costs 180 ms to import, and few paths are more than names and dots.
    import jsonpath

    try:
        compiled = jsonpath.compile("$" + _OUTSIDE_BRACKETS.sub(_bracketed, text))
    except jsonpath.JSONPathError:
        return lambda _obj: None

    def find(obj: Obj) -> Any:
        match = compiled.match(obj)
        return None if match is None else match.obj

    return find


def _bracketed(found: re.Match[str]) -> str:
    """A name outside brackets as ``['name']``: the library's own shorthand has no hyphens."""
    if found["name"] is None:
        return found[0]
    return "['" + re.sub(r"\\(.)", r"\1", found["name"]) + "']"


def _dig(obj: Any, steps: list[str]) -> Any:
    for step in steps:
        if not isinstance(obj, dict):
            return None
        obj = obj.get(step)
    return obj
