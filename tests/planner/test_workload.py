"""Stories of Rollouts that take their template from a workload, and of its last pods."""

import copy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.kube.patches import apply_merge
from rollouts.planner import handover
from rollouts.planner.handover import REST_SECONDS
from rollouts.planner.plan import ScaleWorkload
from tests.planner.model import Model, rollout

STEPS = [{"setWeight": 20}, {"pause": {}}]
PODS = {
    "metadata": {"labels": {"app": "app"}},
    "spec": {"containers": [{"name": "app", "image": "app:1"}]},
}
SELECTOR = {"matchLabels": {"app": "app"}}
GENERATION = "rollout.argoproj.io/workload-generation"


def workload(kind: str = "Deployment", *, replicas: int = 5) -> dict:
    meta = {"name": "old", "namespace": "shop", "generation": 1, "resourceVersion": "7"}
    if kind == "PodTemplate":
        return {"apiVersion": "v1", "kind": kind, "metadata": meta, "template": PODS}
    spec = {"replicas": replicas, "selector": SELECTOR, "template": PODS}
    status = {"availableReplicas": replicas}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": spec, "status": status}


class Migration(Model):
    """A Rollout that refers to a workload."""

    def __init__(self, down: str = "", kind: str = "Deployment", *services: str, **fields) -> None:
        spec = {"canary": {"steps": STEPS}} if "strategy" not in fields else fields.pop("strategy")
        had = fields.pop("had", 5)
        raw = rollout(spec, **fields)
        del raw["spec"]["template"]
        if kind != "PodTemplate":
            del raw["spec"]["selector"]
        version = "v1" if kind == "PodTemplate" else "apps/v1"
        raw["spec"]["workloadRef"] = {"apiVersion": version, "kind": kind, "name": "old"}
        if down:
            raw["spec"]["workloadRef"]["scaleDown"] = down
        super().__init__(raw, *services)
        self.world = replace(self.world, workload=workload(kind, replicas=had))

    def edit(self, patch: dict) -> None:
        """Somebody changes the workload."""
        changed = apply_merge(self.world.workload, patch)
        meta = {**changed["metadata"], "generation": changed["metadata"]["generation"] + 1}
        self.world = replace(self.world, workload={**changed, "metadata": meta})

    def set_image(self, image: str) -> None:
        spec = {"containers": [{"name": "app", "image": image}]}
        kept = self.world.workload["kind"] == "PodTemplate"
        self.edit({"template": {"spec": spec}} if kept else {"spec": {"template": {"spec": spec}}})

    def scale(self, replicas: int) -> None:
        self.edit({"spec": {"replicas": replicas}})

    @property
    def left(self) -> int:
        return self.world.workload["spec"]["replicas"]

    def steps_down(self) -> list[tuple[int, int]]:
        effects = [write.effect for write in self.writes]
        return [(e.old, e.new) for e in effects if isinstance(e, ScaleWorkload)]

    def condition(self, kind: str) -> dict:
        found = [c for c in self.status.get("conditions", ()) if c["type"] == kind]
        return found[0] if found else {}


# Where the template comes from.


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet", "PodTemplate"])
def test_the_template_is_the_workloads_and_never_stored_in_the_rollout(kind):
    model = Migration(kind=kind)
    model.settle()
    assert model.phase == ("Healthy", "")
    (made,) = model.world.replica_sets
    assert made.template["spec"] == PODS["spec"]
    assert made.raw["spec"]["selector"]["matchLabels"].keys() == {
        "app",
        "rollouts-pod-template-hash",
    }
    spec = model.world.rollout.raw["spec"]
    assert "template" not in spec
    assert ("selector" in spec) == (kind == "PodTemplate")


def test_a_rollouts_own_selector_is_kept():
    model = Migration()
    own = {"matchLabels": {"app": "app"}, "matchExpressions": []}
    model.change({"spec": {"selector": own}})
    model.settle()
    assert model.world.rollout.raw["spec"]["selector"] == own


