"""What holds for any JSON and any schema: judging is total, preparing is idempotent."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.sandbox.crd import VersionSchema, load
from rollouts.sandbox.crd.cel.program import compile_program
from rollouts.sandbox.crd.cel.syntax import CelSyntaxError
from rollouts.sandbox.crd.cel.types import DYN
from rollouts.sandbox.crd.cel.values import BudgetError, EvalError
from tests.sandbox.crd_world import definition, widget

NAMES = st.sampled_from(["a", "b", "c", "namespace", "x-y"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "a", "2024-01-01T00:00:00Z", "1h", "5%", "aGk="])
    | st.text(max_size=5)
)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)

_LEAVES = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "default": "d"},
        {"type": "string", "nullable": True, "default": "d"},
        {"type": "string", "maxLength": 3, "minLength": 1, "pattern": "^[a-z]*$"},
        {"type": "string", "enum": ["a", "b"]},
        {"type": "string", "format": "date-time"},
        {
            "type": "string",
            "format": "byte",
            "x-kubernetes-validations": [{"rule": "size(self) < 3"}],
        },
        {"type": "integer", "minimum": 0, "multipleOf": 2},
        {"type": "integer", "format": "int32", "default": 1},
        {"type": "number", "exclusiveMaximum": True, "maximum": 1.5, "multipleOf": 0.1},
        {"type": "boolean"},
        {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
        {"x-kubernetes-preserve-unknown-fields": True},
        {"type": "object", "additionalProperties": True},
        {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]},
        {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
        },
    ]
)


def _keyed(inner: dict[str, Any]) -> dict[str, Any]:
    item = {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": "string"}, "b": inner},
    }
    return {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["a"],
        "items": item,
    }


def _atomic(inner: dict[str, Any]) -> dict[str, Any]:
    rules = {"x-kubernetes-validations": [{"rule": "self.size() < 3 || self[0] == self[1]"}]}
    return {"type": "array", "maxItems": 4, "items": inner, **(rules if "type" in inner else {})}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    name = next(iter(properties))
    return {
        "type": "object",
        "properties": properties,
        "default": {},
        "oneOf": [{"required": [name]}, {"maxProperties": 1}],
    }


def _timeless(schema: Any) -> bool:
    return "oldSelf" not in str(schema)


SCHEMAS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.dictionaries(NAMES, inner, min_size=1, max_size=3).map(_object),
        inner.map(lambda s: {"type": "object", "additionalProperties": s}),
        inner.map(_keyed),
        inner.filter(_timeless).map(_atomic),
    ),
    max_leaves=8,
)


def prepared(schema: VersionSchema, obj: dict[str, Any]) -> dict[str, Any]:
    schema.prune(obj)
    schema.default(obj)
    return obj


def loaded(schema: dict[str, Any]) -> VersionSchema:
    # A default that breaks its own object's rule is refused, as it should be: leave it out.
    outer = {"type": "object", "properties": {"v": {**schema}}}
    outer["properties"]["v"].pop("default", None)
    return load(definition(_lenient(outer))).versions["v1"]


def _lenient(schema: dict[str, Any]) -> dict[str, Any]:
    """Without the alternatives of objects that have defaults below, which would judge them."""
    if isinstance(schema, dict):
        clean = {key: _lenient(value) for key, value in schema.items()}
        if "oneOf" in clean and "default" in str(clean["properties"]):
            del clean["oneOf"]
        return clean
    return schema


@given(SCHEMAS, JSON)
@settings(max_examples=150, deadline=None)
def test_pruning_and_defaulting_twice_changes_nothing_more(raw, value):
    schema = loaded(raw)
    once = prepared(schema, widget({"v": value}))
    again = copy.deepcopy(once)
    assert schema.prune(again) == []
    schema.default(again)
    assert again == once


@given(SCHEMAS, JSON, JSON)
@settings(max_examples=200, deadline=None)
def test_any_object_is_judged_without_an_exception(raw, value, old):
    schema = loaded(raw)
    for obj in (widget({"v": value}), prepared(schema, widget({"v": copy.deepcopy(value)}))):
        for before in (None, widget({"v": old}), obj):
            for cause in schema.validate(obj, before):
                assert cause.field
                assert cause.message


@given(SCHEMAS, JSON)
@settings(max_examples=100, deadline=None)
def test_an_update_that_changes_nothing_passes(raw, value):
    schema = loaded(raw)
    obj = prepared(schema, widget({"v": value}))
    assert schema.validate(obj, copy.deepcopy(obj)) == []


@given(JSON)
@settings(max_examples=100, deadline=None)
def test_a_root_of_any_kind_is_judged(value):
    schema = load(definition()).versions["v1"]
    obj = {"spec": value, "metadata": value}
    assert isinstance(schema.validate(obj), list)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "additionalProperties": True},
        {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        {
            "type": "object",
            "additionalProperties": {
                "type": "array",
                "x-kubernetes-list-type": "set",
                "items": {"x-kubernetes-preserve-unknown-fields": True},
            },
            "x-kubernetes-validations": [{"rule": "self == self", "message": "odd"}],
        },
    ],
    ids=["open", "preserved", "set"],
)
def test_nesting_deeper_than_the_stack_is_survived(schema):
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    spec_schema = loaded(schema)
    obj = widget({"v": {"a": [deep, 1, deep]}})
    prepared(spec_schema, obj)
    old = widget({"v": {"a": [1, deep]}})
    assert len(spec_schema.validate(obj)) <= 1
    assert len(spec_schema.validate(obj, old)) <= 1


PIECES = st.sampled_from(
    ["self", "self.a", "1", "'a'", "true", "null", "[1, 2]", "{'a': 1}", "x", "self.b[0]", "1.5"]
)
JOINTS = st.sampled_from(
    ["{} + {}", "{} == {}", "{} && {}", "{} in {}", "{}.all(x, {})", "{}.map(x, {})", "{} < {}",
     "{}.size() > {}", "has(self.c) ? {} : {}", "[{}, dyn({})]", "{} || !{}", "{}.?a.orValue({})"]
)  # fmt: skip
EXPRESSIONS = st.recursive(
    PIECES,
    lambda inner: st.builds(lambda joint, a, b: f"({joint.format(a, b)})", JOINTS, inner, inner),
    max_leaves=6,
)


@given(EXPRESSIONS | st.text(max_size=20), JSON)
@settings(max_examples=300, deadline=None)
def test_an_expression_is_refused_or_has_a_value_or_an_error(text, value):
    try:
        program = compile_program(text, {"self": DYN})
        _, cost = program.run([value], 100_000)
    except (CelSyntaxError, EvalError, BudgetError):
        return
    assert 0 < cost <= 100_000
