"""Arguments and templates: what is merged, what is replaced, what is refused."""

from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import args
from analysis.args import ArgsError
from analysis.decode import decode
from analysis.redact import Redactor
from analysis.spec import Argument, DryRun, Metric, TemplateRef, TemplateSpec
from analysis.templates import TemplateError, TemplateMissing, collect, run_spec


def arg(name, value=None, secret=None):
    ref = {"secretKeyRef": {"name": secret, "key": "k"}} if secret else None
    return Argument.model_validate({"name": name, "value": value, "valueFrom": ref})


def metric(**fields):
    value, problems = decode(Metric, {"name": "m", **fields})
    assert problems == ()
    return value


# --- substitution ---


def test_every_string_is_replaced():
    job = {"spec": {"template": {"{{args.a}}": ["{{ args.a }}-{{args.b}}", 1, None, True]}}}
    resolved = args.substitute(
        metric(
            name="m-{{args.a}}", interval="{{args.t}}", count="{{args.n}}", provider={"job": job}
        ),
        {"a": "x", "b": "y", "t": "5m", "n": "3"},
    )
    assert (resolved.name, resolved.interval, resolved.count) == ("m-x", "5m", "3")
    assert resolved.provider.job.spec == {"template": {"x": ["x-y", 1, None, True]}}


def test_values_are_data_and_never_expanded_again():
    nasty = 'a"b\\c\n{{args.other}}{{"'
    resolved = args.substitute(
        metric(successCondition="{{args.x}}", failureCondition="{{args.other}}"),
        {"x": nasty, "other": "no"},
    )
    assert resolved.success_condition == nasty
    assert resolved.failure_condition == "no"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{args.nobody}}", "failed to resolve {{args.nobody}}"),
        ("{{ inputs.x }}", "failed to resolve {{inputs.x}}"),
        ("{{x}}", "failed to resolve {{x}}"),
        ("{{}}", "failed to resolve {{}}"),
    ],
)
def test_a_tag_nobody_knows_is_refused(text, message):
    with pytest.raises(ArgsError) as error:
        args.substitute_text(text, {"x": "1"})
    assert str(error.value) == message


def test_half_a_tag_is_text():
    assert args.substitute_text("{{args.x", {"x": "1"}) == "{{args.x"


def test_a_metric_cannot_explode():
    with pytest.raises(ArgsError, match="grows beyond"):
        args.substitute_text("{{args.x}}" * 1000, {"x": "y" * 10_000})


def test_a_key_cannot_break_a_field():
    bent = Metric.model_validate({"name": "m", "{{args.k}}": 5})
    with pytest.raises(ArgsError, match="interval: must be a string"):
        args.substitute(bent, {"k": "interval"})


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
def test_any_value_arrives_unchanged(before, value):
    if "{{" in before:
        return
    assert args.substitute_text(before + "|{{args.x}}", {"x": value}) == f"{before}|{value}"


# --- merging ---


def test_union_by_name_prefers_a_value():
    merged = args.union([[arg("a"), arg("b", "1")], [arg("a", "2"), arg("b", "1"), arg("c")]])
    assert [(a.name, a.value) for a in merged] == [("a", "2"), ("b", "1"), ("c", None)]


def test_contradicting_values_are_refused():
    with pytest.raises(ArgsError) as error:
        args.union([[arg("a", "1")], [arg("a", "2")]])
    assert str(error.value) == (
        "Argument `a` specified multiple times with different values: '1', '2'"
    )


def test_merge_keeps_exactly_what_is_declared():
    merged = args.merge(
        [arg("a", "mine"), arg("extra", "x"), arg("s", secret="mine")],
        [arg("a", "default"), arg("b", "default"), arg("s", "plain")],
    )
    assert [(a.name, a.value) for a in merged[:2]] == [("a", "mine"), ("b", "default")]
    assert merged[2].value is None
    assert merged[2].value_from.secret_key_ref.name == "mine"


def test_an_argument_nobody_gives_is_refused():
    with pytest.raises(ArgsError, match=r"args\.a was not resolved"):
        args.merge([], [arg("a")])


def test_secrets_are_placeholders_until_they_are_known():
    given_args = [arg("a", "1"), arg("s", secret="creds")]
    assert args.values(given_args) == {"a": "1", "s": args.SECRET_PLACEHOLDER}
    assert args.values(given_args, {"s": "real"}) == {"a": "1", "s": "real"}


