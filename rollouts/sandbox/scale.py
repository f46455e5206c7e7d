"""The scale subresource: one shape (autoscaling/v1 Scale) over many kinds.

Owns where a kind keeps its replicas and its selector. Pure; the writing is an ordinary patch of
the object, made by ``subresources``.
"""

from typing import Any, Final

from rollouts.kube.api import Obj, PatchType
from rollouts.kube.errors import BadRequest, Forbidden
from rollouts.kube.patches import apply_json, apply_merge
from rollouts.kube.selectors import format_object
from rollouts.sandbox.causes import invalid, invalid_object
from rollouts.sandbox.objects import copied, dig, meta
from rollouts.sandbox.registry import ResourceInfo, ScalePaths

_BUILTIN: Final = ScalePaths(("spec", "replicas"), ("status", "replicas"))
_KEPT: Final = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(info: ResourceInfo, obj: Obj) -> Obj:
    """The Scale of an object, as its client sees the object."""
    paths = info.scale or _BUILTIN
    status: Obj = {"replicas": dig(obj, *paths.status_replicas) or 0}
    if info.custom is None:
        selector = format_object(dig(obj, "spec", "selector"))
    else:
        selector = dig(obj, *paths.selector) if paths.selector else ""
    if selector:
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: value for key, value in obj["metadata"].items() if key in _KEPT},
        "spec": {"replicas": dig(obj, *paths.spec_replicas) or 0},
        "status": status,
    }


def patched_scale(scale: Obj, patch: Any, patch_type: PatchType) -> Any:
    """A Scale has no lists, so both kinds of merge patch do the same."""
    if patch_type is PatchType.JSON:
        return apply_json(copied(scale), patch)
    if not isinstance(patch, dict):
        raise BadRequest("error decoding patch: the patch must be an object")
    result = apply_merge(scale, patch)
    if "resourceVersion" not in meta(patch):
        result = {**result, "metadata": {**result["metadata"], "resourceVersion": ""}}
    return result


def wanted_replicas(name: str, body: Any) -> int:
    """The replicas a Scale asks for. Raises BadRequest or Invalid."""
    if not isinstance(body, dict) or body.get("kind") != "Scale":
        raise BadRequest("expected a Scale of autoscaling/v1")
    sent = meta(body).get("name")
    if sent and sent != name:
        raise BadRequest(
            f"the name of the object ({sent}) does not match the name on the URL ({name})"
        )
    replicas = dig(body, "spec", "replicas") or 0
    if isinstance(replicas, bool) or not isinstance(replicas, int):
        raise BadRequest("Scale.spec.replicas must be an integer")
    if replicas < 0:
        detail = "must be greater than or equal to 0"
        cause = invalid("spec.replicas", replicas, detail)
        raise invalid_object("Scale", "autoscaling", name, [cause])
    return replicas


def replicas_patch(info: ResourceInfo, replicas: int) -> Obj:
    """The merge patch that sets the replicas of an object."""
    paths = info.scale or _BUILTIN
    patch: Any = replicas
    for step in reversed(paths.spec_replicas):
        patch = {step: patch}
    if not isinstance(patch, dict):
        raise Forbidden(f"{info.resource.group_resource} has no path for its replicas")
    return patch
