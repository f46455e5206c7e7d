"""The functions and methods of the language: what each of them is for, one row at least."""

import re

import pytest

from analysis.expr.errors import ExprError
from analysis.expr.functions import FUNCTIONS, METHODS
from analysis.expr.predicates import BODIES
from analysis.expr.program import compile_expression

NOW = 1_767_323_045.25  # 2026-01-02T03:04:05.25Z, a Friday
RESULT = [3.0, 1.0, 2.0]
INF = float("inf")

# The builtin, an example of it, and what it gives where the result is RESULT.
TABLE = [
    # Argo Rollouts' own
    ("asInt", 'asInt("12") + asInt(3.9)', 15),
    ("asFloat", 'asFloat("1.5e1") + asFloat(2)', 17.0),
    ("isNaN", 'isNaN(asFloat("NaN")) and not isNaN(1)', True),
    ("isInf", 'isInf(1 / 0) and isInf(-1 / 0) and not isInf(asFloat("nan"))', True),
    ("isNil", "isNil(nil)", False),
    ("default", "default(result[0], 0)", RESULT),
    # predicates
    ("all", "all(result, # > 0)", True),
    ("all", "all([], false)", True),
    ("none", "none(result, {# > 3})", True),
    ("any", "any(result, # > 2)", True),
    ("any", "any([], true)", False),
    ("one", "one(result, # > 2)", True),
    ("one", "one(result, # > 1)", False),
    ("filter", "filter(0..9, {# % 4 == 0})", [0, 4, 8]),
    ("map", "map(result, # * 2)", [6.0, 2.0, 4.0]),
    ("map", "map([{v: 1}, {v: 2}], .v)", [1, 2]),
    ("find", "find([1, 2, 3, 4], # > 2)", 3),
    ("find", "find([1], # > 2)", None),
    ("findIndex", "findIndex([1, 2, 3, 4], # > 2)", 2),
    ("findIndex", "findIndex([1], # > 2)", None),
    ("findLast", "findLast([1, 2, 3, 4], # > 2)", 4),
    ("findLastIndex", "findLastIndex([1, 2, 3, 4], # < 3)", 1),
    ("groupBy", "groupBy([1, 2, 3], # % 2)[1]", [1, 3]),
    ("groupBy", "len(groupBy(['a', 'b', 'a'], #))", 2),
    ("count", "count(result, # > 1)", 2),
    ("count", "count([true, false, true])", 2),
    ("sum", "sum([1, 2, 3])", 6),
    ("sum", "sum([{v: 1.5}, {v: 2}], .v)", 3.5),
    ("sum", "sum([])", 0),
    ("reduce", "reduce(1..9, #acc + #)", 45),
    ("reduce", "reduce([5, 6], #acc + # * #index, 100)", 106),
    ("sortBy", "sortBy([{v: 2}, {v: 1}], .v)[0].v", 1),
    ("sortBy", 'sortBy(result, -#, "desc")', [1.0, 2.0, 3.0]),
    # any value
    ("len", 'len(result) + len("héllo") + len({a: 1})', 9),
    ("type", "map([nil, true, 1, 1.5, 'a', [], {}, now(), duration('1s')], type(#))",
     ["nil", "bool", "int", "float", "string", "array", "map", "time.Time", "time.Duration"]),
    ("get", "get([1, 2, 3], 1)", 2),
    ("get", "get(result, 9) ?? get({a: 4}, 'b') ?? get({a: 4}, 'a')", 4),
    ("get", "get(result, -1)", 2.0),
    ("int", 'int("123") + int(2.9) + int(-2.9)', 123),
    ("float", 'float("123.45")', 123.45),
    ("float", "float(2)", 2.0),
    ("string", "string(123)", "123"),
    ("string", "string([1, 2.50, 1000000.0, nil, {b: true, a: 'x'}])",
     "[1 2.5 1e+06 <nil> map[a:x b:true]]"),
    ("string", "string(1234567.0) + ' ' + string(0.00001) + ' ' + string(123456.0)",
     "1.234567e+06 1e-05 123456"),
    ("string", "string(duration('90m')) + ' ' + string(duration('1500us'))", "1h30m0s 1.5ms"),
    ("string", "string(now())", "2026-01-02 03:04:05.25 +0000 UTC"),
    ("toJSON", "toJSON({b: [1, 2.0], a: nil, c: {}})",
     '{\n  "a": null,\n  "b": [\n    1,\n    2\n  ],\n  "c": {}\n}'),
    ("toJSON", "toJSON(['<&>', 1e-7, 1e21, now(), duration('1s')])",
     '[\n  "\\u003c\\u0026\\u003e",\n  1e-7,\n  1e+21,\n  "2026-01-02T03:04:05.25Z",\n  1000000000\n]'),
    ("fromJSON", """fromJSON('{"a": [1, "x", null]}').a""", [1.0, "x", None]),
    ("toBase64", 'toBase64("Hello World")', "SGVsbG8gV29ybGQ="),
    ("fromBase64", 'fromBase64("SGVsbG8gV29ybGQ=")', "Hello World"),
    # numbers
    ("max", "max(5, 7)", 7),
    ("max", "max([1, 2.5], 2, [[3]])", 3),
    ("max", "max([])", None),
    ("min", "min(5, 7)", 5),
    ("min", "min(result)", 1.0),
    ("mean", "mean([1, 2, 3])", 2.0),
    ("mean", "mean(1, 2)", 1.5),
    ("mean", "mean(1e308, 1e308)", INF),
    ("median", "median([1, 2, 9, 3])", 2.5),
    ("abs", "abs(-5)", 5),
    ("abs", "abs(-1.5)", 1.5),
    ("ceil", "ceil(1.2)", 2.0),
    ("floor", "floor(-1.2)", -2.0),
    ("round", "[round(1.5), round(-1.5), round(2.4), round(0.49999999999999994)]",
     [2.0, -2.0, 2.0, 0.0]),
    ("bitand", "bitand(0b1010, 0b1100)", 0b1000),
    ("bitor", "bitor(0b1010, 0b1100)", 0b1110),
    ("bitxor", "bitxor(0b1010, 0b1100)", 0b110),
    ("bitnand", "bitnand(0b1010, 0b1100)", 0b10),
    ("bitnot", "bitnot(0b1010)", -0b1011),
    ("bitshl", "bitshl(0b101101, 2)", 0b10110100),
    ("bitshl", "bitshl(1, 64)", 0),
    ("bitshr", "bitshr(0b101101, 2)", 0b1011),
    ("bitushr", "bitushr(-0b101, 2)", 4611686018427387902),
    # strings
    ("trim", 'trim("  Hello  ")', "Hello"),
    ("trim", 'trim("__Hello__", "_")', "Hello"),
    ("trimPrefix", 'trimPrefix("HelloWorld", "Hello")', "World"),
    ("trimSuffix", 'trimSuffix("HelloWorld", "World")', "Hello"),
    ("upper", 'upper("hello")', "HELLO"),
    ("lower", 'lower("HELLO")', "hello"),
    ("split", 'split("apple,orange,grape", ",")', ["apple", "orange", "grape"]),
    ("split", 'split("apple,orange,grape", ",", 2)', ["apple", "orange,grape"]),
    ("split", 'split("abc", "", 2)', ["a", "bc"]),
    ("splitAfter", 'splitAfter("apple,orange,grape", ",", 2)', ["apple,", "orange,grape"]),
    ("replace", 'replace("Hello World", "World", "Universe")', "Hello Universe"),
    ("replace", 'replace("aaa", "a", "b", 2)', "bba"),
    ("repeat", 'repeat("Hi", 3)', "HiHiHi"),
    ("indexOf", 'indexOf("apple pie", "pie")', 6),
    ("indexOf", 'indexOf("apple pie", "cake")', -1),
    ("lastIndexOf", 'lastIndexOf("apple pie apple", "apple")', 10),
    ("hasPrefix", 'hasPrefix("HelloWorld", "Hello")', True),
    ("hasSuffix", 'hasSuffix("HelloWorld", "World")', True),
    ("join", 'join(["apple", "orange", "grape"], ",")', "apple,orange,grape"),
    ("join", 'join(["apple", "orange"])', "appleorange"),
    # lists and maps
    ("first", "first(result)", 3.0),
    ("first", "first([])", None),
    ("last", "last(result)", 2.0),
    ("take", "take([1, 2, 3, 4], 2)", [1, 2]),
    ("take", "take([1], 2)", [1]),
    ("reverse", "reverse([3, 1, 4])", [4, 1, 3]),
    ("sort", "sort(result)", [1.0, 2.0, 3.0]),
    ("sort", 'sort(["b", "a"], "desc")', ["b", "a"]),
    ("uniq", "uniq([1, 2, 1.0, 2, {a: 1}, {a: 1}])", [1, 2, {"a": 1}]),
    ("concat", "concat([1, 2], [3, 4], [5])", [1, 2, 3, 4, 5]),
    ("flatten", "flatten([1, 2, [3, [4]]])", [1, 2, 3, 4]),
    ("keys", 'keys({"name": "John", "age": 30})', ["name", "age"]),
    ("values", 'values({"name": "John", "age": 30})', ["John", 30]),
    ("toPairs", 'toPairs({"name": "John", "age": 30})', [["name", "John"], ["age", 30]]),
    ("fromPairs", 'fromPairs([["name", "John"], ["age", 30]])', {"name": "John", "age": 30}),
    # time
    ("now", "now() - duration('1h') < now()", True),
    ("duration", 'duration("1h").Seconds()', 3600.0),
    ("duration", "duration('90s') * 2 - duration('1m') == duration('2m')", True),
    ("date", 'date("2023-08-14").Unix()', 1691971200),
    ("date", 'date("15:04:05").Hour()', 15),
    ("date", 'date("15:04:05").Year()', 0),
    ("date", 'date("2023-08-14 01:02:03").Unix()', 1691974923),
    ("date", 'date("2023-08-14T00:00:00.5+02:00").UnixMilli()', 1691964000500),
    ("date", 'date("14 Aug 23 01:02 UTC").Unix()', 1691974920),
    ("date", 'date("Monday, 14-Aug-23 01:02:03 GMT").Unix()', 1691974923),
    ("date", 'date("Mon, 14 Aug 2023 01:02:03 UTC").Unix()', 1691974923),
    ("date", 'date("3:04PM 14.8.2023", "3:04PM 2.1.2006").Hour()', 15),
    ("date", 'date("August 4 2023 -0700", "January 2 2006 -0700").Unix()', 1691132400),
    ("date", 'date("2023-08-14 00:00:00", "2006-01-02 15:04:05", "Europe/Zurich").Unix()', 1691964000),
    ("date", 'date("2023-08-14", "2006-01-02", "Europe/Zurich") == date("2023-08-13T22:00:00Z")', True),
    ("timezone", 'date("2023-08-14 00:00:00").In(timezone("Europe/Zurich")).Hour()', 2),
]  # fmt: skip

