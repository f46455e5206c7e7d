"""Functions on optional values. ``optMap`` and ``optFlatMap`` are macros."""

from typing import Any, Final

from rollouts.sandbox.crd.cel.signatures import Library
from rollouts.sandbox.crd.cel.values import ABSENT, EvalError, Optional

LIBRARY: Final = Library()


@LIBRARY.function("optional.of(T) -> optional_type(T)")
def of(value: Any) -> Optional:
    return Optional(present=True, value=value)


@LIBRARY.function("optional.none() -> optional_type(dyn)")
def none() -> Optional:
    return ABSENT


@LIBRARY.function("optional.ofNonZeroValue(T) -> optional_type(T)")
def of_non_zero(value: Any) -> Optional:
    return Optional(present=True, value=value) if value else ABSENT


@LIBRARY.function("optional_type(T).hasValue() -> bool")
def has_value(value: Optional) -> bool:
    return value.present


@LIBRARY.function("optional_type(T).value() -> T")
def value_of(value: Optional) -> Any:
    if not value.present:
        raise EvalError("optional.none() dereference")
    return value.value


@LIBRARY.function("optional_type(T).orValue(T) -> T")
def or_value(value: Optional, otherwise: Any) -> Any:
    return value.value if value.present else otherwise


@LIBRARY.function("optional_type(T).or(optional_type(T)) -> optional_type(T)")
def or_else(value: Optional, otherwise: Optional) -> Optional:
    return value if value.present else otherwise
