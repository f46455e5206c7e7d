"""Expressions are user input: whatever they say, they end soon and raise nothing but ExprError."""

import sys
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.expr.errors import ExprError
from analysis.expr.functions import FUNCTIONS
from analysis.expr.parser import BINARY
from analysis.expr.predicates import BODIES
from analysis.expr.program import compile_expression

BIG = list(range(50_000))


@pytest.mark.parametrize(
    "source",
    [
        "1" * 1_000_000,
        "(" * 2000 + "1" + ")" * 2000,
        "[" * 2000 + "]" * 2000,
        "!" * 4000 + "true",
        "-" * 4000 + "1",
        "1" + "+1" * 2000,
        "result" + ".a" * 2000,
        "result" + "[0]" * 1300,
        "1 ? " * 1000 + "1" + ": 1" * 1000,
        "let a = 1; " * 370 + "1",
        "if true {" * 300 + "1" + "} else {1}" * 300,
        "[" + "1," * 2000 + "]",
        "{" + "a:" * 1000,
        "all(" * 900,
        "9 ** 9 ** 9 % 2",
        "1..1000000000",
        "map(1..10000, map(1..10000, #))",
        "all(1..9999, all(1..9999, # > 0))",
        "repeat('a', 1000000000)",
        "let a = repeat('a', 60000); a + a",
        "reduce(1..9999, #acc + #acc, 'aaaa')",
        "reduce(1..9999, [#acc, #acc], 1) == reduce(1..9999, [#acc, #acc], 1)",
        "reduce(1..9999, concat(#acc, #acc), [1])",
        "reduce(1..9999, #acc * 3, 3)",
        "replace(repeat('a', 60000), 'a', repeat('b', 60000))",
        "join(map(1..9999, repeat('a', 60000)))",
        "toJSON(reduce(1..9999, {a: #acc, b: #acc}, 1))",
        "all(1..9999, uniq(result) == [])",
        "all(1..9999, result == result)",
        "all(1..9999, -1 not in result)",
        "all(1..9999, sort(result) != [])",
        "all(1..9999, max(result, result) > 0)",
        "all(1..9999, result[1:] != [])",
        "all(1..9999, string(result) != '')",
        "none(1..9999, repeat('a', 60000) matches '(a+)+$b')",
        "repeat('a', 5000) matches repeat('(a?)', 1000)",
        "flatten(reduce(1..9999, [#acc, #acc], [1]))",
    ],
)
def test_a_bomb_is_refused(source):
    with pytest.raises(ExprError):
        compile_expression(source).run(BIG)


def test_a_regular_expression_takes_linear_time():
    assert compile_expression('result matches "^(a+)+$"').run("a" * 50_000 + "b") is False


def test_a_result_nested_very_deeply_is_an_error_not_a_crash():
    nested: list = []
    for _ in range(sys.getrecursionlimit() * 2):
        nested = [nested]
    for source in ("result == [result]", "toJSON(result)", "string(result)"):
        with pytest.raises(ExprError, match="nested too deeply"):
            compile_expression(source).run(nested)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
WORDS = [
    *BINARY, *FUNCTIONS, *BODIES, "result", "#", "#acc", "#index", ".a", "?.", "(", ")", "[", "]",
    "{", "}", ",", ":", ";", "?", "!", "not", "let x =", "x", "nil", "true", "1", "-1", "0.5", "'a'",
    '"(a"', "if", "else", "1..3", "[1, 2]", "{a: 1}", "9223372036854775807", "1e308", "=", "::",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join), VALUES)
def test_no_text_crashes(source, result):
    run(source, result)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), VALUES)
def test_no_characters_crash(source, result):
    run(source, result)


ATOMS = st.sampled_from(
    [
        "1e300",
        "duration('200000h')",
        "result",
        "1",
        "-2",
        "0.5",
        "'a'",
        "nil",
        "true",
        "[1, 2]",
        "{a: 1}",
        "now()",
        "duration('1s')",
        "result[0]",
        "result?.a",
    ]
)


def compound(inner):
    name = st.sampled_from(sorted(FUNCTIONS))
    operator = st.sampled_from(sorted(set(BINARY) - {"|", "??"}))
    return st.one_of(
        st.tuples(inner, operator, inner).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})"),
        st.tuples(name, st.lists(inner, max_size=3)).map(lambda t: f"{t[0]}({', '.join(t[1])})"),
        st.tuples(st.sampled_from(sorted(BODIES)), inner, operator, inner).map(
            lambda t: f"{t[0]}({t[1]}, # {t[2]} ({t[3]}))"
        ),
        st.tuples(inner, inner).map(lambda t: f"({t[0]})[({t[1]})]"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]}) ? ({t[1]}) : ({t[2]})"),
    )


@settings(max_examples=600, deadline=None)
@given(st.recursive(ATOMS, compound, max_leaves=8), VALUES)
def test_no_well_formed_expression_crashes(source, result):
    run(source, result)


def run(source, result):
    with suppress(ExprError):
        compile_expression(source).run(result, now=1e9)