METHOD_TABLE = [
    ("Year", "now().Year()", 2026),
    ("Month", "now().Month()", 1),
    ("Day", "now().Day()", 2),
    ("Hour", "now().Hour()", 3),
    ("Minute", "now().Minute()", 4),
    ("Second", "now().Second()", 5),
    ("Nanosecond", "now().Nanosecond()", 250_000_000),
    ("Weekday", "now().Weekday()", 5),
    ("YearDay", "now().YearDay()", 2),
    ("Unix", "now().Unix()", 1_767_323_045),
    ("UnixMilli", "now().UnixMilli()", 1_767_323_045_250),
    ("UnixMicro", "now().UnixMicro()", 1_767_323_045_250_000),
    ("UnixNano", "now().UnixNano()", 1_767_323_045_250_000_000),
    ("UTC", 'now().In(timezone("Asia/Tokyo")).UTC().Hour()', 3),
    ("In", 'now().In(timezone("Asia/Tokyo")).Hour()', 12),
    ("Add", 'now().Add(duration("-4h")).Day()', 1),
    ("Sub", 'now().Sub(date("2026-01-02")).Hours() > 3', True),
    ("Before", 'now().Before(date("2026-01-03"))', True),
    ("After", 'now().After(date("2026-01-03"))', False),
    ("Equal", 'now().Equal(now().In(timezone("Asia/Tokyo")))', True),
    ("Format", 'now().Format("Mon, 02 Jan 2006 15:04:05 MST")', "Fri, 02 Jan 2026 03:04:05 UTC"),
    ("Format", 'now().Format("Monday January _2 06 3:4:5.00 pm Z07:00 -0700 .999")',
     "Friday January  2 26 3:4:5.25 am Z +0000 .25"),
    ("String", 'duration("1h").String() + " " + duration("-2.5s").String()', "1h0m0s -2.5s"),
    ("Hours", 'duration("90m").Hours()', 1.5),
    ("Minutes", 'duration("90s").Minutes()', 1.5),
    ("Seconds", 'duration("1500ms").Seconds()', 1.5),
    ("Milliseconds", 'duration("1.5s").Milliseconds()', 1500),
    ("Microseconds", 'duration("1.5ms").Microseconds()', 1500),
    ("Nanoseconds", 'duration("1.5us").Nanoseconds()', 1500),
    ("Abs", 'duration("-5s").Abs() == duration("5s")', True),
    ("Truncate", 'duration("-1m5s").Truncate(duration("1m")) == duration("-1m")', True),
]  # fmt: skip


@pytest.mark.parametrize(("name", "source", "expected"), TABLE + METHOD_TABLE)
def test_builtin(name, source, expected):
    assert re.search(rf"\b{name}\(", source)
    value = compile_expression(source).run(RESULT, now=NOW)
    assert value == expected
    assert type(value) is type(expected) or isinstance(expected, dict)


def test_every_builtin_has_its_row():
    assert {name for name, _, _ in TABLE} == {*FUNCTIONS, *BODIES}
    assert {name for name, _, _ in METHOD_TABLE} == {*METHODS}


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("b'abc' == result", "byte literals"),
        ("now().ISOWeek()", "unknown method ISOWeek"),
        ("result.String()", "a list has no method String"),
        ("sprintf('%d', 1)", "unknown function sprintf"),
        ("toYAML(result)", "unknown function toYAML"),
        ("environment", "unknown name environment"),
    ],
)
def test_what_is_not_supported_is_named(source, named):
    with pytest.raises(ExprError, match=named):
        compile_expression(source).run(RESULT)
