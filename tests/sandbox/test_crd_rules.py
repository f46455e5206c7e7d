"""x-kubernetes-validations on objects: what a rule sees, when it runs, what it says."""

import pytest

from rollouts.kube.errors import Invalid
from rollouts.sandbox.crd import load
from rollouts.sandbox.crd.evaluation import Evaluation
from tests.sandbox.crd_world import definition, of, problems, schema_of, widget

INT = {"type": "integer"}
TEXT = {"type": "string"}
SPEC = "spec.versions[0].schema.openAPIV3Schema.properties[spec]"


def ruled(schema, rule, **more):
    return {**schema, "x-kubernetes-validations": [{"rule": rule, **more}]}


def holds(schema, rule, spec, old=None) -> bool:
    found = problems(schema_of(ruled(schema, rule)), spec, old)
    assert found in ([], [f"spec: Invalid value: failed rule: {rule}"])
    return not found


def refusal(schema) -> list[str]:
    with pytest.raises(Invalid) as raised:
        load(definition(schema))
    return [f"{c['field']}: {c['message']}" for c in raised.value.details["causes"]]


def test_a_rule_reads_its_own_part_of_the_object():
    schema = of(min=INT, max=INT)
    assert holds(schema, "self.min <= self.max", {"min": 1, "max": 2})
    assert not holds(schema, "self.min <= self.max", {"min": 3, "max": 2})


def test_absent_fields_are_asked_for_with_has():
    schema = of(a=TEXT, b=TEXT)
    assert holds(schema, "!has(self.a) || has(self.b)", {})
    assert not holds(schema, "!has(self.a) || has(self.b)", {"a": "x"})


def test_reading_an_absent_field_is_an_error_and_not_a_pass():
    schema = schema_of(ruled(of(a=TEXT), "self.a == 'x'"))
    assert problems(schema, {}) == [
        "spec: Invalid value: \"object\": no such key: a evaluating rule: self.a == 'x'"
    ]


def test_a_null_is_there_and_equals_null():
    schema = of(a={**TEXT, "nullable": True})
    assert holds(schema, "has(self.a) && self.a == null", {"a": None})


def test_int_or_string_has_the_kind_it_was_written_with():
    rule = "type(self.p) == int ? self.p <= 100 : self.p.endsWith('%')"
    schema = of(p={"x-kubernetes-int-or-string": True})
    assert holds(schema, rule, {"p": 5})
    assert holds(schema, rule, {"p": "5%"})
    assert not holds(schema, rule, {"p": "5"})
    assert not holds(schema, rule, {"p": 101})


def test_numbers_times_durations_and_bytes_have_their_kinds():
    schema = of(
        n={"type": "number"},
        t={**TEXT, "format": "date-time"},
        d={**TEXT, "format": "duration"},
        b={**TEXT, "format": "byte"},
        i=INT,
    )
    spec = {"n": 1, "t": "2024-01-01T00:00:00Z", "d": "1h", "b": "aGk=", "i": 2.0}
    assert holds(schema, "self.n / 2.0 == 0.5 && self.i % 2 == 0", spec)
    assert holds(schema, "self.t + self.d == timestamp('2024-01-01T01:00:00Z')", spec)
    assert holds(schema, "self.b == b'hi'", spec)


def test_names_the_language_reserves_are_escaped():
    names = ("namespace", "a-b", "a.b", "a__b", "x/y")
    schema = of(**dict.fromkeys(names, TEXT))
    rule = (
        "self.__namespace__ + self.a__dash__b + self.a__dot__b + self.a__underscores__b"
        " + self.x__slash__y == 'abcde'"
    )
    assert holds(schema, rule, dict(zip(names, "abcde", strict=True)))


def test_sets_are_equal_in_any_order_and_join_without_repeats():
    schema = of(s={"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"})
    assert holds(schema, "self.s == ['b', 'a'] && (self.s + ['a']).size() == 2", {"s": ["a", "b"]})


def test_map_lists_join_by_key():
    items = {**of(k=TEXT, v=INT), "required": ["k"]}
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
    schema = of(m={"type": "array", "items": items, **keyed})
    spec = {"m": [{"k": "a", "v": 1}, {"k": "b", "v": 2}]}
    assert holds(schema, "(self.m + self.m).size() == 2 && self.m == self.m", spec)


