"""Expressions are user input: whatever they say, they end soon, and say which budget they broke."""

import sys

import pytest

from analysis.expr.errors import MAX_DEPTH, MAX_STEPS, ExprError, Meter
from analysis.expr.program import compile_expression

BIG = list(range(50_000))
TOO_LONG = "the expression takes more than 100000 steps"
TOO_NESTED = "the expression is nested over 64 levels deep"
TOO_MANY = "the expression has more than 2000 parts"
TOO_DEEP = "a value is nested more than 80 levels deep"
DOUBLED = "reduce(1..60, [#acc, #acc], [1])"  # sixty levels, 2**60 leaves

WRITTEN = [
    ("1" * 1_000_000, "the expression has 1000000 characters; 4096 are allowed"),
    ("(" * 2000 + "1" + ")" * 2000, TOO_NESTED),
    ("[" * 2000 + "]" * 2000, TOO_NESTED),
    ("!" * 4000 + "true", TOO_NESTED),
    ("-" * 4000 + "1", TOO_NESTED),
    ("1 ? " * 500 + "1" + ": 1" * 500, TOO_NESTED),
    ("let a = 1; " * 370 + "1", TOO_NESTED),
    ("if true {" * 200 + "1" + "} else {1}" * 200, TOO_NESTED),
    ("{a: " * 900, TOO_NESTED),
    ("all(" * 900, TOO_NESTED),
    ("1" + "+1" * 100, TOO_NESTED),
    ("1" + "+1" * 2000, TOO_MANY),
    ("result" + ".a" * 2000, TOO_MANY),
    ("result" + "[0]" * 1300, TOO_MANY),
    ("result" + ".a" * 500, TOO_NESTED),
    ("[" + "1," * 2040 + "]", TOO_MANY),
    ("true" + "&&1>0" * 650, TOO_MANY),
    (
        " && ".join(f"'a' matches '(x{{1,50}}){{1,{n}}}'" for n in range(1, 60)),
        "the regular expressions are too large together",
    ),
    (f"'a' matches '{'(a?)' * 300}'", "a pattern of 1200 characters; 1024 are allowed"),
    (r"'a' matches '(\\pL{1,50})'", r'error parsing regexp "(\\pL{1,50})" (string): pattern too large'),
]  # fmt: skip

RUN = [
    ("9 ** 9 ** 9 % 2", "invalid operation: inf (float) % 2 (int)"),
    ("1..1000000000", "a list of 1000000000 elements; 10000 are allowed"),
    ("-9223372036854775807..9223372036854775807", "elements; 10000 are allowed"),
    ("map(1..10000, map(1..10000, #))", TOO_LONG),
    ("all(1..9999, all(1..9999, # > 0))", TOO_LONG),
    ("all(1..99, {let x = #; all(1..99, {let y = #; all(1..99, x * y * # > 0)})})", TOO_LONG),
    ("repeat('a', 1000000000)", "a string of 1000000000 characters; 65536 are allowed"),
    ("repeat('a', 9223372036854775807)", "characters; 65536 are allowed"),
    ("let a = repeat('a', 60000); a + a", "a string of 120000 characters; 65536 are allowed"),
    ("reduce(1..9999, #acc + #acc, 'aaaa')", "a string of 131072 characters; 65536 are allowed"),
    ("reduce(1..9999, concat(#acc, #acc), [1])", "a list of 16384 elements; 10000 are allowed"),
    (
        "replace(repeat('a', 60000), 'a', repeat('b', 60000))",
        "a string of 3600000000 characters; 65536 are allowed",
    ),
    (
        "replace(repeat('a', 60000), '', repeat('b', 60000))",
        "a string of 3600120000 characters; 65536 are allowed",
    ),
    ("join(map(1..99, repeat('a', 20000)))", "a string of 1980000 characters; 65536 are allowed"),
    ("toBase64(repeat('a', 60000))", "a string of 80000 characters; 65536 are allowed"),
    ("split(repeat('a', 20000), '')", "a list of 20000 elements; 10000 are allowed"),
    ("splitAfter(repeat('a,', 20000), ',')", "a list of 20001 elements; 10000 are allowed"),
    (f"{DOUBLED} == {DOUBLED}", TOO_LONG),
    (f"uniq([{DOUBLED}, {DOUBLED}])", TOO_LONG),
    (f"{DOUBLED} in [{DOUBLED}]", TOO_LONG),
    (f"flatten({DOUBLED})", TOO_LONG),
    (f"max({DOUBLED})", TOO_LONG),
    (f"toJSON({DOUBLED})", "characters; 65536 are allowed"),
    (f"string({DOUBLED})", "characters; 65536 are allowed"),
    ("mean(reduce(1..999, [#acc], [1]))", TOO_DEEP),
    ("toJSON(reduce(1..999, ({'a': #acc}), {}))", TOO_DEEP),
    ("string(reduce(1..999, [#acc], [1]))", TOO_DEEP),
    ("reduce(1..999, [#acc], [1]) == reduce(1..999, [#acc], [1])", TOO_DEEP),
    ("fromJSON(repeat('[', 60000))", "fromJSON: depth limit exceeded"),
    ("fromJSON(repeat('[', 500) + repeat(']', 500))", f"fromJSON: {TOO_DEEP}"),
    ("fromJSON('[' + repeat('1,', 30000) + '1]')", "a list of 30001 elements; 10000 are allowed"),
    ("fromJSON(repeat('9', 5000)) * 0 == 1", "fromJSON: "),
    ("all(1..9999, uniq(result) == [])", TOO_LONG),
    ("all(1..9999, result == result)", TOO_LONG),
    ("all(1..9999, -1 not in result)", TOO_LONG),
    ("all(1..9999, sort(result) != [])", TOO_LONG),
    ("all(1..9999, max(result, result) > 0)", TOO_LONG),
    ("all(1..9999, result[1:] != [])", "a list of 49999 elements; 10000 are allowed"),
    ("map(1..9999, groupBy(result, #))", TOO_LONG),
    ("map(1..9999, upper(repeat('a', 1000)))", TOO_LONG),
    ("all(1..9999, now().Format(repeat('2006 ', 20)) != '')", TOO_LONG),
    ("all(1..9999, date('2023-08-14', '2006-01-02').Year() > 0)", TOO_LONG),
    ("date('2023', repeat('2006', 100))", "a layout of 400 characters; 128 are allowed"),
    ("date(repeat('2', 1000))", "a date of 1000 characters; 128 are allowed"),
    ("none(1..9999, repeat('a', 60000) matches '(a+)+$b')", TOO_LONG),
    ("map(1..900, 'a' matches ('(x{1,50}){1,20}' + string(#)))", TOO_LONG),
    ("repeat('ab', 30000) matches '(a|b)*a(a|b){400}'", TOO_LONG),
]


