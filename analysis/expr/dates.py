"""Dates as text: Go's layouts, time zones and calendars.

Owns how Go writes a layout (``2006-01-02 15:04:05``), which texts ``date`` understands without one,
and what instants and durations can be asked. Zones come from the system's database. Called through
``analysis.expr.functions``.
"""

import math
import re
from calendar import day_name, month_name
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache, lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from analysis.expr.context import Context, Function, function
from analysis.expr.errors import ExprError
from analysis.expr.text import duration_text, scalar
from analysis.expr.values import Instant, Span, Zone, civil, instant, shown, span
from analysis.times import parse_duration

_LAYOUTS: Final = (
    "2006-01-02",
    "15:04:05",
    "2006-01-02 15:04:05",
    "2006-01-02T15:04:05Z07:00",
    "02 Jan 06 15:04 MST",
    "Monday, 02-Jan-06 15:04:05 MST",
    "Mon, 02 Jan 2006 15:04:05 MST",
)
_MONTHS: Final = {name.lower(): place for place, name in enumerate(month_name) if name}
_SHORT_MONTHS: Final = {name[:3]: place for name, place in _MONTHS.items()}
_DAYS: Final = "|".join(day_name)
_SHORT_DAYS: Final = "|".join(name[:3] for name in day_name)
_LONGEST_TEXT: Final = 128
_NEW_LAYOUT: Final = 500  # steps

# Of each part of a layout: what text it stands for, and how it is written.
_PARTS: Final[dict[str, tuple[str, Callable[[datetime, int], str]]]] = {
    "January": (rf"(?P<January>{'|'.join(_MONTHS)})", lambda t, _: f"{t:%B}"),
    "Jan": (rf"(?P<Jan>{'|'.join(_SHORT_MONTHS)})", lambda t, _: f"{t:%b}"),
    "Monday": (rf"(?:{_DAYS})", lambda t, _: f"{t:%A}"),
    "Mon": (rf"(?:{_SHORT_DAYS})", lambda t, _: f"{t:%a}"),
    "MST": (r"(?P<MST>[A-Z]{3,5})", lambda t, _: f"{t:%Z}"),
    "2006": (r"(?P<year>\d{4})", lambda _, year: f"{year:04}"),
    "01": (r"(?P<month>\d{2})", lambda t, _: f"{t:%m}"),
    "02": (r"(?P<day>\d{2})", lambda t, _: f"{t:%d}"),
    "03": (r"(?P<hour12>\d{2})", lambda t, _: f"{t:%I}"),
    "04": (r"(?P<minute>\d{2})", lambda t, _: f"{t:%M}"),
    "05": (r"(?P<second>\d{2})", lambda t, _: f"{t:%S}"),
    "06": (r"(?P<year2>\d{2})", lambda _, year: f"{year % 100:02}"),
    "15": (r"(?P<hour>\d{2})", lambda t, _: f"{t:%H}"),
    "PM": (r"(?P<half>AM|PM)", lambda t, _: "AM" if t.hour < 12 else "PM"),
    "pm": (r"(?P<half>am|pm)", lambda t, _: "am" if t.hour < 12 else "pm"),
    "Z07:00": (r"(?P<offset>Z|[-+]\d{2}:\d{2})", lambda t, _: _offset(t, ":") if _away(t) else "Z"),
    "Z0700": (r"(?P<offset>Z|[-+]\d{4})", lambda t, _: _offset(t, "") if _away(t) else "Z"),
    "-07:00": (r"(?P<offset>[-+]\d{2}:\d{2})", lambda t, _: _offset(t, ":")),
    "-0700": (r"(?P<offset>[-+]\d{4})", lambda t, _: _offset(t, "")),
    "_2": (r" ?(?P<day>\d{1,2})", lambda t, _: f"{t.day:2}"),
    "1": (r"(?P<month>\d{1,2})", lambda t, _: str(t.month)),
    "2": (r"(?P<day>\d{1,2})", lambda t, _: str(t.day)),
    "3": (r"(?P<hour12>\d{1,2})", lambda t, _: str(t.hour % 12 or 12)),
    "4": (r"(?P<minute>\d{1,2})", lambda t, _: str(t.minute)),
    "5": (r"(?P<second>\d{1,2})", lambda t, _: str(t.second)),
}  # fmt: skip
_PART: Final = re.compile(
    "|".join((*map(re.escape, sorted(_PARTS, key=len, reverse=True)), r"[.,](?:0+|9+)(?!\d)"))
)


