"""Publishes a CRD's schema as OpenAPI v3, for explain and client-side validation.

Owns what is added (apiVersion, kind, metadata, the group-version-kind) and what is left out. The
HTTP room puts the result into its documents.
"""

from typing import Any, Final

from rollouts.kube.api import Obj

OBJECT_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
"""How a real API server calls the schema of ``metadata``."""
_API_VERSION: Final = (
    "The versioned schema of this representation of an object. Servers convert recognized schemas"
    " to the latest internal value and may reject unrecognized ones."
)
_KIND: Final = (
    "The REST resource this object represents, in CamelCase. Inferred from the endpoint the client"
    " submits to; it cannot be updated."
)


def publish(raw: Obj, group: str, version: str, kind: str, object_meta: str = OBJECT_META) -> Obj:
    """The schema of one kind, ready to be a component of an OpenAPI v3 document.

    ``object_meta``: what that document calls the schema of ``metadata``.
    """
    schema = dict(_cleaned(raw, object_meta))
    schema["type"] = "object"
    schema["properties"] = {**(schema.get("properties") or {}), **_resource(object_meta)}
    schema["x-kubernetes-group-version-kind"] = [{"group": group, "version": version, "kind": kind}]
    return schema


def _resource(object_meta: str) -> Obj:
    return {
        "apiVersion": {"type": "string", "description": _API_VERSION},
        "kind": {"type": "string", "description": _KIND},
        "metadata": {
            "allOf": [{"$ref": f"#/components/schemas/{object_meta}"}],
            "default": {},
            "description": "Standard object metadata.",
        },
    }


def _cleaned(value: Any, object_meta: str) -> Any:
    """Embedded resources gain their implied fields; nothing of the CRD's schema is shared."""
    if isinstance(value, list):
        return [_cleaned(item, object_meta) for item in value]
    if not isinstance(value, dict):
        return value
    out = {key: _cleaned(item, object_meta) for key, item in value.items()}
    if out.get("x-kubernetes-embedded-resource") is True:
        implied = _resource(object_meta)
        properties = {**implied, **(out.get("properties") or {})}
        out["properties"] = {**properties, "metadata": implied["metadata"]}
    return out
