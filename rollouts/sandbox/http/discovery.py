"""What the server offers: groups, versions and resources, in the plain and the aggregated form.

Owns both spellings of the registry. Everything is computed from the registry as it is now, so a
custom type is visible at once. Pure.
"""

import re
from collections.abc import Iterable
from typing import Final

from rollouts.kube.api import Obj
from rollouts.kube.errors import NotFound
from rollouts.sandbox.registry import Registry, ResourceInfo, Subresource

_VERSION: Final = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")


def priority(version: str) -> tuple[int, int, int, str]:
    """Sorts versions as clients prefer them: v2, v1, v1beta1, v1alpha1, anything else by name."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return (3, 0, 0, version)
    rank = {None: 0, "beta": 1, "alpha": 2}[match[2]]
    return (rank, -int(match[1]), -int(match[3] or 0), version)


def groups(registry: Registry) -> dict[str, dict[str, list[ResourceInfo]]]:
    """Resources by group and version, versions in order of preference."""
    found: dict[str, dict[str, list[ResourceInfo]]] = {}
    for info in registry.all():
        resource = info.resource
        found.setdefault(resource.group, {}).setdefault(resource.version, []).append(info)
    return {
        group: dict(sorted(versions.items(), key=lambda item: priority(item[0])))
        for group, versions in found.items()
    }


# --- plain ----------------------------------------------------------------------------------------


def api_versions() -> Obj:
    """``/api``. No server address: the client keeps the one it has."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def group_list(registry: Registry) -> Obj:
    """``/apis``."""
    named = [_group(group, versions) for group, versions in groups(registry).items() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": named}


def group(registry: Registry, name: str) -> Obj:
    """``/apis/{group}``. Raises NotFound."""
    versions = groups(registry).get(name)
    if not versions or not name:
        raise NotFound("the server could not find the requested resource")
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}


def _group(name: str, versions: Iterable[str]) -> Obj:
    spelled = [{"groupVersion": f"{name}/{one}", "version": one} for one in versions]
    return {"name": name, "versions": spelled, "preferredVersion": spelled[0]}


def resource_list(registry: Registry, group_name: str, version: str) -> Obj:
    """``/api/v1`` and ``/apis/{group}/{version}``. Raises NotFound."""
    infos = groups(registry).get(group_name, {}).get(version)
    if not infos:
        raise NotFound("the server could not find the requested resource")
    resources = []
    for info in infos:
        resources.append(_plain(info))
        resources += [_plain_sub(info, sub) for sub in info.subresources]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": infos[0].resource.api_version,
        "resources": resources,
    }


def _plain(info: ResourceInfo) -> Obj:
    resource = info.resource
    found: Obj = {
        "name": resource.plural,
        "singularName": info.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(info.verbs),
    }
    if info.short_names:
        found["shortNames"] = list(info.short_names)
    if info.categories:
        found["categories"] = list(info.categories)
    return found


def _plain_sub(info: ResourceInfo, sub: Subresource) -> Obj:
    found: Obj = {
        "name": f"{info.resource.plural}/{sub.name}",
        "singularName": "",
        "namespaced": info.resource.namespaced,
        "kind": sub.kind,
        "verbs": list(sub.verbs),
    }
    if (sub.group, sub.version) != (info.resource.group, info.resource.version):
        found |= {"group": sub.group, "version": sub.version}
    return found


# --- aggregated -----------------------------------------------------------------------------------


def aggregated(registry: Registry, version: str, *, core: bool) -> Obj:
    """``/api`` (``core``) or ``/apis`` with everything in one answer; ``version`` of the format."""
    items = [
        {
            "metadata": {"name": name, "creationTimestamp": None} if name else {},
            "versions": [_version(one, infos) for one, infos in versions.items()],
        }
        for name, versions in groups(registry).items()
        if bool(name) is not core
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _version(name: str, infos: list[ResourceInfo]) -> Obj:
    return {
        "version": name,
        "resources": [_resource(info) for info in infos],
        "freshness": "Current",
    }


def _resource(info: ResourceInfo) -> Obj:
    resource = info.resource
    found: Obj = {
        "resource": resource.plural,
        "responseKind": _kind(resource.group, resource.version, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": info.singular,
        "verbs": list(info.verbs),
    }
    if info.short_names:
        found["shortNames"] = list(info.short_names)
    if info.categories:
        found["categories"] = list(info.categories)
    if info.subresources:
        found["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": _kind(sub.group, sub.version, sub.kind),
                "verbs": list(sub.verbs),
            }
            for sub in info.subresources
        ]
    return found


def _kind(group_name: str, version: str, kind: str) -> Obj:
    return {"group": group_name, "version": version, "kind": kind}
