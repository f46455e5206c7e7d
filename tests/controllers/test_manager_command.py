"""The command line of the controller: known flags mean what they say, others do no harm."""

from typing import Any

import pytest
from click.testing import CliRunner

from rollouts.cli import controller
from rollouts.cli.common import FailedError, Session


def invoke(
    monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> tuple[dict[str, Any], list[str], Session]:
    """Parse a command line; what the process would be started with."""
    started: list[tuple[dict[str, Any], list[str]]] = []

    async def main(_: Session, flags: dict[str, Any], ignored: list[str]) -> int:
        started.append((flags, ignored))
        return 0

    monkeypatch.setattr(controller, "_main", main)
    monkeypatch.setattr("rollouts.runtime.logging.configure", lambda *_: None)
    session = Session("rollouts")
    result = CliRunner().invoke(controller.command, arguments, obj=session, standalone_mode=False)
    if result.exception:
        raise result.exception
    return *started[0], session


def test_defaults_are_those_of_argo_rollouts(monkeypatch: pytest.MonkeyPatch) -> None:
    flags, ignored, _ = invoke(monkeypatch)
    assert ignored == []
    assert flags == {
        "namespaced": False, "only_analysis": False, "instance_id": "",
        "log_level": "info", "log_format": "text", "bind_address": "127.0.0.1",
        "healthz_port": 8080, "metrics_port": 8090, "qps": 0.0, "burst": 80,
        "rollout_workers": 10, "analysis_workers": 30, "experiment_workers": 10,
        "service_workers": 10, "ingress_workers": 10, "sweep": 900.0, "leader_elect": True,
        "lease_duration": 15.0, "renew_deadline": 10.0, "retry_period": 2.0,
        "analysis_address_policy": "guarded", "analysis_allow": (), "analysis_deny": (),
    }  # fmt: skip


def test_go_spellings_and_connection_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    flags, _, session = invoke(
        monkeypatch,
        "--namespaced", "--leader-elect=false", "--leader-election-lease-duration=1m",
        "--metricsport", "9000", "--controllers=analysis", "--instance-id=blue",
        "-n", "argo", "--as", "ann",
    )  # fmt: skip
    assert flags["namespaced"] is True
    assert flags["leader_elect"] is False
    assert flags["lease_duration"] == 60.0
    assert flags["metrics_port"] == 9000
    assert flags["only_analysis"] is True
    assert session.flags == {"namespace": "argo", "as_user": "ann"}


def test_flags_without_effect_are_accepted_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _, ignored, _ = invoke(
        monkeypatch,
        "--istio-api-version=v1beta1",
        "--alb-ingress-classes",
        "x",
        "--aws-verify-target-group",
    )
    assert ignored == ["--istio-api-version", "--alb-ingress-classes", "--aws-verify-target-group"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--controllers=ingress"], "analysis"),
        (["--rollout-resync=soon"], "invalid duration"),
        (["--logformat=xml"], "xml"),
        (["--no-such-flag"], "no-such-flag"),
    ],
)
def test_what_makes_no_sense_is_refused(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    with pytest.raises(Exception, match=message):
        invoke(monkeypatch, *arguments)


async def test_a_setting_out_of_range_is_one_line(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    session = Session("rollouts", flags={"server": "http://127.0.0.1:9"})
    flags = {"lease_duration": 5.0}
    with pytest.raises(FailedError, match="renew deadline"):
        await controller._main(session, flags, [])
