"""How long updates take, as ``status.duration`` tells it and metrics hear it."""

from dataclasses import replace

from rollouts.planner.plan import Timing
from tests.planner.model import START, Model, at, rollout

STEPS = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {"duration": 30}}]


class Watched(Model):
    """A model that also keeps what metrics would hear."""

    def __init__(self, raw: dict, *services: str) -> None:
        super().__init__(raw, *services)
        self.timings: list[Timing] = []

    def reconcile(self):
        made = super().reconcile()
        self.timings += made.timings
        return made

    @property
    def duration(self) -> dict:
        return self.status.get("duration") or {}


def canary(**spec) -> Watched:
    model = Watched(rollout({"canary": {"steps": STEPS}}, **spec))
    model.settle()
    model.timings.clear()
    return model


def update(model: Watched, image: str = "app:2", after: float = 100) -> Watched:
    model.wait(after)
    model.set_image(image)
    model.settle()
    return model


def test_the_first_deployment_ends_when_all_pods_are_available():
    model = Watched(rollout({"canary": {"steps": STEPS}}))
    model.ready = False
    model.settle()
    assert model.duration == {"rolloutStartedAt": at(0)}
    model.wait(40)
    model.ready = True
    model.settle()
    assert model.duration == {
        "rolloutStartedAt": at(0),
        "finishedAt": at(40),
        "completionStatus": "Promoted",
    }
    assert model.timings == [Timing("Promoted", 40.0, 0.0)]


def test_a_pause_without_end_counts_as_manual_and_a_timed_one_does_not():
    model = update(canary())
    assert model.duration == {"rolloutStartedAt": at(100), "manualPauseStartedAt": at(100)}
    model.wait(500)
    model.promote()
    model.settle()
    assert model.duration == {
        "rolloutStartedAt": at(100),
        "totalManualPauseDurationSeconds": 500,
    }
    model.wait(31)
    model.settle()
    assert model.duration["completionStatus"] == "Promoted"
    assert model.timings == [Timing("Promoted", 531.0, 500.0)]


def test_two_waits_for_people_add_up():
    model = update(canary())
    model.wait(10)
    model.promote()
    model.settle()
    model.change({"spec": {"paused": True}})
    model.settle()
    model.wait(7)
    model.change({"spec": {"paused": False}})
    model.settle()
    assert model.duration["totalManualPauseDurationSeconds"] == 17
    assert "manualPauseStartedAt" not in model.duration


def test_a_pause_at_rest_is_nobodys_update():
    model = canary()
    before = model.duration
    model.change({"spec": {"paused": True}})
    model.settle()
    model.wait(10)
    model.settle()
    assert model.duration == before


def test_an_abort_ends_the_update_and_a_retry_starts_another():
    model = update(canary())
    model.wait(50)
    model.abort()
    model.settle()
    assert model.duration["completionStatus"] == "Aborted"
    assert model.timings == [Timing("Aborted", 50.0, 50.0)]
    model.wait(50)
    model.retry()
    model.settle()
    assert model.duration == {"rolloutStartedAt": at(200), "manualPauseStartedAt": at(200)}


def test_a_third_revision_supersedes_the_second():
    model = update(update(canary()), "app:3", after=60)
    assert model.timings == [Timing("Superseded", 60.0, 60.0)]
    assert model.duration == {"rolloutStartedAt": at(160), "manualPauseStartedAt": at(160)}


def test_other_steps_begin_another_update_too():
    model = update(canary())
    model.wait(60)
    steps = [{"setWeight": 10}, {"pause": {}}]
    model.change({"spec": {"strategy": {"canary": {"steps": steps}}}})
    model.settle()
    assert [timing.outcome for timing in model.timings] == ["Superseded"]


def test_other_steps_at_rest_begin_nothing():
    model = canary()
    before = model.duration
    model.wait(60)
    model.change({"spec": {"strategy": {"canary": {"steps": [{"setWeight": 10}]}}}})
    model.settle()
    assert model.duration == before


def test_going_back_to_stable_in_the_middle_turns_the_update_around():
    model = update(update(canary()), "app:1", after=60)
    assert model.duration["rolloutStartedAt"] == at(100)
    assert model.timings == [Timing("FastRolledBack", 60.0, 60.0)]


def test_going_back_to_stable_after_an_abort_begins_nothing():
    model = update(canary())
    model.abort()
    model.settle()
    before = model.duration
    update(model, "app:1", after=60)
    assert model.duration == before
    assert model.phase == ("Healthy", "")


def test_going_back_past_stable_in_the_middle_walks_the_steps_as_a_rollback():
    model = canary()
    update(model)
    model.change({"status": {"promoteFull": True}})
    model.settle()
    update(model, "app:3")
    update(model, "app:1", after=60)
    assert model.duration["completionStatus"] == "RolledBack"
    assert "finishedAt" not in model.duration
    model.promote()
    model.settle()
    model.wait(31)
    model.settle()
    assert model.timings[-1].outcome == "RolledBack"


def test_a_promotion_in_full_is_a_fast_one():
    model = update(canary())
    model.change({"status": {"promoteFull": True}})
    model.settle()
    assert model.duration["completionStatus"] == "FastPromoted"


def test_nothing_is_recorded_while_the_spec_is_invalid():
    model = update(canary())
    before = model.duration
    model.wait(10)
    model.change({"spec": {"strategy": {"canary": {"steps": [{"setWeight": 120}]}}}})
    model.settle()
    assert model.phase[0] == "Degraded"
    assert model.duration == before


def test_an_update_already_under_way_without_a_record_stays_without_one():
    model = update(canary())
    model.change({"status": {"duration": None}})
    model.settle()
    assert model.duration == {}
    model.promote()
    model.wait(100)
    model.settle()
    model.wait(31)
    model.settle()
    assert model.phase == ("Healthy", "")
    assert model.duration == {}
    assert model.timings == []


def blue_green(**fields) -> Watched:
    strategy = {"activeService": "active", **fields}
    model = Watched(rollout({"blueGreen": strategy}, replicas=3), "active")
    model.settle()
    model.timings.clear()
    return model


def test_a_blue_green_pause_is_manual_only_without_automatic_promotion():
    assert "manualPauseStartedAt" in update(blue_green(autoPromotionEnabled=False)).duration
    assert "manualPauseStartedAt" not in update(blue_green(autoPromotionSeconds=60)).duration


def test_coming_back_within_the_scale_down_delay_in_the_middle_is_a_fast_rollback():
    model = update(blue_green(autoPromotionEnabled=False))
    model.promote()
    model.settle()
    update(model, "app:3", after=5)
    update(model, "app:1", after=5)
    assert model.timings[-1] == Timing("FastRolledBack", 5.0, 5.0)


def test_a_timing_stands_after_the_write_that_stores_it():
    model = canary()
    model.set_image("app:2")
    model.settle()
    model.world = replace(model.world, now=START + 60)
    model.abort()
    actions = model.reconcile().actions
    stored = next(
        index
        for index, action in enumerate(actions)
        if "completionStatus" in str(getattr(action, "body", ""))
    )
    timed = next(index for index, action in enumerate(actions) if isinstance(action, Timing))
    assert stored < timed
