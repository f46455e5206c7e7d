"""What a run is called, what it carries, where its arguments come from, and how long it is kept."""

import copy
from dataclasses import replace

import pytest

from analysis.args import ArgsError
from rollouts.planner.runspec import field_value
from tests.planner.model import Model, at, rollout

METRIC = {
    "name": "rate",
    "count": 1,
    "successCondition": "result[0] > 0.9",
    "provider": {"prometheus": {"address": "http://p", "query": "up"}},
}


def template(name="rate", **spec) -> dict:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"metrics": [METRIC], **spec},
    }


def released(step: dict, *templates: dict, metadata=None, **spec) -> Model:
    strategy = {"canary": {"steps": [{"setWeight": 20}, {"analysis": step}]}}
    raw = rollout(strategy, **spec)
    raw["metadata"] |= metadata or {}
    model = Model(raw, templates={t["metadata"]["name"]: t for t in templates})
    model.settle()
    model.set_image("app:2")
    model.settle()
    return model


def with_args(*args: dict, declared=None, **more) -> Model:
    names = declared or [{"name": arg["name"]} for arg in args]
    analysis = {"templates": [{"templateName": "rate"}], "args": list(args)}
    return released(analysis, template(args=names), **more)


def given(model: Model) -> dict[str, str]:
    (run,) = model.world.runs
    return {arg["name"]: arg.get("value", arg.get("valueFrom")) for arg in run.raw["spec"]["args"]}


def test_labels_and_annotations_of_a_run_and_whose_win():
    analysis = {
        "templates": [{"templateName": "rate"}],
        "analysisRunMetadata": {
            "labels": {"app": "other", "team": "a", "rollout-type": "mine"},
            "annotations": {"note": "b", "rollout.argoproj.io/revision": "9"},
        },
    }
    model = released(analysis, template())
    (run,) = model.world.runs
    assert run.labels == {
        "rollouts-pod-template-hash": model.hash_of(2),
        "rollout-type": "mine",
        "step-index": "1",
        "team": "a",
        "app": "app",
    }
    assert run.annotations["note"] == "b"
    assert run.annotations["rollout.argoproj.io/revision"] == "9"
    (owner,) = run.raw["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("Rollout", "uid-app", True)
    assert "ttlStrategy" not in run.raw["spec"]


def test_hashes_and_fields_of_the_rollout_are_arguments():
    model = with_args(
        {"name": "new", "valueFrom": {"podTemplateHashValue": "Latest"}},
        {"name": "old", "valueFrom": {"podTemplateHashValue": "Stable"}},
        {"name": "name", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "team", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['team']"}}},
        {"name": "none", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['none']"}}},
        {
            "name": "weight",
            "valueFrom": {"fieldRef": {"fieldPath": "spec.strategy.canary.steps[0].setWeight"}},
        },
        metadata={"labels": {"team": "a"}},
    )
    assert given(model) == {
        "new": model.hash_of(2),
        "old": model.hash_of(1),
        "name": "app",
        "team": "a",
        "none": "",
        "weight": "20",
    }


def test_all_labels_together_look_as_the_downward_api_writes_them():
    raw = {"metadata": {"labels": {"b": "2", "a": 'say "hi"'}}}
    assert field_value(raw, "metadata.labels") == 'a="say \\"hi\\""\nb="2"'


@pytest.mark.parametrize("path", ["status.nothing", "spec.strategy", "spec.list[7]", ""])
def test_a_field_that_is_not_there_or_is_no_single_value_is_refused(path):
    with pytest.raises(ArgsError, match="the Rollout has no such value"):
        field_value({"metadata": {}, "spec": {"strategy": {}, "list": [1]}}, path)


def test_a_missing_field_does_not_stop_the_release_before_its_analysis():
    arg = {"name": "x", "valueFrom": {"fieldRef": {"fieldPath": "status.nothing"}}}
    model = with_args(arg)
    assert model.world.runs == ()
    assert model.sizes == {1: 4, 2: 1}
    assert "cannot be created: fieldRef status.nothing" in model.plan.why[0].message


def test_defaults_of_the_template_count_unless_the_rollout_says_otherwise():
    declared = [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]
    model = with_args(
        {"name": "b", "value": "3"}, {"name": "extra", "value": "4"}, declared=declared
    )
    assert given(model) == {"a": "1", "b": "3"}


def test_templates_that_include_each_other_are_measured_once_each():
    other = template("other", metrics=[{**METRIC, "name": "other"}])
    other["spec"]["templates"] = [{"templateName": "rate"}]
    first = template(templates=[{"templateName": "other"}])
    model = released({"templates": [{"templateName": "rate"}]}, first, other)
    (run,) = model.world.runs
    assert [metric["name"] for metric in run.raw["spec"]["metrics"]] == ["rate", "other"]


def test_metrics_are_copied_with_their_placeholders():
    metric = {**METRIC, "provider": {"prometheus": {"query": "{{args.q}}"}}}
    shown = template(metrics=[metric], args=[{"name": "q"}])
    analysis = {"templates": [{"templateName": "rate"}], "args": [{"name": "q", "value": "up"}]}
    (run,) = released(analysis, shown).world.runs
    assert run.raw["spec"]["metrics"] == [metric]


def test_a_secret_of_the_template_stays_a_reference():
    ref = {"secretKeyRef": {"name": "creds", "key": "token"}}
    shown = template(args=[{"name": "token", "valueFrom": ref}])
    (run,) = released({"templates": [{"templateName": "rate"}]}, shown).world.runs
    assert run.raw["spec"]["args"] == [{"name": "token", "valueFrom": ref}]


def test_history_keeps_the_newest_of_each_outcome_and_drops_those_of_revisions_that_are_gone():
    model = released(
        {"templates": [{"templateName": "rate"}]},
        template(),
        analysis={"successfulRunHistoryLimit": 1, "unsuccessfulRunHistoryLimit": 2},
    )
    (sample,) = model.world.runs
    model.finish_run("Successful")
    model.settle()
    assert model.phase == ("Healthy", "")

    def past(name: str, phase: str, age: int, pod_hash: str) -> object:
        raw = copy.deepcopy(sample.raw)
        raw["metadata"] |= {"name": name, "creationTimestamp": at(-age), "uid": f"uid-{name}"}
        raw["metadata"]["labels"]["rollouts-pod-template-hash"] = pod_hash
        return type(sample).of({**raw, "status": {"phase": phase}}, "uid-app")

    living = model.hash_of(2)
    past_runs = [
        past("good-old", "Successful", 90, living),
        past("bad-1", "Failed", 80, living),
        past("bad-2", "Error", 70, living),
        past("bad-3", "Inconclusive", 60, living),
        past("orphan", "Failed", 50, "gone"),
    ]
    model.world = replace(model.world, runs=(*model.world.runs, *past_runs))
    model.settle()
    assert sorted(run.name for run in model.world.runs) == [sample.name, "bad-2", "bad-3"]
