"""What an Experiment of the same name, which was deleted, has left is waited for."""

from dataclasses import replace

import pytest

from tests.planner.experiment.model import Model, experiment, template

PORTS = {"containers": [{"name": "main", "image": "x", "ports": [{"containerPort": 80}]}]}


def served() -> dict:
    one = template("a", service={})
    one["template"]["spec"] = PORTS
    return one


def owned_by(raw: dict, *, name: str) -> dict:
    owner = {"kind": "Experiment", "name": name, "uid": "uid-before", "controller": True}
    return {**raw, "metadata": {**raw["metadata"], "ownerReferences": [owner]}}


def successor(*, of: str = "trial") -> Model:
    """One that begins where the objects of another one are."""
    before = Model(experiment(served()))
    before.settle()
    model = Model(experiment(served()))
    sets = tuple(type(rs).of(owned_by(rs.raw, name=of)) for rs in before.world.replica_sets)
    services = tuple(owned_by(each, name=of) for each in before.world.services)
    model.world = replace(model.world, replica_sets=sets, services=services)
    return model


def test_its_pods_come_when_the_others_have_been_collected():
    model = successor()
    model.settle()
    assert (model.phase, model.codes()[0]) == ("Pending", "PredecessorNotGone")
    model.world = replace(model.world, replica_sets=())
    model.settle()
    assert model.phase == "Running"
    assert [model.world.owns(each) for each in model.world.services] == [False]
    model.world = replace(model.world, services=())
    model.settle()
    assert [model.world.owns(each) for each in model.world.services] == [True]


def test_what_is_never_collected_makes_it_late():
    model = successor()
    model.settle()
    model.wait(601)
    model.settle()
    assert model.phase == "Failed"


@pytest.mark.parametrize("name", ["trial-2"])
def test_what_belongs_to_another_one_is_an_error(name):
    model = successor(of=name)
    model.settle()
    assert model.phase == "Error"
