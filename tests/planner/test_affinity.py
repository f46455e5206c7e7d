"""Stories of anti-affinity: new pods keep away from the nodes of the stable revision."""

from rollouts.planner.planner import plan
from tests.planner.model import Model, rollout

REQUIRED = {"requiredDuringSchedulingIgnoredDuringExecution": {}}
PREFERRED = {"preferredDuringSchedulingIgnoredDuringExecution": {"weight": 7}}
STEPS = [{"setWeight": 40}, {"pause": {}}]
OWN = {
    "nodeAffinity": {"x": [1]},
    "podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]
    },
}


def deployed(rule: dict, own: dict | None = None, **spec) -> Model:
    raw = rollout({"canary": {"steps": STEPS, "antiAffinity": rule}}, **spec)
    if own:
        raw["spec"]["template"]["spec"]["affinity"] = own
    model = Model(raw)
    model.settle()
    return model


def affinity(model: Model, revision: int) -> dict | None:
    owner = next(rs for rs in model.world.replica_sets if rs.revision == revision)
    return owner.template["spec"].get("affinity")


def away_from(pod_hash: str) -> dict:
    expression = {"key": "rollouts-pod-template-hash", "operator": "In", "values": [pod_hash]}
    return {
        "labelSelector": {"matchExpressions": [expression]},
        "namespaces": ["shop"],
        "topologyKey": "kubernetes.io/hostname",
    }


def test_the_first_revision_keeps_away_from_nobody():
    assert affinity(deployed(REQUIRED), 1) is None


def test_a_new_revision_must_avoid_the_stable_one():
    model = deployed(REQUIRED)
    model.set_image("app:2")
    model.settle()
    rules = affinity(model, 2)["podAntiAffinity"]
    assert rules == {
        "requiredDuringSchedulingIgnoredDuringExecution": [away_from(model.hash_of(1))]
    }


def test_a_new_revision_prefers_to_avoid_the_stable_one():
    model = deployed(PREFERRED)
    model.set_image("app:2")
    model.settle()
    weighted = {"weight": 7, "podAffinityTerm": away_from(model.hash_of(1))}
    rules = affinity(model, 2)["podAntiAffinity"]
    assert rules == {"preferredDuringSchedulingIgnoredDuringExecution": [weighted]}


def test_the_users_own_rules_stay_and_come_back():
    model = deployed(REQUIRED, OWN)
    model.set_image("app:2")
    model.change({"spec": {"template": {"spec": {"affinity": OWN}}}})
    model.settle()
    found = affinity(model, 2)
    assert found["nodeAffinity"] == OWN["nodeAffinity"]
    own = OWN["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    terms = found["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert terms == [*own, away_from(model.hash_of(1))]
    model.promote()
    model.settle()
    assert affinity(model, 2) == OWN


def test_a_promoted_revision_keeps_away_from_nobody_any_more():
    model = deployed(REQUIRED)
    model.set_image("app:2")
    model.settle()
    model.promote()
    model.settle()
    assert not (affinity(model, 2) or {}).get("podAntiAffinity")


def test_a_revision_that_comes_back_avoids_the_one_that_is_stable_now():
    model = deployed(REQUIRED)
    model.set_image("app:2")
    model.settle()
    second = model.hash_of(2)
    model.set_image("app:3")
    model.settle()
    model.promote()
    model.settle()
    assert model.status["stableRS"] == model.hash_of(3)
    model.set_image("app:2")
    model.settle()
    assert model.hash_of(4) == second
    rules = affinity(model, 4)["podAntiAffinity"]
    assert rules == {
        "requiredDuringSchedulingIgnoredDuringExecution": [away_from(model.hash_of(3))]
    }


def test_replica_sets_that_are_there_get_no_term():
    model = deployed(REQUIRED)
    model.change({"spec": {"strategy": {"canary": {"antiAffinity": None}}}})
    model.set_image("app:2")
    model.settle()
    model.change({"spec": {"strategy": {"canary": {"antiAffinity": REQUIRED}}}})
    writes = plan(model.world).writes
    assert not [write for write in writes if write.resource.plural == "replicasets"]
