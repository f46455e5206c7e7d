"""What an answer means, given the conditions."""

import math

import pytest

from analysis.expr.condition import evaluate
from analysis.spec import Phase

S, F, I, E = Phase.SUCCESSFUL, Phase.FAILED, Phase.INCONCLUSIVE, Phase.ERROR  # noqa: E741 - a table


@pytest.mark.parametrize(
    ("success", "failure", "result", "phase"),
    [
        ("", "", 5, S),
        ("", "", None, E),
        ("", "", [], E),
        ("", "", math.nan, E),
        ("", "", [1, math.nan], E),
        ("", "", "", S),
        ("", "", {}, S),
        ("all(result, # < 1)", "", [], E),
        ("", "any(result, # > 1)", [], E),
        ("sum(result) < 5", "", [], E),
        ("", "result != nil && result > 1", None, S),
        ("len(result) == 0 || result[0] < 1", "", [], S),
        ("default(result, 0) < 1", "", None, S),
        ("result == [] || result[0] < 1", "", [], S),
        ("", "(result ?? 0) > 1", None, S),
        ("result > 1", "", 5, S),
        ("result > 1", "", 1, F),
        ("", "result > 1", 5, F),
        ("", "result > 1", 1, S),
        ("result > 5", "result < 2", 6, S),
        ("result > 5", "result < 2", 1, F),
        ("result > 5", "result < 2", 3, I),
        ("result > 5", "result > 5", 6, F),
        ("result[0] > 0.9", "", [math.nan], F),
        ("result[0] > 0.9", "result[0] <= 0.9", [math.nan], I),
        ("", "result[0] > 0.05", [math.nan], E),
        ("not (result[0] > 0.05)", "", [math.nan], E),
        ("result[0] != 0", "", [math.nan], E),
        ("isNaN(result[0]) || result[0] < 1", "", [math.nan], S),
        ("", "!isNaN(result[0]) && result[0] > 1", [math.nan], S),
        ("", "any(result, # > 5)", [math.nan, 9], F),
    ],
)
def test_table(success, failure, result, phase):
    assert evaluate(success, failure, result).phase is phase


@pytest.mark.parametrize(
    ("success", "failure", "result", "message"),
    [
        (
            "result[0] >= 0.95",
            "",
            [],
            (
                'could not evaluate successCondition "result[0] >= 0.95": '
                "metric result is nil or empty: no data returned from the metric provider: "
                "index 0 is out of range for a list of 0 at 1:7"
            ),
        ),
        (
            "",
            "result > 1",
            None,
            (
                'could not evaluate failureCondition "result > 1": '
                "metric result is nil or empty: no data returned from the metric provider: "
                "invalid operation: nil > 1 (int) at 1:8"
            ),
        ),
        (
            "result[3] >= 0.95",
            "",
            [1],
            (
                'could not evaluate successCondition "result[3] >= 0.95": '
                "index 3 is out of range for a list of 1 at 1:7"
            ),
        ),
        (
            "result",
            "",
            1.5,
            'could not evaluate successCondition "result": expected bool, but got 1.5 (float)',
        ),
        (
            "result >",
            "",
            [],
            (
                'could not evaluate successCondition "result >": '
                "unexpected token end of expression at 1:9"
            ),
        ),
    ],
)
def test_error_wordings(success, failure, result, message):
    verdict = evaluate(success, failure, result)
    assert verdict.phase is E
    assert verdict.message == message


def test_a_broken_failure_condition_is_an_error_even_when_success_holds():
    assert evaluate("result > 1", "result.x > 1", 5).phase is E
