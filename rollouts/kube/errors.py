"""What an API server can refuse, by what the caller does next.

ApiError
├── NotFound        the object is not there: create it, or forget it
├── AlreadyExists   create met a namesake: read it and decide
├── Conflict        the object moved on: read again and decide again, quietly
├── Gone            the resource version is too old: list again
├── Invalid         the server says the object is wrong: do not retry the same bytes
├── BadRequest      the request itself is wrong: a bug, or a bad user input
├── Unauthorized    who are you: refresh credentials once
├── Forbidden       not allowed: say so, retry slowly
├── Throttled       come back after ``retry_after`` seconds
├── ServerError     5xx: retry with backoff
└── Unreachable     no answer at all: retry with backoff; the outcome of a write is unknown

Both implementations of KubeApi raise these and nothing else. The ``status`` is the Status object
the server sent (or one made up in its shape), so that a caller can show it unchanged.
"""

from collections.abc import Mapping
from typing import Any, Final


class ApiError(Exception):
    """The server answered, and the answer is no."""

    code: int = 500
    reason: str = "InternalError"

    def __init__(
        self,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
        code: int | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = dict(details or {})
        self.retry_after = retry_after
        self.code = code if code is not None else type(self).code
        self.reason = reason if reason is not None else type(self).reason

    @property
    def status(self) -> dict[str, Any]:
        """The error as a Kubernetes Status object."""
        details = dict(self.details)
        if self.retry_after is not None:
            details["retryAfterSeconds"] = int(self.retry_after)
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": details,
            "code": self.code,
        }


class NotFound(ApiError):
    code, reason = 404, "NotFound"


class AlreadyExists(ApiError):
    code, reason = 409, "AlreadyExists"


class Conflict(ApiError):
    code, reason = 409, "Conflict"


class Gone(ApiError):
    code, reason = 410, "Expired"


class Invalid(ApiError):
    code, reason = 422, "Invalid"


class BadRequest(ApiError):
    code, reason = 400, "BadRequest"


class Unauthorized(ApiError):
    code, reason = 401, "Unauthorized"


class Forbidden(ApiError):
    code, reason = 403, "Forbidden"


class Throttled(ApiError):
    code, reason = 429, "TooManyRequests"


class ServerError(ApiError):
    code, reason = 500, "InternalError"


class Unreachable(ApiError):
    code, reason = 0, "Unreachable"


_BY_CODE: Final[Mapping[int, type[ApiError]]] = {
    kind.code: kind
    for kind in (NotFound, Conflict, Gone, Invalid, BadRequest, Unauthorized, Forbidden, Throttled)
}


def from_status(status: Mapping[str, Any], retry_after: float | None = None) -> ApiError:
    """The error a Status object stands for; ``retry_after`` (seconds) is what a header said."""
    code, reason = status.get("code") or 500, status.get("reason") or ""
    details = status.get("details") or {}
    if reason == AlreadyExists.reason:
        kind: type[ApiError] = AlreadyExists
    elif code in _BY_CODE:
        kind = _BY_CODE[code]
    else:
        kind = BadRequest if 400 <= code < 500 else ServerError
    if retry_after is None and isinstance(details.get("retryAfterSeconds"), int):
        retry_after = float(details["retryAfterSeconds"]) or None
    return kind(
        status.get("message") or f"the server answered {code}",
        details=details,
        retry_after=retry_after,
        code=code,
        reason=reason or kind.reason,
    )
