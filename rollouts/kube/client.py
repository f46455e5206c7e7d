"""KubeApi over HTTP: the one place where requests leave the process.

Owns paths, media types, status checking, error mapping, timeouts, retries and the number of
requests in flight. Connection settings, TLS, tokens and the pool are the client library's. It
decides nothing and keeps no objects. Used by commands and by the controller, behind GuardedApi.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

import aiohttp
import orjson

from rollouts.kube.api import Obj, PatchType, WatchEvent
from rollouts.kube.backoff import Backoff
from rollouts.kube.config import ConfigError, Connection
from rollouts.kube.errors import (
    ApiError,
    BadRequest,
    ServerError,
    Throttled,
    Unauthorized,
    Unreachable,
    from_status,
)
from rollouts.kube.limits import RateLimit
from rollouts.kube.resources import LEASES, Resource
from rollouts.kube.session import Session
from rollouts.kube.watching import events_of

USER_AGENT: Final = "rollouts-controller/0.1.0"
_APPLY: Final = "application/apply-patch+yaml"
_JSON: Final = "application/json"
_TIMEOUT: Final = 30.0  # seconds for one attempt
_CONNECT_TIMEOUT: Final = 10.0
_WATCH_GRACE: Final = 30.0
_TRIES_WHEN_ASKED: Final = 10  # the server named a time: it wants to be asked again
_TRIES: Final = 3
_LONGEST_RETRY_AFTER: Final = 30.0
_METHODS: Final = {
    "Get": "GET",
    "List": "GET",
    "Watch": "GET",
    "Create": "POST",
    "Update": "PUT",
    "Patch": "PATCH",
    "Delete": "DELETE",
}
_IDEMPOTENT: Final = frozenset({"GET", "PUT", "DELETE"})

# Told of every answer: resource, namespace, name, verb, HTTP status (0 without an answer).
RequestObserver: TypeAlias = Callable[[Resource, str, str, str, int], None]


@dataclass(frozen=True, slots=True)
class _Call:
    """One request, ready to be sent any number of times."""

    verb: str
    resource: Resource
    path: str
    namespace: str
    name: str
    query: Mapping[str, str]
    body: bytes | None = None
    content_type: str = _JSON

    @property
    def method(self) -> str:
        return _METHODS[self.verb]


class HttpKubeApi:
    """``in_flight``: requests at once, watches and Leases aside. ``limit``: requests per second."""

    def __init__(
        self,
        connection: Connection,
        *,
        rng: random.Random,
        in_flight: int = 64,
        limit: RateLimit | None = None,
        user_agent: str = USER_AGENT,
        observer: RequestObserver | None = None,
    ) -> None:
        self._connection = connection
        self._rng = rng
        self._timeout = connection.request_timeout or _TIMEOUT
        self._slots = asyncio.Semaphore(in_flight)
        self._lease_slots = asyncio.Semaphore(2)  # renewing must not wait behind a busy controller
        self._limit = limit
        self._observer = observer
        self._headers = (("Accept", _JSON), ("User-Agent", user_agent), *connection.headers)
        self._session: Session | None = None
        self._retired: Session | None = None
        self._generation = 0
        self._refreshing = asyncio.Lock()

    async def close(self) -> None:
        for session in (self._session, self._retired):
            if session is not None:
                await session.close()
        self._session = self._retired = None

    async def __aenter__(self) -> "HttpKubeApi":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # The KubeApi protocol.

    async def get(
        self, resource: Resource, name: str, namespace: str | None = None, *, subresource: str = ""
    ) -> Obj:
        return await self._call("Get", resource, namespace, name, subresource)

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
    ) -> Obj:
        query = {
            "labelSelector": labels,
            "fieldSelector": fields,
            "limit": str(limit or ""),
            "continue": continue_token,
            "resourceVersion": resource_version,
        }
        return await self._call("List", resource, namespace, query=query)

    async def create(
        self,
        resource: Resource,
        body: Obj,
        namespace: str | None = None,
        *,
        name: str = "",
        subresource: str = "",
        dry_run: bool = False,
    ) -> Obj:
        query = {"dryRun": "All" if dry_run else ""}
        return await self._call(
            "Create", resource, namespace, name, subresource, query=query, body=body
        )

    async def update(
        self, resource: Resource, body: Obj, namespace: str | None = None, *, subresource: str = ""
    ) -> Obj:
        name = body["metadata"]["name"]
        return await self._call("Update", resource, namespace, name, subresource, body=body)

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Any,
        namespace: str | None = None,
        *,
        type: PatchType = PatchType.MERGE,  # noqa: A002 - Kubernetes' own word
        subresource: str = "",
    ) -> Obj:
        return await self._call(
            "Patch", resource, namespace, name, subresource, body=patch, content_type=type
        )

    async def apply(
        self,
        resource: Resource,
        body: Obj,
        namespace: str | None = None,
        *,
        field_manager: str,
        force: bool = False,
        subresource: str = "",
    ) -> Obj:
        query = {"fieldManager": field_manager, "force": "true" if force else ""}
        name = body["metadata"]["name"]
        return await self._call(
            "Patch", resource, namespace, name, subresource,
            query=query, body=body, content_type=_APPLY,
        )  # fmt: skip

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        propagation: str = "Background",
        uid: str = "",
        resource_version: str = "",
        grace_period_seconds: int | None = None,
    ) -> Obj:
        options: Obj = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
        }
        pairs = (("uid", uid), ("resourceVersion", resource_version))
        if preconditions := {key: value for key, value in pairs if value}:
            options["preconditions"] = preconditions
        if grace_period_seconds is not None:
            options["gracePeriodSeconds"] = grace_period_seconds
        return await self._call("Delete", resource, namespace, name, body=options)

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        timeout_seconds: float = 300.0,
    ) -> AsyncIterator[WatchEvent]:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "labelSelector": labels,
            "fieldSelector": fields,
            "resourceVersion": resource_version,
            "timeoutSeconds": str(max(1, int(timeout_seconds))),
        }
        call = self._prepare("Watch", resource, namespace, query=query)
        deadline = aiohttp.ClientTimeout(
            total=timeout_seconds + _WATCH_GRACE, sock_connect=_CONNECT_TIMEOUT
        )
        async with self._answer(call, deadline) as response:
            async for event in events_of(response.content):
                yield event

    # Underneath.

    def _prepare(
        self,
        verb: str,
        resource: Resource,
        namespace: str | None,
        name: str = "",
        subresource: str = "",
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = _JSON,
    ) -> _Call:
        for what, segment in (("namespace", namespace or ""), ("name", name)):
            # Names come from users' specs; one with a slash in it would address another object.
            if segment in (".", "..") or not segment.isprintable() or set(segment) & set("/%?#\\"):
                raise BadRequest(f"{resource.kind} {what} {segment[:64]!r} is not a valid name")
        return _Call(
            verb,
            resource,
            resource.path(namespace, name, subresource),
            namespace or "",
            name,
            {key: value for key, value in (query or {}).items() if value},
            None if body is None else orjson.dumps(body),
            content_type,
        )

    async def _call(self, *args: Any, **options: Any) -> Obj:
        """Send with retries; the decoded answer."""
        call = self._prepare(*args, **options)
        backoff = Backoff(self._rng)
        while True:
            try:
                return await self._attempt(call)
            except (Throttled, ServerError, Unreachable) as error:
                if not _worth_retrying(call, error, backoff.failures + 1):
                    raise
                await asyncio.sleep(backoff.next(error.retry_after))

    async def _attempt(self, call: _Call) -> Obj:
        if self._limit is not None and call.resource != LEASES:
            await self._limit.take()
        deadline = aiohttp.ClientTimeout(total=self._timeout, sock_connect=_CONNECT_TIMEOUT)
        slots = self._lease_slots if call.resource == LEASES else self._slots
        async with slots, self._answer(call, deadline) as response:
            payload = await response.read()
        try:
            decoded: Obj = orjson.loads(payload)
        except orjson.JSONDecodeError as error:
            raise Unreachable(f"{_where(call)}: the answer is not JSON, or was cut") from error
        return decoded

    @contextlib.asynccontextmanager
    async def _answer(
        self, call: _Call, deadline: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer whose status is success; everything else is raised as ApiError."""
        status = 0
        try:
            generation = self._generation
            response = await self._send(call, deadline)
            if response.status == 401:
                response.release()
                await self._refresh(generation)
                response = await self._send(call, deadline)
            status = response.status
            try:
                if not 200 <= status < 300:
                    raise await _error_of(response)
                yield response
            finally:
                response.close() if call.verb == "Watch" else response.release()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            raise Unreachable(f"{_where(call)}: {why[:256]}") from error
        finally:
            if self._observer:
                self._observer(call.resource, call.namespace, call.name, call.verb, status)

    async def _send(self, call: _Call, deadline: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        configuration = self._connection.configuration
        if self._session is None:
            self._session = Session(configuration)
        session = self._session  # credentials may be loaded again while we wait for them
        headers = list(self._headers)
        if call.body is not None:
            headers.append(("Content-Type", call.content_type))
        credential = (await configuration.auth_settings()).get("BearerToken")
        if credential and credential["value"]:
            headers.append(("Authorization", credential["value"].strip()))
        url = configuration.host + call.path
        url += "?" + urlencode(call.query) if call.query else ""
        return await session.request(
            call.method, url, body=call.body, headers=headers, deadline=deadline
        )

    async def _refresh(self, generation: int) -> None:
        """Load credentials again, once for all requests that were refused together."""
        async with self._refreshing:
            if generation != self._generation:
                return
            try:
                await self._connection.reload()
            except ConfigError as error:
                raise Unauthorized(f"credentials were refused; {error}") from error
            self._generation += 1
            # Certificates live in the session's TLS context, so it is replaced as well; the old one
            # stays open for the requests on it, until the next refresh.
            if self._retired is not None:
                await self._retired.close()
            self._retired, self._session = self._session, None


def _worth_retrying(call: _Call, error: ApiError, tries: int) -> bool:
    if call.resource == LEASES:
        return False  # the election has its own clock
    if isinstance(error, Unreachable):
        return call.method == "GET" and tries < _TRIES  # a write may have been done
    if error.retry_after is not None:
        return tries < _TRIES_WHEN_ASKED and error.retry_after <= _LONGEST_RETRY_AFTER
    return call.method in _IDEMPOTENT and tries < _TRIES


async def _error_of(response: aiohttp.ClientResponse) -> ApiError:
    """The error an answer stands for. Text that is no Status is dropped: it may be anything."""
    header = response.headers.get("Retry-After", "")
    retry_after = float(header) if header.isdecimal() and len(header) < 8 else None
    try:
        status = orjson.loads(await response.content.read(1 << 20))
    except orjson.JSONDecodeError:
        status = None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        status = {
            "message": f"the server answered {response.status} {response.reason or ''}".strip()
        }
    return from_status({**status, "code": response.status}, retry_after)


def _where(call: _Call) -> str:
    return f"{call.method} {call.path}"
