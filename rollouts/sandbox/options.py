"""What a caller may ask for beside the object itself, already decoded from the query string.

Plain values; nothing here decides. Built by the HTTP front and by ``direct``, read by the API
server's verbs. ``Options.warnings`` is written to: the front turns each line into a Warning header.
"""

from dataclasses import dataclass, field
from typing import Literal

FieldValidation = Literal["Ignore", "Warn", "Strict"]


@dataclass(frozen=True, slots=True)
class Options:
    """Options of every write."""

    dry_run: bool = False
    field_validation: FieldValidation = "Ignore"
    field_manager: str = ""
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ListOptions:
    """``resource_version`` and ``resource_version_match`` are passed on as the client sent them."""

    labels: str = ""
    fields: str = ""
    limit: int = 0
    continue_token: str = ""
    resource_version: str = ""
    resource_version_match: str = ""


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """``timeout_seconds``: the watch ends by itself after that long; 0 means never."""

    labels: str = ""
    fields: str = ""
    resource_version: str = ""
    resource_version_match: str = ""
    timeout_seconds: float = 0.0
    allow_bookmarks: bool = False
    send_initial_events: bool = False


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """``propagation``: Background, Foreground, Orphan, or "" for the kind's own default."""

    propagation: str = ""
    uid: str = ""
    resource_version: str = ""
    grace_period_seconds: int | None = None
