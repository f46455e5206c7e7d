"""Functions of strings, lists and maps.

What they build is paid for before it is built. Called through ``analysis.expr.functions``.
"""

import base64
from collections.abc import Callable
from functools import cmp_to_key
from typing import Any

import orjson

from analysis.expr.context import Body, Context, need_list, need_text
from analysis.expr.errors import MAX_ITEMS, MAX_STRING, ExprError, Meter
from analysis.expr.values import equal, is_int, less, to_json, to_text


def sort(values: list[Any], meter: Meter, order: Any = "asc", key: Any = None) -> list[Any]:
    """``values`` in order of ``key`` (a list as long, or the values themselves)."""
    if order not in ("asc", "desc"):
        raise ExprError('sort order must be "asc" or "desc"')
    keys = values if key is None else key

    def compare(a: int, b: int) -> int:
        meter.spend()
        if less(keys[a], keys[b], "<", meter):
            return -1
        return 1 if less(keys[b], keys[a], "<", meter) else 0

    places = sorted(range(len(values)), key=cmp_to_key(compare), reverse=order == "desc")
    return [values[place] for place in places]


# --- strings ---


def to_string(context: Context, value: Any) -> str:
    if isinstance(value, list | dict):
        return to_json(value, context.meter)
    return to_text(value)


def of_text(body: Callable[..., Any]) -> Body:
    """A function of strings only (further arguments may be integers)."""

    def checked_body(context: Context, *arguments: Any) -> Any:
        if not isinstance(arguments[0], str):
            raise TypeError
        if not all(isinstance(argument, str) or is_int(argument) for argument in arguments[1:]):
            raise TypeError
        value = body(*arguments)
        if isinstance(value, str):
            context.meter.text(len(value))
        elif isinstance(value, list):
            context.meter.items(len(value))
        return value

    return checked_body


def split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if not separator:
        return list(text)[:MAX_STRING]
    return text.split(separator, limit - 1 if limit > 0 else -1)


def split_after(text: str, separator: str, limit: int = -1) -> list[str]:
    parts = split(text, separator, limit)
    return [part + separator for part in parts[:-1]] + parts[-1:]


def repeat(text: str, times: int) -> str:
    if times < 0:
        raise ExprError("cannot repeat a string a negative number of times")
    if len(text) * times > MAX_STRING:
        raise ExprError(f"a string of more than {MAX_STRING} characters")
    return text * times


def replace(text: str, old: str, new: str, limit: int = -1) -> str:
    if (text.count(old) if old else len(text) + 1) * max(len(new), 1) + len(text) > 2 * MAX_STRING:
        raise ExprError(f"a string of more than {MAX_STRING} characters")
    return text.replace(old, new, limit)


def join(context: Context, values: Any, separator: str = "") -> str:
    need_text(separator, *need_list(values))
    context.meter.text(sum(map(len, values)) + len(separator) * len(values))
    return separator.join(values)


def to_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def from_base64(text: str) -> str:
    return base64.b64decode(text, validate=True).decode("utf-8", "replace")


# --- collections ---


def length(_: Context, value: Any) -> int:
    if not isinstance(value, str | list | dict):
        raise TypeError
    return len(value)


def get(_: Context, value: Any, key: Any) -> Any:
    if isinstance(value, dict):
        return value.get(key) if isinstance(key, str) else None
    if isinstance(value, list) and is_int(key):
        return value[key] if -len(value) <= key < len(value) else None
    return None


def take(_: Context, values: Any, count: Any) -> list[Any]:
    if not is_int(count) or count < 0:
        raise TypeError
    return need_list(values)[:count]


def uniq(context: Context, values: Any) -> list[Any]:
    kept: list[Any] = []
    for value in need_list(values):
        if not any(equal(value, other, context.meter) for other in kept):
            kept.append(value)
    return kept


def concat(context: Context, *lists: Any) -> list[Any]:
    context.meter.items(sum(len(need_list(values)) for values in lists))
    return [value for values in lists for value in values]


def flatten(context: Context, values: Any) -> list[Any]:
    flat: list[Any] = []
    stack = list(reversed(need_list(values)))
    while stack:
        context.meter.spend()
        value = stack.pop()
        if isinstance(value, list):
            context.meter.spend(len(value))
            stack.extend(reversed(value))
        else:
            flat.append(value)
        if len(flat) > MAX_ITEMS:
            raise ExprError(f"more than {MAX_ITEMS} elements")
    return flat


def from_pairs(_: Context, pairs: Any) -> dict[str, Any]:
    return {to_text(key): value for key, value in need_list(pairs)}


def from_json(context: Context, text: Any) -> Any:
    need_text(text)
    context.meter.text(len(text))
    return orjson.loads(text)