@pytest.mark.parametrize(("source", "message"), WRITTEN, ids=lambda text: text[:40])
def test_a_bomb_is_refused_when_it_is_compiled(source, message):
    with pytest.raises(ExprError) as error:
        compile_expression(source)
    assert message in str(error.value)


@pytest.mark.parametrize(("source", "message"), RUN, ids=lambda text: text[:40])
def test_a_bomb_is_refused_when_it_runs(source, message):
    program = compile_expression(source)
    with pytest.raises(ExprError) as error:
        program.run(BIG)
    assert message in str(error.value)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("source", [source for source, _ in RUN], ids=lambda text: text[:40])
def test_a_step_is_a_bounded_amount_of_work(source):
    """Calls of functions made, Python's own among them, are counted instead of time."""
    program = compile_expression(source)
    meter = Meter()
    calls = calls_of(lambda: program.run(BIG, meter=meter))
    assert calls <= 60 + 12 * (MAX_STEPS - max(meter.steps, 0))


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("(", " ?: true)"),
        ("1 < (", ") < 1"),
        ("1 < (", " < 1 < 1) < 1"),
        ("(true ?: ", ")"),
        ("all([1], {", "})"),
        ("result?.[", "]"),
    ],
)
def test_what_is_written_once_is_compiled_and_evaluated_once(opening, closing):
    def calls(levels):
        source = opening * levels + "0" + closing * levels
        return calls_of(lambda: compile_expression(source).run([True]))

    assert calls(12) < 4 * calls(6)


def test_the_longest_chains_people_write_are_no_problem():
    source = " && ".join(f"(result[{n}] >= 0.95 || isNaN(result[{n}]))" for n in range(60))
    assert compile_expression(source).run([0.99] * 60) is True


def test_the_deepest_expression_needs_a_known_part_of_the_stack():
    deepest = "all([1], {" * (MAX_DEPTH // 2) + "true" + "})" * (MAX_DEPTH // 2)
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(stack_depth() + 500)
    try:
        assert compile_expression.__wrapped__(deepest).run([]) is True
    except ExprError as error:
        assert TOO_NESTED in str(error)  # noqa: PT017 - refused by its own budget is fine
    finally:
        sys.setrecursionlimit(before)


def test_a_regular_expression_takes_linear_time():
    assert compile_expression('result matches "^(a+)+$"').run("a" * 50_000 + "b") is False


@pytest.mark.parametrize(
    "source",
    [
        "result == [result]",
        "toJSON(result)",
        "string(result)",
        "max(result)",
        "uniq([result, [result]])",
    ],
)
def test_a_result_nested_very_deeply_is_an_error_not_a_crash(source):
    nested: list = []
    for _ in range(sys.getrecursionlimit() * 2):
        nested = [nested]
    with pytest.raises(ExprError, match=TOO_DEEP):
        compile_expression(source).run(nested)


def calls_of(body):
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        body()
    except ExprError:
        pass
    finally:
        sys.setprofile(None)
    return calls


def stack_depth():
    frame, depth = sys._getframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    return depth
