"""Tolerant decoding: every bad field is reported by its path, and only it is lost."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from analysis.decode import Problem, decode
from analysis.model import Int32, IntOrString, Model
from analysis.spec import Phase, RunSpec, RunStatus, TemplateSpec


class Inner(Model):
    number: Int32 = Field(0, description="n")
    choice: IntOrString | None = Field(None, description="c")


class Outer(Model):
    plain_text: str = Field("", description="t")
    inner: Inner = Field(default_factory=Inner, description="i")
    maybe: Inner | None = Field(None, description="m")
    several: list[Inner] = Field(default_factory=list, description="s")
    grid: list[list[int]] = Field(default_factory=list, description="g")
    labels: dict[str, str] = Field(default_factory=dict, description="l")
    by_name: dict[str, Inner] = Field(default_factory=dict, description="b")
    flag: bool = Field(False, description="f")


def test_a_good_object_has_no_problems_and_is_written_back_as_it_was():
    obj = {
        "plainText": "x",
        "inner": {"number": 1, "choice": "25%"},
        "several": [{"choice": 3}],
        "labels": {"a": "b"},
        "unknown": {"deep": [None, 1]},
    }
    value, problems = decode(Outer, obj)
    assert problems == ()
    assert value.inner.choice == "25%"
    assert value.to_obj() == obj


def test_null_is_absent():
    value, problems = decode(
        Outer, {"plainText": None, "inner": None, "several": None, "by_name": None, "flag": None}
    )
    assert problems == ()
    assert (value.plain_text, value.inner, value.several, value.flag) == ("", Inner(), [], False)


def test_an_unknown_null_survives():
    value, _ = decode(Outer, {"unknown": None})
    assert value.to_obj() == {"unknown": None}


@pytest.mark.parametrize(
    ("obj", "path", "message"),
    [
        ({"plainText": 1}, "plainText", "must be a string, not a number"),
        ({"flag": "true"}, "flag", "must be true or false, not a string"),
        ({"inner": []}, "inner", "must be an object, not a list"),
        ({"inner": {"number": "1"}}, "inner.number", "must be an integer, not a string"),
        ({"inner": {"number": True}}, "inner.number", "must be an integer, not a boolean"),
        ({"inner": {"number": 1.5}}, "inner.number", "must be an integer, not a number"),
        ({"inner": {"number": 2**31}}, "inner.number", "must be less than or equal to 2147483647"),
        (
            {"inner": {"choice": 1.5}},
            "inner.choice",
            "must be an integer or a string, not a number",
        ),
        ({"maybe": "x"}, "maybe", "must be an object, not a string"),
        ({"several": {"0": {}}}, "several", "must be a list, not an object"),
        (
            {"several": [{}, {"number": "x"}]},
            "several[1].number",
            "must be an integer, not a string",
        ),
        ({"several": [{}, None]}, "several[1]", "must be an object, not null"),
        ({"grid": [[1], [2, "x"]]}, "grid[1][1]", "must be an integer, not a string"),
        ({"labels": {"a": "b", "c": 1}}, "labels.c", "must be a string, not a number"),
        ({"byName": {"a": {"number": []}}}, "byName.a.number", "must be an integer, not a list"),
    ],
)
def test_a_bad_field_is_named(obj, path, message):
    before = copy.deepcopy(obj)
    _, problems = decode(Outer, obj, at="spec")
    assert problems == (Problem(f"spec.{path}", message),)
    assert obj == before


def test_only_the_bad_fields_are_lost():
    value, problems = decode(
        Outer,
        {
            "plainText": "kept",
            "flag": 1,
            "inner": {"number": 5, "choice": []},
            "labels": {"good": "kept", "bad": 1},
        },
    )
    assert value.plain_text == "kept"
    assert value.inner.number == 5
    assert value.labels == {"good": "kept"}
    assert [problem.path for problem in problems] == ["flag", "inner.choice", "labels.bad"]


def test_positions_in_lists_are_kept():
    value, problems = decode(Outer, {"several": ["bad", {"number": 2}], "grid": [3, ["x", 4]]})
    assert value.several == [Inner(), Inner(number=2)]
    assert value.grid == [[], [0, 4]]
    assert [problem.path for problem in problems] == ["grid[0]", "grid[1][0]", "several[0]"]


@pytest.mark.parametrize(
    ("obj", "message"),
    [("text", "must be an object, not a string"), ([1], "must be an object, not a list")],
)
def test_something_else_entirely(obj, message):
    assert decode(Outer, obj, at="spec") == (Outer(), (Problem("spec", message),))


def test_nothing_at_all_is_an_empty_object():
    assert decode(Outer, None) == (Outer(), ())


def test_the_value_is_never_repeated():
    _, problems = decode(Outer, {"inner": {"number": "s3cret"}, "flag": "s3cret"})
    assert "s3cret" not in str([str(problem) for problem in problems])


def test_an_unknown_phase_is_no_phase():
    status, problems = decode(RunStatus, {"phase": "Done", "metricResults": [{"phase": "Failed"}]})
    assert status.phase is Phase.NONE
    assert status.metric_results[0].phase is Phase.FAILED
    assert problems == (Problem("phase", "is not a phase of an analysis"),)


def test_a_thousand_bad_fields_are_a_thousand_problems():
    value, problems = decode(Outer, {"several": [{"number": "x", "choice": []}] * 500})
    assert len(value.several) == 500
    assert len(problems) == 1000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=10,
)
FIELDS = st.sampled_from(
    ["metrics", "name", "provider", "prometheus", "web", "headers", "interval", "count", "args",
     "valueFrom", "secretKeyRef", "jsonBody", "phase", "metricResults", "measurements", "metadata"]
)  # fmt: skip
SHAPED = st.recursive(
    JSON,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(SHAPED)
def test_no_json_is_an_exception(obj):
    for model in (RunSpec, TemplateSpec, RunStatus):
        value, _ = decode(model, obj)
        again, problems = decode(model, value.to_obj())
        assert problems == ()
        # NaN differs from itself; text does not
        assert str(again) == str(value)
