"""A patch applied to an object: which kinds of patch a type takes, and the result of each.

Owns the refusal of strategic merge for custom types. The arithmetic is in ``kube.patches`` and
``strategic``. Called by the writing verbs, with the object as its client sees it.
"""

from typing import Any, Final

from rollouts.kube.api import Obj, PatchType
from rollouts.kube.errors import ApiError, BadRequest
from rollouts.kube.patches import apply_json, apply_merge
from rollouts.sandbox.objects import copied
from rollouts.sandbox.registry import ResourceInfo
from rollouts.sandbox.strategic import strategic_merge

_ACCEPTED: Final = (PatchType.JSON, PatchType.MERGE)


def patched(info: ResourceInfo, base: Obj, patch: Any, patch_type: PatchType) -> Obj:
    """A new object; ``base`` stays as it is.

    Raises BadRequest for a malformed patch, Invalid for one that does not fit, and 415 for a
    strategic merge of a custom object.
    """
    if patch_type is PatchType.JSON:
        result = apply_json(copied(base), patch)
    else:
        if not isinstance(patch, dict):
            raise BadRequest("error decoding patch: the patch must be an object")
        if patch_type is PatchType.MERGE:
            result = apply_merge(base, patch)
        elif info.custom is not None:
            raise unsupported_patch()
        else:
            result = strategic_merge(info.resource.kind, base, patch)
    if not isinstance(result, dict):
        raise BadRequest("error decoding patch: the result is not an object")
    return result


def unsupported_patch() -> ApiError:
    accepted = ", ".join(_ACCEPTED)
    return ApiError(
        "the body of the request was in an unknown format - accepted media types include: "
        f"{accepted}",
        code=415,
        reason="UnsupportedMediaType",
    )


def unsupported_apply() -> ApiError:
    """Server-side apply is refused in words that say what to do instead."""
    return ApiError(
        "server-side apply is not served by this embedded cluster: use kubectl apply without "
        f"--server-side (accepted media types include: {', '.join(PatchType)})",
        code=415,
        reason="UnsupportedMediaType",
    )
