"""The socket: a loopback port around the application, and the kubeconfig that points at it.

Owns the listening socket and its stop. Refuses every address but loopback: the sandbox has no
credentials. Called by ``rollouts sandbox``, the demo and tests.
"""

from pathlib import Path
from typing import Final

import yaml
from aiohttp import web

from rollouts.kube.api import Obj
from rollouts.runtime.clock import Clock
from rollouts.sandbox.apiserver import ApiServer
from rollouts.sandbox.http.app import application

HOST: Final = "127.0.0.1"
_NAME: Final = "rollouts-sandbox"
_GOODBYE_SECONDS: Final = 1.0


class HttpServer:
    """One API server on one port; ``port`` 0 takes a free one (and old caches of clients miss)."""

    def __init__(self, server: ApiServer, clock: Clock, *, port: int = 0) -> None:
        self._app = application(server, clock)
        self._port = port
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Listen; returns the address as a URL. Raises OSError when the port is taken."""
        runner = web.AppRunner(
            self._app,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=_GOODBYE_SECONDS,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, self._port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        _, port = runner.addresses[0][:2]
        return f"http://{HOST}:{port}"

    async def stop(self) -> None:
        """End open watches and stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


def kubeconfig(url: str, namespace: str = "default") -> Obj:
    """A client configuration for the server at ``url``."""
    context = {"cluster": _NAME, "user": _NAME, "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": _NAME,
        "clusters": [{"name": _NAME, "cluster": {"server": url}}],
        "users": [{"name": _NAME, "user": {}}],
        "contexts": [{"name": _NAME, "context": context}],
    }


def is_sandbox_kubeconfig(path: Path) -> bool:
    """Whether the file points at a sandbox and nothing else."""
    try:
        found = yaml.safe_load(path.read_text())
        return [one["name"] for one in found["clusters"]] == [_NAME]
    except (OSError, ValueError, yaml.YAMLError, TypeError, KeyError):
        return False


def write_kubeconfig(path: Path, url: str, namespace: str = "default") -> None:
    """Readable by its owner only, like every kubeconfig."""
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(kubeconfig(url, namespace), sort_keys=False))
