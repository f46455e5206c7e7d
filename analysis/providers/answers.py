"""What the HTTP answer of a metric server says, whichever server it is.

Owns telling an answer from a refusal, in words that name the server, the cause and what to do:
credentials, a rate limit, a server that is broken, something that is not the API at all. Also how
addresses are checked and numbers are shown. Raises ProviderError. Used by the providers.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import urlsplit

import orjson

from analysis.providers.base import ProviderError
from analysis.providers.http import Response
from analysis.providers.prometheus import sample_text

Said: TypeAlias = Callable[[Any], str]
"""The reason within the document of an error; empty where there is none."""

_Read = TypeVar("_Read")

_LARGE: Final = 64 * 1024  # bytes
_MAX_REASON: Final = 1024
_MAX_TEXT: Final = 256
_WAITS: Final = ("retry-after", "x-ratelimit-reset")


async def interpreted(response: Response, read: Callable[[Response], _Read]) -> _Read:
    """What ``read`` makes of the answer; of a large one aside, so that nobody waits for it."""
    if len(response.body) > _LARGE:
        return await asyncio.to_thread(read, response)
    return read(response)


def read_json(response: Response, who: str, said: Said) -> Any:
    """The document of a good answer. ``who``: the server's name; ``said``: finds its reasons.

    Raises ProviderError for every other status, and for what is not JSON.
    """
    check_status(response, who, said)
    document = decoded(response.body)
    if document is None:
        raise ProviderError(
            f"{who} answered with status {response.status}, but not with the JSON of its API; "
            "check the address"
        )
    return document


def check_status(response: Response, who: str, said: Said) -> None:
    """Raises ProviderError unless the status is a success."""
    status = response.status
    if 200 <= status < 300:
        return
    if status in (401, 403):
        text = f"{who} refused the credentials (status {status})"
    elif status == 429:
        text = f"{who} limits the rate of queries (status 429){_wait(response.headers)}"
    elif status >= 500:
        text = f"{who} failed (status {status})"
    else:
        text = f"{who} refused the query (status {status})"
    reason = _reason(response.body, said)
    raise ProviderError(f"{text}: {reason}" if reason else text)


def decoded(body: bytes) -> Any:
    """The JSON in ``body``, or None. Some servers write NaN and Infinity, which JSON has not."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def checked_url(address: str, field: str) -> str:
    """The address without a trailing slash. ``field``: where it comes from, for the message."""
    if not address:
        raise ProviderError(f"{field} is not set")
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment:
        raise ProviderError(f"{field} is not a URL like https://example.com")
    return address.rstrip("/")


def number(value: object) -> float | None:
    """A number of an answer; None for null. Raises ValueError for everything else."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("not a number")  # noqa: TRY004 - data, not a caller's mistake
    return float(value)


def number_text(value: float | None) -> str:
    """For people: shortest, without an exponent."""
    return "null" if value is None else sample_text(value)


def list_text(values: Sequence[float | None]) -> str:
    return f"[{','.join(map(number_text, values))}]"


def json_text(value: object) -> str:
    return orjson.dumps(value).decode()


def graphql_reason(document: Any) -> str:
    """The errors of a GraphQL answer."""
    errors = document.get("errors") if isinstance(document, dict) else None
    if not isinstance(errors, list):
        return ""
    found = [str(one.get("message", "")) for one in errors if isinstance(one, dict)]
    return "; ".join(text for text in found if text) or ("no reason given" if errors else "")


def _wait(headers: Mapping[str, str]) -> str:
    """What the server asks for, in words."""
    asked = next((headers[name] for name in _WAITS if headers.get(name)), "").strip()[:64]
    if asked.isdecimal():
        asked = f"{asked} s"
    wait = f", and asks to wait {asked}" if asked else ""
    return f"{wait}; use a longer interval"


def _reason(body: bytes, said: Said) -> str:
    document = decoded(body)
    if document is not None:
        return " ".join(said(document).split())[:_MAX_REASON]
    text = " ".join(body[: 4 * _MAX_TEXT].decode("utf-8", "replace").split())
    return "" if "<" in text[:16] else text[:_MAX_TEXT]
