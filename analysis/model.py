"""The base of every model of our own kinds, and the types Kubernetes has that JSON has not.

Owns how a camelCase object becomes attributes: nulls count as absent, unknown fields are kept and
written back, types are taken strictly as the API server's own decoder would. Refuses to know any
field. Used by ``analysis.spec`` and by the models of the Rollout; schemas are generated from them,
which is why every field carries a description and the special types below carry their marks.
"""

from typing import Annotated, Any, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel

# Strict by themselves, for models that are not: see ``rollouts.api.base``.
Int32: TypeAlias = Annotated[
    StrictInt,
    Field(ge=-(2**31), le=2**31 - 1),
    WithJsonSchema({"type": "integer", "format": "int32"}),
]
Int64: TypeAlias = Annotated[
    StrictInt,
    Field(ge=-(2**63), le=2**63 - 1),
    WithJsonSchema({"type": "integer", "format": "int64"}),
]
IntOrString: TypeAlias = Annotated[
    StrictInt | StrictStr,
    WithJsonSchema(
        {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
    ),
]
Duration: TypeAlias = Annotated[str, WithJsonSchema({"type": "string"})]
"""A Go duration as text; ``analysis.times.parse_duration`` turns it into seconds."""
Time: TypeAlias = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""An RFC 3339 instant as text; ``analysis.times.parse_time`` turns it into seconds."""
FreeObject: TypeAlias = Annotated[
    dict[str, Any],
    WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
]
"""An object whose schema belongs to somebody else: a pod template, a plug-in's configuration."""
FreeValue: TypeAlias = Annotated[
    Any, WithJsonSchema({"x-kubernetes-preserve-unknown-fields": True})
]
"""Any JSON value at all."""

REQUIRED: dict[str, Any] = {"x-required": True}
"""``Field(json_schema_extra=REQUIRED)``: the CRD requires it; decoding tolerates its absence."""


class Model(BaseModel):
    """An immutable part of an object, every field optional, as tolerant decoding needs it."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="allow",
        alias_generator=to_camel,
        populate_by_name=True,
        protected_namespaces=(),
        # Built on first use: a command that reads one kind does not pay for the others.
        defer_build=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        """Drop known fields that are null; unknown ones stay as they are, to survive a write."""
        if not isinstance(data, dict) or None not in data.values():
            return data
        known = {name for key, field in cls.model_fields.items() for name in (key, field.alias)}
        return {key: value for key, value in data.items() if value is not None or key not in known}

    def to_obj(self) -> dict[str, Any]:
        """The JSON object as it was given: what nobody set is not written."""
        return self.model_dump(mode="python", by_alias=True, exclude_unset=True)
