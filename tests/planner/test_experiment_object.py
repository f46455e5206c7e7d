"""What the Experiment of a step looks like."""

from rollouts.api.experimentvalidation import first_problem
from rollouts.api.rollout import Rollout
from tests.planner.model import rollout
from tests.planner.routed_model import routed
from tests.planner.trial_model import PORTS, TrialModel, basic, step, template, updated


def made(*templates: dict, model: TrialModel | None = None, **fields) -> dict:
    """The Experiment that is made for a step."""
    found = model or updated(routed([step(*templates, **fields)]))
    (trial,) = found.trials
    assert first_problem(trial.experiment) is None
    return trial.raw


def test_it_is_a_child_of_its_rollout_and_revision():
    raw = rollout(basic(step()))
    raw["metadata"]["labels"] = {"team": "shop"}
    model = TrialModel(raw)
    model.settle()
    model.set_image("app:2")
    model.reconcile()
    meta = made(model=model)["metadata"]
    assert meta["name"] == f"app-{model.hash_of(2)}-2-0"
    assert meta["labels"] == {"team": "shop", "rollouts-pod-template-hash": model.hash_of(2)}
    assert meta["annotations"] == {"rollout.argoproj.io/revision": "2"}
    (owner,) = meta["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("Rollout", "uid-app", True)


def test_one_of_an_instance_belongs_to_that_instance():
    key = "argo-rollouts.argoproj.io/controller-instance-id"
    model = TrialModel(rollout(basic(step())))
    model.world = _of_instance(model, {key: "two"})
    model.settle()
    model.set_image("app:2")
    model.reconcile()
    assert made(model=model)["metadata"]["labels"][key] == "two"


def _of_instance(model: TrialModel, labels: dict):
    from dataclasses import replace

    raw = model.world.rollout.raw
    labelled = {**raw, "metadata": {**raw["metadata"], "labels": labels}}
    return replace(model.world, rollout=Rollout.decode(labelled), instance_id="two")


def test_its_pods_are_those_of_the_revisions_under_no_hash():
    spec = made(template("a"), template("b", "stable"))["spec"]
    images = [each["template"]["spec"]["containers"][0]["image"] for each in spec["templates"]]
    assert images == ["app:2", "app:1"]
    for each in spec["templates"]:
        assert each["selector"] == {"matchLabels": {"app": "app"}}
        assert each["template"]["metadata"]["labels"] == {"app": "app"}
        assert each.keys() == {"name", "selector", "template"}


def test_seconds_of_readiness_and_the_deadline_are_the_rollouts():
    model = updated(basic(step()), minReadySeconds=7, progressDeadlineSeconds=99)
    spec = made(model=model)["spec"]
    assert [each["minReadySeconds"] for each in spec["templates"]] == [7, 7]
    assert spec["progressDeadlineSeconds"] == 99


def test_own_labels_select_and_own_annotations_do_not():
    metadata = {"labels": {"variant": "a"}, "annotations": {"note": "x"}}
    (one,) = made(template("a", metadata=metadata, replicas=3))["spec"]["templates"]
    labels = {"app": "app", "variant": "a"}
    assert one["selector"]["matchLabels"] == labels
    assert one["template"]["metadata"] == {"labels": labels, "annotations": {"note": "x"}}
    assert one["replicas"] == 3


def test_a_selector_of_its_own_takes_the_place_of_the_revisions():
    chosen = {"matchExpressions": [{"key": "app", "operator": "Exists"}]}
    (one,) = made(template("a", selector=chosen))["spec"]["templates"]
    assert one["selector"] == {**chosen, "matchLabels": {}}


def test_a_weight_or_a_service_makes_a_service():
    plain, weighted, served, named = made(
        template("a"),
        template("b", weight=5),
        template("c", service={}),
        template("d", service={"name": "d"}),
    )["spec"]["templates"]
    assert "service" not in plain
    assert weighted["service"] == served["service"] == {}
    assert named["service"] == {"name": "d"}
    assert "weight" not in weighted


def test_a_service_reaches_no_pods_of_the_release():
    model = updated(routed([step(template("a", weight=5), template("b", "stable", service={}))]))
    model.settle()
    released = {rs.hash for rs in model.world.replica_sets}
    assert released.isdisjoint(rs.hash for rs in model.trial.replica_sets)
    for one in made(model=model)["spec"]["templates"]:
        labels = {"app": "app", "experiment.argoproj.io/template-name": one["name"]}
        assert one["template"]["metadata"]["labels"] == one["selector"]["matchLabels"] == labels


def test_the_rest_of_the_step_is_handed_on():
    fields = {
        "duration": "5m",
        "dryRun": [{"metricName": "rate"}],
        "analysisRunMetadata": {"labels": {"kind": "trial"}},
        "scaleDownDelaySeconds": 0,
    }
    spec = made(template("a"), **fields)["spec"]
    assert {key: spec[key] for key in fields} == fields
    assert "analyses" not in spec


def test_arguments_have_their_values():
    args = [
        {"name": "plain", "value": "{{templates.a.podTemplateHash}}"},
        {"name": "latest", "valueFrom": {"podTemplateHashValue": "Latest"}},
        {"name": "stable", "valueFrom": {"podTemplateHashValue": "Stable"}},
        {"name": "field", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    analysis = {"name": "rate", "templateName": "rate", "requiredForCompletion": True, "args": args}
    model = updated(basic(step(template("a"), analyses=[analysis])))
    (one,) = made(model=model)["spec"]["analyses"]
    assert (one["name"], one["templateName"], one["requiredForCompletion"]) == (
        "rate",
        "rate",
        True,
    )
    assert one["args"] == [
        {"name": "plain", "value": "{{templates.a.podTemplateHash}}"},
        {"name": "latest", "value": model.hash_of(2)},
        {"name": "stable", "value": model.hash_of(1)},
        {"name": "field", "value": "app"},
    ]


def test_the_pods_of_the_revisions_are_left_as_they_are():
    model = updated(basic(step(template("a", metadata={"labels": {"variant": "a"}}))))
    made(model=model)
    for rs in model.world.replica_sets:
        assert rs.template["metadata"]["labels"].keys() == {"app", "rollouts-pod-template-hash"}
        assert rs.template["spec"]["containers"][0]["name"] == PORTS["containers"][0]["name"]
