"""The functions of the condition language that take values (no predicates), by name.

Owns what each function takes, as expr-lang documents it, and Argo Rollouts' additions. Every
function pays for the size of what it reads before it starts, so none can outrun the budget. Called
by the compiler.
"""

import math
import statistics
from typing import Any, Final

from analysis.expr import collection, dates, numeric
from analysis.expr.context import Context, Function, function
from analysis.expr.text import from_json, to_json, to_text
from analysis.expr.values import Instant, type_name

_TYPES: Final = {
    "list": "array",
    "time": "time.Time",
    "duration": "time.Duration",
    "timezone": "time.Location",
}


def _type(_: Context, value: Any) -> str:
    """What ``type()`` answers: expr-lang's names, not those of messages."""
    name = type_name(value)
    return _TYPES.get(name, name)


def _default(context: Context, _: Any, other: Any) -> Any:
    return other if context.result is None else context.result


def _affix(cut: Any) -> Any:
    return lambda _, text, part: cut(text, part)


FUNCTIONS: Final[dict[str, Function]] = {
    "asInt": function("number|string", numeric.as_int),
    "asFloat": function("number|string", numeric.as_float),
    "isNaN": function("number", numeric.is_nan),
    "isInf": function("number", lambda _, value: math.isinf(value)),
    # Argo Rollouts' behaviour: both look at the whole result, whatever their first argument is.
    "isNil": function("any", lambda context, _: context.result is None, free=True),
    "default": function("any any", _default, free=True),
    # any value
    "len": function("string|list|map", lambda _, value: len(value), free=True),
    "type": function("any", _type, free=True),
    "get": function("any any", collection.get, free=True),
    # numbers
    "abs": function("number", numeric.absolute),
    "ceil": function("number", numeric.rounding(math.ceil)),
    "floor": function("number", numeric.rounding(math.floor)),
    "round": function("number", numeric.rounding(numeric.half_away)),
    "int": function("number|string", numeric.to_int),
    "float": function("number|string", numeric.to_float),
    "max": function("number|list+", numeric.extreme("max", max)),
    "min": function("number|list+", numeric.extreme("min", min)),
    "mean": function("number|list+", numeric.average("mean", numeric.mean)),
    "median": function("number|list+", numeric.average("median", statistics.median)),
    "bitand": function("int int", numeric.bits(lambda a, b: a & b)),
    "bitor": function("int int", numeric.bits(lambda a, b: a | b)),
    "bitxor": function("int int", numeric.bits(lambda a, b: a ^ b)),
    "bitnand": function("int int", numeric.bits(lambda a, b: a & ~b)),
    "bitnot": function("int", numeric.bits(lambda a: ~a)),
    "bitshl": function("int int", numeric.shift(lambda a, by: a << by)),
    "bitshr": function("int int", numeric.shift(lambda a, by: a >> by)),
    "bitushr": function("int int", numeric.shift(lambda a, by: (a % 2**64) >> by)),
    # strings
    "string": function("any", lambda context, value: to_text(value, context.meter), free=True),
    "trim": function("string string?", lambda _, text, chars=None: text.strip(chars)),
    "trimPrefix": function("string string", _affix(str.removeprefix)),
    "trimSuffix": function("string string", _affix(str.removesuffix)),
    "upper": function("string", lambda _, text: text.upper()),
    "lower": function("string", lambda _, text: text.lower()),
    "split": function("string string int?", collection.split),
    "splitAfter": function("string string int?", collection.split_after),
    "replace": function("string string string int?", collection.replace),
    "repeat": function("string int", collection.repeat),
    "join": function("list string?", collection.join),
    "indexOf": function("string string", lambda _, text, part: text.find(part)),
    "lastIndexOf": function("string string", lambda _, text, part: text.rfind(part)),
    "hasPrefix": function("string string", lambda _, text, part: text.startswith(part)),
    "hasSuffix": function("string string", lambda _, text, part: text.endswith(part)),
    "toBase64": function("string", collection.to_base64),
    "fromBase64": function("string", collection.from_base64),
    "toJSON": function("any", lambda context, value: to_json(value, context.meter), free=True),
    "fromJSON": function("string", lambda context, text: from_json(text, context.meter), free=True),
    # lists and maps
    "first": function("list", lambda _, values: values[0] if values else None, free=True),
    "last": function("list", lambda _, values: values[-1] if values else None, free=True),
    "take": function("list int", collection.take, free=True),
    "reverse": function("list", lambda _, values: values[::-1]),
    "uniq": function("list", collection.uniq),
    "concat": function("list+", collection.concat),
    "flatten": function("list", collection.flatten),
    "sort": function(
        "list string?",
        lambda context, values, order="asc": collection.sort(values, context.meter, order),
    ),
    "keys": function("map", lambda _, value: list(value)),
    "values": function("map", lambda _, value: list(value.values())),
    "toPairs": function("map", lambda _, value: [list(pair) for pair in value.items()]),
    "fromPairs": function("list", collection.from_pairs),
    # time
    "now": function("", lambda context: Instant(context.now)),
    "duration": function("string", dates.duration),
    "date": function("string string? string?", dates.date),
    "timezone": function("string", dates.zone),
}
METHODS: Final = dates.METHODS
