"""One HTTP session with one API server: connections, TLS, proxy.

Owns what is settled once for all requests of a session. TLS and the connection pool are the client
library's; its session is not used, because it looks for a proxy and for passwords in the
environment and in ~/.netrc anew for every request, in a thread each. Used by ``kube.client``.
"""

from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from rollouts.kube import transport

_READ_BUFFER = 1 << 21  # bytes; an object of the largest size is one line of a watch


class Session:
    """``configuration`` is the client library's."""

    def __init__(self, configuration: Any) -> None:
        rest = transport.load().RestClient(configuration)
        connector = rest.pool_manager.connector
        rest.pool_manager.detach()
        self._http = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=_READ_BUFFER,
        )
        self._proxy = rest.proxy or environment_proxy(configuration.host)
        self._proxy_headers = rest.proxy_headers
        self._server_hostname = rest.server_hostname or None

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None,
        headers: list[tuple[str, str]],
        deadline: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        """Send; redirects are not followed, and credentials never go anywhere else."""
        return await self._http.request(
            method,
            url,
            data=body,
            headers=headers,
            timeout=deadline,
            allow_redirects=False,
            proxy=self._proxy,
            proxy_headers=self._proxy_headers,
            server_hostname=self._server_hostname,
        )

    async def close(self) -> None:
        await self._http.close()


def environment_proxy(host: str) -> str | None:
    """What HTTPS_PROXY, HTTP_PROXY and NO_PROXY say about a server's address."""
    parts = urlsplit(host)
    if proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return getproxies().get(parts.scheme)