def _away(moment: datetime) -> bool:
    return bool(moment.utcoffset())


def _offset(moment: datetime, colon: str) -> str:
    text = f"{moment:%z}"
    return f"{text[:3]}{colon}{text[3:5]}"


# --- reading and writing ---


def parse(text: str, layout: str, zone: tzinfo) -> Instant | None:
    """The moment that ``text`` says by ``layout``; None where it does not follow it."""
    pattern = _usual(layout) if layout in _LAYOUTS else _pattern(layout)
    found = pattern.fullmatch(text)
    if found is None:
        return None
    said = {name: value for name, value in found.groupdict().items() if value is not None}
    year = int(said.get("year", 0))
    if "year2" in said:
        year = int(said["year2"]) + (1900 if int(said["year2"]) >= 69 else 2000)
    hour = int(said.get("hour", said.get("hour12", 0)))
    if "half" in said:
        hour = hour % 12 + (12 if said["half"].lower() == "pm" else 0)
    month = _MONTHS.get(said.get("January", "").lower()) or _SHORT_MONTHS.get(
        said.get("Jan", "").lower()
    )
    offset = said.get("offset") or said.get("MST", "")
    zone = _fixed(offset) if offset else zone
    try:
        moment = datetime(
            year + 400,  # Python knows no year 0; the calendar repeats itself after 400 years
            month or int(said.get("month", 1)),
            int(said.get("day", 1)),
            hour,
            int(said.get("minute", 0)),
            int(said.get("second", 0)),
            tzinfo=UTC,
        )
    except ValueError:
        return None
    local = moment.timestamp() - 146_097 * 86_400 + float(f"0.{said.get('fraction', '0')}")
    away = civil(instant(local))[0].replace(tzinfo=zone).utcoffset() or timedelta()
    return instant(local - away.total_seconds(), zone)


@cache
def _usual(layout: str) -> re.Pattern[str]:
    """What texts follow one of the layouts that need not be given."""
    return _pattern.__wrapped__(layout)


@lru_cache(maxsize=64)
def _pattern(layout: str) -> re.Pattern[str]:
    """What texts follow ``layout``. A part that is said twice counts where it is said last."""
    pieces: list[str] = []
    done = 0
    named: set[str] = set()
    for part in _parts(layout):
        pieces.append(re.escape(layout[done : part.start()]))
        body = _PARTS[part[0]][0] if part[0] in _PARTS else r"[.,](?P<fraction>\d{1,9})"
        pieces.append(_once(body, named))
        if part[0] in ("05", "5") and layout[part.end() : part.end() + 2] not in (".0", ".9", ",0"):
            pieces.append(_once(r"(?:[.,](?P<fraction>\d{1,9}))?", named))
        done = part.end()
    pieces.append(re.escape(layout[done:]))
    return re.compile("".join(pieces), re.IGNORECASE | re.ASCII)


def _parts(layout: str) -> list[re.Match[str]]:
    if len(layout) > _LONGEST_TEXT:
        raise ExprError(f"a layout of {len(layout)} characters; {_LONGEST_TEXT} are allowed")
    return list(_PART.finditer(layout))


def _once(body: str, named: set[str]) -> str:
    """``body`` without its name when that is taken."""
    name = re.search(r"\?P<(\w+)>", body)
    if name is None or name[1] not in named:
        named.update([name[1]] if name else [])
        return body
    return body.replace(name[0], "?:")


def write(value: Instant, layout: str) -> str:
    """``value`` by ``layout``."""
    moment, year = civil(value)

    def written(part: re.Match[str]) -> str:
        if part[0] in _PARTS:
            return _PARTS[part[0]][1](moment, year)
        digits = f"{moment.microsecond:06}000"[: len(part[0]) - 1]
        digits = digits.rstrip("0") if part[0][1] == "9" else digits
        return f"{part[0][0]}{digits}" if digits else ""

    _parts(layout)
    return _PART.sub(written, layout)


def _fixed(offset: str) -> tzinfo:
    if offset.upper() in ("Z", "UTC", "GMT"):
        return UTC
    if offset[0] not in "+-":
        return timezone(timedelta(), offset)  # an abbreviation says no offset: Go takes it as UTC
    hours, minutes = int(offset[1:3]), int(offset[-2:])
    size = timedelta(hours=min(hours, 23), minutes=minutes)
    return timezone(-size if offset[0] == "-" else size)


# --- functions ---


