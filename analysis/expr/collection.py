"""Functions of strings, lists and maps.

What they build is paid for before it is built. Called through ``analysis.expr.functions``.
"""

import base64
import binascii
from functools import cmp_to_key
from typing import Any

from analysis.expr.context import Context
from analysis.expr.errors import ExprError, Meter, room_for
from analysis.expr.text import scalar
from analysis.expr.values import Keyed, equal, is_int, less, shown


def key_of(value: Any) -> Any:
    """``value`` as the key of a Keyed. Raises ExprError where it cannot be one."""
    if isinstance(value, list | dict):
        raise ExprError(f"cannot use {shown(value)} as a key of a map")
    return value


def sort(values: list[Any], meter: Meter, order: str = "asc", key: Any = None) -> list[Any]:
    """``values`` in order of ``key`` (a list as long, or the values themselves)."""
    if order not in ("asc", "desc"):
        raise ExprError(f'the order of a sort is "asc" or "desc", not {shown(order)}')
    keys = values if key is None else key

    def compare(a: int, b: int) -> int:
        meter.spend(2)
        if less(keys[a], keys[b], "<", meter):
            return -1
        return 1 if less(keys[b], keys[a], "<", meter) else 0

    places = sorted(range(len(values)), key=cmp_to_key(compare), reverse=order == "desc")
    return [values[place] for place in places]


# --- strings ---


def split(context: Context, text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    parts = text.count(separator) + 1 if separator else len(text)
    context.meter.items(min(parts, limit) if limit > 0 else parts)
    if separator:
        return text.split(separator, limit - 1 if limit > 0 else -1)
    if limit < 0 or limit >= len(text):
        return list(text)
    return [*text[: limit - 1], text[limit - 1 :]]


def split_after(context: Context, text: str, separator: str, limit: int = -1) -> list[str]:
    parts = split(context, text, separator, limit)
    return [part + separator for part in parts[:-1]] + parts[-1:]


def repeat(_: Context, text: str, times: int) -> str:
    if times < 0:
        raise ExprError(f"cannot repeat a string {times} times")
    room_for(len(text) * times)
    return text * times


def replace(_: Context, text: str, old: str, new: str, limit: int = -1) -> str:
    found = text.count(old)
    times = found if limit < 0 else min(found, limit)
    room_for(len(text) + times * (len(new) - len(old)))
    return text.replace(old, new, limit)


def join(context: Context, values: list[Any], separator: str = "") -> str:
    length = 0
    for value in values:
        if not isinstance(value, str):
            raise ExprError(f"join takes strings, not {shown(value)}")
        length += len(value) + len(separator)
    context.meter.text(length)
    return separator.join(values)


def to_base64(_: Context, text: str) -> str:
    room_for(len(text))
    return base64.b64encode(text.encode()).decode()


def from_base64(_: Context, text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError) as error:
        raise ExprError(f"fromBase64: {shown(text)} is not base64: {error}") from None


# --- collections ---


def get(_: Context, value: Any, key: Any) -> Any:
    """What is at ``key``, or nil."""
    if isinstance(value, dict):
        usable = isinstance(key, str) or isinstance(value, Keyed)
        return value.get(key_of(key)) if usable else None
    if isinstance(value, list | str) and is_int(key) and -len(value) <= key < len(value):
        return value[key] if isinstance(value, list) else value.encode()[key]
    return None


def take(context: Context, values: list[Any], count: int) -> list[Any]:
    if count < 0:
        raise ExprError(f"cannot take {count} elements")
    context.meter.items(min(count, len(values)))
    return values[:count]


def uniq(context: Context, values: list[Any]) -> list[Any]:
    kept: list[Any] = []
    for value in values:
        if not any(equal(value, other, context.meter) for other in kept):
            kept.append(value)
    return kept


def concat(context: Context, *lists: list[Any]) -> list[Any]:
    context.meter.items(sum(map(len, lists)))
    return [value for values in lists for value in values]


def flatten(context: Context, values: list[Any]) -> list[Any]:
    flat: list[Any] = []
    stack = [iter(values)]
    while stack:
        context.meter.spend()
        value = next(stack[-1], stack)
        if value is stack:
            stack.pop()
        elif isinstance(value, list):
            stack.append(iter(value))
        else:
            flat.append(value)
    return flat


def from_pairs(_: Context, pairs: list[Any]) -> dict[Any, Any]:
    found = Keyed()
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2:
            raise ExprError(f"fromPairs takes pairs of a key and a value, not {shown(pair)}")
        found[key_of(pair[0])] = pair[1]
    return found


def key_text(key: Any) -> str:
    """A key of a map that is written down."""
    return scalar(key_of(key))