def test_the_root_sees_the_name_and_no_other_metadata():
    crd = definition()
    root = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    root["x-kubernetes-validations"] = [
        {"rule": "self.metadata.name.size() < 5 && self.kind == 'Widget'", "message": "long name"}
    ]
    schema = load(crd).versions["v1"]
    assert schema.validate(widget({})) == []
    long = widget({}) | {"metadata": {"name": "much-longer"}}
    assert [str(c) for c in schema.validate(long)] == ["<nil>: Invalid value: long name"]
    root["x-kubernetes-validations"][0]["rule"] = "has(self.metadata.labels)"
    with pytest.raises(Invalid, match="undefined field 'labels'"):
        load(crd)


def test_the_message_reason_and_field_path_are_the_rules():
    schema = schema_of(
        ruled(
            of(a=of(b=TEXT)),
            "self.a.b != 'x'",
            message="b must not be x",
            reason="FieldValueForbidden",
            fieldPath=".a.b",
        )
    )
    (cause,) = schema.validate(widget({"a": {"b": "x"}}))
    assert (cause.field, cause.reason) == ("spec.a.b", "FieldValueForbidden")
    assert cause.message == "Forbidden: b must not be x"


def test_a_message_expression_is_evaluated_and_falls_back_when_it_fails():
    rule = {"messageExpression": "'got ' + string(self.n)", "message": "n is wrong"}
    schema = schema_of(ruled(of(n=INT), "has(self.n) && self.n > 1", **rule))
    assert problems(schema, {"n": 1}) == ["spec: Invalid value: got 1"]
    assert problems(schema, {}) == ["spec: Invalid value: n is wrong"]


def test_a_scalar_is_shown_and_an_object_is_not():
    schema = schema_of(of(a=ruled(TEXT, "self != 'x'", message="no x")))
    assert problems(schema, {"a": "x"}) == ['spec.a: Invalid value: "x": no x']


def test_rules_wait_until_the_object_is_well_formed():
    schema = schema_of({**ruled(of(a=INT), "self.a > 1"), "required": ["a"]})
    assert problems(schema, {}) == [
        "spec.a: Required value",
        (
            '<nil>: Invalid value: "null": some validation rules were not checked because the object was'
            " invalid; correct the existing errors to complete validation"
        ),
    ]


def test_a_transition_rule_runs_only_against_an_old_value():
    schema = of(a=ruled(TEXT, "self == oldSelf", message="a is immutable"))
    v1 = schema_of(schema)
    assert problems(v1, {"a": "x"}) == []
    assert problems(v1, {"a": "x"}, {}) == []
    assert problems(v1, {"a": "x"}, {"a": "x"}) == []
    assert problems(v1, {"a": "y"}, {"a": "x"}) == ['spec.a: Invalid value: "y": a is immutable']


def test_elements_of_a_map_list_meet_their_own_past():
    items = {
        **ruled(of(k=TEXT, v=INT), "self.v >= oldSelf.v", message="v only grows"),
        "required": ["k"],
    }
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
    schema = schema_of(of(m={"type": "array", "items": items, **keyed}))
    old = {"m": [{"k": "a", "v": 5}, {"k": "b", "v": 1}]}
    assert (
        problems(schema, {"m": [{"k": "b", "v": 1}, {"k": "a", "v": 5}, {"k": "c", "v": 0}]}, old)
        == []
    )
    assert problems(schema, {"m": [{"k": "b", "v": 9}, {"k": "a", "v": 4}]}, old) == [
        "spec.m[1]: Invalid value: v only grows"
    ]


def test_values_of_a_map_meet_their_own_past():
    values = ruled(INT, "self >= oldSelf", message="only grows")
    schema = schema_of(of(m={"type": "object", "additionalProperties": values}))
    assert problems(schema, {"m": {"a": 1, "b": 1}}, {"m": {"a": 2}}) == [
        "spec.m[a]: Invalid value: 1: only grows"
    ]


def test_a_transition_rule_inside_an_atomic_list_is_refused():
    schema = of(a={"type": "array", "items": ruled(TEXT, "self == oldSelf")})
    assert refusal(schema) == [
        (
            f"{SPEC}.properties[a].items.x-kubernetes-validations[0].rule: Invalid value:"
            ' "self == oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema'
            f" within {SPEC}.properties[a]"
        )
    ]


