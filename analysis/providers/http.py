"""The one place that speaks HTTP for metrics.

Owns bounded requests: total time, bytes read and kept at once, redirects followed, addresses
reached. The address that was checked is the one connected to; connections are not shared between
requests, so nothing of one metric (certificate checks off, credentials) touches another. Sends only
what it was given: no proxies, cookies or netrc of the controller. Raises ProviderError. Used by the
providers.
"""

import asyncio
import logging
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urljoin, urlsplit, urlunsplit

import httpx

from analysis.providers.address import AddressPolicy
from analysis.providers.base import ProviderError
from analysis.providers.resolving import Resolve, SystemResolver

MAX_BODY: Final = 10 * 1024 * 1024
_SMALL: Final = 64 * 1024  # bytes; of larger answers only a few are read at once
_LARGE_AT_ONCE: Final = 4
_LARGE_SECONDS: Final = 30.0
_MAX_ELEMENTS: Final = 400_000  # of JSON: each costs far more memory than its bytes
_MAX_REDIRECTS: Final = 5
_MAX_ADDRESSES: Final = 4
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HARMLESS: Final = frozenset({"accept", "content-type", "user-agent"})


@dataclass(frozen=True, slots=True)
class Request:
    """``timeout`` is for everything together, in seconds."""

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    timeout: float = 10.0
    insecure: bool = False
    basic_auth: tuple[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """Names of headers are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def where(url: str) -> str:
    """The URL for messages: no user, no password, no query."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an invalid URL"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"[:256]


def without_identity(url: str) -> str:
    """The URL as asked for, without the user and password it may carry."""
    try:
        parts = urlsplit(url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    except ValueError:
        return "an invalid URL"


def endpoint(url: str) -> tuple[str, str, int]:
    """Scheme, host and port that a request to ``url`` goes to. Raises ProviderError."""
    parsed = _parsed(url)
    return parsed.scheme, parsed.host, parsed.port or (443 if parsed.scheme == "https" else 80)


class HttpClient:
    """Sends requests within the address policy. Close it when done."""

    def __init__(
        self,
        *,
        policy: AddressPolicy | None = None,
        resolve: Resolve | None = None,
        max_body: int = MAX_BODY,
        user_agent: str = "rollouts",
    ) -> None:
        for talkative in ("httpx", "httpcore"):  # what they log shows URLs and headers
            logging.getLogger(talkative).setLevel(logging.WARNING)
        self._policy = policy or AddressPolicy()
        self._system = SystemResolver()
        self._resolve = resolve or self._system
        self._max_body = max_body
        self._user_agent = user_agent
        self._clients: dict[bool, httpx.AsyncClient] = {}
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)

    async def send(self, request: Request) -> Response:
        """The answer, whatever its status, redirects followed."""
        try:
            async with asyncio.timeout(request.timeout):
                return await self._follow(request)
        except TimeoutError:
            raise ProviderError(
                f"{where(request.url)} did not answer within {request.timeout:g} s"
            ) from None

    async def aclose(self) -> None:
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()
        self._system.close()

    async def _follow(self, request: Request) -> Response:
        for _ in range(_MAX_REDIRECTS + 1):
            response, location = await self._once(request)
            if not location:
                return response
            request = redirected(request, response.status, location)
        raise ProviderError(f"{where(request.url)} redirects more than {_MAX_REDIRECTS} times")

    async def _once(self, request: Request) -> tuple[Response, str]:
        """One exchange: the answer and, when it is a redirect, where to."""
        url = _parsed(request.url)
        port = url.port or (443 if url.scheme == "https" else 80)
        failure: Exception | None = None
        for address in await self._addresses(url.host, port):
            try:
                return await self._exchange(request, self._built(request, url, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
            except httpx.HTTPError as error:
                raise ProviderError(f"{where(request.url)}: {_reason(error)}") from error
            except (httpx.InvalidURL, ValueError, UnicodeError) as error:
                raise ProviderError(f"{where(request.url)}: bad request: {error}") from error
        raise ProviderError(f"cannot connect to {where(request.url)}: {_reason(failure)}")

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise ProviderError(f"cannot resolve host '{host[:128]}': {error}") from error
        for address in found:
            if reason := self._policy.refusal(address, host, port):
                raise ProviderError(f"host '{host[:128]}' refused: {address} {reason}")
        if not found:
            raise ProviderError(f"host '{host[:128]}' has no address")
        return found[:_MAX_ADDRESSES]

    def _built(self, request: Request, url: httpx.URL, address: str) -> httpx.Request:
        """The request addressed to the checked IP, with the host's name in Host and in TLS."""
        names = {name.lower() for name, _ in request.headers}
        headers = list(request.headers)
        defaults = {
            "Host": url.netloc.decode("ascii"),
            "User-Agent": self._user_agent,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
        }
        headers += [(name, value) for name, value in defaults.items() if name.lower() not in names]
        identity = request.basic_auth or ((url.username, url.password) if url.username else None)
        if identity and "authorization" not in names:
            token = b64encode(":".join(identity).encode()).decode()
            headers.append(("Authorization", f"Basic {token}"))
        return httpx.Request(
            request.method,
            url.copy_with(host=address, userinfo=b""),
            headers=headers,
            content=request.body,
            extensions={
                "sni_hostname": url.host,
                "timeout": dict.fromkeys(("connect", "read", "write", "pool"), request.timeout),
            },
        )

    async def _exchange(self, request: Request, built: httpx.Request) -> tuple[Response, str]:
        response = await self._client(insecure=request.insecure).send(built, stream=True)
        try:
            location = response.headers.get("location", "")
            if response.status_code in _REDIRECTS and location:
                return Response(response.status_code, b""), location
            body = await self._body(request, response)
            return Response(response.status_code, body, dict(response.headers)), ""
        finally:
            await response.aclose()

    async def _body(self, request: Request, response: httpx.Response) -> bytes:
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            raise ProviderError(
                f"{where(request.url)} sent a compressed answer ({encoding[:32]}) unasked"
            )
        body = bytearray()
        chunks = response.aiter_raw()
        if await self._read(request, chunks, body, _SMALL):
            return bytes(body)
        async with self._large:  # so that many large answers at once do not fill the memory
            try:
                async with asyncio.timeout(_LARGE_SECONDS):
                    await self._read(request, chunks, body, self._max_body + 1)
            except TimeoutError:
                raise ProviderError(f"{where(request.url)} sends its answer too slowly") from None
        if sum(body.count(mark) for mark in (b",", b"[", b"{")) > _MAX_ELEMENTS:
            raise ProviderError(f"{where(request.url)} sent more than {_MAX_ELEMENTS} elements")
        return bytes(body)

    async def _read(
        self, request: Request, chunks: AsyncIterator[bytes], body: bytearray, most: int
    ) -> bool:
        """Append chunks until there are no more (True), or more than ``most`` bytes."""
        async for chunk in chunks:
            body += chunk
            if len(body) > self._max_body:
                raise ProviderError(f"{where(request.url)} sent more than {self._max_body} bytes")
            if len(body) > most:
                return False
        return True

    def _client(self, *, insecure: bool) -> httpx.AsyncClient:
        if insecure not in self._clients:
            context = httpx.create_ssl_context(trust_env=True)
            if insecure:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._clients[insecure] = httpx.AsyncClient(
                verify=context,
                trust_env=False,
                follow_redirects=False,
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            )
        return self._clients[insecure]


def redirected(request: Request, status: int, location: str) -> Request:
    """The request a redirect asks for; credentials stay with the host they were meant for."""
    old = _parsed(request.url)
    new = _parsed(urljoin(request.url, location))
    if old.scheme == "https" and new.scheme != "https":
        raise ProviderError(f"{where(request.url)} redirects from https to {new.scheme}")
    keeps_method = status in (307, 308) or request.method in ("GET", "HEAD")
    same_port = old.port == new.port
    same = old.host == new.host and (same_port or (old.port is None and new.port is None))
    if not same and keeps_method and request.body:
        raise ProviderError(f"{where(request.url)} redirects a request with a body to another host")
    follow = replace(request, url=str(new))
    if not keeps_method:
        follow = replace(follow, method="GET", body=b"")
    if same:
        return follow
    headers = tuple((name, value) for name, value in request.headers if name.lower() in _HARMLESS)
    return replace(follow, headers=headers, basic_auth=None)


def _parsed(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, TypeError, ValueError) as error:
        raise ProviderError(f"invalid URL: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ProviderError(f"invalid URL '{where(text)}': it must start with http:// or https://")
    return url


def _reason(error: Exception | None) -> str:
    text = str(error or "").strip()
    return text or (type(error).__name__ if error else "no address")
