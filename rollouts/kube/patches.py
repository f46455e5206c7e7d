"""JSON merge patch (RFC 7386) and JSON patch (RFC 6902) on plain objects.

Pure: inputs are never changed, results may share parts with them. Strategic merge patch is the
sandbox's, since only a server needs it. Errors are the ones an API server would answer.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Final

import jsonpatch

from rollouts.kube.errors import BadRequest, Invalid

_DOES_NOT_FIT: Final = (
    jsonpatch.JsonPatchConflict,
    jsonpatch.JsonPatchTestFailed,
    jsonpatch.InvalidJsonPatch,
    jsonpatch.JsonPointerException,
    TypeError,
    KeyError,
    IndexError,
)


def apply_merge(document: Any, patch: Any) -> Any:
    """``document`` with a merge patch applied: null removes, objects merge, all else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(document) if isinstance(document, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = apply_merge(result.get(key), value)
    return result


def merge_diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The smallest merge patch that turns ``old`` into ``new``; empty when they are equal.

    A merge patch cannot say that a field is null: a null in ``new`` counts as absent.
    """
    patch: dict[str, Any] = {
        key: None for key in old if old[key] is not None and new.get(key) is None
    }
    for key, value in new.items():
        before = old.get(key)
        if value is None or (before == value and _same_types(before, value)):
            continue
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            if nested := merge_diff(before, value):
                patch[key] = nested
        else:
            patch[key] = _without_nulls(value)
    return patch


def _same_types(before: Any, value: Any) -> bool:
    """Whether equal values are the same JSON: Python says ``True == 1`` and ``1 == 1.0``."""
    if isinstance(before, Mapping) and isinstance(value, Mapping):
        return all(_same_types(before[key], value[key]) for key in before)
    if isinstance(before, list) and isinstance(value, list):
        return all(map(_same_types, before, value))
    return isinstance(before, bool) == isinstance(value, bool)


def _without_nulls(value: Any) -> Any:
    """Nulls inside a value that is new would be read as removals; leaving them out says the same.

    Lists are taken over whole by a merge patch, so what is in them stays.
    """
    if not isinstance(value, Mapping):
        return value
    return {key: _without_nulls(item) for key, item in value.items() if item is not None}


def apply_json(document: Any, operations: Sequence[Mapping[str, Any]]) -> Any:
    """``document`` with a JSON patch applied.

    Raises BadRequest where the patch itself is malformed and Invalid where it does not fit the
    document (a missing path, a failed ``test``), as the API server does.
    """
    if not isinstance(operations, Sequence) or isinstance(operations, str | bytes):
        raise BadRequest("error decoding patch: a JSON patch is an array of operations")
    try:
        steps = [jsonpatch.JsonPatch([operation]) for operation in operations]
    except (jsonpatch.InvalidJsonPatch, jsonpatch.JsonPointerException, TypeError) as error:
        raise BadRequest(f"error decoding patch: {error}") from error
    result = copy.deepcopy(document)
    for operation, step in zip(operations, steps, strict=True):
        try:
            result = step.apply(result, in_place=True)
        except _DOES_NOT_FIT as error:
            # The library's own text quotes the document, which may be a Secret.
            tested = isinstance(error, jsonpatch.JsonPatchTestFailed)
            why = "the test failed" if tested else "the path does not exist"
            raise Invalid(
                "the server rejected our request due to an error in our request: "
                f"{operation['op']} {operation['path']}: {why}"
            ) from error
    return result
