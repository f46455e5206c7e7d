"""Whatever an expression says, the evaluator and a naive one agree on it.

``ROLLOUTS_EXAMPLES`` says how many expressions are tried.
"""

import math
import os
from dataclasses import dataclass
from random import Random

from hypothesis import event, given, settings
from hypothesis import strategies as st

from analysis.expr.errors import MAX_STEPS, ExprError, Meter
from analysis.expr.program import compile_expression
from tests.analysis.expr import naive

EXAMPLES = int(os.environ.get("ROLLOUTS_EXAMPLES", "3000"))
BUDGETS = ("are allowed", "levels deep", "more than")

INTEGERS = [*range(10), 2**31, 2**53 + 1, 2**62, 2**63 - 1]
FLOATS = [0.0, 0.5, 0.95, 1.0, 2.5, 1e300, 5e-324, 123456.75]
STRINGS = ["", "a", "ab", "b", 'a"\n', "é😀"]
KEYS = ["a", "b", "ok"]
LITERALS = {
    "bool": [True, False],
    "number": INTEGERS + FLOATS,
    "string": STRINGS,
    "any": [None, True, False, *INTEGERS, *FLOATS, *STRINGS],
}
ODD = [math.nan, math.inf, -math.inf, -0.0, -1, -0.5, 2**63]

# What makes a value of a type, and of what it is made. "element" is a number within a predicate.
MADE = {
    "bool": [
        ("==", "any", "any"), ("!=", "number", "number"), ("==", "list", "list"),
        *((sign, kind, kind) for sign in ("<", "<=", ">", ">=") for kind in ("number", "string")),
        ("and", "bool", "bool"), ("or", "bool", "bool"), ("not", "bool"),
        ("in", "number", "list"), ("in", "string", "map"), ("contains", "string", "string"),
        ("startsWith", "string", "string"), ("endsWith", "string", "any"),
        *((name, "list", "p bool") for name in ("all", "any", "none", "one")),
        ("chain", "number", "number"),
    ],
    "number": [
        *((sign, "number", "number") for sign in ("+", "-", "*", "/", "%", "**")),
        ("neg", "number"), ("abs", "number"), ("len", "list"), ("len", "string"),
        ("max", "list"), ("min", "list"), ("sum", "list"), ("first", "list"), ("last", "list"),
        ("count", "list", "p bool"), ("index", "list", "number"), ("member", "map"),
        ("reduce", "list", "p number", "number"),
    ],
    "string": [("+", "string", "string"), ("slice", "string", "number", "number")],
    "list": [
        ("list", "number", "any"), ("list",), ("list", "number", "number"), ("..", "number", "number"),
        ("slice", "list", "number", "number"), ("filter", "list", "p bool"),
        ("mapped", "list", "p number"), ("mapped", "list", "p any"),
    ],
    "map": [("map", "any"), ("map", "number")],
    "any": [("member", "any"), ("optional", "any"), ("optional", "map"), ("index", "any", "any")],
}  # fmt: skip
OF_ALL_TYPES = [("if", "bool", None, None), ("let", None), ("??", "any", None)]


