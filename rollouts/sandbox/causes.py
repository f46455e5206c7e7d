"""One reason why an object is refused, and the errors made of several.

Owns the wording of Kubernetes' field errors. Validators return tuples of Cause; the API server
turns them into an Invalid error. Anything with ``field``, ``reason`` and ``message`` is a cause.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rollouts.kube.errors import Invalid


class CauseLike(Protocol):
    @property
    def field(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def message(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Cause:
    """``message`` does not repeat the field: ``Required value: name is required``."""

    field: str
    reason: str
    message: str


def required(field: str, detail: str = "") -> Cause:
    return Cause(field, "FieldValueRequired", _with("Required value", detail))


def invalid(field: str, value: Any, detail: str) -> Cause:
    return Cause(field, "FieldValueInvalid", f"Invalid value: {shown(value)}: {detail}")


def duplicate(field: str, value: Any) -> Cause:
    return Cause(field, "FieldValueDuplicate", f"Duplicate value: {shown(value)}")


def forbidden(field: str, detail: str) -> Cause:
    return Cause(field, "FieldValueForbidden", f"Forbidden: {detail}")


def unsupported(field: str, value: Any, allowed: Sequence[str]) -> Cause:
    choices = ", ".join(f'"{one}"' for one in sorted(allowed))
    text = f"Unsupported value: {shown(value)}: supported values: {choices}"
    return Cause(field, "FieldValueNotSupported", text)


def too_long(field: str, most: int) -> Cause:
    return Cause(field, "FieldValueTooLong", f"Too long: may not be more than {most} bytes")


def not_found(field: str, value: Any) -> Cause:
    return Cause(field, "FieldValueNotFound", f"Not found: {shown(value)}")


def shown(value: Any) -> str:
    """A value as field errors print it."""
    return json.dumps(value, separators=(",", ":"))


def invalid_object(kind: str, group: str, name: str, causes: Iterable[CauseLike]) -> Invalid:
    """The 422 for one object; ``kind`` and ``group`` are those of the object."""
    listed = [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes]
    texts = [f"{c['field']}: {c['message']}" if c["field"] else c["message"] for c in listed]
    spelled = f"{kind}.{group}" if group else kind
    summary = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details: dict[str, Any] = {"name": name, "kind": kind, "causes": listed}
    if group:
        details["group"] = group
    return Invalid(f'{spelled} "{name}" is invalid: {summary}', details=details)


def _with(head: str, detail: str) -> str:
    return f"{head}: {detail}" if detail else head
