"""Times and small values as kubectl's columns spell them.

Pure; used by our own output and by the Tables of the embedded API server.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400
_YEAR: Final = 365 * _DAY
NONE: Final = "<none>"
UNKNOWN: Final = "<unknown>"


def duration(seconds: float) -> str:
    """``119s``, ``2m5s``, ``15m``, ``3h20m``, ``9h``, ``2d4h``, ``30d``, ``2y50d``, ``9y``."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 2 * _MINUTE:
        return f"{max(whole, 0)}s"
    if whole < 10 * _MINUTE:
        return _two(whole, _MINUTE, "m", 1, "s")
    if whole < 3 * _HOUR:
        return f"{whole // _MINUTE}m"
    if whole < 8 * _HOUR:
        return _two(whole, _HOUR, "h", _MINUTE, "m")
    if whole < 48 * _HOUR:
        return f"{whole // _HOUR}h"
    if whole < 8 * _DAY:
        return _two(whole, _DAY, "d", _HOUR, "h")
    if whole < 2 * _YEAR:
        return f"{whole // _DAY}d"
    if whole < 8 * _YEAR:
        return _two(whole, _YEAR, "y", _DAY, "d")
    return f"{whole // _YEAR}y"


def _two(whole: int, large: int, large_name: str, small: int, small_name: str) -> str:
    rest = whole % large // small
    return f"{whole // large}{large_name}" + (f"{rest}{small_name}" if rest else "")


def seconds_of(timestamp: Any) -> float | None:
    """A timestamp of the API as seconds since the epoch; None when there is none to read."""
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except (TypeError, ValueError):
        return None


def age(timestamp: Any, now: float) -> str:
    """How long ago ``timestamp`` was; ``now`` in seconds since the epoch."""
    moment = seconds_of(timestamp)
    return UNKNOWN if moment is None else duration(now - moment)


def labels(pairs: Mapping[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((pairs or {}).items())) or NONE


def selector(found: Mapping[str, Any] | None) -> str:
    """A label selector (``matchLabels``, ``matchExpressions``) on one line."""
    if not found:
        return NONE
    parts = [f"{key}={value}" for key, value in sorted((found.get("matchLabels") or {}).items())]
    for one in found.get("matchExpressions") or ():
        match one.get("operator"):
            case "Exists":
                parts.append(one["key"])
            case "DoesNotExist":
                parts.append(f"!{one['key']}")
            case operator:
                values = ",".join(sorted(one.get("values") or ()))
                parts.append(f"{one['key']} {str(operator).lower()} ({values})")
    return ",".join(parts) or NONE


def first(items: Sequence[str], shown: int) -> str:
    """The first few of a list: ``a,b,c + 2 more...``."""
    if not items:
        return NONE
    more = len(items) - shown
    return ",".join(items[:shown]) + (f" + {more} more..." if more > 0 else "")