def test_the_hash_is_that_of_the_same_template_written_into_the_rollout():
    inline, referring = Model(rollout({"canary": {}})), Migration(strategy={"canary": {}})
    inline.settle()
    referring.settle()
    assert referring.hash_of(1) == inline.hash_of(1)


def test_a_new_template_in_the_workload_is_a_new_revision_with_steps():
    model = Migration()
    model.settle()
    model.set_image("app:2")
    model.settle()
    assert model.sizes == {1: 4, 2: 1}
    assert model.phase == ("Paused", "CanaryPauseStep")


def test_readers_can_tell_whether_a_change_of_the_workload_was_observed():
    model = Migration()
    model.settle()
    assert model.world.rollout.metadata.annotations[GENERATION] == "1"
    assert model.status["workloadObservedGeneration"] == "1"
    model.scale(4)
    model.settle()
    assert model.world.rollout.metadata.annotations[GENERATION] == "2"
    assert model.status["workloadObservedGeneration"] == "2"
    assert model.sizes == {1: 5}


def test_without_the_reference_nothing_is_said_about_a_workload():
    model = Migration()
    model.settle()
    template = copy.deepcopy(PODS)
    model.change({"spec": {"workloadRef": None, "template": template, "selector": SELECTOR}})
    model.settle()
    assert "workloadObservedGeneration" not in model.status
    assert model.sizes == {1: 5}
    assert model.phase == ("Healthy", "")


# What can be wrong with it.


def invalid(model: Model) -> str:
    assert model.world.replica_sets == ()
    assert model.codes() == ["InvalidSpec"]
    assert model.phase[0] == "Degraded"
    return model.plan.why[0].message.partition("is invalid: ")[2]


def test_a_missing_workload_is_named_and_it_heals_when_it_appears():
    model = Migration()
    there = model.world.workload
    model.world = replace(model.world, workload=None)
    model.reconcile()
    assert invalid(model) == (
        'spec.workloadRef: Invalid value: {"apiVersion":"apps/v1","kind":"Deployment",'
        '"name":"old"}: deployments.apps "old" not found in namespace "shop": create it, '
        "or name one that exists"
    )
    model.world = replace(model.world, workload=there)
    model.settle()
    assert model.phase == ("Healthy", "")


def test_a_workload_that_disappears_later_leaves_everything_running():
    model = Migration("onsuccess")
    model.settle()
    before = model.sizes
    model.world = replace(model.world, workload=None)
    model.settle()
    assert model.sizes == before == {1: 5}
    assert model.codes() == ["InvalidSpec"]


def test_an_unsupported_kind_is_refused_with_what_is_supported():
    model = Migration()
    model.change({"spec": {"workloadRef": {"kind": "StatefulSet"}}})
    model.reconcile()
    assert "name a Deployment or a ReplicaSet of apps/v1, or a PodTemplate of v1" in invalid(model)


def test_a_pod_template_needs_the_rollouts_own_selector():
    model = Migration(kind="PodTemplate")
    model.change({"spec": {"selector": None}})
    model.reconcile()
    assert invalid(model) == (
        "spec.selector: Required value: a PodTemplate has no selector: "
        "add one that matches the labels of its template"
    )


def test_template_and_reference_together_are_refused():
    model = Migration()
    model.change({"spec": {"template": {"metadata": {"labels": {"app": "mine"}}}}})
    model.reconcile()
    assert invalid(model) == (
        "spec.template: Internal error: template must be empty for workload reference rollout"
    )


def test_a_template_that_kubernetes_would_refuse_is_refused():
    model = Migration()
    model.edit({"spec": {"template": {"spec": {"restartPolicy": "Never"}}}})
    model.reconcile()
    assert invalid(model).startswith("spec.template.spec.restartPolicy: Unsupported value")


# When the Deployment gives up its pods.


