"""The blue-green tutorial with stock kubectl and our plugin, command by command."""

import asyncio
import os
import random
import shutil
import sys
from contextlib import asynccontextmanager

import pytest

from rollouts.controllers.wiring import controller_set
from rollouts.runtime.clock import SystemClock
from rollouts.sandbox.cluster import Cluster
from rollouts.sandbox.http.server import HttpServer, write_kubeconfig
from tests.e2e.world import EXAMPLES

PLUGIN = (sys.executable, "-c", "from rollouts.cli.main import plugin; plugin()")
HASH = "jsonpath={.spec.selector.rollouts-pod-template-hash}"

pytestmark = pytest.mark.kubectl


def require_kubectl():
    """Skip for a user without the binary; fail where CI promised one."""
    if shutil.which("kubectl") is None:
        if os.environ.get("CI"):
            pytest.fail("CI must install kubectl")
        pytest.skip("no kubectl on PATH")


@asynccontextmanager
async def shell(folder):
    """A cluster with our controller; a function that runs a command against it."""
    clock, rng = SystemClock(), random.Random(9)
    cluster = Cluster(clock, rng, pods="fast")
    server = HttpServer(cluster.server, clock)
    kubeconfig = folder / "kubeconfig"
    write_kubeconfig(kubeconfig, await server.start())
    await cluster.start()
    (manager,) = controller_set(cluster.api, clock, rng)
    managing = asyncio.create_task(manager.run())
    environment = os.environ | {"KUBECONFIG": str(kubeconfig), "HOME": str(folder)}

    async def run(*words):
        process = await asyncio.create_subprocess_exec(
            *words,
            env=environment,
            cwd=EXAMPLES.parent,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, f"{words}\n{out.decode()}{err.decode()}"
        return out.decode().strip()

    try:
        yield run
    finally:
        managing.cancel()
        await asyncio.gather(managing, return_exceptions=True)
        await server.stop()
        await cluster.stop()


async def test_the_blue_green_walk(tmp_path):
    require_kubectl()
    async with shell(tmp_path) as run:

        async def selected(role):
            return await run("kubectl", "get", "service", f"bluegreen-{role}", "-o", HASH)

        async def until(wanted, *words):
            """Ask until the answer is right: `kubectl wait` learnt jsonpath only in 1.23."""
            async with asyncio.timeout(20):
                while await run("kubectl", "get", *words) != wanted:  # noqa: ASYNC110 - a process
                    await asyncio.sleep(0.2)

        async def settled(phase):
            await until(phase, "rollout", "bluegreen", "-o", "jsonpath={.status.phase}")

        out = await run("kubectl", "apply", "-f", str(EXAMPLES / "bluegreen.yaml"))
        assert out.splitlines() == [
            "service/bluegreen-active created",
            "service/bluegreen-preview created",
            "rollout.argoproj.io/bluegreen created",
        ]
        # Half a minute is the tutorial's delay; three seconds show the same.
        delay = '{"spec":{"strategy":{"blueGreen":{"scaleDownDelaySeconds":3}}}}'
        await run("kubectl", "patch", "rollout", "bluegreen", "--type=merge", "-p", delay)
        await settled("Healthy")
        first = await selected("active")
        assert first
        assert await selected("preview") == first

        image = "colours=argoproj/rollouts-demo:green"
        said = await run(*PLUGIN, "set", "image", "bluegreen", image)
        assert said == 'rollout "bluegreen" image updated'
        await settled("Paused")
        second = await selected("preview")
        assert second not in {"", first}
        assert await selected("active") == first

        assert await run(*PLUGIN, "promote", "bluegreen") == "rollout 'bluegreen' promoted"
        await settled("Healthy")
        assert await selected("active") == second
        old = f"rs/bluegreen-{first}"
        await until("0", old, "-o", "jsonpath={.status.replicas}")
        row = (await run("kubectl", "get", old, "--no-headers")).split()
        assert row[:4] == [f"bluegreen-{first}", "0", "0", "0"]
