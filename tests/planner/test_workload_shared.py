"""A Deployment that is not the Rollout's alone to scale: shared with another, or withheld."""

from dataclasses import replace

import pytest

from rollouts.kube.errors import Forbidden
from rollouts.planner.handover import REST_SECONDS
from rollouts.planner.plan import ScaleWorkload
from rollouts.planner.planner import plan
from rollouts.planner.project import project
from tests.planner.test_workload import Migration, rollout


def other(name: str, down: str = "", *, created: str) -> dict:
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "old"}
    raw = rollout({"canary": {}})
    meta = {**raw["metadata"], "name": name, "uid": name, "creationTimestamp": created}
    return {**raw, "metadata": meta, "spec": {"workloadRef": {**ref, "scaleDown": down}}}


def beside(down: str, rival: dict) -> Migration:
    """A Rollout made in 2026, and another one."""
    model = Migration(down)
    model.change({"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}})
    model.world = replace(model.world, rivals=(rival,))
    model.settle()
    return model


@pytest.mark.parametrize(
    ("mine", "others"),
    [("onsuccess", "never"), ("never", "progressively"), ("progressively", "onsuccess")],
)
def test_the_younger_one_is_invalid_as_long_as_either_decides_over_its_size(mine, others):
    model = beside(mine, other("first", others, created="2025-01-01T00:00:00Z"))
    assert model.codes() == ["InvalidSpec"]
    assert (
        'Rollout "first" takes its template from the same Deployment' in model.plan.why[0].message
    )
    assert model.world.replica_sets == ()
    assert model.left == 5
    assert model.plan.wake_at is not None


@pytest.mark.parametrize("mine", ["onsuccess", "never"])
def test_the_older_one_goes_on(mine):
    model = beside(mine, other("later", "onsuccess", created="2026-06-01T00:00:00Z"))
    assert model.phase == ("Healthy", "")


def test_of_two_made_in_the_same_second_the_first_by_name_is_the_older_one():
    same = "2026-01-01T00:00:00Z"
    assert beside("onsuccess", other("aaa", created=same)).codes() == ["InvalidSpec"]
    assert beside("onsuccess", other("zzz", created=same)).phase == ("Healthy", "")


def test_a_deployment_nobody_scales_may_be_shared():
    model = beside("never", other("first", created="2025-01-01T00:00:00Z"))
    assert model.phase == ("Healthy", "")
    assert model.left == 5


def test_the_younger_one_goes_on_when_the_older_is_gone_or_going():
    elder = other("first", "onsuccess", created="2025-01-01T00:00:00Z")
    model = beside("onsuccess", elder)
    assert model.codes() == ["InvalidSpec"]
    going = {**elder["metadata"], "deletionTimestamp": "2026-02-01T00:00:00Z"}
    model.world = replace(model.world, rivals=({**elder, "metadata": going},))
    model.settle()
    assert model.phase == ("Healthy", "")
    assert model.left == 0


def refuse(model: Migration) -> None:
    """Plan, and let the server refuse to scale the Deployment."""
    made = plan(model.world)
    (scale,) = [write for write in made.writes if isinstance(write.effect, ScaleWorkload)]
    before = made.writes[: made.writes.index(scale)]
    noted = scale.otherwise(Forbidden("deployments.apps is forbidden"))
    model.world = project(model.world, (*before, noted))


def test_a_scale_that_is_refused_is_told_and_tried_again_later():
    model = Migration("onsuccess")
    model.reconcile()
    model.pods_follow()
    refuse(model)
    model.settle()
    assert model.codes() == ["WorkloadScaleRefused"]
    assert model.plan.wake_at == model.world.now + REST_SECONDS
    assert model.condition("WorkloadScaledDown")["status"] == "Unknown"
    assert (model.left, model.phase) == (5, ("Healthy", ""))
    model.wait(REST_SECONDS)
    refuse(model)
    model.settle()
    assert model.codes() == ["WorkloadScaleRefused"]
    model.wait(REST_SECONDS)
    model.settle()
    assert model.left == 0
    assert model.condition("WorkloadScaledDown")["status"] == "True"


def test_a_deployment_that_could_not_be_scaled_down_is_not_scaled_up_either():
    model = Migration("progressively")
    model.reconcile()
    model.pods_follow(limit=1)
    refuse(model)
    model.scale(2)
    model.lose(1)
    model.wait(REST_SECONDS)
    model.reconcile()
    assert model.left == 2