@pytest.mark.parametrize("down", ["", "never", "onSuccess"])
def test_without_being_asked_to_nothing_is_scaled_down_but_double_capacity_is_told(down):
    model = Migration(down)
    model.settle()
    assert model.phase == ("Healthy", "")
    assert (model.left, model.sizes) == (5, {1: 5})
    assert model.codes() == ["WorkloadStillRuns"]
    assert model.plan.why[0].command == "kubectl scale deployment old --replicas=0 -n shop"


def test_on_success_the_deployment_goes_to_zero_when_the_rollout_is_healthy():
    model = Migration("onsuccess")
    model.reconcile()
    model.pods_follow(limit=4)
    model.reconcile()
    assert model.left == 5
    assert "WorkloadKeepsPods" in model.codes()
    model.settle()
    assert model.left == 0
    assert model.steps_down() == [(5, 0)]
    assert model.phase == ("Healthy", "")
    assert model.codes() == ["Healthy"]
    assert "ScalingWorkload" in model.reasons()


def test_a_release_that_never_becomes_healthy_leaves_the_deployment_alone():
    model = Migration("onsuccess")
    model.ready = False
    model.settle()
    model.wait(700)
    model.settle()
    assert model.phase[0] == "Degraded"
    assert model.left == 5


def test_progressively_one_goes_for_each_that_is_available():
    model = Migration("progressively")
    model.reconcile()
    assert model.left == 5
    for available in range(1, 6):
        model.pods_follow(limit=1)
        model.reconcile()
        assert model.left == 5 - available
    assert model.steps_down() == [(5, 4), (4, 3), (3, 2), (2, 1), (1, 0)]


def test_progressively_the_way_back_when_the_first_release_fails():
    model = Migration("progressively")
    model.reconcile()
    model.pods_follow(limit=3)
    model.reconcile()
    assert model.left == 2
    model.lose(3)
    model.reconcile()
    assert model.left == 5
    assert model.condition("WorkloadScaledDown")["status"] == "False"
    model.settle()
    assert model.left == 0


def test_a_deployment_that_was_at_zero_on_purpose_is_never_scaled_up():
    model = Migration("progressively", had=0)
    model.ready = False
    model.settle()
    model.ready = True
    model.settle()
    model.lose(2)
    model.reconcile()
    assert model.steps_down() == []


def test_after_the_first_revision_the_deployment_never_grows_again():
    model = Migration("progressively")
    model.settle()
    model.set_image("app:2")
    model.settle()
    model.lose(5)
    model.reconcile()
    assert model.left == 0


@pytest.mark.parametrize("down", ["onsuccess", "progressively"])
def test_a_deployment_that_grows_again_is_left_alone_for_a_while_and_then_goes_down(down):
    model = Migration(down)
    model.settle()
    model.wait(60)
    model.scale(5)
    model.settle()
    assert model.left == 5
    (blocker,) = model.plan.why
    assert blocker.code == "WorkloadScaledUpAgain"
    assert "scaleDown" in blocker.command
    assert model.plan.wake_at == blocker.until == model.world.now - 60 + REST_SECONDS
    model.wait(REST_SECONDS - 60)
    model.settle()
    assert model.left == 0


def test_a_deployment_kept_by_setting_never_stays():
    model = Migration("onsuccess")
    model.settle()
    model.scale(5)
    model.change({"spec": {"workloadRef": {"scaleDown": "never"}}})
    model.wait(2 * REST_SECONDS)
    model.settle()
    assert model.left == 5
    assert model.condition("WorkloadScaledDown") == {}


def test_a_deployment_scaled_up_in_the_middle_of_an_update_goes_down_beside_it():
    model = Migration("onsuccess")
    model.settle()
    model.set_image("app:2")
    model.settle()
    model.wait(2 * REST_SECONDS)
    model.scale(5)
    model.settle()
    assert model.phase == ("Paused", "CanaryPauseStep")
    assert model.left == 0


