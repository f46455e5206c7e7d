"""Custom resource definitions: how one becomes a served type, and how it goes away.

Owns the status of a definition (names, conditions, stored versions), its registration, and its
end: the objects go first. What a schema means is in ``sandbox.crd``. Called by the write pipeline.
"""

from typing import TYPE_CHECKING, Final

from rollouts.kube.api import Obj
from rollouts.kube.errors import ApiError
from rollouts.kube.resources import CRDS
from rollouts.sandbox.causes import CauseLike, invalid
from rollouts.sandbox.core import Core
from rollouts.sandbox.objects import dig
from rollouts.sandbox.registry import ResourceInfo, ScalePaths, Subresource
from rollouts.sandbox.revisions import Key

if TYPE_CHECKING:
    from rollouts.sandbox.crd import CustomType, VersionSchema

CLEANUP: Final = "customresourcecleanup.apiextensions.k8s.io"
BUCKET: Final = CRDS.group_resource
_NAMES: Final = {
    "kind": "KindConflict",
    "listKind": "ListKindConflict",
    "singular": "SingularConflict",
    "shortNames": "ShortNamesConflict",
}
_FIXED: Final = (("group",), ("scope",), ("names", "plural"), ("names", "kind"))


def is_definition(info: ResourceInfo) -> bool:
    return info.bucket == BUCKET


def definition_update_causes(obj: Obj, old: Obj) -> list[CauseLike]:
    """Objects that exist were stored under these words."""
    return [
        invalid(f"spec.{'.'.join(path)}", dig(obj, "spec", *path), "field is immutable")
        for path in _FIXED
        if dig(obj, "spec", *path) != dig(old, "spec", *path)
    ]


def load_definition(
    core: Core, info: ResourceInfo, crd: Obj, old: Obj | None
) -> "CustomType | None":
    """Read the schemas of a definition about to be written, and fill in its status.

    None where nothing has to be registered. Raises Invalid for a schema that is not structural.
    """
    if not is_definition(info) or (old is not None and old.get("spec") == crd.get("spec")):
        return None
    # The schemas' modules are loaded by clusters that have custom types only.
    from rollouts.sandbox.crd import load

    loaded = load(crd)
    status = crd.setdefault("status", {})
    held = status.get("storedVersions") or []
    name = loaded.storage.name
    status["storedVersions"] = [*held, *([] if name in held else [name])]
    taken = _taken_name(core, crd)
    if taken is None:
        status["acceptedNames"] = crd["spec"]["names"]
        conditions = (
            ("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
            (
                "Established",
                "True",
                "InitialNamesAccepted",
                "the initial names have been accepted",
            ),
        )
    else:
        status.setdefault("acceptedNames", {"kind": "", "plural": ""})
        conditions = (
            ("NamesAccepted", "False", *taken),
            ("Established", "False", "NotAccepted", "not all names are accepted"),
        )
    status["conditions"] = _with_conditions(status.get("conditions") or [], conditions, core.now())
    return loaded if taken is None else None


def _taken_name(core: Core, crd: Obj) -> tuple[str, str] | None:
    """Reason and message when another definition of the group already uses one of the names."""
    names = crd["spec"]["names"]
    for key, other in core.store.items(BUCKET):
        if key.name == crd["metadata"]["name"] or other["spec"]["group"] != crd["spec"]["group"]:
            continue
        theirs = other["spec"]["names"]
        for field, reason in _NAMES.items():
            mine = _words(names.get(field))
            if both := mine & _words(theirs.get(field)):
                return reason, f'"{min(both)}" is already in use'
    return None


def _words(value: str | list[str] | None) -> set[str]:
    return {value} if isinstance(value, str) else set(value or ())


def publish(core: Core, crd: Obj, loaded: "CustomType") -> None:
    """Serve every version marked as served; stop serving the others."""
    bucket = crd["metadata"]["name"]
    since = core.store.revision
    core.registry.remove(*core.registry.in_bucket(bucket))
    core.registry.add(*(_info(loaded, version, since) for version in loaded.served))


def check_creatable(core: Core, info: ResourceInfo) -> None:
    """Raises 405 for a new object of a type on its way out."""
    crd = core.store.get(BUCKET, Key("", info.bucket)) if info.custom is not None else None
    if crd is not None and "deletionTimestamp" in crd["metadata"]:
        raise ApiError(
            "create not allowed while custom resource definition is terminating",
            code=405,
            reason="MethodNotAllowed",
        )


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
    """The definition is gone: nobody is served its type any more, and watches of it end."""
    core.registry.remove(*core.registry.in_bucket(bucket))
    core.store.wake(bucket)


def _info(loaded: "CustomType", version: "VersionSchema", since: int) -> ResourceInfo:
    return ResourceInfo(
        resource=loaded.resource(version.name),
        singular=loaded.singular,
        short_names=loaded.short_names,
        categories=loaded.categories,
        subresources=_subresources(version),
        generation=True,
        custom=loaded,
        storage=loaded.resource(loaded.storage.name),
        list_kind=loaded.list_kind,
        deprecation=version.deprecation,
        since=since,
        scale=_scale(version),
        selectable=frozenset(path.removeprefix(".") for path in version.selectable),
    )


def _subresources(version: "VersionSchema") -> tuple[Subresource, ...]:
    status = Subresource("status", version.group, version.name, version.kind)
    scale = Subresource("scale", "autoscaling", "v1", "Scale")
    return ((status,) if version.status else ()) + ((scale,) if version.scale else ())


def _scale(version: "VersionSchema") -> ScalePaths | None:
    scale = version.scale
    if scale is None:
        return None
    return ScalePaths(
        _steps(scale.spec_replicas), _steps(scale.status_replicas), _steps(scale.label_selector)
    )


def _steps(path: str) -> tuple[str, ...]:
    return tuple(step for step in path.split(".") if step)


def _with_conditions(
    present: list[Obj], wanted: tuple[tuple[str, str, str, str], ...], now: str
) -> list[Obj]:
    """A condition that says the same keeps the time it began."""
    held = {one["type"]: one for one in present}
    for kind, status, reason, message in wanted:
        before = held.get(kind)
        since = before["lastTransitionTime"] if before and before["status"] == status else now
        held[kind] = {
            "type": kind,
            "status": status,
            "lastTransitionTime": since,
            "reason": reason,
            "message": message,
        }
    return list(held.values())
