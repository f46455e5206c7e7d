"""What is wrong with an object: one Cause per problem, in the API server's words.

Owns the wording of field errors and of the refusal made from them. Knows no schema. Used by every
check in this package and by the API server that answers with them.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from rollouts.kube.errors import Invalid

# The API server's spelling of "no field in particular".
NOWHERE: Final = "<nil>"


class Reason(StrEnum):
    """Why a value was refused, as ``details.causes[].reason`` spells it."""

    REQUIRED = "FieldValueRequired"
    DUPLICATE = "FieldValueDuplicate"
    INVALID = "FieldValueInvalid"
    NOT_SUPPORTED = "FieldValueNotSupported"
    FORBIDDEN = "FieldValueForbidden"
    TOO_LONG = "FieldValueTooLong"
    TOO_MANY = "FieldValueTooMany"
    TYPE_INVALID = "FieldValueTypeInvalid"


@dataclass(frozen=True, slots=True)
class Cause:
    """One problem: where (``spec.rules[0].name``), why, and the text a user reads."""

    field: str
    reason: Reason
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def child(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def required(path: str, detail: str = "") -> Cause:
    return Cause(path, Reason.REQUIRED, _body("Required value", detail))


def forbidden(path: str, detail: str) -> Cause:
    return Cause(path, Reason.FORBIDDEN, _body("Forbidden", detail))


def invalid(path: str, value: Any, detail: str) -> Cause:
    return Cause(path, Reason.INVALID, _body(f"Invalid value: {show(value)}", detail))


def invalid_unshown(path: str, detail: str) -> Cause:
    """An invalid object or list: too big to repeat."""
    return Cause(path, Reason.INVALID, _body("Invalid value", detail))


def wrong_type(path: str, actual: str, detail: str) -> Cause:
    return Cause(path, Reason.TYPE_INVALID, _body(f"Invalid value: {show(actual)}", detail))


def duplicate(path: str, value: Any) -> Cause:
    return Cause(path, Reason.DUPLICATE, f"Duplicate value: {show(value)}")


def not_supported(path: str, value: Any, supported: Iterable[str]) -> Cause:
    options = ", ".join(show(option) for option in supported)
    message = f"Unsupported value: {show(value)}"
    return Cause(path, Reason.NOT_SUPPORTED, _body(message, f"supported values: {options}"))


def too_long(path: str, limit: int) -> Cause:
    detail = f"may not be more than {limit} bytes"
    return Cause(path, Reason.TOO_LONG, _body("Too long", detail))


def too_many(path: str, actual: int, limit: int) -> Cause:
    detail = f"must have at most {limit} {'item' if limit == 1 else 'items'}"
    return Cause(path, Reason.TOO_MANY, _body(f"Too many: {actual}", detail))


def _body(what: str, detail: str) -> str:
    return f"{what}: {detail}" if detail else what


def show(value: Any) -> str:
    """A value as error texts print it: text quoted, objects as compact JSON."""
    if value is None:
        return '"null"'
    if isinstance(value, float):
        return show_number(value)
    try:
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    except (RecursionError, TypeError, ValueError):
        return '"..."'
    if isinstance(value, str):
        return text
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def show_number(value: float) -> str:
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return str(int(value)) if abs(value) < 1e21 else f"{value:e}"
    return str(value)


def refusal(kind: str, group: str, name: str, causes: Sequence[Cause]) -> Invalid:
    """The Invalid error an API server answers for these causes."""
    texts = list(dict.fromkeys(str(cause) for cause in causes))
    problem = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    qualified = f"{kind}.{group}" if group else kind
    details = {
        "name": name,
        "group": group,
        "kind": kind,
        "causes": [
            {"reason": cause.reason.value, "message": cause.message, "field": cause.field}
            for cause in causes
        ],
    }
    return Invalid(f"{qualified} {show(name)} is invalid: {problem}", details=details)
