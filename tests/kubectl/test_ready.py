"""The sandbox as a process: it becomes ready, answers, and leaves nothing behind."""

import signal
import subprocess
import sys

import yaml

from tests.kubectl.conftest import REPOSITORY, start_sandbox


def stop(running, how=signal.SIGINT) -> str:
    running.process.send_signal(how)
    running.process.wait(timeout=10)
    with running.process.stdout as rest:
        return rest.read()


def test_it_becomes_ready_and_leaves_nothing_behind(sandbox_environment):
    running = start_sandbox(sandbox_environment, "--no-controller")
    assert running.ask("/readyz") == b"ok"
    assert yaml.safe_load(running.kubeconfig.read_text())["clusters"][0]["cluster"] == {
        "server": running.url
    }
    said = stop(running)
    assert "kubectl get nodes" in said
    assert said.endswith("sandbox stopped\n")
    assert running.process.returncode == 0
    assert not running.kubeconfig.parent.exists()


def test_the_kubeconfig_goes_where_it_is_told_and_names_the_namespace(
    sandbox_environment, tmp_path
):
    path = tmp_path / "kubeconfig"
    args = ("--no-controller", "--kubeconfig", str(path), "--namespace", "team")
    running = start_sandbox(sandbox_environment, *args)
    assert b'"team"' in running.ask("/api/v1/namespaces/team")
    stop(running, signal.SIGTERM)
    assert running.process.returncode == 0
    written = yaml.safe_load(path.read_text())
    assert written["contexts"][0]["context"]["namespace"] == "team"


def refused(*args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "rollouts.cli.sandbox", *args],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=20,
        check=False,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_kubeconfig_of_somebody_else_is_not_overwritten(tmp_path):
    path = tmp_path / "config"
    path.write_text("clusters: [{name: production}]")
    assert "was not written by a sandbox" in refused("--kubeconfig", str(path))
    assert "production" in path.read_text()


def test_a_taken_port_is_named(sandbox_environment):
    running = start_sandbox(sandbox_environment, "--no-controller")
    port = running.url.rpartition(":")[2]
    assert f"cannot listen on port {port}" in refused("--no-controller", "--port", port)
    stop(running)


def test_an_unknown_profile_lists_the_known_ones():
    assert "image-pull-error" in refused("--no-controller", "--pods", "sleepy")


def test_a_name_that_is_no_namespace_is_refused():
    assert "--namespace" in refused("--no-controller", "--namespace", "Not A Name")
