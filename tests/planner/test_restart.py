"""Stories of restarts: pods from before an instant are replaced, a few at a time."""

import pytest

from rollouts.planner.pods import created
from tests.planner.model import START, Model, at, rollout

CANARY = {"canary": {"maxUnavailable": 2, "steps": [{"setWeight": 40}, {"pause": {}}]}}


def deployed(strategy: dict = CANARY, *services: str, replicas: int = 5, **spec) -> Model:
    model = Model(rollout(strategy, replicas=replicas, **spec), *services)
    model.settle()
    model.wait(100)
    return model


def restart(model: Model, after: float = 0.0) -> None:
    model.change({"spec": {"restartAt": at(model.world.now - START + after)}})


def evicted(model: Model) -> list[str]:
    return [write.name for write in model.writes if write.verb == "evict" and not write.instead]


def available(model: Model) -> int:
    return sum(rs.available for rs in model.world.replica_sets)


def ages(model: Model) -> set[float]:
    return {created(pod) - START for pod in model.world.pods}


def test_all_pods_are_replaced_never_more_at_once_than_may_be_missing():
    model = deployed()
    restart(model)
    for _ in range(3):
        before = len(evicted(model))
        model.reconcile()
        assert len(evicted(model)) - before <= 2
        model.pods_follow()
    model.settle()
    assert len(evicted(model)) == 5
    assert ages(model) == {100}
    assert model.status["restartedAt"] == at(100)
    assert model.phase == ("Healthy", "")
    assert model.sizes == {1: 5}


def test_while_replacements_are_not_available_nothing_more_goes():
    model = deployed()
    restart(model)
    model.ready = False
    model.settle()
    model.wait(300)
    model.settle()
    assert len(evicted(model)) == 2
    assert available(model) == 3
    assert model.phase == ("Progressing", "rollout is restarting")
    assert "Restarting" in model.codes()


def test_a_restart_in_the_future_waits_for_its_time():
    model = deployed()
    restart(model, after=60)
    model.settle()
    assert evicted(model) == []
    assert model.plan.wake_at == START + 160
    assert model.codes() == ["RestartScheduled"]
    model.wait(60)
    model.settle()
    assert len(evicted(model)) == 5
    assert model.status["restartedAt"] == at(160)


def test_pods_made_since_then_stay():
    model = deployed()
    restart(model, after=-100)
    model.settle()
    assert evicted(model) == []
    assert model.status["restartedAt"] == at(0)


def test_a_paused_release_restarts_both_revisions_the_stable_one_first():
    model = deployed()
    model.set_image("app:2")
    model.settle()
    assert model.phase == ("Paused", "CanaryPauseStep")
    sizes = model.sizes
    model.wait(100)
    restart(model)
    model.reconcile()
    stable = model.hash_of(1)
    assert evicted(model)
    assert all(stable in name for name in evicted(model))
    model.settle()
    assert ages(model) == {200}
    assert model.sizes == sizes
    assert model.status["currentStepIndex"] == 1
    assert model.phase == ("Paused", "CanaryPauseStep")


def test_a_rollout_paused_by_a_person_restarts():
    model = deployed()
    model.change({"spec": {"paused": True}})
    restart(model)
    model.settle()
    assert ages(model) == {100}


def test_a_protected_pod_is_asked_again_and_holds_up_no_other():
    model = deployed({"canary": {"maxUnavailable": 1}}, replicas=3)
    model.set_image("app:2")
    model.ready = False
    model.reconcile()
    model.pods_follow()
    model.ready = True
    model.pods_follow()
    assert len(model.world.replica_sets) == 2
    stable = model.hash_of(1)
    model.protected = {p["metadata"]["name"] for p in model.world.pods if stable in str(p)}
    model.change({"spec": {"paused": True}})
    model.wait(100)
    restart(model)
    for _ in range(6):
        model.reconcile()
        assert model.plan.wake_at is not None
        assert model.plan.wake_at <= model.world.now + 30
        assert sum(1 for pod in model.world.pods if "deletionTimestamp" in pod["metadata"]) <= 1
        model.pods_follow()
    left = {p["metadata"]["name"] for p in model.world.pods if created(p) < START + 200}
    assert left == model.protected
    assert model.status.get("restartedAt") is None
    model.protected = set()
    model.settle()
    assert model.status["restartedAt"] == at(200)