@dataclass
class Author:
    """Writes expressions that mostly make sense. ``names``: what may be used, and its type."""

    random: Random

    def answer(self, depth=3):
        """Anything a provider could say."""
        kind = self.random.choice(["list", "map", "any", "any"]) if depth else "any"
        several = range(self.random.randrange(4))
        if kind == "list":
            return [self.answer(depth - 1) for _ in several]
        if kind == "map":
            return {self.random.choice(KEYS): self.answer(depth - 1) for _ in several}
        return self.random.choice(LITERALS["any"] + ODD)

    def numbers(self):
        return [self.random.choice(FLOATS + ODD) for _ in range(self.random.randrange(5))]

    def tree(self, kind, names, depth):
        """An expression of type ``kind``, with a few exceptions."""
        if self.random.random() < 0.03:
            kind = self.random.choice(sorted(MADE))
        if depth == 0 or self.random.random() < 0.15:
            return self.leaf(kind, names)
        form, *parts = self.random.choice(MADE[kind] * 2 + OF_ALL_TYPES)

        def some(part, more=None):
            return self.tree(part or kind, names | (more or {}), depth - 1)

        if form == "chain":
            signs = self.random.choices(["<", "<=", ">", ">="], k=self.random.randint(2, 3))
            return ("chain", some("number"), *((sign, some("number")) for sign in signs))
        if form == "map":
            keys = self.random.sample(KEYS, self.random.randrange(3))
            return ("map", *((key, some(parts[0])) for key in keys))
        if form == "let":
            made, name = self.random.choice(sorted(MADE)), f"v{depth}x{len(names)}"
            return ("let", name, some(made), some(None, {name: made}))
        if form in ("member", "optional"):
            return (form, some(parts[0]), self.random.choice(KEYS))
        if form == "slice":
            ends = (self.random.choice([("value", None), some(part)]) for part in parts[1:])
            return ("slice", some(parts[0]), *ends)
        seen = {"#": "number", "#index": "number"} | (
            {"#acc": "number"} if form == "reduce" else {}
        )
        return (form, *(some(p[2:], seen) if p and p[1] == " " else some(p) for p in parts))

    def leaf(self, kind, names):
        usable = [name for name, of in names.items() if of in (kind, "any") or kind == "any"]
        if usable and self.random.random() < 0.5:
            return ("name", self.random.choice(usable))
        if kind == "list":
            return ("list", ("value", self.random.choice(FLOATS)), ("value", 3))
        if kind == "map":
            return ("map", (self.random.choice(KEYS), ("value", 3)))
        return ("value", self.random.choice(LITERALS[kind]))

    def question(self):
        """An expression, and the result it is about."""
        of, result = self.random.choice([("list", self.numbers()), ("any", self.answer())])
        wanted = self.random.choice(["bool", "bool", "number", "list", "any"])
        return self.tree(wanted, {"result": of}, self.random.randint(1, 4)), result


def alike(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or a == b or math.isclose(a, b, rel_tol=1e-12)
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(alike(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    return a == b


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 2**64))
def test_they_agree(seed):
    tree, result = Author(Random(seed)).question()
    source = naive.render(tree)
    meter = Meter()
    problem = ""
    try:
        value = compile_expression(source).run(result, meter=meter)
    except ExprError as error:
        problem = str(error)
        if any(words in problem for words in BUDGETS):
            event("over a budget")
            return
        value = problem
    event("an error" if problem else "a value")
    try:
        expected = naive.evaluate(tree, result)
    except naive.NaiveError:
        assert problem, f"{source} is {value!r} for {result!r}; it should be an error"
        assert " at 1:" in problem
        return
    assert not problem, f"{source} for {result!r}: {problem}; it should be {expected!r}"
    assert alike(value, expected), f"{source} is {value!r} for {result!r}, not {expected!r}"
    assert 0 <= meter.steps < MAX_STEPS


def test_the_naive_evaluator_knows_what_is_right():
    """It, too, is checked by hand, where precedence and errors are easiest to get wrong."""
    one, two, result = ("value", 1), ("value", 2), ("name", "result")
    table = [
        (("*", ("+", one, two), two), "(1 + 2) * 2", 6),
        (("+", one, ("*", two, two)), "1 + 2 * 2", 5),
        (("neg", ("**", two, two)), "-2 ** 2", -4.0),
        (("**", ("neg", two), two), "(-2) ** 2", 4.0),
        (("not", ("<", one, two)), "not (1 < 2)", False),
        (("-", one, ("-", one, two)), "1 - (1 - 2)", 2),
        (("chain", one, ("<", two), (">=", two)), "1 < 2 >= 2", True),
        (("<", ("<", one, two), two), "(1 < 2) < 2", naive.NaiveError),
        (("member", ("optional", result, "a"), "b"), "((result?.a).b)", naive.NaiveError),
        (("or", ("??", result, ("value", True)), one), "(result ?? true) or 1", True),
    ]
    for tree, source, expected in table:
        assert naive.render(tree) == source
        try:
            value = naive.evaluate(tree, None)
        except naive.NaiveError:
            value = naive.NaiveError
        assert value == expected
