"""Specs that cannot be acted upon: what is said, and that nothing else happens."""

import pytest

from tests.planner.experiment.model import Model, analysis, at, experiment, template

BAD = [
    pytest.param(
        experiment({**template("a"), "selector": None}),
        "Rollout has missing field '.Spec.Templates[0].Selector'",
        id="no selector",
    ),
    pytest.param(
        experiment(template("a"), {**template("b"), "selector": {}}),
        "This experiment is selecting all pods at index 1. A non-empty selector is required.",
        id="empty selector",
    ),
    pytest.param(
        experiment(template("a", minReadySeconds=11), progressDeadlineSeconds=10),
        "MinReadySeconds cannot be longer than ProgressDeadlineSeconds. Check template index 0",
        id="readiness longer than the deadline",
    ),
    pytest.param(
        experiment(template("a", minReadySeconds=601)),
        "MinReadySeconds cannot be longer than ProgressDeadlineSeconds. Check template index 0",
        id="the default deadline counts",
    ),
    pytest.param(
        experiment(template("a"), template("")),
        "Experiment trial has empty template name at index 1",
        id="no name",
    ),
    pytest.param(
        experiment(template("a"), template("a")),
        "Experiment trial has repeated template name 'a' in templates",
        id="a name twice",
    ),
    pytest.param(
        experiment(analyses=[analysis("x"), analysis("x")]),
        "Experiment trial has repeated analysis name 'x' in analyses",
        id="an analysis twice",
    ),
    pytest.param(
        experiment(analyses=[analysis("")]),
        "Experiment trial has empty analysis name at index 0",
        id="an analysis without a name",
    ),
    pytest.param(
        experiment(duration="soon"),
        'Experiment trial has an invalid duration: time: invalid duration "soon"',
        id="no duration",
    ),
    pytest.param(
        experiment(duration="-1m"),
        "Experiment trial has a negative duration",
        id="a negative duration",
    ),
    pytest.param(
        experiment(scaleDownDelaySeconds=-1),
        "Experiment trial has a negative scaleDownDelaySeconds",
        id="a negative delay",
    ),
    pytest.param(
        experiment(template("a", replicas=-1)),
        "Experiment trial has negative replicas at index 0",
        id="negative replicas",
    ),
    pytest.param(
        experiment(scaleDownDelaySeconds="soon"),
        "Experiment trial cannot be read: spec.scaleDownDelaySeconds: "
        "must be an integer, not a string",
        id="a field of the wrong type",
    ),
]


@pytest.mark.parametrize(("raw", "sentence"), BAD)
def test_a_spec_that_makes_no_sense_is_told_and_nothing_else_happens(raw, sentence):
    model = Model(raw)
    model.settle()
    (condition,) = model.status.pop("conditions")
    assert condition["type"] == "InvalidExperimentSpec"
    assert (condition["status"], condition["reason"]) == ("True", "InvalidSpec")
    assert condition["message"] == sentence
    assert model.status == {}
    assert model.sizes == {}
    assert model.codes() == ["InvalidExperimentSpec"]
    assert model.reasons() == ["InvalidSpec"]


def test_another_mistake_is_told_once_more_and_a_mended_spec_runs():
    model = Model(experiment(duration="soon"))
    model.settle()
    model.wait(60)
    model.change({"spec": {"duration": "later"}})
    model.settle()
    (condition,) = model.status["conditions"]
    assert 'invalid duration "later"' in condition["message"]
    assert condition["lastUpdateTime"] == at(60)
    assert condition["lastTransitionTime"] == at(0)
    model.change({"spec": {"duration": "1m"}})
    model.settle()
    assert model.phase == "Running"
    assert [each["type"] for each in model.status["conditions"]] == ["Progressing"]


def test_a_mistake_made_while_it_runs_leaves_everything_as_it_is():
    model = Model(experiment())
    model.settle()
    before = (model.sizes, model.states, model.phase)
    model.change({"spec": {"duration": "soon"}})
    model.settle()
    assert (model.sizes, model.states, model.phase) == before
    assert model.codes() == ["InvalidExperimentSpec"]


def test_a_mistake_does_not_keep_anybody_from_ending_it():
    model = Model(experiment(scaleDownDelaySeconds=0))
    model.settle()
    model.change({"spec": {"duration": "soon", "terminate": True}})
    model.settle()
    assert (model.phase, model.sizes) == ("Successful", {"trial-a": 0, "trial-b": 0})


def test_what_is_over_is_not_judged_any_more():
    model = Model(experiment(scaleDownDelaySeconds=0))
    model.settle()
    model.terminate()
    model.settle()
    model.change({"spec": {"duration": "soon"}})
    assert model.reconcile().writes == ()
    assert model.phase == "Successful"
