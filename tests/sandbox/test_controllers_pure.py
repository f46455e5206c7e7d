"""What the sandbox's controllers decide, without a cluster: tables and properties."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.times import format_time
from rollouts.kube.resources import PODS, REPLICA_SETS
from rollouts.sandbox.controllers import jobstate, profiles, rolling
from rollouts.sandbox.controllers.endpointslice import slices
from rollouts.sandbox.controllers.objects import share_of, with_condition
from rollouts.sandbox.controllers.ownership import Graph
from rollouts.sandbox.controllers.podstatus import View, changes, pod_status
from rollouts.sandbox.controllers.profiles import PROFILES, Phase
from rollouts.sandbox.controllers.ranking import DELETION_COST, victims
from rollouts.sandbox.controllers.revisions import (
    HASH_LABEL,
    newest,
    replica_set_for,
    template_hash,
)

NOW = 1_800_000_000.0


def pod(name: str, **has: Any) -> dict[str, Any]:
    """A running, ready pod, older than an hour, unless told otherwise."""
    ready_since = has.get("ready_since", NOW - 3600)
    conditions = [
        {
            "type": "Ready",
            "status": "False" if ready_since is None else "True",
            "lastTransitionTime": format_time(ready_since or NOW),
        }
    ]
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": name,
            "labels": {"app": "web"},
            "creationTimestamp": format_time(has.get("created", NOW - 7200)),
            "annotations": {DELETION_COST: has["cost"]} if "cost" in has else {},
        },
        "spec": {"nodeName": has.get("node", "n1"), "containers": has.get("containers", [])},
        "status": {
            "phase": has.get("phase", "Running"),
            "podIP": has.get("ip", "10.0.0.1"),
            "conditions": conditions,
            "containerStatuses": [{"name": "main", "restartCount": has.get("restarts", 0)}],
        },
    }


@pytest.mark.parametrize(
    ("goes", "stays"),
    [
        ({"node": ""}, {"node": "n1", "phase": "Pending", "ready_since": None}),
        ({"phase": "Pending", "ready_since": None}, {"ready_since": None}),
        ({"ready_since": None}, {"ready_since": NOW - 1}),
        ({"ready_since": None, "cost": "100"}, {"cost": "-100"}),
        ({"cost": "-5"}, {"cost": "5", "restarts": 9}),
        ({"cost": "many"}, {"cost": "1"}),
        ({"node": "crowded"}, {"node": "n1", "restarts": 9}),
        ({"ready_since": NOW - 10}, {"ready_since": NOW - 3600, "restarts": 9}),
        ({"restarts": 3}, {"restarts": 1, "created": NOW - 3700}),
        ({"created": NOW - 3700}, {"created": NOW - 90_000}),
    ],
    ids=[
        "unassigned before pending",
        "pending before running",
        "unready before ready",
        "readiness before deletion cost",
        "cheap before dear",
        "an unreadable cost is zero",
        "doubled up before alone",
        "ready for a shorter time",
        "more restarts",
        "younger",
    ],
)
def test_what_serves_least_is_given_up_first(goes: Any, stays: Any) -> None:
    crowd = {"crowded": 5, "n1": 1}
    for names in (("a", "b"), ("b", "a")):
        out, keep = pod(names[0], **goes), pod(names[1], **stays)
        chosen = victims([keep, out], 1, lambda node: crowd.get(node, 0), NOW)
        assert chosen == [out]


@given(st.permutations(list(range(6))), st.integers(-2, 8))
def test_the_choice_does_not_depend_on_the_order_of_pods(order: list[int], count: int) -> None:
    pods = [pod(f"p{i}", restarts=i % 3) for i in range(6)]
    chosen = victims([pods[i] for i in order], count, lambda _node: 1, NOW)
    assert chosen == victims(pods, count, lambda _node: 1, NOW)
    assert len(chosen) == max(0, min(count, 6))


@pytest.mark.parametrize(
    ("value", "up", "down"),
    [(3, 3, 3), ("25%", 3, 2), ("0%", 0, 0), ("100%", 10, 10), (None, 3, 2), ("2", 2, 2)],
)
def test_percentages_round_both_ways(value: Any, up: int, down: int) -> None:
    assert share_of(value, 10, default="25%", round_up=True) == up
    assert share_of(value, 10, default="25%", round_up=False) == down


def test_a_rollout_may_always_move() -> None:
    assert rolling.limits(1, 0, 0) == rolling.Limits(0, 1)
    assert rolling.limits(4, "0%", "10%") == rolling.Limits(0, 1)
    assert rolling.limits(4, None, None) == rolling.Limits(1, 1)


class Model:
    """ReplicaSets whose pods come and go when Hypothesis says so."""

    def __init__(self, replicas: int, old: int, bounds: rolling.Limits) -> None:
        self.replicas, self.bounds = replicas, bounds
        self.new, self.old = rolling.Size(0), rolling.Size(old, old, old)

    def step(self, becomes_ready: bool) -> None:
        new, old = self.new, self.old
        if becomes_ready and new.available < new.wanted:
            self.new = rolling.Size(new.wanted, new.wanted, new.available + 1)
        target = rolling.scale_up(
            self.replicas, self.new, self.new.wanted + old.wanted, self.bounds
        )
        self.new = rolling.Size(target, target, min(self.new.available, target))
        sizes = rolling.scale_down(self.replicas, self.new, [old], self.bounds)
        lost = max(old.available - sizes[0], 0)
        self.old = rolling.Size(sizes[0], sizes[0], old.available - lost)


@given(
    st.integers(1, 12),
    st.integers(0, 5),
    st.integers(0, 5),
    st.lists(st.booleans(), max_size=60),
)
def test_a_rolling_update_keeps_its_limits_and_ends(
    replicas: int, surge: int, unavailable: int, readiness: list[bool]
) -> None:
    bounds = rolling.limits(replicas, surge, unavailable)
    model = Model(replicas, replicas, bounds)
    for becomes_ready in [*readiness, *[True] * (4 * replicas + 4)]:
        model.step(becomes_ready)
        assert model.new.wanted + model.old.wanted <= replicas + bounds.surge
        assert model.new.available + model.old.available >= replicas - bounds.unavailable
    assert (model.new.available, model.old.wanted) == (replicas, 0)


@given(st.lists(st.integers(0, 50), max_size=6), st.integers(0, 200))
def test_proportional_sizes_add_up(sizes: list[int], target: int) -> None:
    scaled = rolling.proportional(sizes, target)
    if sum(sizes):
        assert sum(scaled) == target
        assert all(
            abs(got - size * target / sum(sizes)) <= 1
            for got, size in zip(scaled, sizes, strict=True)
        )
    else:
        assert scaled == sizes


def test_broken_old_pods_go_before_good_ones() -> None:
    sizes = rolling.scale_down(
        4,
        rolling.Size(1, 1, 0),
        [rolling.Size(2, 2, 2), rolling.Size(2, 2, 0)],
        rolling.Limits(1, 1),
    )
    assert sizes == [2, 1]


# Profiles


@pytest.mark.parametrize(
    ("annotations", "image", "restart", "name"),
    [
        ({}, "web:1", "Always", "fast"),
        ({profiles.PROFILE: "never-ready"}, "web:crash", "Always", "never-ready"),
        ({profiles.PROFILE: "no such thing"}, "web:1", "Always", "fast"),
        ({profiles.READY_AFTER: "7"}, "web:1", "Always", "7s"),
        ({profiles.READY_AFTER: "never"}, "web:1", "Always", "never-ready"),
        ({profiles.READY_AFTER: "-3"}, "web:1", "Always", "fast"),
        ({}, "registry/does-not-exist:2", "Always", "image-pull-error"),
        ({}, "invalid", "Always", "image-pull-error"),
        ({}, "web:crash", "Always", "crash"),
        ({}, "web:never-ready", "Always", "never-ready"),
        ({}, "task:fail", "Never", "fail"),
    ],
)
def test_which_script_a_pod_follows(
    annotations: dict[str, str], image: str, restart: str, name: str
) -> None:
    one = {
        "metadata": {"annotations": annotations},
        "spec": {"restartPolicy": restart, "containers": [{"name": "c", "image": image}]},
    }
    assert profiles.profile_for(one, PROFILES["fast"]).name == name


@pytest.mark.parametrize("name", sorted(PROFILES))
@given(seed=st.text(max_size=8), times=st.lists(st.floats(0, 1e5), min_size=2, max_size=8))
def test_a_script_only_moves_forward(name: str, seed: str, times: list[float]) -> None:
    moments = [profiles.moment(PROFILES[name], seed, at) for at in sorted(times)]
    for at, found in zip(sorted(times), moments, strict=True):
        assert found.since <= at < found.until
        assert profiles.moment(PROFILES[name], seed, at) == found
    assert [m.restarts for m in moments] == sorted(m.restarts for m in moments)


def test_a_crash_loop_waits_longer_each_time() -> None:
    seen, at = [], 0.0
    while at < 2000:
        now = profiles.moment(PROFILES["crash"], "x", at)
        if now.phase is Phase.CRASH_BACKOFF:
            seen.append(round(now.until - now.since))
        at = now.until
    assert seen[:7] == [10, 20, 40, 80, 160, 300, 300]


def test_a_pod_that_should_end_does() -> None:
    one = {
        "metadata": {"annotations": {profiles.COMPLETE_AFTER: "3s"}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "task"}]},
    }
    script = profiles.script_for(one, PROFILES["instant"])
    assert profiles.moment(script, "x", 2.9).phase is Phase.READY
    end = profiles.moment(script, "x", 3.0)
    assert (end.phase, end.until) == (Phase.COMPLETED, math.inf)


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    assert profiles.named("2s").stages[-1].phase is Phase.READY
    with pytest.raises(ValueError, match=r"no pod profile 'quick'.*instant, fast, slow"):
        profiles.named("quick")


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_writing_the_same_moment_twice_changes_nothing(name: str) -> None:
    one = pod("p", containers=[{"name": "main", "image": "web:1"}])
    one["status"] = {"conditions": [{"type": "example.com/gate", "status": "True"}]}
    for at in (0.0, 0.2, 1.0, 5.0, 31.0, 45.0):
        found = profiles.moment(PROFILES[name], "p", at)
        first = pod_status(View(one, found, NOW, "10.0.0.9", NOW + at))
        one = {**one, "status": {**one["status"], **first}}
        again = pod_status(View(one, found, NOW, "10.0.0.9", NOW + at + 0.5))
        assert not changes(one, again)
        assert {"type": "example.com/gate", "status": "True"} in again["conditions"]


# Jobs


def job(succeeded: int = 0, **spec: Any) -> dict[str, Any]:
    template = {"spec": {"restartPolicy": spec.pop("restart", "Never")}}
    return {
        "metadata": {"name": "j", "namespace": "default"},
        "spec": {"template": template, **spec},
        "status": {"startTime": format_time(NOW), "succeeded": succeeded},
    }


Count = jobstate.Count


@pytest.mark.parametrize(
    ("spec", "counted", "after", "reason"),
    [
        ({}, Count(succeeded=1), 1, "CompletionsReached"),
        ({"completions": 3}, Count(succeeded=2, active=1), 1, None),
        ({"completions": 0}, Count(), 1, "CompletionsReached"),
        ({"parallelism": 2}, Count(succeeded=1, active=1), 1, None),
        ({"parallelism": 2}, Count(succeeded=1), 1, "CompletionsReached"),
        ({}, Count(failed=6), 1, None),
        ({}, Count(failed=7), 1, "BackoffLimitExceeded"),
        ({"backoffLimit": 0}, Count(failed=1), 1, "BackoffLimitExceeded"),
        ({"backoffLimit": 2, "restart": "OnFailure"}, Count(active=1, restarts=1), 1, None),
        (
            {"backoffLimit": 2, "restart": "OnFailure"},
            Count(active=1, restarts=2),
            1,
            "BackoffLimitExceeded",
        ),
        ({"activeDeadlineSeconds": 60}, Count(active=1), 59, None),
        ({"activeDeadlineSeconds": 60}, Count(active=1), 60, "DeadlineExceeded"),
        ({"activeDeadlineSeconds": 60, "suspend": True}, Count(), 90, None),
    ],
)
def test_when_a_job_is_over(spec: Any, counted: Count, after: float, reason: str | None) -> None:
    end = jobstate.end(job(**spec), counted, NOW + after)
    assert (end.reason if end else None) == reason


@pytest.mark.parametrize(
    ("spec", "counted", "pods"),
    [
        ({}, Count(), 1),
        ({"parallelism": 3, "completions": 10}, Count(active=1), 2),
        ({"parallelism": 3, "completions": 10}, Count(succeeded=9), 1),
        ({"parallelism": 3}, Count(), 3),
        ({"parallelism": 3}, Count(active=2, succeeded=1), 0),
        ({"parallelism": 1, "completions": 5}, Count(active=3), -2),
        ({"suspend": True}, Count(active=2), -2),
        ({"parallelism": 2, "completions": 5}, Count(active=1, terminating=1), 0),
    ],
)
def test_how_many_pods_a_job_wants(spec: Any, counted: Count, pods: int) -> None:
    assert jobstate.need(job(**spec), counted, NOW).pods == pods


def test_a_failed_pod_is_replaced_after_a_growing_pause() -> None:
    for failed, wait in ((1, 10), (2, 20), (5, 160), (6, 320), (9, 360)):
        counted = Count(failed=failed, last_failure=NOW)
        assert jobstate.need(job(), counted, NOW + wait - 1).not_before == NOW + wait
        assert jobstate.need(job(), counted, NOW + wait).pods == 1


# Services


def service(**more: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "namespace": "default", "uid": "svc"},
        "spec": {
            "selector": {"app": "web"},
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
            **more,
        },
    }


def named_port(number: int) -> list[dict[str, Any]]:
    return [{"name": "main", "ports": [{"name": "http", "containerPort": number}]}]


def test_pods_that_offer_different_ports_get_different_slices() -> None:
    pods = [
        pod("a", ip="10.0.0.1", containers=named_port(8080)),
        pod("b", ip="10.0.0.2", containers=named_port(9090), ready_since=None),
        pod("c", ip="", containers=named_port(8080)),
        pod("d", ip="10.0.0.4", containers=named_port(8080), phase="Failed"),
    ]
    found = list(slices(service(), pods))
    assert [
        (one["ports"][0]["port"], [e["addresses"] for e in one["endpoints"]]) for one in found
    ] == [(8080, [["10.0.0.1"]]), (9090, [["10.0.0.2"]])]
    assert found[0]["endpoints"][0]["conditions"] == {
        "ready": True,
        "serving": True,
        "terminating": False,
    }
    assert found[1]["endpoints"][0]["conditions"]["ready"] is False
    assert found[0]["endpoints"][0]["targetRef"]["name"] == "a"


def test_a_service_may_publish_what_is_not_ready() -> None:
    (only,) = slices(service(publishNotReadyAddresses=True), [pod("a", ready_since=None)])
    assert only["endpoints"][0]["conditions"]["ready"] is True


def test_a_service_without_pods_has_one_empty_slice_and_many_pods_are_split() -> None:
    assert [one["endpoints"] for one in slices(service(), [])] == [[]]
    many = [pod(f"p{i:03}", containers=named_port(80)) for i in range(250)]
    found = list(slices(service(), many))
    assert [len(one["endpoints"]) for one in found] == [100, 100, 50]
    assert len({one["metadata"]["name"] for one in found}) == 3


# Deployments


def deployment(image: str = "web:1") -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "namespace": "default", "uid": "d", "annotations": {"a": "b"}},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": image}]},
            },
        },
    }


def test_a_replica_set_is_found_again_by_its_template() -> None:
    one = deployment()
    made = replica_set_for(one, 2, 7, 4)
    assert newest(one, [made]) is made
    assert newest(deployment("web:2"), [made]) is None
    assert made["metadata"]["labels"][HASH_LABEL] in made["metadata"]["name"]
    assert made["spec"]["selector"]["matchLabels"][HASH_LABEL]


def test_hashes_follow_the_template_and_the_collisions_only() -> None:
    template = deployment()["spec"]["template"]
    labelled = {**template, "metadata": {"labels": {"app": "web", HASH_LABEL: "x"}}}
    assert template_hash(template, 0) == template_hash(labelled, 0)
    assert template_hash(template, 0) != template_hash(template, 1)
    assert template_hash(template, 0) != template_hash(deployment("web:2")["spec"]["template"], 0)


# Conditions and ownership


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    first = with_condition([], "Ready", "False", "Waiting", "m", now=NOW)
    second = with_condition(first, "Ready", "False", "Other", "m", now=NOW + 60)
    third = with_condition(second, "Ready", "True", "Done", "m", now=NOW + 60)
    times = [one[0]["lastTransitionTime"] for one in (first, second, third)]
    assert times == [format_time(NOW), format_time(NOW), format_time(NOW + 60)]
    assert with_condition(third, "Ready", "True", "Done", "m", now=NOW + 99) == third


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans()), max_size=40))
def test_the_graph_knows_exactly_the_dependents_that_are_there(
    steps: list[tuple[int, int, bool]],
) -> None:
    graph, truth = Graph(), {}
    for child, owner, there in steps:
        name = f"u{child}"
        if there:
            reference = {"uid": f"u{owner}", "name": f"u{owner}", "kind": "ReplicaSet"}
            body = {"metadata": {"name": name, "uid": name, "ownerReferences": [reference]}}
            graph.put(PODS if child % 2 else REPLICA_SETS, body)
            truth[name] = f"u{owner}"
        else:
            graph.remove(name)
            truth.pop(name, None)
    for owner in range(5):
        found = {node.uid for node in graph.dependents(f"u{owner}")}
        assert found == {child for child, of in truth.items() if of == f"u{owner}"}
