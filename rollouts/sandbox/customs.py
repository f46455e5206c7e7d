"""Custom resource definitions: how one becomes a served type, and how it goes away.

Owns the status of a definition (names, conditions, stored versions), its registration, and its
end: the objects go first. What a schema means is in ``sandbox.crd``. Called by the write pipeline.
"""

from typing import Any, Final

from rollouts.kube.api import Obj
from rollouts.kube.resources import CRDS, Resource
from rollouts.sandbox.core import Core
from rollouts.sandbox.objects import dig, group_of
from rollouts.sandbox.registry import ResourceInfo, ScalePaths, Subresource
from rollouts.sandbox.revisions import Key

CLEANUP: Final = "customresourcecleanup.apiextensions.k8s.io"
BUCKET: Final = CRDS.group_resource


def is_definition(info: ResourceInfo) -> bool:
    return info.bucket == BUCKET


def load_definition(core: Core, info: ResourceInfo, crd: Obj, old: Obj | None) -> Any | None:
    """Read the schemas of a definition about to be written, and fill in its status.

    None where nothing has to be registered. Raises Invalid for a schema that is not structural.
    """
    if not is_definition(info) or (old is not None and old.get("spec") == crd.get("spec")):
        return None
    from rollouts.sandbox.crd import load

    loaded = load(crd)
    status = crd.setdefault("status", {})
    names = crd["spec"]["names"]
    storage = next(v["name"] for v in crd["spec"]["versions"] if v.get("storage"))
    kept = status.get("storedVersions") or []
    status["acceptedNames"] = names
    status["storedVersions"] = [*kept, *([] if storage in kept else [storage])]
    now = core.now()
    status["conditions"] = _with_conditions(
        status.get("conditions") or [],
        _condition("NamesAccepted", "NoConflicts", "no conflicts found", now),
        _condition(
            "Established", "InitialNamesAccepted", "the initial names have been accepted", now
        ),
    )
    return loaded


def publish(core: Core, crd: Obj, loaded: Any) -> None:
    """Serve every version marked as served; stop serving the others."""
    bucket = crd["metadata"]["name"]
    infos = [
        _info(crd, version, loaded, core.store.revision)
        for version in crd["spec"]["versions"]
        if version.get("served")
    ]
    core.registry.remove(*core.registry.in_bucket(bucket))
    core.registry.add(*infos)


def cleaned_up(core: Core, bucket: str) -> None:
    """After an object of a custom type is gone: was it the last one of a type on its way out?"""
    key = Key("", bucket)
    crd = core.store.get(BUCKET, key)
    if crd is None or "deletionTimestamp" not in crd["metadata"] or core.store.count(bucket):
        return
    rest = [one for one in crd["metadata"].get("finalizers") or [] if one != CLEANUP]
    if rest:
        core.store.put(BUCKET, key, {**crd, "metadata": {**crd["metadata"], "finalizers": rest}})
    else:
        core.store.remove(BUCKET, key)
        withdrawn(core, bucket)


def withdrawn(core: Core, bucket: str) -> None:
    """The definition is gone: nobody is served its type any more."""
    core.registry.remove(*core.registry.in_bucket(bucket))


def _info(crd: Obj, version: Obj, loaded: Any, since: int) -> ResourceInfo:
    spec, names = crd["spec"], crd["spec"]["names"]
    group = spec["group"]
    namespaced = spec["scope"] == "Namespaced"
    plural, kind = names["plural"], names["kind"]
    storage = next(v["name"] for v in spec["versions"] if v.get("storage"))
    resource = Resource(group, version["name"], plural, kind, namespaced)
    return ResourceInfo(
        resource=resource,
        singular=names.get("singular") or kind.lower(),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=_subresources(resource, version),
        generation=True,
        custom=loaded,
        storage=Resource(group, storage, plural, kind, namespaced),
        list_kind=names.get("listKind") or f"{kind}List",
        deprecation=_deprecation(resource, version),
        since=since,
        scale=_scale(version),
        selectable=frozenset(
            one["jsonPath"].removeprefix(".") for one in version.get("selectableFields") or []
        ),
    )


def _subresources(resource: Resource, version: Obj) -> tuple[Subresource, ...]:
    wanted = version.get("subresources") or {}
    found = []
    if wanted.get("status") is not None:
        found.append(Subresource("status", resource.group, resource.version, resource.kind))
    if wanted.get("scale") is not None:
        found.append(Subresource("scale", "autoscaling", "v1", "Scale"))
    return tuple(found)


def _scale(version: Obj) -> ScalePaths | None:
    scale = dig(version, "subresources", "scale")
    if scale is None:
        return None
    return ScalePaths(
        _steps(scale["specReplicasPath"]),
        _steps(scale["statusReplicasPath"]),
        _steps(scale.get("labelSelectorPath", "")),
    )


def _steps(path: str) -> tuple[str, ...]:
    return tuple(step for step in path.split(".") if step)


def _deprecation(resource: Resource, version: Obj) -> str:
    if not version.get("deprecated"):
        return ""
    given = version.get("deprecationWarning")
    return (
        given
        or f"{group_of(resource.api_version)}/{resource.version} {resource.kind} is deprecated"
    )


def _condition(kind: str, reason: str, message: str, now: str) -> Obj:
    return {
        "type": kind,
        "status": "True",
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }


def _with_conditions(present: list[Obj], *wanted: Obj) -> list[Obj]:
    """A condition that says the same keeps the time it began."""
    held = {one["type"]: one for one in present}
    for condition in wanted:
        before = held.get(condition["type"])
        if before is None or before.get("status") != condition["status"]:
            held[condition["type"]] = condition
    return list(held.values())
