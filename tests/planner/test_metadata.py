"""Stories of metadata that follows the role of a revision."""

import json
from dataclasses import replace

import pytest

from rollouts.api.labels import EPHEMERAL_METADATA
from rollouts.planner.planner import plan
from tests.planner.model import Model, rollout

STEPS = [{"setWeight": 40}, {"pause": {}}]
ROLES = {
    "canaryMetadata": {"labels": {"role": "canary"}, "annotations": {"watch": "closely"}},
    "stableMetadata": {"labels": {"role": "stable"}},
}


def deployed(strategy: dict | None = None, *services: str, **spec) -> Model:
    strategy = strategy or {"canary": {"steps": STEPS, **ROLES}}
    model = Model(rollout(strategy, **spec), *services)
    model.settle()
    return model


def roles(model: Model, revision: int, key: str = "role", part: str = "labels") -> set[str | None]:
    """The values pods of a revision have now."""
    owner = next(rs for rs in model.world.replica_sets if rs.revision == revision)
    return {(pod["metadata"].get(part) or {}).get(key) for pod in model.pods_of(owner)}


def of_template(model: Model, revision: int) -> dict:
    owner = next(rs for rs in model.world.replica_sets if rs.revision == revision)
    return owner.template["metadata"]["labels"]


def note(model: Model, revision: int) -> dict | None:
    owner = next(rs for rs in model.world.replica_sets if rs.revision == revision)
    text = (owner.raw["metadata"].get("annotations") or {}).get(EPHEMERAL_METADATA)
    return None if text is None else json.loads(text)


def change_pod(model: Model, metadata: dict) -> None:
    """Somebody changes the first pod's metadata."""
    first, *rest = model.world.pods
    changed = {**first, "metadata": {**first["metadata"], **metadata}}
    model.world = replace(model.world, pods=(changed, *rest))


def test_the_first_revision_is_stable_from_birth():
    model = deployed()
    assert roles(model, 1) == {"stable"}
    assert note(model, 1) == {"labels": {"role": "stable"}}
    assert not any(write.verb == "patch" and write.optional for write in model.writes)


def test_pods_carry_their_role_through_a_release():
    model = deployed()
    before = model.born
    model.set_image("app:2")
    model.settle()
    assert (roles(model, 1), roles(model, 2)) == ({"stable"}, {"canary"})
    assert roles(model, 2, "watch", "annotations") == {"closely"}
    uids = {pod["metadata"]["uid"] for pod in model.world.pods}
    model.promote()
    model.settle()
    assert roles(model, 2) == {"stable"}
    assert roles(model, 2, "watch", "annotations") == {None}
    assert note(model, 2) == {"labels": {"role": "stable"}}
    assert note(model, 1) is None
    assert "role" not in of_template(model, 1)
    assert uids & {pod["metadata"]["uid"] for pod in model.world.pods}, "relabelled in place"
    assert model.born == before + 5


def test_the_role_counts_as_no_change_of_the_template():
    model = deployed()
    model.set_image("app:2")
    model.settle()
    model.set_image("app:1")
    model.settle()
    assert len(model.world.replica_sets) == 2
    assert roles(model, 3) == {"stable"}


def test_a_pod_that_missed_its_patch_is_mended():
    model = deployed()
    model.set_image("app:2")
    model.settle()
    model.promote()
    model.settle()
    wrong = {**model.world.pods[0]["metadata"]["labels"], "role": "canary"}
    change_pod(model, {"labels": wrong, "annotations": {"watch": "closely"}})
    model.settle()
    assert roles(model, 2) == {"stable"}
    assert roles(model, 2, "watch", "annotations") == {None}


def test_what_others_put_on_pods_stays():
    model = deployed()
    change_pod(model, {"annotations": {"sidecar": "injected"}})
    model.settle()
    model.set_image("app:2")
    model.settle()
    assert "injected" in roles(model, 1, "sidecar", "annotations")


def test_blue_green_names_preview_and_active():
    strategy = {
        "activeService": "active",
        "autoPromotionEnabled": False,
        "previewMetadata": {"labels": {"role": "preview"}},
        "activeMetadata": {"labels": {"role": "active"}},
    }
    model = deployed({"blueGreen": strategy}, "active")
    model.set_image("app:2")
    model.settle()
    assert (roles(model, 1), roles(model, 2)) == ({"active"}, {"preview"})
    model.promote()
    model.settle()
    assert (roles(model, 1), roles(model, 2)) == ({None}, {"active"})


@pytest.mark.parametrize("paused", [False, True])
def test_a_new_value_reaches_the_pods_that_run(paused):
    model = deployed()
    model.set_image("app:2")
    model.settle()
    wanted = {"canaryMetadata": {"labels": {"role": "guest", "tier": "b"}, "annotations": None}}
    model.change({"spec": {"paused": paused, "strategy": {"canary": wanted}}})
    model.settle()
    assert roles(model, 2) == {"guest"}
    assert roles(model, 2, "tier") == {"b"}
    assert roles(model, 2, "watch", "annotations") == {None}
    assert note(model, 2) == {"labels": {"role": "guest", "tier": "b"}}


def test_without_the_fields_nothing_injected_is_left_behind():
    model = deployed()
    model.set_image("app:2")
    model.settle()
    gone = {"canaryMetadata": None, "stableMetadata": None}
    model.change({"spec": {"strategy": {"canary": gone}}})
    model.settle()
    assert roles(model, 1) == roles(model, 2) == {None}
    assert roles(model, 2, "watch", "annotations") == {None}
    assert note(model, 1) is note(model, 2) is None
    assert "role" not in of_template(model, 1)


def test_a_removed_key_is_remembered_until_no_pod_carries_it():
    model = deployed()
    gone = {"canaryMetadata": None, "stableMetadata": None}
    model.change({"spec": {"strategy": {"canary": gone}}})
    answer = plan(model.world)
    patched = next(w for w in answer.writes if w.resource.plural == "replicasets")
    assert EPHEMERAL_METADATA not in str(patched.body)
    assert sum(1 for write in answer.writes if write.optional) == 5
    model.settle()
    assert note(model, 1) is None
    assert roles(model, 1) == {None}


def test_a_value_of_the_users_own_comes_back():
    spec = {
        "template": {
            "metadata": {"labels": {"app": "app", "role": "mine"}},
            "spec": {"containers": [{"name": "app", "image": "app:1"}]},
        }
    }
    model = deployed(**spec)
    assert roles(model, 1) == {"stable"}
    model.change({"spec": {"strategy": {"canary": {"stableMetadata": None}}}})
    model.settle()
    assert roles(model, 1) == {"mine"}


def test_empty_and_leaving_pods_are_not_patched():
    model = deployed()
    first, *rest = model.world.pods
    going = {**first["metadata"], "labels": {}, "deletionTimestamp": "2027-01-15T08:00:00Z"}
    model.world = replace(model.world, pods=({**first, "metadata": going}, *rest))
    assert plan(model.world).writes == ()


@pytest.mark.parametrize(
    "labels",
    [{"app": "other"}, {"rollouts-pod-template-hash": "x"}, {"a b": "c"}, {"a": "b c"}],
)
def test_labels_that_cannot_follow_a_role_are_refused(labels):
    model = Model(rollout({"canary": {"canaryMetadata": {"labels": labels}}}))
    model.reconcile()
    assert model.codes() == ["InvalidSpec"]
    assert "spec.strategy.canaryMetadata.labels" in model.status["message"]
