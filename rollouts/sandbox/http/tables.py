"""Answers in the shape asked for: the object itself, a Table, or metadata only.

Owns the transformation of single objects, lists and watch events, and how they are encoded.
Refuses to turn a Status into anything else. Called by the verbs over HTTP.
"""

from collections.abc import Callable
from typing import Any, Final, assert_never

import orjson
import yaml

from rollouts.kube.api import Obj
from rollouts.sandbox.http.columns import LAYOUTS, PLAIN, Layout
from rollouts.sandbox.http.customcolumns import layout
from rollouts.sandbox.http.negotiate import Answer, Shape
from rollouts.sandbox.registry import ResourceInfo

_KINDS: Final = "meta.k8s.io"
Definition = Callable[[ResourceInfo], Obj | None]


class Tables:
    """``definition`` finds the CustomResourceDefinition of a custom type."""

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._custom: dict[tuple[str, str], tuple[Obj, Layout]] = {}

    def shaped(
        self, obj: Obj, info: ResourceInfo, answer: Answer, now: float, include: str = ""
    ) -> Obj:
        """``now``: seconds since the epoch; ``include``: ``includeObject`` of the query."""
        if obj.get("kind") == "Status" or answer.shape is Shape.OBJECT:
            return obj
        api_version = f"{_KINDS}/{answer.version}"
        items: list[Obj] | None = obj.get("items")
        match answer.shape:
            case Shape.TABLE:
                rows = []
                for one in [obj] if items is None else items:
                    shown = one if include == "Object" else _partial(one, api_version)
                    rows.append(self._row(one, info, now, None if include == "None" else shown))
                metadata = _list_meta(obj, single=items is None)
                return self._table(rows, metadata, info, api_version)
            case Shape.METADATA:
                return _partial(obj, api_version)
            case Shape.METADATA_LIST:
                listed = [_partial(one, api_version) for one in items or []]
                return {
                    "kind": "PartialObjectMetadataList",
                    "apiVersion": api_version,
                    "metadata": obj["metadata"],
                    "items": listed,
                }
            case _:
                assert_never(answer.shape)

    def _table(self, rows: list[Obj], metadata: Obj, info: ResourceInfo, api_version: str) -> Obj:
        columns = self._layout(info).columns
        return {
            "kind": "Table",
            "apiVersion": api_version,
            "metadata": metadata,
            "columnDefinitions": [column.definition() for column in columns],
            "rows": rows,
        }

    def _row(self, obj: Obj, info: ResourceInfo, now: float, partial: Obj | None) -> Obj:
        row: Obj = {"cells": self._layout(info).cells(obj, now)}
        return row if partial is None else row | {"object": partial}

    def bookmark(self, obj: Obj, info: ResourceInfo, answer: Answer) -> Obj:
        """A bookmark of a watch has no row: it has nothing to show but a revision."""
        if answer.shape is not Shape.TABLE:
            return self.shaped(obj, info, answer, 0.0)
        metadata = _list_meta(obj, single=True)
        return self._table([], metadata, info, f"{_KINDS}/{answer.version}")

    def _layout(self, info: ResourceInfo) -> Layout:
        if info.custom is None:
            return LAYOUTS.get(info.resource.group_resource, PLAIN)
        definition = self._definition(info)
        if definition is None:
            return PLAIN
        key = (info.resource.group_resource, info.resource.version)
        kept = self._custom.get(key)
        if kept is None or kept[0] is not definition:
            kept = self._custom[key] = (definition, layout(definition, info.resource.version))
        return kept[1]


def encode(obj: Any, answer: Answer | None = None) -> tuple[bytes, str]:
    """The bytes of an answer and their media type."""
    if answer is not None and answer.yaml:
        return yaml.safe_dump(obj, sort_keys=False).encode(), "application/yaml"
    return orjson.dumps(obj, option=orjson.OPT_APPEND_NEWLINE), "application/json"


def _partial(obj: Obj, api_version: str) -> Obj:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": api_version,
        "metadata": obj.get("metadata") or {},
    }


def _list_meta(obj: Obj, *, single: bool) -> Obj:
    metadata = obj.get("metadata") or {}
    if not single:
        return dict(metadata)
    return {"resourceVersion": metadata.get("resourceVersion", "")}