def test_what_never_became_ready_is_restarted_too():
    model = Model(rollout(CANARY))
    model.ready = False
    model.settle()
    model.wait(100)
    restart(model)
    model.reconcile()
    assert len(evicted(model)) == 2
    model.pods_follow()
    model.settle()
    assert ages(model) == {100}
    assert model.status["restartedAt"] == at(100)


def test_a_pod_only_its_replica_set_knows_of_may_be_old():
    model = deployed()
    hidden = model.world.pods[0]
    restart(model)
    unseen = [pod for pod in model.world.pods if pod is not hidden]
    object.__setattr__(model.world, "pods", tuple(unseen))
    model.reconcile()
    assert model.status.get("restartedAt") is None


@pytest.mark.parametrize("unavailable", [0, 1, 2])
@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 2, 3), (3, 3, 1), (0,)])
@pytest.mark.parametrize("delay", [1, 3, 5])
def test_a_restart_during_updates_takes_no_more_than_either_alone(unavailable, order, delay):
    """Whichever ReplicaSet's controller is slow to notice what became of its pods."""
    steps = [{"setWeight": 40}, {"pause": {}}]
    strategy = {"canary": {"maxSurge": 1, "maxUnavailable": unavailable, "steps": steps}}
    model = deployed(strategy)
    model.set_image("app:2")
    model.settle()
    model.set_image("app:3")
    for turn in range(60):
        if turn == delay:
            model.wait(100)
            restart(model)
        model.reconcile()
        assert kept(model) >= 5 - max(unavailable, 1)
        model.pods_follow(limit=1, of=order[turn % len(order)])
    model.settle()
    assert ages(model) <= {100, 200}
    assert model.status["restartedAt"] == at(200)


def test_pods_on_their_way_out_are_not_counted_upon_while_older_revisions_are_drained():
    model = deployed({"canary": {"maxUnavailable": 1, "steps": [{"setWeight": 40}, {"pause": {}}]}})
    model.set_image("app:2")
    model.settle()
    model.wait(100)
    model.change({"spec": {"paused": True}})
    restart(model)
    model.reconcile()
    assert len(evicted(model)) == 1
    model.set_image("app:3")
    model.change({"spec": {"paused": False}})
    model.reconcile()
    assert kept(model) >= 4


def kept(model: Model) -> int:
    """Pods that serve even after every ReplicaSet has given up those it is to give up."""
    return sum(
        min(rs.spec, sum(1 for pod in model.pods_of(rs) if serves(pod)))
        for rs in model.world.replica_sets
    )


def serves(pod: dict) -> bool:
    ready = any(each["status"] == "True" for each in pod["status"]["conditions"])
    return ready and "deletionTimestamp" not in pod["metadata"]


def test_blue_green_counts_its_own_budget():
    strategy = {"blueGreen": {"activeService": "active", "maxUnavailable": 2}}
    model = deployed(strategy, "active")
    restart(model)
    model.reconcile()
    assert len(evicted(model)) == 2
    model.settle()
    assert ages(model) == {100}
    assert model.selects("active") == model.hash_of(1)


def test_users_are_not_sent_to_a_preview_whose_pods_are_leaving():
    strategy = {"activeService": "active", "autoPromotionEnabled": False, "maxUnavailable": 1}
    model = deployed({"blueGreen": strategy}, "active", replicas=3)
    model.set_image("app:2")
    model.settle()
    model.wait(100)
    restart(model)
    for _ in range(10):
        model.reconcile()
        if model.hash_of(2) in evicted(model)[-1]:
            break
        model.pods_follow()
    assert model.hash_of(2) in evicted(model)[-1]
    model.promote()
    model.reconcile()
    assert model.selects("active") == model.hash_of(1)
    assert "SwitchWaitsForCapacity" in model.codes()
    model.settle()
    assert model.selects("active") == model.hash_of(2)
    assert ages(model) == {200}


def test_a_new_template_is_a_restart_by_itself():
    model = deployed({"canary": {}})
    restart(model)
    model.set_image("app:2")
    model.settle()
    assert evicted(model) == []
    assert model.status["restartedAt"] == at(100)
