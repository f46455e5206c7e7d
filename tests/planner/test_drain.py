"""Older revisions give up their pods only as far as those that stay can serve."""

import pytest

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
