"""Whatever text arrives as a condition, it is answered with a value or an ExprError, and cheaply.

``ROLLOUTS_EXAMPLES`` says how many texts of each sort are tried.
"""

import os
from contextlib import suppress
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.expr.condition import evaluate
from analysis.expr.errors import MAX_LENGTH, MAX_STEPS, ExprError, Meter
from analysis.expr.functions import FUNCTIONS, METHODS
from analysis.expr.parser import BINARY
from analysis.expr.predicates import BODIES
from analysis.expr.program import compile_expression
from analysis.spec import Phase
from tests.analysis.expr.test_budgets import calls_of
from tests.analysis.expr.test_builtins import METHOD_TABLE, TABLE

EXAMPLES = int(os.environ.get("ROLLOUTS_EXAMPLES", "400"))
fuzzing = settings(max_examples=EXAMPLES, deadline=None)

RESULTS = st.sampled_from(
    [
        None, True, 0, -1, 0.95, float("nan"), float("inf"), 2**64, "", "v1.2", "a" * 5000, [], {},
        [0.99], [0.1] * 50, [None, [1], {"a": "b"}], {"a": {"b": [1, "x", None]}, "ok": True},
        list(range(20_000)), {str(n): n for n in range(500)}, "\ud800",
    ]
)  # fmt: skip
WORDS = [
    *BINARY, *FUNCTIONS, *BODIES, *(f".{name}()" for name in METHODS), "result", "#", "#acc",
    "#index", ".a", "?.", "(", ")", "[", "]", "{", "}", ",", ":", ";", "?", "?:", "!", "not", "x",
    "let x =", "nil", "true", "1", "-1", "0.5", "'a'", '"(a"', "if", "else", "1..3", "[1, 2]",
    "{a: 1}", "9223372036854775807", "1e308", "=", "::", "$env", "now()", "duration('1s')",
    "date('2026-01-02')", "timezone('UTC')", "'2006'", "b'x'", "`", "/*", "//", "\\", "\x00", "é",
]  # fmt: skip
with suppress(ExprError):
    compile_expression("date('?')").run(None)  # the usual layouts are compiled once
SOURCES = [source for _, source, _ in TABLE + METHOD_TABLE]


def check(source, result):
    """Nothing but an ExprError, and no more work than the budget, compiling included."""
    meter = Meter()

    def run():
        with suppress(ExprError):
            compile_expression.__wrapped__(source).run(result, now=1e9, meter=meter)

    calls = calls_of(run)
    spent = MAX_STEPS - max(meter.steps, 0)
    assert calls <= 3000 + 120 * min(len(source), MAX_LENGTH) + 12 * spent


@fuzzing
@given(st.binary(max_size=200), RESULTS)
def test_no_bytes_crash(raw, result):
    check(raw.decode("utf-8", "surrogateescape"), result)
    check(raw.decode("latin-1"), result)


@fuzzing
@given(st.text(max_size=60), RESULTS)
def test_no_characters_crash(source, result):
    check(source, result)


@fuzzing
@given(st.lists(st.sampled_from(WORDS), max_size=16).map(" ".join), RESULTS)
def test_no_words_crash(source, result):
    check(source, result)


@fuzzing
@given(st.integers(0, 2**64), RESULTS)
def test_no_mutant_of_what_makes_sense_crashes(seed, result):
    random = Random(seed)
    source = random.choice(SOURCES)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(source) + 1)
        other = random.choice([*SOURCES, *WORDS])
        start = random.randrange(len(other))
        part = other[start : start + random.randint(0, 30)]
        source = source[:at] + part + source[at + random.choice([0, 0, 1, 5]) :]
    check(source, result)


@fuzzing
@given(st.integers(0, 2**64), RESULTS)
def test_no_well_formed_expression_crashes(seed, result):
    check(written(Random(seed), 4), result)


@fuzzing
@given(st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join), RESULTS)
def test_a_condition_is_always_a_phase(source, result):
    verdict = evaluate(source, source, result)
    assert verdict.phase in set(Phase) - {Phase.PENDING, Phase.RUNNING}
    assert bool(verdict.message) == (verdict.phase is Phase.ERROR)


def written(random, depth):
    """Something the parser takes, of any types whatever."""
    if depth == 0 or random.random() < 0.1:
        return random.choice(
            ["result", "1", "-2", "0.5", "'a'", "nil", "true", "[1, 2]", "({a: 1})", "now()",
             "duration('200000h')", "1e300", "result[0]", "result?.a", "9223372036854775807",
             "'(a+)+$'", "1..500", "repeat('ab', 9000)", "timezone('Asia/Tokyo')"]
        )  # fmt: skip

    def some():
        return f"({written(random, depth - 1)})"

    match random.randrange(7):
        case 0 | 1:
            return f"{some()} {random.choice(sorted(set(BINARY) - {'|'}))} {some()}"
        case 2:
            name = random.choice(sorted(FUNCTIONS))
            function = FUNCTIONS[name]
            size = random.randint(function.least, min(function.most, 4))
            return f"{name}({', '.join(some() for _ in range(size))})"
        case 3:
            sign = random.choice(sorted(set(BINARY) - {"|"}))
            return f"{random.choice(sorted(BODIES))}({some()}, {{# {sign} {some()}}})"
        case 4:
            return f"{some()}[{some()}{random.choice(['', ':', f':{some()}'])}]"
        case 5:
            more = some() if random.random() < 0.5 else ""
            return f"{some()}.{random.choice(sorted(METHODS))}({more})"
        case _:
            return f"{some()} ? {some()} : {some()}"
