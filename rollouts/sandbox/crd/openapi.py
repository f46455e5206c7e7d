"""Publishes a CRD's schema as OpenAPI v3, for explain and client-side validation.

Owns what is added (apiVersion, kind, metadata, the group-version-kind) and what is left out. The
HTTP room puts the result into its documents.
"""

from typing import Any, Final

from rollouts.kube.api import Obj

_META: Final = "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1."
_API_VERSION: Final = (
    "The versioned schema of this representation of an object. Servers convert recognized schemas"
    " to the latest internal value and may reject unrecognized ones."
)
_KIND: Final = (
    "The REST resource this object represents, in CamelCase. Inferred from the endpoint the client"
    " submits to; it cannot be updated."
)


def publish(raw: Obj, group: str, version: str, kind: str) -> Obj:
    """The schema of one kind, ready to be a component of an OpenAPI v3 document."""
    schema = dict(_cleaned(raw))
    schema["type"] = "object"
    schema["properties"] = {**(schema.get("properties") or {}), **_resource()}
    schema["x-kubernetes-group-version-kind"] = [{"group": group, "version": version, "kind": kind}]
    return schema


def _resource() -> Obj:
    return {
        "apiVersion": {"type": "string", "description": _API_VERSION},
        "kind": {"type": "string", "description": _KIND},
        "metadata": _reference("ObjectMeta", "Standard object metadata."),
    }


def _reference(name: str, description: str) -> Obj:
    return {"allOf": [{"$ref": _META + name}], "default": {}, "description": description}


def _cleaned(value: Any) -> Any:
    """Embedded resources gain their implied fields; nothing of the CRD's schema is shared."""
    if isinstance(value, dict):
        out = {key: _cleaned(item) for key, item in value.items()}
        if out.get("x-kubernetes-embedded-resource") is True:
            out["properties"] = {**_resource(), **(out.get("properties") or {})}
            out["properties"]["metadata"] = _resource()["metadata"]
        return out
    return [_cleaned(item) for item in value] if isinstance(value, list) else value
