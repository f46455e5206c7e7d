"""OpenAPI v3 documents of the served types: what kubectl reads to validate, diff and explain.

Owns the index, one document per group version with the paths clients look at, and the hash that
keys the copies they keep on disk. Built-in schemas come from ``sandbox.schemas`` (slow at the
first call: call from a thread), custom ones from ``sandbox.crd``. Nothing is kept but the last
answer for each group version.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import orjson

from rollouts.kube.api import Obj, PatchType
from rollouts.kube.errors import NotFound
from rollouts.sandbox import schemas
from rollouts.sandbox.crd.openapi import publish
from rollouts.sandbox.http import openapi2
from rollouts.sandbox.http.discovery import groups
from rollouts.sandbox.registry import Registry, ResourceInfo

_REF: Final = "#/components/schemas/"
_CUSTOM_PATCHES: Final = (PatchType.JSON, PatchType.MERGE)
_BUILTIN_PATCHES: Final = (*_CUSTOM_PATCHES, PatchType.STRATEGIC)
_WRITE_PARAMETERS: Final = ("dryRun", "fieldManager", "fieldValidation")


class Documents:
    """The documents of what ``registry`` serves at the time of asking."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._kept: dict[str, tuple[list[ResourceInfo], bytes, str]] = {}

    def index(self) -> Obj:
        """``/openapi/v3``: where each document is, with its hash."""
        paths = {}
        for path in self._paths():
            _, digest = self.document(path)
            url = f"/openapi/v3/{path}?hash={digest}"
            paths[path] = {"serverRelativeURL": url}
        return {"paths": paths}

    def document(self, path: str) -> tuple[bytes, str]:
        """The document of ``api/v1`` or ``apis/{group}/{version}``, and its hash.

        Raises NotFound for a group version that is not served.
        """
        infos = self._paths().get(path)
        if infos is None:
            raise NotFound("the server could not find the requested resource")
        return self._fresh(path, infos, lambda: orjson.dumps(self._build(path, infos)))

    def of_old(self) -> tuple[bytes, str]:
        """One document of everything for clients that read OpenAPI v2, and its hash."""
        infos = self._registry.all()
        return self._fresh("v2", infos, lambda: openapi2.document(*self._parts(infos)))

    def _fresh(
        self, path: str, infos: list[ResourceInfo], build: Callable[[], bytes]
    ) -> tuple[bytes, str]:
        # A definition that changes gives its types new infos.
        kept = self._kept.get(path)
        if kept is None or not _same(kept[0], infos):
            body = build()
            kept = self._kept[path] = (infos, body, hashlib.sha256(body).hexdigest().upper())
        return kept[1], kept[2]

    def _paths(self) -> dict[str, list[ResourceInfo]]:
        return {
            f"apis/{group}/{version}" if group else f"api/{version}": infos
            for group, versions in groups(self._registry).items()
            for version, infos in versions.items()
        }

    def _build(self, path: str, infos: list[ResourceInfo]) -> Obj:
        found, paths = self._parts(infos)
        title = f"Kubernetes API of the sandbox: {path}"
        return {
            "openapi": "3.0.0",
            "info": {"title": title, "version": ".".join(map(str, schemas.release()))},
            "paths": paths,
            "components": {"schemas": found},
        }

    def _parts(self, infos: list[ResourceInfo]) -> tuple[dict[str, Obj], dict[str, Obj]]:
        """Schemas by name and operations by path."""
        found: dict[str, Obj] = {}
        paths: dict[str, Obj] = {}
        for info in infos:
            resource = info.resource
            gvk = {"group": resource.group, "version": resource.version, "kind": resource.kind}
            name, schema = _schema(info)
            found[name] = schema | {"x-kubernetes-group-version-kind": [gvk]}
            paths |= _operations(info, gvk, name)
        return found | _closure(found.values(), found), paths


def _same(old: list[ResourceInfo], new: list[ResourceInfo]) -> bool:
    return len(old) == len(new) and all(a is b for a, b in zip(old, new, strict=True))


def _schema(info: ResourceInfo) -> tuple[str, Obj]:
    """The schema of one type, and its name in the documents."""
    resource = info.resource
    if info.custom is not None:
        reverse = ".".join(reversed(resource.group.split(".")))
        schema = info.custom.versions[resource.version].openapi(_object_meta())
        return f"{reverse}.{resource.version}.{resource.kind}", schema
    name = schemas.name_of(resource.group, resource.version, resource.kind)
    if name is not None:
        return name, dict(schemas.definitions()[name])
    # A type without a model, such as CustomResourceDefinition: an object, and no more is said.
    name = f"io.k8s.{resource.version}.{resource.kind}"
    gvk = (resource.group, resource.version, resource.kind)
    return name, publish({"type": "object"}, *gvk, _object_meta())


def _object_meta() -> str:
    name = schemas.name_of("", "v1", "ObjectMeta")
    if name is None:
        raise LookupError("the models have no ObjectMeta")
    return name


def _closure(start: Iterable[Obj], known: dict[str, Obj]) -> dict[str, Obj]:
    """Every built-in schema reachable from ``start`` that is not in ``known``."""
    definitions = schemas.definitions()
    found: dict[str, Obj] = {}
    left = [name for schema in start for name in schemas.references(schema)]
    while left:
        name = left.pop()
        if name in found or name in known or name not in definitions:
            continue
        found[name] = definitions[name]
        left.extend(schemas.references(definitions[name]))
    return found


def _operations(info: ResourceInfo, gvk: Obj, name: str) -> Obj:
    """The paths of one type: clients look for what a PATCH accepts, and little else."""
    resource = info.resource
    collection = resource.path("{namespace}")
    body = {"content": {"*/*": {"schema": {"$ref": _REF + name}}}, "required": True}
    on_collection: Obj = {}
    on_object: Obj = {}
    if "list" in info.verbs:
        on_collection["get"] = _operation("list", gvk, name)
    if "create" in info.verbs:
        on_collection["post"] = _operation("post", gvk, name) | {"requestBody": body}
    if "get" in info.verbs:
        on_object["get"] = _operation("get", gvk, name)
    if "update" in info.verbs:
        on_object["put"] = _operation("put", gvk, name) | {"requestBody": body}
    if "patch" in info.verbs:
        media = _BUILTIN_PATCHES if info.custom is None else _CUSTOM_PATCHES
        patches = {"content": {one.value: {"schema": {"type": "object"}} for one in media}}
        on_object["patch"] = _operation("patch", gvk, name) | {"requestBody": patches}
    if "delete" in info.verbs:
        on_object["delete"] = _operation("delete", gvk, name)
    found = {collection: on_collection}
    if on_object:
        found[collection + "/{name}"] = on_object
    return found


def _operation(action: str, gvk: Obj, name: str) -> Obj:
    names = () if action in {"get", "list", "delete"} else _WRITE_PARAMETERS
    return {
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvk,
        "parameters": list(_parameters(names)),
        "responses": {
            "200": {
                "description": "OK",
                "content": {"application/json": {"schema": {"$ref": _REF + name}}},
            }
        },
    }


def _parameters(names: Iterable[str]) -> Iterator[Obj]:
    for name in names:
        yield {"name": name, "in": "query", "schema": {"type": "string"}}
