"""What is wrong with an expression is said with its place and the value that caused it."""

import math

import pytest

from analysis.expr.errors import ExprError
from analysis.expr.program import compile_expression


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "result ?? 0 > 1",
            "operator (>) and coalesce expressions (??) cannot be mixed; wrap either by parentheses at 1:13",
        ),
        ("", "unexpected end of expression at 1:1"),
        ("1 +", "unexpected token end of expression at 1:4"),
        ("foo > 1", "unknown name foo at 1:1"),
        ("resutl > 1", "unknown name resutl; did you mean result? at 1:1"),
        ("false && foo", "unknown name foo at 1:10"),
        ("quux(1)", "unknown function quux at 1:1"),
        ("is_nan(result)", "unknown function is_nan; did you mean isNaN? at 1:1"),
        ("# > 1", 'unexpected token "#" at 1:1'),
        (".x > 1", 'unexpected token "." at 1:1'),
        ("all(result)", "all needs a predicate at 1:11"),
        ("len()", "not enough arguments to call len at 1:1"),
        ("len(1, 2)", "too many arguments to call len at 1:1"),
        ("sortBy(result, #, 'asc', 1)", "too many arguments to call sortBy at 1:1"),
        ("1 not 2", 'unexpected token "2" at 1:7'),
        ("(1", 'expected ")" but found end of expression at 1:3'),
        ("'abc", "literal not terminated at 1:1"),
        ("1 & 1", 'unrecognized character: "&"; and is written "&&" or "and" at 1:3'),
        ("12abc", 'bad number syntax: "12a" at 1:1'),
        ("99999999999999999999", "integer literal is too large at 1:1"),
        ("1 == 1\n  + @", 'unrecognized character: "@" at 2:5'),
        ("let result = 1; 2", "cannot redeclare variable result at 1:1"),
        ("let len = 1; 2", "cannot redeclare builtin len at 1:1"),
        ("result.foo()", "unknown method foo at 1:8"),
        ("now().Year(1)", "too many arguments to call Year at 1:7"),
        ("all(result, #foo)", 'unknown pointer "#foo" at 1:13'),
        (r"'\q'", 'invalid escape "\\q" at 1:2'),
        ("/* x", "unclosed comment at 1:1"),
        ("b'abc'", 'byte literals (b"…") are not supported; write a string at 1:1'),
        ("false and 'x' matches '('", 'error parsing regexp "(" (string): missing ): ( at 1:23'),
    ],
)
def test_before_it_runs(source, message):
    with pytest.raises(ExprError) as error:
        compile_expression(source)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("source", "result", "message"),
    [
        ("result[0] > 1", [], "index 0 is out of range for a list of 0 at 1:7"),
        ("len(result) > 0 &&\n result[-4] > 1", [1, 2], "index -4 is out of range for a list of 2 at 2:8"),
        ("result[3]", "abc", "index 3 is out of range for a string of 3 at 1:7"),
        ("result['a']", [1], "cannot fetch a from a list of 1 at 1:7"),
        ("result[1.5]", [1], "cannot use 1.5 (float) as an index at 1:7"),
        ("result[1]", {"a": 1}, "cannot use 1 (int) as a key of a map at 1:7"),
        ("result.a.b", {}, "cannot fetch b from nil at 1:9"),
        ("result.a", [1], "cannot fetch a from a list of 1 at 1:7"),
        ("result['a':]", [1], 'a slice needs integers, not "a" (string) at 1:7'),
        ("result[0:1]", {}, "cannot slice a map of 0 at 1:7"),
        ("result > 1", "x", 'invalid operation: "x" (string) > 1 (int) at 1:8'),
        ("1 <= result", "x", 'invalid operation: 1 (int) <= "x" (string) at 1:3'),
        ("0 < 1 < result", True, "invalid operation: 1 (int) < true (bool) at 1:7"),
        ("result > 1", None, "invalid operation: nil > 1 (int) at 1:8"),
        ("result + 1", "x" * 99, f'invalid operation: "{"x" * 40}…" (string) + 1 (int) at 1:8'),
        ("result % 2", 1.5, "invalid operation: 1.5 (float) % 2 (int) at 1:8"),
        ("-result", [], "invalid operation: - a list of 0 at 1:1"),
        ("1 % (1 - 1)", None, "integer divide by zero: 1 % 0 at 1:3"),
        ("result && true", 1, "invalid operation: and needs true or false, not 1 (int) at 1:8"),
        ("!result", "no", 'invalid operation: not needs true or false, not "no" (string) at 1:1'),
        ("result ? 1 : 2", 0, "invalid operation: a condition needs true or false, not 0 (int) at 1:8"),
        ("all(result, #)", [1], "a predicate must say true or false, not 1 (int) at 1:13"),
        ("any(result, .x > 1)", [{"x": 0}, {"x": {}}], "invalid operation: a map of 0 > 1 (int) at 1:16"),
        ("all(result, # > 0)", {"a": 1}, "all takes a list, not a map of 1 at 1:1"),
        ("reduce(result, #acc + #)", [], "reduce of an empty list needs an initial value at 1:1"),
        ("sum(result)", [1, "2"], 'sum takes numbers, not "2" (string) at 1:1'),
        ("max(result)", [1, [True]], "max takes numbers, not true (bool) at 1:1"),
        ("sort(result)", [1, "a"], 'invalid operation: "a" (string) < 1 (int) at 1:1'),
        ("sort(result, 'up')", [1], 'the order of a sort is "asc" or "desc", not "up" (string) at 1:1'),
        ("len(result)", 5, "len takes a string, a list or a map, not 5 (int) at 1:1"),
        ("isNaN(result)", "x", 'isNaN takes a number, not "x" (string) at 1:1'),
        ("take([1], 'x')", None, 'take takes an int as argument 2, not "x" (string) at 1:1'),
        ("asInt(result)", "x", 'asInt: "x" (string) is not an integer at 1:1'),
        ("asInt(result)", "1_0", 'asInt: "1_0" (string) is not an integer at 1:1'),
        ("int(result)", 1e300, "int: 1e+300 (float) is out of the range of integers at 1:1"),
        ("asInt(result)", math.nan, "asInt: NaN (float) is not an integer at 1:1"),
        ("asFloat(result)", [], "asFloat takes a number or a string, not a list of 0 at 1:1"),
        ("asFloat(result)", "1,5", 'asFloat: "1,5" (string) is not a number at 1:1'),
        ("'x' matches result", "(", 'error parsing regexp "(" (string): missing ): ( at 1:5'),
        ("result in 5", 5, 'operator "in" is for lists and maps, not 5 (int) at 1:8'),
        ("{a: [1]}[result]", [1], "cannot use a list of 1 as a key of a map at 1:9"),
        ("duration(result)", "5 minutes", 'time: invalid duration "5 minutes" at 1:1'),
        ("duration('1h') * result", 1e9, "a duration out of range: 3.6e+12 seconds at 1:16"),
        ("now() + duration('2000000h') * result", 1000, "a duration out of range: 7.2e+12 seconds at 1:30"),
        ("date(result)", "soon", 'invalid date "soon" (string); write it as 2006-01-02 or 2006-01-02T15:04:05Z at 1:1'),
        ("date(result, '02.01.2006')", "1/2/3", 'invalid date "1/2/3" (string); write it as the layout 02.01.2006 at 1:1'),
        ("timezone(result)", "../passwd", 'unknown time zone "../passwd" (string) at 1:1'),
        ("duration('1s').Year()", None, "a duration has no method Year at 1:16"),
        ("now() > 5", None, "invalid operation: 1970-01-01T00:00:00Z (time) > 5 (int) at 1:7"),
        ("toJSON(result)", math.nan, "json: unsupported value: NaN at 1:1"),
        ("fromJSON(result)", "[1,", 'fromJSON: unexpected end of data: line 1 column 4 (char 3) in "[1," (string) at 1:1'),
        ("fromBase64(result)", "%", 'fromBase64: "%" (string) is not base64: Only base64 data is allowed at 1:1'),
        ("fromPairs(result)", ["ab"], 'fromPairs takes pairs of a key and a value, not "ab" (string) at 1:1'),
        ("join(result)", [1], "join takes strings, not 1 (int) at 1:1"),
        ("bitshl(1, -1)", None, "invalid shift count -1: it must not be negative at 1:1"),
    ],
)  # fmt: skip
def test_for_this_value(source, result, message):
    with pytest.raises(ExprError) as error:
        compile_expression(source).run(result)
    assert str(error.value) == message


def test_the_innermost_place_is_told():
    with pytest.raises(ExprError) as error:
        compile_expression("true and len(map(result, # + 1)) > 0").run([1, "x"])
    assert str(error.value) == 'invalid operation: "x" (string) + 1 (int) at 1:28'


def test_a_value_in_a_message_is_only_a_glimpse():
    with pytest.raises(ExprError) as error:
        compile_expression("result > 1").run("x" * 1_000_000)
    assert len(str(error.value)) < 200