def test_optional_old_self_lets_a_rule_see_creation():
    rule = "oldSelf.hasValue() || self == 'new'"
    schema = schema_of(of(a=ruled(TEXT, rule, optionalOldSelf=True, message="start with new")))
    assert problems(schema, {"a": "new"}) == []
    assert problems(schema, {"a": "x"}) == ['spec.a: Invalid value: "x": start with new']
    assert problems(schema, {"a": "x"}, {"a": "new"}) == []


def test_what_an_update_leaves_alone_is_not_judged_by_new_rules():
    schema = schema_of(of(a=ruled(TEXT, "self != 'x'", message="no x"), b=INT))
    old = {"a": "x", "b": 1}
    assert problems(schema, {"a": "x", "b": 2}, old) == []
    assert problems(schema, {"a": "x", "b": 2}) == ['spec.a: Invalid value: "x": no x']


def test_a_rule_over_budget_stops_the_validation_and_says_so():
    rule = "self.l.all(a, self.l.all(b, self.l.all(c, a + b + c >= 0)))"
    schema = schema_of(ruled(of(l={"type": "array", "items": INT}), rule, message="too much"))
    (problem,) = problems(schema, {"l": list(range(300))})
    assert problem == (
        "<nil>: Invalid value: spec: 'operation cancelled: actual cost limit exceeded': no further"
        " validation rules will be run due to call cost exceeds limit for rule: too much"
    )


def test_all_rules_of_an_object_share_one_budget():
    rule = "self.all(a, self.size() >= 0)"
    item = ruled({"type": "array", "items": INT}, rule)
    schema = schema_of({"type": "array", "items": item})
    evaluation = Evaluation(schema.types, [])
    evaluation.left = 1000
    evaluation.run(widget([[1] * 50] * 50), widget([]), schema.node)
    assert [str(c) for c in evaluation.out] == [
        (
            "<nil>: Invalid value: spec[3]: validation failed due to running out of cost budget, no"
            " further validation rules will be run"
        )
    ]


WRONG_RULES = {
    "syntax": (
        {"rule": "self.a =="},
        "rule",
        "compilation failed: ERROR: <input>:1:10: Syntax error",
    ),
    "unknown function": ({"rule": "nope(self.a)"}, "rule", "undeclared reference to 'nope'"),
    "undeclared field": ({"rule": "self.zz == 1"}, "rule", "undefined field 'zz'"),
    "not a bool": ({"rule": "self.a"}, "rule", "cel expression must evaluate to a bool"),
    "no rule": ({"rule": " "}, "rule", "Required value: rule is not specified"),
    "reason": (
        {"rule": "true", "reason": "Because"},
        "reason",
        'Unsupported value: "Because": supported values: "FieldValueDuplicate",',
    ),
    "field path": ({"rule": "true", "fieldPath": ".zz"}, "fieldPath", "must be a valid path"),
    "message of two lines": (
        {"rule": "true", "message": "a\nb"},
        "message",
        "must not contain line breaks",
    ),
    "message expression": (
        {"rule": "true", "messageExpression": "1"},
        "messageExpression",
        "messageExpression must evaluate to a string",
    ),
    "optionalOldSelf": (
        {"rule": "true", "optionalOldSelf": True},
        "optionalOldSelf",
        "may not be set if oldSelf is not used in rule",
    ),
}


@pytest.mark.parametrize("case", WRONG_RULES)
def test_a_wrong_rule_refuses_the_definition(case):
    rule, field, expected = WRONG_RULES[case]
    (problem,) = refusal({**of(a=TEXT), "x-kubernetes-validations": [rule]})
    assert problem.startswith(f"{SPEC}.x-kubernetes-validations[0].{field}: ")
    assert expected in problem


def test_fields_no_rule_can_see_are_undefined():
    hidden = {
        "type": "object",
        "properties": {"free": {"x-kubernetes-preserve-unknown-fields": True}},
    }
    (problem,) = refusal(ruled(hidden, "has(self.free)"))
    assert "undefined field 'free'" in problem
