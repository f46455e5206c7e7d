"""What a client sent, made into an object the rules can work on.

Owns the checks of apiVersion, kind and metadata that do not depend on the kind, unknown fields,
and the copy that keeps the client's object and the store's apart. Called by the writing verbs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from rollouts.kube.api import Obj
from rollouts.kube.errors import ApiError, BadRequest, Invalid
from rollouts.kube.resources import SECRETS, Resource
from rollouts.sandbox import conversion
from rollouts.sandbox.causes import invalid, invalid_object
from rollouts.sandbox.objects import copied
from rollouts.sandbox.options import Options
from rollouts.sandbox.registry import ResourceInfo

_SCHEMA: Final = "openAPIV3Schema"
# How strict decoding refuses: for a whole object, and for the result of a patch.
Refusal = Callable[[ResourceInfo, Obj, str], ApiError]


def object_refused(info: ResourceInfo, _: Obj, why: str) -> BadRequest:
    resource = info.resource
    return BadRequest(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a '
        f"{resource.kind}: {why}"
    )


def patch_refused(patch: Any) -> Refusal:
    """Quotes the patch, not the object it made: that may be long, and a Secret."""

    def refused(info: ResourceInfo, _: Obj, why: str) -> Invalid:
        quoted = "" if info.resource == SECRETS else patch
        return invalid_object("", "", "", [invalid("patch", quoted, why)])

    return refused


def decoded(
    info: ResourceInfo, body: Any, options: Options, refused: Refusal = object_refused
) -> Obj:
    """A private copy in the storage version, without what the type does not know.

    Raises BadRequest when it is not an object of this type.
    """
    check_type(info, body)
    try:
        obj = copied(body)
    except TypeError as error:
        raise BadRequest(f"the object cannot be stored as JSON: {error}") from error
    obj["apiVersion"], obj["kind"] = info.resource.api_version, info.resource.kind
    if not obj.get("metadata"):
        obj["metadata"] = {}
    _tidy(obj["metadata"])
    unknown = _unknown(info, obj, options)
    if unknown and options.field_validation != "Ignore":
        lines = [f'unknown field "{path}"' for path in unknown]
        if info.custom is None:
            for path in unknown:
                _drop(obj, path)
        if options.field_validation == "Strict":
            raise refused(info, body, f"strict decoding error: {', '.join(lines)}")
        options.warnings.extend(lines)
    if info.custom is None:
        _drop_nulls(obj)
        checked = options.field_validation != "Ignore" or info.storage is not None
        if checked and (why := _type_error(info.resource, obj)):
            raise refused(info, body, why)
    return conversion.stored(info, obj)


def check_type(info: ResourceInfo, body: Any) -> None:
    """Raises BadRequest unless apiVersion and kind are those of the endpoint.

    Types of Kubernetes' own may leave them out; the endpoint says them, too.
    """
    resource = info.resource
    if not isinstance(body, dict):
        raise BadRequest("the request body must be an object")
    if info.custom is not None and not body.get("kind"):
        raise BadRequest("Object 'Kind' is missing in the request body")
    if info.custom is not None and not body.get("apiVersion"):
        raise BadRequest("Object 'apiVersion' is missing in the request body")
    metadata = body.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise BadRequest("metadata must be an object")
    for field in ("name", "namespace", "generateName", "uid", "resourceVersion"):
        if not isinstance(metadata.get(field), str | None):
            raise BadRequest(f"metadata.{field} must be a string")
    if body.get("apiVersion") and body["apiVersion"] != resource.api_version:
        raise BadRequest(
            f"the API version in the data ({body['apiVersion']}) does not match the expected API "
            f"version ({resource.api_version})"
        )
    if body.get("kind") and body["kind"] != resource.kind:
        raise BadRequest(
            f"the kind in the data ({body['kind']}) does not match the expected kind "
            f"({resource.kind})"
        )


def _unknown(info: ResourceInfo, obj: Obj, options: Options) -> list[str]:
    if info.custom is not None:
        pruned: list[str] = info.custom.versions[info.resource.version].prune(obj)
        return pruned
    if options.field_validation == "Ignore":
        return []
    from rollouts.sandbox import schemas

    resource = info.resource
    return schemas.unknown_fields((resource.group, resource.version, resource.kind), obj)


@contextmanager
def explained(info: ResourceInfo, body: Obj) -> Iterator[None]:
    """Rules expect the types a schema promises; where they stumble, say which field is wrong.

    ``body`` is what the client sent. Raises BadRequest for a wrong type that was not looked for
    before (``fieldValidation=Ignore``).
    """
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        why = _type_error(info.resource, body) if info.custom is None else ""
        if not why:
            raise
        raise object_refused(info, body, why) from error


def _type_error(resource: Resource, obj: Obj) -> str:
    from rollouts.sandbox import schemas

    return schemas.type_error((resource.group, resource.version, resource.kind), obj)


def _tidy(metadata: Obj) -> None:
    """Leave out what is empty, and what only a server writes and this one does not keep."""
    for field in [name for name, value in metadata.items() if value in (None, "", {}, [])]:
        del metadata[field]
    metadata.pop("managedFields", None)
    metadata.pop("selfLink", None)


def _drop(value: Any, path: str) -> None:
    """Remove the field at a path like ``spec.containers[0].name``; keys may hold dots."""
    if isinstance(value, list):
        index, _, rest = path.removeprefix("[").partition("]")
        _drop(value[int(index)], rest.removeprefix("."))
    elif path in value:
        del value[path]
    else:
        steps = [key for key in value if path.startswith((f"{key}.", f"{key}["))]
        step = max(steps, key=len)
        _drop(value[step], path[len(step) :].removeprefix("."))


def _drop_nulls(value: Any) -> None:
    """A null is an absent field to every built-in type, and may be meant in a schema alone."""
    if isinstance(value, dict):
        for key in [name for name, item in value.items() if item is None]:
            del value[key]
        for key, item in value.items():
            if key != _SCHEMA:
                _drop_nulls(item)
    elif isinstance(value, list):
        value[:] = [item for item in value if item is not None]
        for item in value:
            _drop_nulls(item)
