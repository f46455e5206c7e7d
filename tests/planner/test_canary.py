"""Stories of canaries: apply, update, wait, promote, abort."""

from tests.planner.model import Model, rollout

STEPS = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {"duration": 30}}]


def canary(steps=STEPS, **fields) -> dict:
    return {"canary": {"steps": steps, **fields}}


def deployed(**fields) -> Model:
    model = Model(rollout(canary(**fields)))
    model.settle()
    return model


def test_the_first_revision_is_brought_up_whole_and_needs_no_steps():
    model = Model(rollout(canary()))
    model.reconcile()
    assert model.sizes == {1: 5}
    assert model.status["stableRS"] == model.hash_of(1)
    assert model.status["currentStepIndex"] == 4
    assert model.phase == ("Progressing", "more replicas need to be updated")
    model.settle()
    assert model.phase == ("Healthy", "")
    assert model.world.rollout.metadata.annotations["rollout.argoproj.io/revision"] == "1"


def test_a_new_image_stops_at_the_first_pause_with_a_fifth_of_the_pods():
    model = deployed()
    model.set_image("app:2")
    model.settle()
    assert model.sizes == {1: 4, 2: 1}
    assert model.phase == ("Paused", "CanaryPauseStep")
    assert model.status["currentStepIndex"] == 1
    assert model.codes() == ["CanaryPauseStep"]
    assert model.plan.why[0].command == "kubectl argo rollouts promote app -n shop"


def test_promoting_goes_on_to_the_next_step_and_a_timed_pause_ends_by_itself():
    model = deployed()
    model.set_image("app:2")
    model.settle()
    model.promote()
    model.settle()
    assert model.sizes == {1: 2, 2: 3}
    assert model.status["currentStepIndex"] == 3
    assert model.plan.wake_at is not None
    model.wait(29)
    model.settle()
    assert model.status["currentStepIndex"] == 3
    model.wait(2)
    model.settle()
    assert model.sizes == {2: 5}
    assert model.phase == ("Healthy", "")
    assert model.status["stableRS"] == model.hash_of(2)
    assert "RolloutCompleted" in model.reasons()


def test_a_canary_that_never_becomes_available_stays_at_its_step_and_says_so():
    model = deployed()
    model.set_image("app:2")
    model.ready = False
    model.settle()
    assert model.status["currentStepIndex"] == 0
    assert model.codes() == ["PodsNotAvailable"]
    model.wait(602)
    model.settle()
    assert model.phase[0] == "Degraded"
    assert model.phase[1].startswith("ProgressDeadlineExceeded")


def test_with_progress_deadline_abort_it_goes_back_by_itself():
    model = Model(rollout(canary(), progressDeadlineAbort=True, progressDeadlineSeconds=60))
    model.settle()
    model.set_image("app:2")
    model.ready = False
    model.settle()
    model.wait(62)
    model.ready = True
    model.settle()
    assert model.sizes == {1: 5}
    assert model.phase[1].startswith(
        "RolloutAborted: Rollout aborted update to revision 2: Replica"
    )


def test_an_abort_returns_every_pod_to_the_stable_revision():
    model = deployed()
    model.set_image("app:2")
    model.settle()
    model.abort()
    model.settle()
    assert model.sizes == {1: 5}
    assert model.phase[0] == "Degraded"
    assert model.status["currentStepIndex"] == 0
    assert "pauseConditions" not in model.status
    assert model.codes() == ["Aborted"]


def test_a_retry_starts_again_at_the_first_step():
    model = deployed()
    model.set_image("app:2")
    model.settle()
    model.abort()
    model.settle()
    model.retry()
    model.settle()
    assert model.sizes == {1: 4, 2: 1}
    assert model.phase == ("Paused", "CanaryPauseStep")
    assert "abortedAt" not in model.status


def test_going_back_to_the_stable_template_skips_the_steps():
    model = deployed()
    model.set_image("app:2")
    model.settle()
    model.set_image("app:1")
    model.settle()
    assert model.phase == ("Healthy", "")
    assert sorted(model.sizes.values()) == [5]
    assert "SkipSteps" in model.reasons()


def test_promote_full_skips_what_is_left():
    model = deployed()
    model.set_image("app:2")
    model.settle()
    model.change({"status": {"promoteFull": True}})
    model.settle()
    assert model.sizes == {2: 5}
    assert model.phase == ("Healthy", "")
    assert "promoteFull" not in model.status


