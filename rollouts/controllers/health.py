"""The controller's small HTTP server: alive, ready, metrics.

Owns three read-only paths and where they listen (loopback unless told otherwise). It starts before
any cache fills and stops last, so that a kubelet always gets an answer. Run by the manager.
"""

from collections.abc import Callable
from typing import Final

from aiohttp import web

from rollouts.controllers.metrics import Metrics

_METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class HealthServer:
    """``not_ready`` says why the controller is not ready, or "" when it is.

    A port of 0 takes any free one, -1 does not listen. /healthz, /readyz and /metrics are answered
    on both ports.
    """

    def __init__(
        self,
        metrics: Metrics,
        not_ready: Callable[[], str],
        *,
        address: str = "127.0.0.1",
        healthz_port: int = 8080,
        metrics_port: int = 8090,
    ) -> None:
        self._metrics = metrics
        self._not_ready = not_ready
        self._address = address
        self._ports = dict.fromkeys(p for p in (healthz_port, metrics_port) if p >= 0)
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen. Raises OSError naming the address where that is not possible."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._scrape)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        for port in self._ports:
            await web.TCPSite(self._runner, self._address, port).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens, in the order healthz, metrics."""
        return [address[:2] for address in self._runner.addresses] if self._runner else []

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _readyz(self, _: web.Request) -> web.Response:
        why = self._not_ready()
        return web.Response(text=why or "ok", status=503 if why else 200)

    async def _scrape(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": _METRICS_TYPE})
