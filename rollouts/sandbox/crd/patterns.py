"""Regular expressions that users write: RE2, so that none of them can stall the server."""

from functools import lru_cache
from typing import Any


@lru_cache(maxsize=2048)
def regex(pattern: str) -> Any:
    """The compiled pattern. ValueError, with RE2's reason, when it is not one."""
    import re2  # 10 ms, and most schemas in a small cluster have no pattern

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        text = reason.decode() if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"error parsing regexp: {text}") from None


def found(pattern: str, text: str) -> bool:
    """Whether the pattern occurs in the text; it is not anchored."""
    try:
        return regex(pattern).search(text) is not None
    except UnicodeEncodeError:  # half a surrogate pair is in no pattern's alphabet
        return False
