"""Metrics and health: the names dashboards know, and series that leave with their object."""

import re
from typing import Any

import aiohttp
import pytest

from rollouts.api.rollout import Rollout
from rollouts.controllers.health import HealthServer
from rollouts.controllers.metrics import Metrics, rollout_phase
from rollouts.controllers.settings import Settings, SettingsError, settings_of
from rollouts.kube.queue import Key, WorkQueue
from rollouts.kube.resources import ANALYSIS_RUNS, ROLLOUTS
from rollouts.kube.writes import WriteLog
from rollouts.planner.plan import Timing
from rollouts.runtime.clock import SystemClock

WEB = Key("shop", "web")


def rollout(reason: str = "NewReplicaSetAvailable") -> Rollout:
    return Rollout.decode(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Rollout",
            "metadata": {"name": "web", "namespace": "shop", "uid": "u"},
            "spec": {"replicas": 5, "strategy": {"canary": {"trafficRouting": {"nginx": {}}}}},
            "status": {
                "replicas": 5,
                "availableReplicas": 4,
                "updatedReplicas": 3,
                "conditions": [{"type": "Progressing", "status": "True", "reason": reason}],
            },
        }
    )


def lines(metrics: Metrics, start: str) -> list[str]:
    return [line for line in metrics.text().decode().splitlines() if line.startswith(start)]


def test_a_rollout_as_dashboards_expect_it() -> None:
    metrics = Metrics()
    metrics.observe_rollout(rollout(), {})
    assert lines(metrics, "rollout_info") == [
        'rollout_info{name="web",namespace="shop",phase="Completed",strategy="canary",traffic_router="Nginx"} 1.0',
        'rollout_info_replicas_available{name="web",namespace="shop"} 4.0',
        'rollout_info_replicas_unavailable{name="web",namespace="shop"} 1.0',
        'rollout_info_replicas_desired{name="web",namespace="shop"} 5.0',
        'rollout_info_replicas_updated{name="web",namespace="shop"} 3.0',
    ]


def test_the_deprecated_gauge_has_a_series_per_phase() -> None:
    metrics = Metrics()
    metrics.observe_rollout(rollout("RolloutPaused"), {})
    series = lines(metrics, "rollout_phase{")
    assert len(series) == 7
    assert [line for line in series if line.endswith(" 1.0")] == [
        'rollout_phase{name="web",namespace="shop",phase="Paused",strategy="canary"} 1.0'
    ]


def test_how_long_updates_take_by_how_they_ended() -> None:
    metrics = Metrics()
    metrics.timed(Timing("Promoted", 100.0, 40.0))
    for name, total in (
        ("rollout_duration_seconds", "100.0"),
        ("rollout_progression_duration_seconds", "60.0"),
        ("rollout_manual_pause_duration_seconds", "40.0"),
    ):
        assert lines(metrics, f"{name}_sum") == [f'{name}_sum{{status="Promoted"}} {total}']
        assert lines(metrics, f"{name}_count") == [f'{name}_count{{status="Promoted"}} 1.0']


def test_a_new_phase_replaces_the_old_series_and_a_deleted_object_leaves_none() -> None:
    metrics = Metrics()
    metrics.observe_rollout(rollout(), {})
    metrics.observe_rollout(rollout("RolloutAborted"), {})
    metrics.reconciled("rollout", WEB, 0.2, failed=True)
    metrics.event(rollout().raw, "Normal", "RolloutUpdated")
    (info,) = lines(metrics, "rollout_info{")
    assert 'phase="Abort"' in info
    assert lines(metrics, "rollout_events_total{")[0].endswith(" 1.0")
    assert lines(metrics, "rollout_reconcile_error{")[0].endswith(" 1.0")
    metrics.forget_rollout(WEB)
    metrics.forget_rollout(WEB)
    assert 'name="web"' not in metrics.text().decode()


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ({}, "Progressing"),
        (
            {"conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]},
            "Timeout",
        ),
        ({"conditions": [{"type": "Progressing", "reason": "RolloutPaused"}]}, "Paused"),
        ({"conditions": [{"type": "Progressing", "reason": "ReplicaSetCreateError"}]}, "Error"),
        ({"conditions": [{"type": "InvalidSpec", "reason": "InvalidSpec"}]}, "InvalidSpec"),
    ],
)
def test_the_old_vocabulary_of_phases(status: dict[str, Any], phase: str) -> None:
    assert rollout_phase(status) == phase