def test_a_field_reference_of_a_template_was_never_supplied():
    ref = Argument.model_validate({"name": "x", "valueFrom": {"fieldRef": {"fieldPath": "a"}}})
    with pytest.raises(ArgsError, match='argument "x" was not supplied'):
        args.values([ref])


# --- templates ---


def template(*metrics, templates=(), declared=(), dry=()):
    return TemplateSpec.model_validate(
        {
            "metrics": [{"name": name} for name in metrics],
            "templates": [{"templateName": name} for name in templates],
            "args": [{"name": name} for name in declared],
            "dryRun": [{"metricName": name} for name in dry],
        }
    )


def ref(name, *, cluster=False):
    return TemplateRef(template_name=name, cluster_scope=cluster)


def test_nested_templates_are_collected_once_in_order():
    known = {
        "a": template("a1", templates=["b", "c"]),
        "b": template("b1", templates=["a", "c"]),
        "c": template("c1"),
    }
    found = collect([ref("a"), ref("c")], lambda r: known.get(r.template_name))
    assert [t.metrics[0].name for t in found] == ["a1", "b1", "c1"]


def test_a_namespaced_and_a_cluster_template_may_share_a_name():
    found = collect(
        [ref("a"), ref("a", cluster=True)],
        lambda r: template("cluster" if r.cluster_scope else "namespaced"),
    )
    assert [t.metrics[0].name for t in found] == ["namespaced", "cluster"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (ref("x"), "AnalysisTemplate 'x' not found"),
        (ref("x", cluster=True), "ClusterAnalysisTemplate 'x' not found"),
    ],
)
def test_a_missing_template_is_named(wanted, message):
    with pytest.raises(TemplateMissing) as error:
        collect([wanted], lambda _: None)
    assert str(error.value) == message


def test_a_run_of_two_templates():
    known = {"a": template("m1", declared=["x"]), "b": template("m2", declared=["x"], dry=["m2"])}
    spec = run_spec(
        [ref("a"), ref("b")],
        lambda r: known[r.template_name],
        arguments=[arg("x", "1"), arg("y", "2")],
        dry_run=[DryRun(metric_name="m1")],
    )
    assert [m.name for m in spec.metrics] == ["m1", "m2"]
    assert [(a.name, a.value) for a in spec.args] == [("x", "1")]
    assert [d.metric_name for d in spec.dry_run] == ["m1", "m2"]


def test_two_metrics_of_one_name_are_refused():
    with pytest.raises(TemplateError, match="two metrics have the same name 'm'"):
        run_spec([ref("a"), ref("b")], lambda _: template("m"))


def test_two_dry_run_rules_of_one_name_are_refused():
    with pytest.raises(TemplateError, match="two Dry-Run metric rules have the same name 'm'"):
        run_spec([ref("a")], lambda _: template("m", dry=["m", "m"]))


# --- redaction ---


@pytest.mark.parametrize(
    "said",
    [
        'p@ss"w/rd',
        "https://x/?token=p%40ss%22w%2Frd&a=b",
        "https://x/p%40ss%22w/rd",
        '{"token": "p@ss\\"w/rd"}',
        "Basic cEBzcyJ3L3Jk",
    ],
)
def test_a_secret_is_masked_however_it_is_spelled(said):
    masked = Redactor.of(['p@ss"w/rd']).text(f"before {said} after")
    assert "*****" in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")


def test_no_secret_masks_nothing():
    assert Redactor.of(["", ""]).text("as it is") == "as it is"


def test_a_secret_that_was_cut_off_is_masked_as_far_as_it_goes():
    redactor = Redactor.of(["correct-horse-battery"])
    assert redactor.text("refused: correct-horse-ba") == "refused: *****"
    assert redactor.text("refused: correct-horse… and more") == "refused: *****… and more"
    assert redactor.text("correct answers stay") == "correct answers stay"


@given(st.binary(max_size=8), st.binary(max_size=8))
def test_a_secret_inside_of_longer_base64_is_masked(before, after):
    secret = "correct-horse-battery"
    said = b64encode(before + secret.encode() + after).decode()
    masked = Redactor.of([secret]).text(said)
    assert "*****" in masked
    assert len(masked) <= len(said) - 20
