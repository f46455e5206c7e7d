"""A Service on loopback: one listener each, requests balanced over the ready endpoints.

Owns the listeners and the choice of a backend, by EndpointSlices alone, as kube-proxy chooses: if
a Service's selector moves, so does its traffic. It refuses to route to pods that are not ready.
Started by the demo; ``address_of`` says where a pod really listens.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Final

import aiohttp
from aiohttp import web

from rollouts.kube.api import Obj
from rollouts.kube.store import Store, by_label

_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "upgrade", "host", "content-length", "te"}
)


by_service: Final = by_label("kubernetes.io/service-name")
"""The index of EndpointSlices that a ServiceProxy reads."""


def ready_pods(slices: list[Obj]) -> list[str]:
    """Names of the pods that may get traffic, sorted. An unknown readiness counts as ready."""
    return sorted(
        {
            endpoint["targetRef"]["name"]
            for each in slices
            for endpoint in each.get("endpoints") or []
            if (endpoint.get("conditions") or {}).get("ready") is not False
            and (endpoint.get("targetRef") or {}).get("kind") == "Pod"
        }
    )


class ServiceProxy:
    """Listeners for Services of one namespace.

    ``slices``: a store of EndpointSlices with the index ``service`` made by ``by_service``.
    """

    def __init__(
        self, slices: Store, address_of: Callable[[str, str], str | None], namespace: str
    ) -> None:
        self._slices, self._address_of, self._namespace = slices, address_of, namespace
        self._runners: list[web.AppRunner] = []
        self._turns: dict[str, Iterator[int]] = {}
        self._session: aiohttp.ClientSession | None = None

    async def listen(self, service: str, port: int = 0) -> str:
        """Open a listener for a Service; its base URL."""

        async def handle(request: web.Request) -> web.Response:
            return await self._forward(service, request)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def close(self) -> None:
        for runner in self._runners:
            await runner.cleanup()
        if self._session:
            await self._session.close()

    def backends(self, service: str) -> list[str]:
        """Addresses that may get the next request, the one whose turn it is first."""
        slices = self._slices.by_index("service", f"{self._namespace}/{service}")
        found = [self._address_of(self._namespace, pod) for pod in ready_pods(slices)]
        addresses = [address for address in found if address]
        if not addresses:
            return []
        turn = next(self._turns.setdefault(service, itertools.count())) % len(addresses)
        return addresses[turn:] + addresses[:turn]

    async def _forward(self, service: str, request: web.Request) -> web.Response:
        """Ask the backend whose turn it is; the next one if that one refuses the connection."""
        body = await request.read()
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        for address in self.backends(service):
            url = f"http://{address}{request.rel_url}"
            try:
                async with self._session.request(
                    request.method, url, data=body or None, headers=headers, allow_redirects=False
                ) as answer:
                    content = await answer.read()
                    kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP}
                    return web.Response(status=answer.status, body=content, headers=kept)
            except aiohttp.ClientConnectorError:
                continue
            except (aiohttp.ClientError, TimeoutError) as error:
                return web.Response(status=502, text=f"{service}: backend failed: {error}\n")
        return web.Response(status=503, text=f"{service}: no ready endpoint\n")