def zone(_: Context, name: str) -> Zone:
    if name in ("", "UTC", "Local"):
        return Zone(UTC)
    try:
        if len(name) > 64:
            raise ValueError
        return Zone(ZoneInfo(name))
    except (ValueError, OSError, LookupError):
        raise ExprError(f"unknown time zone {shown(name)}") from None


def date(context: Context, text: str, layout: str = "", zone_name: str = "") -> Instant:
    if len(text) > _LONGEST_TEXT:
        raise ExprError(f"a date of {len(text)} characters; {_LONGEST_TEXT} are allowed")
    context.meter.spend(_NEW_LAYOUT if layout else len(_LAYOUTS))
    where = zone(context, zone_name).info
    for tried in (layout,) if layout else _LAYOUTS:
        if (value := parse(text, tried, where)) is not None:
            return value
    wanted = f"the layout {layout[:64]}" if layout else "2006-01-02 or 2006-01-02T15:04:05Z"
    raise ExprError(f"invalid date {shown(text)}; write it as {wanted}")


def duration(_: Context, text: str) -> Span:
    try:
        return span(parse_duration(text))
    except ValueError as error:
        raise ExprError(str(error)) from None


def _truncated(value: Span, to: Span) -> Span:
    """``value`` rounded towards zero to a multiple of ``to``."""
    rest = math.fmod(value.seconds, to.seconds) if to.seconds > 0 else 0.0
    return span(value.seconds - rest)


def _calendar(read: Callable[[datetime, int], Any]) -> Function:
    return function("time", lambda _, value: read(*civil(value)))


def _instant(read: Callable[..., Any], takes: str = "") -> Function:
    return function(f"time {takes}", lambda _, value, *more: read(value, *more))


def _span(read: Callable[..., Any], takes: str = "") -> Function:
    return function(f"duration {takes}", lambda _, value, *more: read(value, *more))


METHODS: Final[dict[str, dict[type, Function]]] = {
    "Year": {Instant: _calendar(lambda _, year: year)},
    "Month": {Instant: _calendar(lambda t, _: t.month)},
    "Day": {Instant: _calendar(lambda t, _: t.day)},
    "Hour": {Instant: _calendar(lambda t, _: t.hour)},
    "Minute": {Instant: _calendar(lambda t, _: t.minute)},
    "Second": {Instant: _calendar(lambda t, _: t.second)},
    "Nanosecond": {Instant: _calendar(lambda t, _: t.microsecond * 1000)},
    "Weekday": {Instant: _calendar(lambda t, _: t.isoweekday() % 7)},
    "YearDay": {Instant: _calendar(lambda t, _: t.timetuple().tm_yday)},
    "Unix": {Instant: _instant(lambda t: int(t.seconds // 1))},
    "UnixMilli": {Instant: _instant(lambda t: int(t.seconds * 1e3 // 1))},
    "UnixMicro": {Instant: _instant(lambda t: int(t.seconds * 1e6 // 1))},
    "UnixNano": {Instant: _instant(lambda t: int(t.seconds * 1e6 // 1) * 1000)},
    "UTC": {Instant: _instant(lambda t: instant(t.seconds))},
    "In": {Instant: _instant(lambda t, where: instant(t.seconds, where.info), "timezone")},
    "Add": {Instant: _instant(lambda t, by: instant(t.seconds + by.seconds, t.zone), "duration")},
    "Sub": {Instant: _instant(lambda t, other: span(t.seconds - other.seconds), "time")},
    "Before": {Instant: _instant(lambda t, other: t.seconds < other.seconds, "time")},
    "After": {Instant: _instant(lambda t, other: t.seconds > other.seconds, "time")},
    "Equal": {Instant: _instant(lambda t, other: t.seconds == other.seconds, "time")},
    "Format": {Instant: _instant(write, "string")},
    "Truncate": {Span: _span(_truncated, "duration")},
    "String": {Instant: _instant(scalar), Span: _span(lambda d: duration_text(d.seconds))},
    "Hours": {Span: _span(lambda d: d.seconds / 3600)},
    "Minutes": {Span: _span(lambda d: d.seconds / 60)},
    "Seconds": {Span: _span(lambda d: d.seconds)},
    "Milliseconds": {Span: _span(lambda d: int(d.seconds * 1e3))},
    "Microseconds": {Span: _span(lambda d: int(d.seconds * 1e6))},
    "Nanoseconds": {Span: _span(lambda d: round(d.seconds * 1e9))},
    "Abs": {Span: _span(lambda d: span(abs(d.seconds)))},
}
"""What instants and durations can be asked, by name and by what is asked."""
