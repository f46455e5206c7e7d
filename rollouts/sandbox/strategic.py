"""Strategic merge patch: a merge patch that knows which lists of built-in types merge by a key.

Owns the directives (``$patch``, ``$deleteFromPrimitiveList``, ``$setElementOrder``,
``$retainKeys``) and the way from a kind to the type of each nested field. Which fields merge, and
by what, is in ``mergekeys``. Pure; called by ``patching``.
"""

from collections.abc import Mapping
from typing import Any, Final

from rollouts.kube.api import Obj
from rollouts.kube.errors import BadRequest
from rollouts.sandbox.mergekeys import merge_key

_DELETE: Final = "$deleteFromPrimitiveList/"
_ORDER: Final = "$setElementOrder/"
_RETAIN: Final = "$retainKeys"
_PATCH: Final = "$patch"

_CONTAINERS: Final = {
    "containers": "Container",
    "initContainers": "Container",
    "ephemeralContainers": "EphemeralContainer",
    "volumes": "Volume",
}
_TYPES: Final[Mapping[str, Mapping[str, str]]] = {
    "PodTemplateSpec": {"spec": "PodSpec"},
    "PodTemplate": {"template": "PodTemplateSpec"},
    "PodSpec": _CONTAINERS,
    "DeploymentSpec": {"template": "PodTemplateSpec"},
    "ReplicaSetSpec": {"template": "PodTemplateSpec"},
    "JobSpec": {"template": "PodTemplateSpec"},
    "PodStatus": {
        "containerStatuses": "ContainerStatus",
        "initContainerStatuses": "ContainerStatus",
    },
}


def strategic_merge(kind: str, base: Obj, patch: Obj) -> Obj:
    """``base``, an object of ``kind``, with the patch applied; shares unchanged parts with it.

    Raises BadRequest for a directive that does not exist or an element without its merge key.
    """
    return _merge_map(kind, base, patch)


def _type_of(parent: str, field: str) -> str:
    """The type of a field: ``metadata``, ``spec`` and ``status`` follow the kind's name."""
    known = _TYPES.get(parent, {}).get(field)
    if known is not None:
        return known
    if field == "metadata":
        return "ObjectMeta"
    if parent and field in ("spec", "status"):
        return f"{parent}{field.capitalize()}"
    return ""


def _merge_map(kind: str, base: Obj, patch: Obj) -> Obj:
    directive = patch.get(_PATCH)
    if directive == "replace":
        replaced: Obj = _without_directives(patch)
        return replaced
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise BadRequest(f"Unknown patch type: {directive}")
    result = dict(base)
    _retain(result, patch)
    for field, value in patch.items():
        if field in (_PATCH, _RETAIN) or field.startswith(_ORDER):
            continue
        if field.startswith(_DELETE):
            _delete_scalars(result, field.removeprefix(_DELETE), value)
        elif value is None:
            result.pop(field, None)
        else:
            order = patch.get(_ORDER + field)
            result[field] = _merge_field(kind, field, result.get(field), value, order)
    _order_untouched(kind, result, patch)
    return result


def _merge_field(kind: str, field: str, base: Any, value: Any, order: Any) -> Any:
    if isinstance(value, dict):
        inner: Obj = base if isinstance(base, dict) else {}
        return _merge_map(_type_of(kind, field), inner, value)
    key = merge_key(kind, field)
    if not isinstance(value, list) or key is None:
        return _without_directives(value)
    before: list[Any] = base if isinstance(base, list) else []
    if key == "":
        merged = [*before, *(item for item in value if item not in before)]
        return _ordered(merged, order, None)
    return _ordered(_merge_list(_type_of(kind, field), field, key, before, value), order, key)


def _merge_list(kind: str, field: str, key: str, base: list[Any], patch: list[Any]) -> list[Any]:
    if any(_says_replace(item) for item in patch):
        return [_without_directives(item) for item in patch if not _says_replace(item)]
    result = list(base)
    for item in patch:
        if not isinstance(item, dict) or not _is_scalar(item.get(key)):
            raise BadRequest(f"map: {item} does not contain declared merge key: {key} of {field}")
        at = _index(result, key, item[key])
        if item.get(_PATCH) == "delete":
            result = [one for one in result if one.get(key) != item[key]]
        elif at is None:
            result.append(_merge_map(kind, {}, item))
        else:
            result[at] = _merge_map(kind, result[at], item)
    return result


def _says_replace(item: Any) -> bool:
    return isinstance(item, dict) and item.get(_PATCH) == "replace"


def _index(items: list[Any], key: str, value: Any) -> int | None:
    return next((i for i, one in enumerate(items) if one.get(key) == value), None)


def _retain(result: Obj, patch: Obj) -> None:
    """``$retainKeys`` lists every field that may stay."""
    keep = patch.get(_RETAIN)
    if keep is None:
        return
    if not isinstance(keep, list):
        raise BadRequest("$retainKeys must be a list of field names")
    for field in [name for name in result if name not in keep]:
        del result[field]


def _delete_scalars(result: Obj, field: str, values: Any) -> None:
    if not isinstance(values, list):
        raise BadRequest(f"{_DELETE}{field} must be a list")
    if isinstance(result.get(field), list):
        result[field] = [one for one in result[field] if one not in values]


def _order_untouched(kind: str, result: Obj, patch: Obj) -> None:
    """An order without a patch of the same list still reorders the list."""
    for name, order in patch.items():
        field = name.removeprefix(_ORDER)
        if name.startswith(_ORDER) and field not in patch and isinstance(result.get(field), list):
            result[field] = _ordered(result[field], order, merge_key(kind, field) or None)


def _ordered(items: list[Any], order: Any, key: str | None) -> list[Any]:
    """Listed elements in the listed order; one the server alone has stays behind its neighbour."""
    if order is None:
        return items
    if not isinstance(order, list):
        raise BadRequest("$setElementOrder must be a list")
    ranks: dict[Any, int] = {}
    for rank, entry in enumerate(order):
        identity = _identity(entry, key)
        if not _is_scalar(identity):
            raise BadRequest("$setElementOrder must list the keys of elements")
        ranks[identity] = rank
    listed = sorted(
        (one for one in items if _identity(one, key) in ranks),
        key=lambda one: ranks[_identity(one, key)],
    )
    result = list(listed)
    previous: Any = None
    for one in items:
        if _identity(one, key) not in ranks:
            at = 0 if previous is None else _position(result, previous) + 1
            result.insert(at, one)
        previous = one
    return result


def _position(items: list[Any], wanted: Any) -> int:
    return next(i for i, one in enumerate(items) if one is wanted or one == wanted)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _identity(entry: Any, key: str | None) -> Any:
    return entry.get(key) if key and isinstance(entry, dict) else entry


def _without_directives(value: Any) -> Any:
    """New content may carry nulls and directives meant for content that is not there."""
    if isinstance(value, dict):
        return {
            name: _without_directives(item)
            for name, item in value.items()
            if item is not None and not name.startswith("$")
        }
    if isinstance(value, list):
        kept = (i for i in value if not (isinstance(i, dict) and i.get(_PATCH) == "delete"))
        return [_without_directives(item) for item in kept]
    return value
