"""Refuses schemas whose list and map types contradict themselves.

Owns x-kubernetes-list-type, x-kubernetes-list-map-keys and x-kubernetes-map-type as parts of a
schema; what they mean for objects is in ``uniqueness``. Called by ``structural`` for each node.
"""

from typing import Final

from rollouts.kube.api import Obj
from rollouts.sandbox.crd import causes
from rollouts.sandbox.crd.causes import Cause

_LIST: Final = "x-kubernetes-list-type"
_KEYS: Final = "x-kubernetes-list-map-keys"
_MAP: Final = "x-kubernetes-map-type"


def check_list_form(schema: Obj, path: str, out: list[Cause]) -> None:
    """Appends what is wrong with the list and map types of one schema."""
    type_ = schema.get("type") or ""
    map_type, list_type = schema.get(_MAP), schema.get(_LIST)
    if map_type is not None:
        _check_kind(type_, "object", _MAP, path, out)
        if map_type not in ("atomic", "granular"):
            out.append(causes.not_supported(f"{path}.{_MAP}", map_type, ["atomic", "granular"]))
    if list_type is not None:
        _check_kind(type_, "array", _LIST, path, out)
        if list_type not in ("atomic", "set", "map"):
            supported = ["atomic", "set", "map"]
            out.append(causes.not_supported(f"{path}.{_LIST}", list_type, supported))
    items = schema.get("items")
    items = items if isinstance(items, dict) else {}
    if schema.get(_KEYS) and list_type != "map":
        detail = "must be map if x-kubernetes-list-map-keys is non-empty"
        where = f"{path}.{_LIST}"
        out.append(
            causes.invalid(where, list_type, detail)
            if list_type
            else causes.required(where, detail)
        )
    if list_type in ("set", "map") and items.get("nullable"):
        detail = f"cannot be nullable when x-kubernetes-list-type is {list_type}"
        out.append(causes.forbidden(f"{path}.items.nullable", detail))
    if list_type == "set":
        _check_set(items, path, out)
    elif list_type == "map":
        _check_map(schema, items, path, out)


def _check_kind(type_: str, wanted: str, key: str, path: str, out: list[Cause]) -> None:
    if type_ == wanted:
        return
    detail = f"must be {wanted} if {key} is specified"
    where = f"{path}.type"
    out.append(causes.invalid(where, type_, detail) if type_ else causes.required(where, detail))


def _check_set(items: Obj, path: str, out: list[Cause]) -> None:
    for kind, key in (("array", _LIST), ("object", _MAP)):
        stated = items.get(key)
        atomic = stated == "atomic" or (kind == "array" and stated is None)
        if items.get("type") == kind and not atomic:
            detail = "must be atomic as item of a list with x-kubernetes-list-type=set"
            out.append(causes.invalid(f"{path}.items.{key}", stated, detail))


def _check_map(schema: Obj, items: Obj, path: str, out: list[Cause]) -> None:
    keys = schema.get(_KEYS) or []
    if not keys:
        detail = "must not be empty if x-kubernetes-list-type is map"
        out.append(causes.required(f"{path}.{_KEYS}", detail))
    if not items:
        detail = "must have a schema if x-kubernetes-list-type is map"
        out.append(causes.required(f"{path}.items", detail))
        return
    if items.get("type") != "object":
        detail = "must be object if parent array's x-kubernetes-list-type is map"
        out.append(causes.invalid(f"{path}.items.type", items.get("type") or "", detail))
    if len(set(keys)) < len(keys):
        out.append(causes.invalid(f"{path}.{_KEYS}", keys, "must not contain duplicate entries"))
    properties = items.get("properties") or {}
    for key in keys:
        where = f"{path}.items.properties[{key}]"
        prop = properties.get(key)
        if prop is None:
            detail = "entries must all be names of item properties"
            out.append(causes.invalid(f"{path}.{_KEYS}", keys, detail))
            continue
        if prop.get("type") in ("object", "array"):
            detail = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            out.append(causes.invalid(f"{where}.type", prop["type"], detail))
        prefix = "this property is in x-kubernetes-list-map-keys, so it"
        if key not in (items.get("required") or ()) and prop.get("default") is None:
            detail = f"{prefix} must have a default or be a required property"
            out.append(causes.required(f"{where}.default", detail))
        if prop.get("nullable"):
            out.append(causes.forbidden(f"{where}.nullable", f"{prefix} cannot be nullable"))
