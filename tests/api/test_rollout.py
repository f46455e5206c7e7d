"""Reading Rollouts: defaults, tolerance, and writing status back."""

import pytest

from rollouts.api.experiment import Experiment
from rollouts.api.rollout import Rollout
from rollouts.api.status import CanaryStatus, RolloutStatus, TrafficWeights, WeightDestination
from rollouts.api.steps import StepKind
from tests.api import samples


def test_an_empty_object_reads_as_all_defaults():
    rollout = Rollout.decode({})
    assert rollout.problems == ()
    assert rollout.spec.replicas_or_default == 1
    assert rollout.spec.history_limit == 10
    assert rollout.spec.progress_deadline == 600
    assert rollout.spec.analysis.successful == 5
    assert rollout.spec.analysis.unsuccessful == 5
    assert rollout.spec.canary is None
    assert rollout.status == RolloutStatus()


def test_metadata_is_read():
    meta = Rollout.decode(
        {
            "metadata": {
                "name": "a",
                "namespace": "n",
                "generation": 7,
                "resourceVersion": "12",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": {"x": "1", "bad": 2},
            }
        }
    ).metadata
    assert (meta.name, meta.namespace, meta.generation, meta.resource_version) == (
        "a",
        "n",
        7,
        "12",
    )
    assert meta.creation_timestamp == 1767225600
    assert meta.labels == {"x": "1"}


def test_a_bad_field_is_a_problem_and_the_rest_survives():
    rollout = Rollout.decode(samples.rollout(replicas="five", minReadySeconds=4))
    assert [problem.path for problem in rollout.problems] == ["spec.replicas"]
    assert rollout.spec.replicas is None
    assert rollout.spec.min_ready_seconds == 4


def test_a_bad_step_keeps_its_position():
    rollout = Rollout.decode(samples.canary(steps=[{"setWeight": "x"}, 7, {"setWeight": 30}]))
    assert rollout.spec.canary is not None
    assert [step.set_weight for step in rollout.spec.canary.steps] == [None, None, 30]
    assert len(rollout.problems) == 2


@pytest.mark.parametrize("whole", [None, [], "text", 5])
def test_nothing_is_so_bad_that_reading_fails(whole):
    assert Rollout.decode({"metadata": whole, "spec": whole, "status": whole}).spec.replicas is None


def test_null_counts_as_absent():
    rollout = Rollout.decode(samples.canary(steps=None, maxSurge=None, trafficRouting=None))
    assert rollout.problems == ()
    assert rollout.spec.canary is not None
    assert rollout.spec.canary.steps == ()


def test_unknown_fields_survive_in_status():
    status = Rollout.decode({"status": {"invented": {"a": [1]}}}).status
    assert status.to_wire()["invented"] == {"a": [1]}


def test_the_raw_object_is_the_one_that_was_read():
    raw = samples.rollout()
    assert Rollout.decode(raw).raw is raw


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        ({}, None),
        ({"duration": 30}, 30),
        ({"duration": "30"}, 30),
        ({"duration": "1m30s"}, 90),
        ({"duration": "1500ms"}, 1),
        ({"duration": 0}, 0),
        ({"duration": "-5"}, -5),
        ({"duration": "soon"}, -1),
    ],
)
def test_pause_durations(duration, seconds):
    spec = Rollout.decode(samples.canary(steps=[{"pause": duration}])).spec
    assert spec.canary is not None
    assert spec.canary.steps[0].pause is not None
    assert spec.canary.steps[0].pause.seconds == seconds


def test_the_kind_of_a_step_follows_precedence():
    steps = [{"setWeight": 5}, {"setWeight": 5, "pause": {}}, {"plugin": {"name": "a/b"}}, {}]
    spec = Rollout.decode(samples.canary(steps=steps)).spec
    assert spec.canary is not None
    assert [step.kind for step in spec.canary.steps] == [
        StepKind.SET_WEIGHT,
        StepKind.PAUSE,
        StepKind.PLUGIN,
        None,
    ]


def test_delays_of_a_canary_depend_on_traffic_routing():
    basic = Rollout.decode(samples.canary()).spec.canary
    routed = Rollout.decode(samples.canary(trafficRouting={"istio": {}})).spec.canary
    explicit = Rollout.decode(
        samples.canary(
            trafficRouting={"istio": {}}, scaleDownDelaySeconds=0, abortScaleDownDelaySeconds=0
        )
    ).spec.canary
    assert basic is not None
    assert routed is not None
    assert explicit is not None
    assert (basic.scale_down_delay, routed.scale_down_delay, explicit.scale_down_delay) == (
        0,
        30,
        0,
    )
    assert (routed.abort_scale_down_delay, explicit.abort_scale_down_delay) == (30, None)


def test_delays_of_blue_green():
    plain = Rollout.decode(samples.blue_green()).spec.blue_green
    zero = Rollout.decode(samples.blue_green(abortScaleDownDelaySeconds=0)).spec.blue_green
    assert plain is not None
    assert zero is not None
    assert plain.auto_promotion
    assert (plain.scale_down_delay, plain.abort_scale_down_delay) == (30, 30)
    assert zero.abort_scale_down_delay is None


def test_status_is_written_as_go_writes_it():
    status = RolloutStatus(
        stable_rs="abc",
        replicas=0,
        hpa_replicas=2,
        current_step_index=0,
        aborted_at=1767225600.9,
        canary=CanaryStatus(weights=TrafficWeights(canary=WeightDestination(service_name="c"))),
    )
    assert status.to_wire() == {
        "stableRS": "abc",
        "HPAReplicas": 2,
        "currentStepIndex": 0,
        "abortedAt": "2026-01-01T00:00:00Z",
        "blueGreen": {},
        "canary": {
            "weights": {"canary": {"serviceName": "c", "weight": 0}, "stable": {"weight": 0}}
        },
    }


def test_status_survives_a_round_trip():
    wire = RolloutStatus(
        phase="Paused", pause_conditions=({"reason": "CanaryPauseStep", "startTime": 1.0},)
    ).to_wire()
    assert Rollout.decode({"status": wire}).status.to_wire() == wire


def test_experiments_read_the_same_way():
    experiment = Experiment.decode(
        {"spec": {"templates": [{"name": "a", "replicas": "x"}], "duration": "5m"}}
    )
    assert [problem.path for problem in experiment.problems] == ["spec.templates[0].replicas"]
    assert experiment.spec.templates[0].replicas_or_default == 1
    assert (experiment.spec.progress_deadline, experiment.spec.scale_down_delay) == (600, 30)
