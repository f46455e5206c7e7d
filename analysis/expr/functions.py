"""The functions of the condition language that take values (no predicates), by name.

Owns each function's arity, as expr-lang documents it, Argo Rollouts' additions, and the few that
make instants and durations. Every function pays for the size of what it reads before it starts, so
none can outrun the budget. Called by the compiler.
"""

import math
import statistics
from collections.abc import Callable
from typing import Any, Final

from analysis.expr import collection, numeric
from analysis.expr.context import Context, Function, need_list, need_text
from analysis.expr.errors import ExprError
from analysis.expr.values import Instant, Span, to_json, type_name
from analysis.times import parse_duration, parse_time


def call(function: Function, name: str, context: Context, arguments: list[Any]) -> Any:
    """The value of ``name(*arguments)``; arity was checked when the expression was compiled."""
    if not function.free:
        for argument in arguments:
            if isinstance(argument, list | dict):
                context.meter.spend(len(argument))
            elif isinstance(argument, str):
                context.meter.spend(len(argument) // 32)
    try:
        return function.body(context, *arguments)
    except (TypeError, AttributeError, ValueError, OverflowError, IndexError) as error:
        types = ", ".join(type_name(argument) for argument in arguments)
        raise ExprError(f"invalid argument for {name} (type {types})") from error


# --- time ---


def _duration(_: Context, text: Any) -> Span:
    need_text(text)
    try:
        return Span(parse_duration(text))
    except ValueError as error:
        raise ExprError(str(error)) from None


def _date(_: Context, text: Any) -> Instant:
    need_text(text)
    seconds = parse_time(text if "T" in text else f"{text}T00:00:00Z")
    if seconds is None:
        raise ExprError(f'invalid date "{text[:40]}"; write it as 2006-01-02T15:04:05Z')
    return Instant(seconds)


def _type(_: Context, value: Any) -> str:
    names = {"<nil>": "nil", "float64": "float", "[]interface {}": "array"}
    name = type_name(value)
    return "map" if isinstance(value, dict) else names.get(name, name)


METHODS: Final[dict[tuple[type, str], Callable[[Any], Any]]] = {
    (Instant, "Unix"): lambda value: int(value.seconds),
    (Instant, "UnixMilli"): lambda value: int(value.seconds * 1000),
    (Span, "Seconds"): lambda value: value.seconds,
    (Span, "Minutes"): lambda value: value.seconds / 60,
    (Span, "Hours"): lambda value: value.seconds / 3600,
    (Span, "Milliseconds"): lambda value: int(value.seconds * 1000),
}

FUNCTIONS: Final[dict[str, Function]] = {
    "asInt": Function(1, 1, numeric.as_int),
    "asFloat": Function(1, 1, numeric.as_float),
    "isNaN": Function(1, 1, numeric.is_nan),
    "isInf": Function(1, 1, numeric.is_inf),
    # Argo Rollouts' behaviour: both look at the whole result, whatever their first argument is.
    "isNil": Function(1, 1, lambda context, _: context.result is None, free=True),
    "default": Function(
        2, 2, lambda context, _, other: other if context.result is None else context.result, True
    ),
    "len": Function(1, 1, collection.length, free=True),
    "type": Function(1, 1, _type, free=True),
    "abs": Function(1, 1, numeric.absolute),
    "ceil": Function(1, 1, numeric.rounding(math.ceil)),
    "floor": Function(1, 1, numeric.rounding(math.floor)),
    "round": Function(1, 1, numeric.rounding(numeric.half_away)),
    "int": Function(1, 1, numeric.to_int),
    "float": Function(1, 1, numeric.to_float),
    "max": Function(1, 64, numeric.extreme(max)),
    "min": Function(1, 64, numeric.extreme(min)),
    "mean": Function(1, 64, numeric.average(statistics.fmean)),
    "median": Function(1, 64, numeric.average(statistics.median)),
    "bitand": Function(2, 2, numeric.bits(lambda a, b: a & b)),
    "bitor": Function(2, 2, numeric.bits(lambda a, b: a | b)),
    "bitxor": Function(2, 2, numeric.bits(lambda a, b: a ^ b)),
    "bitnand": Function(2, 2, numeric.bits(lambda a, b: a & ~b)),
    "bitnot": Function(1, 1, lambda context, a: numeric.bits(lambda x, _: ~x)(context, a, 0)),
    "bitshl": Function(2, 2, numeric.bits(lambda a, b: a << numeric.shift_count(b))),
    "bitshr": Function(2, 2, numeric.bits(lambda a, b: a >> numeric.shift_count(b))),
    "bitushr": Function(2, 2, numeric.bits(lambda a, b: (a % 2**64) >> numeric.shift_count(b))),
    "string": Function(1, 1, collection.to_string),
    "trim": Function(1, 2, collection.of_text(lambda text, chars=None: text.strip(chars))),
    "trimPrefix": Function(
        1, 2, collection.of_text(lambda text, prefix=" ": text.removeprefix(prefix))
    ),
    "trimSuffix": Function(
        1, 2, collection.of_text(lambda text, suffix=" ": text.removesuffix(suffix))
    ),
    "upper": Function(1, 1, collection.of_text(str.upper)),
    "lower": Function(1, 1, collection.of_text(str.lower)),
    "split": Function(2, 3, collection.of_text(collection.split)),
    "splitAfter": Function(2, 3, collection.of_text(collection.split_after)),
    "replace": Function(3, 4, collection.of_text(collection.replace)),
    "repeat": Function(2, 2, collection.of_text(collection.repeat)),
    "join": Function(1, 2, collection.join),
    "indexOf": Function(2, 2, collection.of_text(str.find)),
    "lastIndexOf": Function(2, 2, collection.of_text(str.rfind)),
    "hasPrefix": Function(2, 2, collection.of_text(str.startswith)),
    "hasSuffix": Function(2, 2, collection.of_text(str.endswith)),
    "toBase64": Function(1, 1, collection.of_text(collection.to_base64)),
    "fromBase64": Function(1, 1, collection.of_text(collection.from_base64)),
    "toJSON": Function(1, 1, lambda context, value: to_json(value, context.meter)),
    "fromJSON": Function(1, 1, collection.from_json),
    "first": Function(
        1, 1, lambda context, values: collection.get(context, need_list(values), 0), True
    ),
    "last": Function(
        1, 1, lambda context, values: collection.get(context, need_list(values), -1), True
    ),
    "get": Function(2, 2, collection.get, free=True),
    "take": Function(2, 2, collection.take),
    "keys": Function(1, 1, lambda _, value: list(value.keys())),
    "values": Function(1, 1, lambda _, value: list(value.values())),
    "toPairs": Function(1, 1, lambda _, value: [list(pair) for pair in value.items()]),
    "fromPairs": Function(1, 1, collection.from_pairs),
    "reverse": Function(1, 1, lambda _, values: need_list(values)[::-1]),
    "uniq": Function(1, 1, collection.uniq),
    "concat": Function(1, 64, collection.concat),
    "flatten": Function(1, 1, collection.flatten),
    "sort": Function(
        1,
        2,
        lambda context, values, order="asc": collection.sort(
            need_list(values), context.meter, order
        ),
    ),
    "now": Function(0, 0, lambda context: Instant(context.now)),
    "duration": Function(1, 1, _duration),
    "date": Function(1, 1, _date),
}
