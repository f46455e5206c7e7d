"""Older revisions give up their pods only as far as those that stay can serve."""

import pytest

from rollouts.planner.planner import plan
from rollouts.planner.project import project
from tests.planner.model import Model, rollout

STEPS = [{"setWeight": 60}, {"pause": {}}]


def serving(model: Model) -> int:
    """Pods that still serve once everybody has done as asked."""
    return sum(min(rs.spec, rs.available) for rs in model.world.replica_sets)


@pytest.mark.parametrize("image", ["app:3", "app:1"])
def test_an_update_that_is_overtaken_gives_up_no_more_pods_than_can_be_spared(image):
    model = Model(rollout({"canary": {"steps": STEPS, "maxSurge": 1, "maxUnavailable": 0}}))
    model.settle()
    model.set_image("app:2")
    model.settle()
    assert model.sizes == {1: 2, 2: 3}
    model.set_image(image)
    for _ in range(20):
        model.reconcile()
        assert serving(model) >= 5
        model.pods_follow()


def test_no_write_of_a_plan_asks_for_more_pods_than_the_surge_allows():
    model = Model(rollout({"canary": {"steps": STEPS, "maxSurge": 1, "maxUnavailable": 1}}))
    model.settle()
    model.ready = False
    model.set_image("app:2")
    for _ in range(3):
        model.reconcile()
        model.pods_follow()
    assert sum(rs.spec for rs in model.world.replica_sets) == 6
    model.set_image("app:3")
    world = model.world
    for write in plan(world).writes:
        world = project(world, [write])
        assert sum(rs.spec for rs in world.replica_sets) <= 6


@pytest.mark.parametrize("seen", [True, False])
def test_pods_counted_before_the_newest_size_was_seen_spare_no_others(seen):
    """They may be on their way out: their ReplicaSet was smaller a moment ago."""
    model = Model(rollout({"canary": {"steps": STEPS, "maxSurge": 1, "maxUnavailable": 1}}))
    model.settle()
    model.set_image("app:2")
    model.settle()
    model.set_image("app:3")
    for rs in model.world.replica_sets:
        rs.raw["metadata"]["generation"] = 7
        rs.raw["status"]["observedGeneration"] = 7 if seen else 6
    shrinks = [w for w in plan(model.world).writes if w.effect and w.effect.new < w.effect.old]
    assert bool(shrinks) == seen


@pytest.mark.parametrize("seen", [True, False])
def test_no_service_goes_to_pods_counted_before_the_newest_size_was_seen(seen):
    raw = rollout({"blueGreen": {"activeService": "active"}}, replicas=2)
    model = Model(raw, "active")
    model.settle()
    model.set_image("app:2")
    model.reconcile()
    model.pods_follow()
    for rs in model.world.replica_sets:
        rs.raw["metadata"]["generation"] = 7
        rs.raw["status"]["observedGeneration"] = 7 if seen else 6
    model.reconcile()
    assert (model.selects("active") == model.hash_of(2)) == seen
