"""What is wrong with one field, in Kubernetes' own words.

Owns the text form of field errors, which users and tools compare. Refuses to know any rule. Used by
the validation modules of this package.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

import orjson


class Wrong(StrEnum):
    """Kinds of field errors."""

    INVALID = "Invalid value"
    REQUIRED = "Required value"
    INTERNAL = "Internal error"
    FORBIDDEN = "Forbidden"
    DUPLICATE = "Duplicate value"
    UNSUPPORTED = "Unsupported value"
    NOT_FOUND = "Not found"
    TOO_LONG = "Too long"


_NO_VALUE: Final = object()
_LONGEST_VALUE = 200


@dataclass(frozen=True, slots=True)
class FieldError:
    """``path`` is what users write (``spec.strategy.steps[0].setWeight``)."""

    path: str
    wrong: Wrong
    detail: str = ""
    value: Any = _NO_VALUE

    @classmethod
    def invalid(cls, path: str, value: Any, detail: str) -> Self:
        return cls(path, Wrong.INVALID, detail, value)

    @classmethod
    def unreadable(cls, path: str, detail: str) -> Self:
        """The value has the wrong type and is not repeated."""
        return cls(path, Wrong.INVALID, detail)

    @classmethod
    def required(cls, path: str, detail: str = "") -> Self:
        return cls(path, Wrong.REQUIRED, detail)

    @classmethod
    def forbidden(cls, path: str, detail: str) -> Self:
        return cls(path, Wrong.FORBIDDEN, detail)

    @classmethod
    def internal(cls, path: str, detail: str) -> Self:
        return cls(path, Wrong.INTERNAL, detail)

    @classmethod
    def duplicate(cls, path: str, value: Any) -> Self:
        return cls(path, Wrong.DUPLICATE, "", value)

    @classmethod
    def not_found(cls, path: str, value: Any) -> Self:
        return cls(path, Wrong.NOT_FOUND, "", value)

    @classmethod
    def unsupported(cls, path: str, value: Any, allowed: tuple[str, ...]) -> Self:
        words = ", ".join(f'"{word}"' for word in sorted(allowed))
        return cls(path, Wrong.UNSUPPORTED, f"supported values: {words}", value)

    def __str__(self) -> str:
        return f"{self.path}: {self.body}"

    @property
    def body(self) -> str:
        """The text without the path."""
        parts: list[str] = [self.wrong.value]
        if self.value is not _NO_VALUE:
            parts.append(_shown(self.value))
        if self.detail:
            parts.append(self.detail)
        return ": ".join(parts)


def _shown(value: Any) -> str:
    """The value as Kubernetes prints it; cut short, because it becomes part of a status."""
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=str).decode()
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"


def invalid_message(kind: str, name: str, error: FieldError) -> str:
    """The message of an InvalidSpec condition."""
    return f'The {kind} "{name}" is invalid: {error}'
