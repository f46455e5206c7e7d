"""Values as text, and text as values: Go's ``%v`` and JSON.

Owns how numbers, lists, maps and times are written, and reading JSON. What is written is paid for
piece by piece, so nothing large or deep is built. Pure. Called through ``analysis.expr.functions``.
"""

import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, TypeAlias

import orjson

from analysis.expr.errors import MAX_NESTING, TOO_DEEP, ExprError, Meter, room_for
from analysis.expr.values import Instant, Span, Zone, civil, is_int, shown

_HTML: Final = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)
_INDENT: Final = "  "

Put: TypeAlias = Callable[[str], None]
"""Writes one piece."""


def to_text(value: Any, meter: Meter) -> str:
    """``value`` as Go's ``%v`` prints it: ``1e+06``, ``[1 2]``, ``map[a:1]``."""
    return _written(_plain, value, meter)


def to_json(value: Any, meter: Meter) -> str:
    """``value`` as indented JSON with sorted keys; like Go's encoder it refuses NaN."""
    return _written(_json, value, meter)


def _written(write: Callable[[Any, int, Put], None], value: Any, meter: Meter) -> str:
    parts: list[str] = []
    length = 0

    def put(piece: str) -> None:
        nonlocal length
        meter.spend()
        parts.append(piece)
        length += len(piece)
        room_for(length)

    write(value, 0, put)
    return "".join(parts)


def _plain(value: Any, depth: int, put: Put) -> None:
    if depth > MAX_NESTING:
        raise ExprError(TOO_DEEP)
    if isinstance(value, list):
        put("[")
        for place, item in enumerate(value):
            put(" " * bool(place))
            _plain(item, depth + 1, put)
        put("]")
    elif isinstance(value, dict):
        put("map[")
        for place, key in enumerate(sorted(value, key=scalar)):
            put(f"{' ' * bool(place)}{scalar(key)}:")
            _plain(value[key], depth + 1, put)
        put("]")
    else:
        put(scalar(value))


def scalar(value: Any) -> str:
    """How Go's ``%v`` prints what is neither a list nor a map."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case float():
            return float_text(value)
        case Instant():
            moment, year = civil(value)
            return (
                f"{year:04}-{moment:%m-%d %H:%M:%S}{_fraction(moment.microsecond)}{moment: %z %Z}"
            )
        case Span():
            return duration_text(value.seconds)
        case Zone():
            return str(value.info)
        case _:
            return str(value)


def float_text(value: float) -> str:
    """The shortest text, with an exponent from a million on: ``1``, ``0.95``, ``1e+06``."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    digits, exponent = _shortest(value)
    if value and not -4 <= exponent < 6:
        whole, rest = digits[0], digits[1:]
        sign = "-" if value < 0 else ""
        return f"{sign}{whole}{'.' if rest else ''}{rest}e{exponent:+03}"
    return _without_exponent(value)


def duration_text(seconds: float) -> str:
    """As Go prints it: ``1h0m0s``, ``1.5s``, ``300ms``."""
    if seconds < 0:
        return f"-{duration_text(-seconds)}"
    if 0 < seconds < 1:
        for unit, size in (("ms", 1e-3), ("µs", 1e-6)):
            if seconds >= size:
                return f"{_without_exponent(round(seconds / size, 6))}{unit}"
        return f"{seconds / 1e-9:.0f}ns"
    hours, rest = divmod(int(seconds), 3600)
    minutes, whole = divmod(rest, 60)
    text = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{text}{_without_exponent(whole + round(math.fmod(seconds, 1), 6))}s"


def _fraction(microseconds: int) -> str:
    return f".{microseconds:06}".rstrip("0") if microseconds else ""


def _shortest(value: float) -> tuple[str, int]:
    """The significant digits of ``value``, and the exponent of the first."""
    exact = Decimal(repr(abs(value))).normalize()
    return "".join(map(str, exact.as_tuple().digits)), exact.adjusted()


def _without_exponent(value: float) -> str:
    return f"{Decimal(repr(value)):f}".removesuffix(".0")


# --- JSON ---


def _json(value: Any, depth: int, put: Put) -> None:
    if depth > MAX_NESTING:
        raise ExprError(TOO_DEEP)
    if isinstance(value, list):
        _block("[]", [("", item) for item in value], depth, put)
    elif isinstance(value, dict):
        keys = sorted((scalar(key), key) for key in value)
        _block("{}", [(f"{_quoted(text)}: ", value[key]) for text, key in keys], depth, put)
    else:
        put(_json_scalar(value))


def _block(brackets: str, items: list[tuple[str, Any]], depth: int, put: Put) -> None:
    put(brackets[0])
    for place, (name, item) in enumerate(items):
        put(f"{',' if place else ''}\n{_INDENT * (depth + 1)}{name}")
        _json(item, depth + 1, put)
    put(f"\n{_INDENT * depth}{brackets[1]}" if items else brackets[1])


def _json_scalar(value: Any) -> str:
    match value:
        case None:
            return "null"
        case float():
            if not math.isfinite(value):
                raise ExprError(f"json: unsupported value: {float_text(value)}")
            _, exponent = _shortest(value)
            small = value and not -6 <= exponent < 21
            return repr(value).replace("e-0", "e-") if small else _without_exponent(value)
        case Instant():
            moment, year = civil(value)
            offset = f"{moment:%z}"
            offset = "Z" if offset == "+0000" else f"{offset[:3]}:{offset[3:5]}"
            return f'"{year:04}-{moment:%m-%dT%H:%M:%S}{_fraction(moment.microsecond)}{offset}"'
        case Span():
            return str(round(value.seconds * 1e9))
        case Zone():
            return "{}"
        case str():
            return _quoted(value)
        case _:
            return scalar(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).translate(_HTML)


def from_json(text: str, meter: Meter) -> Any:
    """The value that JSON ``text`` says; all of its numbers are floats, as in Go."""
    meter.text(len(text))
    meter.spend(len(text) // 8)
    try:
        value = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        raise ExprError(f"fromJSON: {error} in {shown(text)}") from None
    return _floats(value, meter, 0)


def _floats(value: Any, meter: Meter, depth: int) -> Any:
    meter.spend()
    if depth > MAX_NESTING:
        raise ExprError(f"fromJSON: {TOO_DEEP}")
    if isinstance(value, list):
        meter.items(len(value))
        return [_floats(item, meter, depth + 1) for item in value]
    if isinstance(value, dict):
        return {key: _floats(item, meter, depth + 1) for key, item in value.items()}
    return float(value) if is_int(value) else value
