"""What every model of our API is made of: the base class and the field types.

Owns how JSON of ``argoproj.io/v1alpha1`` maps to Python here: as in ``analysis.model``, but lists
are tuples and instants are seconds since the epoch, so that decisions compare and compute with
them. Refuses to know any particular kind. Used by the other modules of this package.
"""

import math
from functools import cache
from typing import Annotated, Any, TypeAlias

from pydantic import (
    AfterValidator,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    SerializerFunctionWrapHandler,
    StrictBool,
    StrictStr,
    WithJsonSchema,
    model_serializer,
)

from analysis.model import REQUIRED, FreeObject, FreeValue, Int32, Int64, IntOrString, Model
from analysis.times import format_time, parse_time

__all__ = ["REQUIRED", "FreeObject", "FreeValue", "Int32", "Int64", "IntOrString"]

Obj: TypeAlias = dict[str, Any]
"""A Kubernetes object as decoded from JSON; read-only by convention."""


class ApiModel(Model):
    """Base of everything users write and of every status we write."""

    # Scalars are strict one by one (below); strict models would refuse a JSON list as a tuple.
    model_config = ConfigDict(strict=False)

    def to_wire(self, only: set[str] | None = None) -> Obj:
        """The JSON form as Go writes it: defaults are left out, except where CRDs require them.

        ``only``: names of the fields that matter; required ones are there in any case.
        """
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True, include=only)

    @model_serializer(mode="wrap")
    def _with_required(self, handler: SerializerFunctionWrapHandler) -> Obj:
        written: Obj = handler(self)
        for name, alias in _required(type(self)):
            value = getattr(self, name)
            if alias not in written and value is not None:
                written[alias] = value.to_wire() if isinstance(value, ApiModel) else value
        return written


@cache
def _required(model: type[ApiModel]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, field.alias or name)
        for name, field in model.model_fields.items()
        if field.json_schema_extra == REQUIRED
    )


_FIRST, _LAST = -62_135_596_800.0, 253_402_300_799.0  # the years 1 to 9999, as RFC 3339 has them


def _instant(value: Any) -> float:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    epoch = float(value) if plain else parse_time(value)
    if epoch is None or not _FIRST <= epoch <= _LAST:
        raise ValueError("must be a time such as 2026-01-02T03:04:05Z")
    return epoch


def _round_up(value: float) -> float:
    return float(math.ceil(value))


Str: TypeAlias = StrictStr
Bool: TypeAlias = StrictBool
Instant: TypeAlias = Annotated[
    float,
    PlainValidator(_instant),
    PlainSerializer(format_time),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""RFC 3339 on the wire, seconds since the epoch here; whole seconds when written."""
WholeInstant: TypeAlias = Annotated[Instant, AfterValidator(_round_up)]
"""The same, rounded up: for what is written back and compared."""
StrMap: TypeAlias = dict[StrictStr, StrictStr]