def test_a_cluster_migrated_before_we_came_is_left_as_it_is():
    model = Migration("onsuccess")
    model.settle()
    kept = [c for c in model.status["conditions"] if c["type"] != "WorkloadScaledDown"]
    model.change({"status": {"conditions": kept}})
    writes = len(model.writes)
    model.settle()
    assert model.writes[writes:] == []


def test_a_paused_rollout_takes_nothing_away():
    model = Migration("progressively")
    model.reconcile()
    model.pods_follow(limit=2)
    model.change({"spec": {"paused": True}})
    model.settle()
    assert model.left == 5
    model.change({"spec": {"paused": False}})
    model.settle()
    assert model.left == 0


@pytest.mark.parametrize("down", ["onsuccess", "progressively"])
def test_a_rollout_without_pods_takes_over_nothing(down):
    model = Migration(down, replicas=0)
    model.settle()
    assert model.left == 5
    assert "WorkloadKeepsPods" in model.codes()


@pytest.mark.parametrize("kind", ["ReplicaSet", "PodTemplate"])
def test_only_deployments_are_scaled(kind):
    model = Migration("onsuccess", kind)
    model.settle()
    model.wait(REST_SECONDS)
    model.settle()
    assert model.steps_down() == []


def test_an_active_service_is_switched_only_to_what_replaces_the_deployments_pods():
    strategy = {"blueGreen": {"activeService": "live"}}
    model = Migration("onsuccess", "Deployment", "live", strategy=strategy)
    model.reconcile()
    model.pods_follow(limit=4)
    model.reconcile()
    assert (model.selects("live"), model.left) == ("", 5)
    model.settle()
    assert (model.selects("live"), model.left) == (model.hash_of(1), 0)


def test_a_service_is_not_narrowed_to_fewer_pods_than_the_deployment_gives_it():
    strategy = {"canary": {"stableService": "live"}}
    model = Migration("onsuccess", "Deployment", "live", strategy=strategy)
    owner = {"argo-rollouts.argoproj.io/managed-by-rollouts": "app"}
    service = model.world.services["live"]
    managed = {**service, "metadata": {**service["metadata"], "annotations": owner}}
    model.world = replace(model.world, services={"live": managed})
    model.reconcile()
    model.pods_follow(limit=1)
    model.reconcile()
    assert model.selects("live") == ""
    assert "SwitchWaitsForCapacity" in model.codes()
    model.settle()
    assert model.selects("live") == model.hash_of(1)


@pytest.mark.parametrize(("available", "wanted", "left"), [(0, 4, 5), (2, 2, 5), (2, 3, 3)])
def test_whatever_the_rules_say_safety_keeps_the_pods_that_are_needed(
    monkeypatch, available, wanted, left
):
    monkeypatch.setattr(handover, "_wanted", lambda *_: wanted)
    model = Migration("onsuccess")
    model.reconcile()
    if available:
        model.pods_follow(limit=available)
        model.reconcile()
    assert model.left == left
    assert "WorkloadKeepsPods" in model.codes()


@given(
    down=st.sampled_from(["onsuccess", "progressively"]),
    replicas=st.integers(1, 8),
    had=st.integers(0, 10),
    moves=st.lists(st.tuples(st.sampled_from("gla"), st.integers(1, 4)), max_size=12),
)
def test_taking_pods_away_never_leaves_fewer_than_the_rollout_asks_for(down, replicas, had, moves):
    model = Migration(down, replicas=replicas, had=had)
    for move, count in moves:
        model.reconcile()
        if move == "g":
            model.pods_follow(limit=count)
        elif move == "l":
            model.lose(count)
        else:
            model.scale(count)
        before, at = model.left, len(model.writes)
        model.reconcile()
        effects = [w.effect for w in model.writes[at:] if isinstance(w.effect, ScaleWorkload)]
        serving = sum(available for _, available in model.counts.values())
        for effect in effects:
            assert effect.new > effect.old or effect.new + serving >= replicas
        assert len(effects) <= 1
        assert model.left == (effects[-1].new if effects else before)
