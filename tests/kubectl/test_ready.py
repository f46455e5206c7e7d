"""The sandbox as a process: it becomes ready, answers, and leaves nothing behind."""

import asyncio
import random
import signal
import subprocess
import sys

import pytest
import yaml

from rollouts.runtime.clock import SystemClock
from rollouts.sandbox.apiserver import ApiServer
from rollouts.sandbox.http.server import HttpServer, write_kubeconfig
from rollouts.sandbox.options import Options, WatchOptions
from tests.kubectl.conftest import BINARY, REPOSITORY, Kubectl, start_sandbox


@pytest.fixture
def launch(sandbox_environment):
    """Starts sandboxes; those a failed test leaves behind are killed."""
    started = []

    def start(*args):
        started.append(start_sandbox(sandbox_environment, *args))
        return started[-1]

    yield start
    for running in started:
        running.process.kill()
        running.process.wait()
        running.process.stdout.close()


def stop(running, how=signal.SIGINT) -> str:
    running.process.send_signal(how)
    running.process.wait(timeout=10)
    with running.process.stdout as rest:
        return rest.read()


def test_it_becomes_ready_and_leaves_nothing_behind(launch):
    running = launch("--no-controller")
    assert running.ask("/readyz") == b"ok"
    assert yaml.safe_load(running.kubeconfig.read_text())["clusters"][0]["cluster"] == {
        "server": running.url
    }
    said = stop(running)
    assert "kubectl get pods --watch" in said
    assert said.endswith("sandbox stopped\n")
    assert running.process.returncode == 0
    assert not running.kubeconfig.parent.exists()


def test_the_kubeconfig_goes_where_it_is_told_and_names_the_namespace(launch, tmp_path):
    path = tmp_path / "kubeconfig"
    args = ("--no-controller", "--kubeconfig", str(path), "--namespace", "team")
    running = launch(*args)
    assert b'"team"' in running.ask("/api/v1/namespaces/team")
    stop(running, signal.SIGTERM)
    assert running.process.returncode == 0
    written = yaml.safe_load(path.read_text())
    assert written["contexts"][0]["context"]["namespace"] == "team"


def test_our_controller_runs_in_it(launch, home):
    running = launch()
    kubectl = Kubectl(BINARY, running.kubeconfig, home)
    hints = [running.process.stdout.readline().strip() for _ in range(6)]
    (apply,) = [line for line in hints if line.startswith("kubectl apply")]
    kubectl(*apply.split()[1:])
    kubectl("wait", "--for=condition=Available", "rollout/basic-canary", "--timeout=20s")
    columns, row = kubectl("get", "rollout").splitlines()
    assert columns.split() == ["NAME", "DESIRED", "CURRENT", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert row.split()[:5] == ["basic-canary", "5", "5", "5", "5"]
    assert "RolloutUpdated" in kubectl("get", "events")
    stop(running)
    assert running.process.returncode == 0


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


def test_a_taken_port_is_named(launch):
    running = launch("--no-controller")
    port = running.url.rpartition(":")[2]
    assert f"cannot listen on port {port}" in refused("--no-controller", "--port", port)
    stop(running)


def test_an_unknown_profile_lists_the_known_ones():
    assert "image-pull-error" in refused("--no-controller", "--pods", "sleepy")


def test_a_name_that_is_no_namespace_is_refused():
    assert "--namespace" in refused("--no-controller", "--namespace", "Not A Name")


async def test_the_kubelet_alone_plays_nodes_for_another_api_server(sandbox_environment, tmp_path):
    clock = SystemClock()
    api = ApiServer(clock, random.Random(0))
    server = HttpServer(api, clock)
    kubeconfig = tmp_path / "kubeconfig"
    write_kubeconfig(kubeconfig, await server.start())
    args = ("-m", "rollouts.cli.sandbox", "kubelet", "--kubeconfig", str(kubeconfig))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *args, cwd=REPOSITORY, env=sandbox_environment, stdout=subprocess.PIPE
    )
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "app", "image": "nginx:1"}]},
    }
    pods = api.info("", "v1", "pods")
    api.create(pods, "default", body, Options())
    watch = api.watch(pods, "default", WatchOptions(timeout_seconds=30))
    ready = [event async for event in _until_ready(watch)]
    assert ready[-1]["spec"]["nodeName"] == "sandbox-node-1"
    assert ready[-1]["status"]["podIP"]
    process.send_signal(signal.SIGINT)
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert b"playing nodes" in out
    await server.stop()


async def _until_ready(watch):
    """The pod's states up to and including the first that is ready."""
    async for event in watch:
        yield event.object
        for condition in event.object.get("status", {}).get("conditions", []):
            if (condition["type"], condition["status"]) == ("Ready", "True"):
                watch.close()
