"""Small CustomResourceDefinitions for tests, and the two questions tests ask of them."""

from typing import Any

from rollouts.sandbox.crd import VersionSchema, load


def definition(spec: dict[str, Any] | None = None, **version: Any) -> dict[str, Any]:
    """A Widget CRD whose ``spec`` has this schema; ``version`` fields override the version's."""
    schema = {"type": "object", "properties": {"spec": spec or {"type": "object"}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    **version,
                }
            ],
        },
    }


def schema_of(spec: dict[str, Any]) -> VersionSchema:
    return load(definition(spec)).versions["v1"]


def of(**properties: Any) -> dict[str, Any]:
    """An object schema with these properties."""
    return {"type": "object", "properties": properties}


def widget(spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "namespace": "default"},
        "spec": spec,
    }


def problems(schema: VersionSchema, spec: Any, old: Any = None) -> list[str]:
    """What a user reads about this spec, one text per problem."""
    before = None if old is None else widget(old)
    return [str(cause) for cause in schema.validate(widget(spec), before)]
