"""Threat: an argument's value breaks out of the place it is put into, or is expanded again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import args
from analysis.args import ArgsError
from analysis.plan import SpecError, plan_run, with_secrets
from analysis.spec import Argument, Metric, RunSpec

NASTY = [
    '"',
    "'",
    "\\",
    "\n",
    '"}], "provider": {"job": {}}',
    "{{args.secret}}",
    "{{ args.secret }}",
    "{{args.other}}",
    "{{",
    "}}",
    "{{{{args.secret}}}}",
    "$(id)",
    "\x00",
    '"} or vector(1) #',
]


def metric(**fields):
    return Metric.model_validate({"name": "m", **fields})


@pytest.mark.parametrize("value", NASTY)
def test_a_value_arrives_as_it_is_and_nowhere_else(value):
    before = metric(
        successCondition="result == '{{args.value}}'",
        provider={"web": {"url": "http://h/{{args.value}}", "jsonBody": {"k": ["{{args.value}}"]}}},
    )
    after = args.substitute(before, {"value": value, "secret": "canary", "other": "x"})
    assert after.success_condition == f"result == '{value}'"
    assert after.provider.web.url == f"http://h/{value}"
    assert after.provider.web.json_body == {"k": [value]}
    assert after.provider.configured() == ["web"]
    assert "canary" not in str(after)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from("abc"), st.text(max_size=40), min_size=3, max_size=3))
def test_whatever_the_values_are_each_tag_is_replaced_once(values):
    text = "<{{args.a}}|{{args.b}}|{{args.c}}>"
    assert args.substitute_text(text, values) == f"<{values['a']}|{values['b']}|{values['c']}>"


def test_half_tags_of_two_values_never_make_a_whole_one():
    values = {"a": "{{args", "b": ".secret}}", "secret": "canary"}
    assert args.substitute_text("{{args.a}}{{args.b}}", values) == "{{args.secret}}"


def test_a_value_cannot_name_another_field_of_the_metric():
    bent = metric(provider={"web": {"url": "http://h", "headers": [{"key": "{{args.k}}"}]}})
    after = args.substitute(bent, {"k": 'x", "value": "y'})
    assert after.provider.web.headers[0].key == 'x", "value": "y'
    assert after.provider.web.headers[0].value == ""


@pytest.mark.parametrize("field", ["name", "interval", "count", "failureLimit", "initialDelay"])
def test_a_secret_never_shapes_a_run(field):
    ref = {"secretKeyRef": {"name": "creds", "key": "k"}}
    spec = RunSpec.model_validate(
        {
            "metrics": [{"name": "m", "provider": {"web": {"url": "x"}}, field: "{{args.s}}"}],
            "args": [{"name": "s", "valueFrom": ref}],
        }
    )
    if field != "name":
        with pytest.raises(SpecError, match="a-secret-value"):
            plan_run(spec)
        return
    resolved = with_secrets(plan_run(spec).metrics[0], {"s": "canary"})
    assert resolved.name == "a-secret-value"


def test_an_argument_cannot_make_a_metric_grow_without_end():
    deep = metric(provider={"web": {"url": "{{args.x}}" * 200}})
    with pytest.raises(ArgsError, match="grows beyond"):
        args.substitute(deep, {"x": "y" * 10_000})


@pytest.mark.parametrize("name", ["a}}{{args.b", "__class__", "a.b", " a", "a\n"])
def test_odd_names_of_arguments_are_only_names(name):
    values = args.values([Argument(name=name, value="1"), Argument(name="b", value="2")])
    assert args.substitute_text("{{args.b}}", values) == "2"


@pytest.mark.parametrize("tag", ["args.__class__", "args", "self.x", "0", "args.x.__init__", "x!r"])
def test_tags_are_looked_up_and_never_evaluated(tag):
    with pytest.raises(ArgsError, match="failed to resolve"):
        args.substitute_text(f"{{{{{tag}}}}}", {"x": "1"})
