"""Threat: a regular expression that backtracks for ever. All of them are RE2's, or refused."""

import resource

import pytest

from analysis.expr.condition import evaluate
from analysis.plan import SpecError, plan_run
from analysis.providers.base import ProviderError
from analysis.providers.web import first_match
from analysis.spec import Phase, RunSpec

EVIL = [
    ("(a+)+$", "a" * 50_000 + "!"),
    ("(a|aa)+$", "a" * 50_000 + "!"),
    ("(.*)*$", "a" * 50_000 + "\n"),
    ("^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 50_000),
    ("(x+x+)+y", "x" * 50_000),
    ("(?:a?){900}a{900}", "a" * 900),
]


def spent(work) -> float:
    """The least CPU seconds of three attempts: the work's own, whatever else the machine does."""

    def once():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        work()
        return resource.getrusage(resource.RUSAGE_SELF).ru_utime - before

    return min(once() for _ in range(3))


@pytest.mark.parametrize(("pattern", "text"), EVIL)
def test_matching_takes_time_in_proportion_to_the_text(pattern, text):
    assert spent(lambda: evaluate(f"result matches '{pattern}'", "", text)) < 0.05


def run_with(**rules):
    names = ["a" * 60 + "!", "b"]
    metrics = [{"name": name, "provider": {"web": {"url": "http://h"}}} for name in names]
    return RunSpec.model_validate({"metrics": metrics, **rules})


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in EVIL])
@pytest.mark.parametrize("field", ["dryRun", "measurementRetention"])
def test_names_of_metrics_are_matched_in_linear_time(field, pattern):
    rule = {"metricName": f"{pattern}|b", **({"limit": 5} if field != "dryRun" else {})}
    assert spent(lambda: plan_run(run_with(**{field: [rule]}))) < 0.05


@pytest.mark.parametrize(
    "pattern", [r"(a)\1", "a(?=b)", "a(?!b)", "(?<=a)b", "(?>a)", "a{1001}", "(", "[z-a]"]
)
@pytest.mark.parametrize("field", ["dryRun", "measurementRetention"])
def test_what_re2_does_not_know_is_refused_as_go_does(field, pattern):
    rule = {"metricName": pattern, **({"limit": 5} if field != "dryRun" else {})}
    with pytest.raises(SpecError, match=rf"{field}\[0\]: error parsing regexp"):
        plan_run(run_with(**{field: [rule]}))
    assert evaluate(f"result matches '{pattern}'", "", "a").phase is Phase.ERROR


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("b", "abc", True),
        ("^b", "abc", False),
        ("(?i)B", "abc", True),
        (r"\d+$", "a12", True),
        (r"^\pL+$", "größe", True),
        ("a.c", "a\nc", False),
        ("(?s)a.c", "a\nc", True),
        (r"\bfoo\b", "a foo b", True),
        ("^$", "", True),
        ("a{2,3}$", "aaaa", True),
        (r"[[:alpha:]]", "1", False),
    ],
)
def test_patterns_mean_what_they_mean_in_go(pattern, text, found):
    phase = evaluate(f"result matches `{pattern}`", "", text).phase
    assert phase is (Phase.SUCCESSFUL if found else Phase.FAILED)


@pytest.mark.parametrize(
    "path",
    [
        "{$[?(@.a =~ /(a+)+$/)]}",
        "{$[?match(@.a, '(a+)+$')]}",
        "{$[?search(@.a, '(a+)+$')]}",
    ],
)
def test_paths_into_answers_cannot_carry_patterns(path):
    document = [{"a": "a" * 50_000 + "!"}]
    with pytest.raises(ProviderError):
        first_match(document, path)


def test_a_long_pattern_is_refused_before_it_is_compiled():
    assert evaluate(f"result matches '{'a' * 3000}'", "", "a").phase is Phase.ERROR
    assert spent(lambda: evaluate(f"result matches '{'(a|b)' * 200}'", "", "ab" * 200)) < 0.1