def test_an_abort_asked_for_together_with_promote_full_wins():
    model = deployed()
    model.set_image("app:2")
    model.settle()
    model.change({"status": {"promoteFull": True, "abort": True}})
    model.settle()
    assert model.sizes == {1: 5}
    assert model.phase[0] == "Degraded"


def test_a_third_revision_replaces_the_second():
    model = deployed()
    model.set_image("app:2")
    model.settle()
    model.set_image("app:3")
    model.settle()
    assert model.sizes == {1: 4, 3: 1}
    assert model.status["currentStepIndex"] == 1


def test_without_steps_it_is_a_rolling_update():
    model = Model(rollout({"canary": {"maxSurge": 1, "maxUnavailable": 0}}))
    model.settle()
    model.set_image("app:2")
    for _ in range(40):
        model.reconcile()
        total = sum(spec for spec, _ in model.counts.values())
        available = sum(available for _, available in model.counts.values())
        assert total <= 6
        assert available >= 5
        model.pods_follow()
    assert model.sizes == {2: 5}
    assert model.phase == ("Healthy", "")


def test_a_person_can_stop_everything_and_let_it_go_on():
    model = deployed()
    model.change({"spec": {"paused": True}})
    model.set_image("app:2")
    model.settle()
    assert model.sizes == {1: 5}
    assert model.phase == ("Paused", "manually paused")
    model.change({"spec": {"paused": None}})
    model.settle()
    assert model.sizes == {1: 4, 2: 1}


def test_scaling_in_the_middle_keeps_the_step_and_the_share():
    model = deployed()
    model.set_image("app:2")
    model.settle()
    model.change({"spec": {"replicas": 10}})
    model.settle()
    assert model.sizes == {1: 8, 2: 2}
    assert model.phase == ("Paused", "CanaryPauseStep")
    assert model.status["currentStepIndex"] == 1


def test_an_invalid_spec_leaves_everything_as_it_was_until_it_is_mended():
    model = deployed()
    model.change({"spec": {"strategy": {"canary": {"steps": [{"setWeight": 120}]}}}})
    model.set_image("app:2")
    model.settle()
    assert model.sizes == {1: 5}
    assert model.phase[0] == "Degraded"
    assert "InvalidSpec" in model.phase[1]
    assert model.codes() == ["InvalidSpec"]
    model.change({"spec": {"strategy": {"canary": {"steps": STEPS}}}})
    model.settle()
    assert model.sizes == {1: 4, 2: 1}
    assert "InvalidSpec" not in str(model.status["conditions"])


def test_services_follow_their_revisions():
    raw = rollout(canary(stableService="stable", canaryService="canary"))
    model = Model(raw, "stable", "canary")
    model.settle()
    assert model.selects("stable") == model.selects("canary") == model.hash_of(1)
    model.set_image("app:2")
    model.settle()
    assert model.selects("stable") == model.hash_of(1)
    assert model.selects("canary") == model.hash_of(2)
    model.abort()
    model.settle()
    assert model.selects("canary") == model.hash_of(1)


def test_the_stable_service_never_reaches_nothing():
    raw = rollout(canary([{"setWeight": 50}], stableService="stable", canaryService="canary"))
    model = Model(raw, "stable", "canary")
    model.settle()
    model.set_image("app:2")
    for _ in range(60):
        model.reconcile()
        model.pods_follow(limit=1)
        for name in ("stable", "canary"):
            behind = [r for r in model.world.replica_sets if r.hash == model.selects(name)]
            assert sum(rs.available for rs in behind) > 0
    assert model.sizes == {2: 5}
    assert model.phase == ("Healthy", "")


def test_old_revisions_beyond_the_limit_are_deleted():
    model = Model(rollout({"canary": {}}, revisionHistoryLimit=2))
    for number in range(1, 7):
        model.set_image(f"app:{number}")
        model.settle()
    assert sorted(rs.revision for rs in model.world.replica_sets) == [4, 5, 6]


def test_a_release_at_rest_writes_nothing():
    model = deployed()
    count = len(model.writes)
    for _ in range(24):
        model.wait(3600)
        model.settle()
    assert len(model.writes) == count