def test_an_analysis_run() -> None:
    metrics = Metrics()
    metadata = {"name": "web", "namespace": "shop"}
    spec = {
        "metrics": [{"name": "errors", "provider": {"prometheus": {}}}],
        "dryRun": [{"metricName": ".*"}],
    }
    result = {"name": "errors", "phase": "Successful", "dryRun": True}
    metrics.observe_run(
        {
            "metadata": metadata,
            "spec": spec,
            "status": {"phase": "Running", "metricResults": [result]},
        }
    )
    phases = lines(metrics, "analysis_run_phase")
    assert len(phases) == 6
    assert [line for line in phases if line.endswith(" 1.0")] == [
        'analysis_run_phase{name="web",namespace="shop",phase="Running"} 1.0'
    ]
    assert [line for line in lines(metrics, "analysis_run_") if line not in phases] == [
        'analysis_run_info{name="web",namespace="shop",phase="Running"} 1.0',
        'analysis_run_metric_phase{dry_run="true",metric="errors",name="web",namespace="shop",phase="Successful"} 1.0',
        'analysis_run_metric_type{dry_run="true",metric="errors",name="web",namespace="shop",type="prometheus"} 1.0',
    ]
    metrics.forget_run(WEB)
    assert 'name="web"' not in metrics.text().decode()


def test_requests_name_rollouts_only() -> None:
    metrics = Metrics()
    metrics.request(ROLLOUTS, "shop", "web", "Patch", 200)
    metrics.request(ANALYSIS_RUNS, "shop", "one-of-thousands", "Patch", 200)
    text = "\n".join(lines(metrics, "controller_clientset_k8s_request_total{"))
    assert 'kind="Rollout",name="web",namespace="shop",status_code="200",verb="Patch"} 1.0' in text
    assert "one-of-thousands" not in text


def test_queues_and_the_gate_are_read_at_the_scrape() -> None:
    metrics, clock = Metrics(), SystemClock()
    queue, log = WorkQueue(clock, observer=metrics.queue_observer("rollout")), WriteLog(clock)
    metrics.watch_queue("rollout", queue)
    metrics.watch_writes(log)
    queue.add(WEB)
    log.stale_total = 3
    assert lines(metrics, "workqueue_depth{") == ['workqueue_depth{name="rollout"} 1.0']
    assert lines(metrics, "workqueue_adds_total{") == ['workqueue_adds_total{name="rollout"} 1.0']
    assert lines(metrics, "reconcile_stale_total") == ["reconcile_stale_total 3.0"]


def test_the_exposition_is_well_formed_from_the_start() -> None:
    text = Metrics().text().decode()
    for name in ("build_info", "event_loop_lag_seconds", "argo_rollouts_controller_info"):
        assert re.search(rf"^{name}\b", text, re.MULTILINE), name
    assert "_created" not in text


async def test_health_over_a_real_socket_on_loopback() -> None:
    why = ["caches are filling"]
    server = HealthServer(Metrics(), lambda: why[0], healthz_port=0, metrics_port=-1)
    await server.start()
    try:
        (host, port), *others = server.addresses
        assert (host, others) == ("127.0.0.1", [])
        async with aiohttp.ClientSession(f"http://{host}:{port}") as session:

            async def ask(path: str) -> tuple[int, str]:
                async with session.get(path) as response:
                    return response.status, await response.text()

            assert await ask("/healthz") == (200, "ok")
            assert await ask("/readyz") == (503, "caches are filling")
            why[0] = ""
            assert await ask("/readyz") == (200, "ok")
            status, text = await ask("/metrics")
            assert status == 200
            assert "build_info" in text
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"metrics_port": 99999}, "metrics_port"),
        ({"instance_id": "a b"}, "instance_id"),
        ({"lease_duration": 5.0}, "renew deadline"),
        ({"unknown": 1}, "unknown"),
        ({"analysis_address_policy": "open"}, "analysis_address_policy"),
        ({"analysis_allow": ("10.0.0.0/99",)}, "'10.0.0.0/99' is neither a network nor a host"),
        ({"analysis_deny": ("a b",)}, "'a b' is neither"),
    ],
)
def test_settings_out_of_range_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        settings_of(values)


def test_settings() -> None:
    assert Settings(namespace="a").watched_namespace is None
    assert Settings(namespace="a", namespaced=True).watched_namespace == "a"
    assert Settings(instance_id="x").lease_name == "argo-rollouts-controller-lock-x"
