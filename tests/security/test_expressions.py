"""Threat: a condition that takes the controller's time, memory or stack, or reaches into Python."""

import asyncio
import resource

import pytest

from analysis.expr.condition import evaluate
from analysis.plan import plan_run
from analysis.spec import Phase, RunSpec

SECONDS = 0.5  # of CPU, with room for a slow machine; what is refused takes milliseconds
MEGABYTES = 64


def bombs():
    yield "a megabyte of it", "1" * 1_000_000
    yield "a megabyte of blanks", " " * 1_000_000
    yield "ten thousand parentheses", "(" * 10_000 + "1" + ")" * 10_000
    yield "parentheses that never close", "(" * 4000
    yield "nested arrays", "[" * 2000 + "]" * 2000
    yield "nested maps", "{a:" * 1000 + "1" + "}" * 1000
    yield "nested calls", "len(" * 900 + "result" + ")" * 900
    yield "nested conditionals", "true ? " * 500 + "1" + " : 2" * 500
    yield "a long chain of members", "result" + ".a" * 2000
    yield "a long chain of operators", "1" + "+1" * 2000
    yield "many nots", "!" * 4000 + "true"
    yield "many minuses", "-" * 4000 + "1"
    yield "lets within lets", "".join(f"let a{n} = 1; " for n in range(300)) + "true"
    yield "a huge range", "len(1..1000000000) > 0"
    yield "ranges of ranges", "len(map(1..9999, map(1..9999, #))) > 0"
    yield "predicates within predicates", "all(1..9999, all(1..9999, all(1..9999, # > 0)))"
    yield "a huge text", 'len(repeat("x", 1000000000)) > 0'
    yield "doubling", 'let a = repeat("x", 60000); len(a + a + a + a) > 0'
    yield "a tower of powers", "9 ** 9 ** 9 ** 9 ** 9 > 0"
    yield "large integers", "9223372036854775807 * 9223372036854775807 > 0"
    yield "shifts", "bitshl(1, 1000000000) > 0"
    yield "flattening", "len(flatten([[1..9999], [1..9999]])) > 0"
    yield "concatenating", f"len(concat({', '.join(['1..9999'] * 60)})) > 0"
    yield "sorting", "len(sort(map(1..9999, -#))) > 0 && len(sort(map(1..9999, -#))) > 0"
    yield "splitting", 'len(split(repeat("a,", 30000), ",")) > 0'
    yield "replacing", 'len(replace(repeat("a", 60000), "a", repeat("b", 60000))) > 0'
    yield "joining", 'len(join(map(1..9999, repeat("x", 60000)), "")) > 0'
    yield "JSON within JSON", 'len(toJSON(fromJSON(repeat("[", 30000) + repeat("]", 30000)))) > 0'
    yield "looking for everything", "all(1..9999, # in 1..9999)"


BOMBS = dict(bombs())


@pytest.mark.parametrize("name", sorted(BOMBS))
@pytest.mark.parametrize("field", ["success", "failure"])
def test_a_bomb_is_an_error_in_no_time(name, field):
    before = resource.getrusage(resource.RUSAGE_SELF)
    verdict = evaluate(**{"success": "", "failure": "", field: BOMBS[name]}, result=[1.0])
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert verdict.phase in (Phase.ERROR, Phase.SUCCESSFUL, Phase.FAILED)
    assert after.ru_utime - before.ru_utime < SECONDS
    assert (after.ru_maxrss - before.ru_maxrss) / 1024 < MEGABYTES
    assert len(verdict.message) + len(verdict.because) < 2 * 1_000_000


@pytest.mark.parametrize(
    "source",
    [
        "result.__class__",
        'result["__class__"]',
        "result.__init__.__globals__",
        "().__class__.__bases__[0].__subclasses__()",
        "result.append(1)",
        "result.sort()",
        '"x".format(result)',
        '"x".__class__',
        "__import__('os').system('id')",
        "eval('1')",
        "exec('1')",
        "open('/etc/passwd')",
        "globals()",
        "lambda: 1",
        "[x for x in result]",
        "result := 1",
        "import os",
        "now().__class__",
        "now().Unix.__self__",
        'get(result, "__class__")',
        'fromJSON("{}").__class__.x',
        "{}.__class__.x",
        "env",
        "$env",
        "$env.result.__class__",
        "self",
        "print(1)",
    ],
)
def test_nothing_of_python_is_within_reach(source):
    for result in ([1.0], {"a": 1}, "text", 1.0, None):
        verdict = evaluate(f"{source} == 1", "", result)
        assert verdict.phase in (Phase.ERROR, Phase.FAILED), verdict
        assert "object at 0x" not in verdict.message
        assert "<class" not in verdict.message


def test_a_result_is_never_changed_by_a_condition():
    result = {"a": [3, 1, 2]}
    evaluate("len(sort(result.a)) == 3 && len(reverse(result.a)) == 3", "", result)
    assert result == {"a": [3, 1, 2]}


def test_answers_as_large_as_they_may_be_are_judged_or_refused_in_time():
    for result in (
        [0.5] * 100_000,
        "x" * 1_000_000,
        {str(number): number for number in range(100_000)},
        [[[]]] * 50_000,
    ):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        for source in ("all(result, # < 1)", "result == result", "toJSON(result) != ''"):
            evaluate(source, "", result)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 3 * SECONDS


async def test_others_get_their_turn_while_a_hundred_bombs_are_judged():
    """Each is over before anybody notices; nothing is left running."""
    loop = asyncio.get_running_loop()
    longest, last = 0.0, loop.time()
    for _ in range(4):
        for source in BOMBS.values():
            evaluate(source, "", [1.0])
            await asyncio.sleep(0)
            longest, last = max(longest, loop.time() - last), loop.time()
    assert longest < 2 * SECONDS


def test_a_condition_that_can_never_run_is_an_error_of_its_metric_only():
    metric = {
        "name": "m",
        "provider": {"web": {"url": "http://h"}},
        "successCondition": "(" * 9999,
    }
    plan = plan_run(RunSpec.model_validate({"metrics": [metric]}))
    assert plan.metrics[0].name == "m"
