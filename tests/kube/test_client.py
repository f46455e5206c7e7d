"""The HTTP client against a real socket on loopback: every answer has its meaning."""

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from rollouts.kube import errors
from rollouts.kube.api import PatchType, WatchEvent
from rollouts.kube.client import HttpKubeApi
from rollouts.kube.config import ConnectOptions, connect
from rollouts.kube.resources import EVENTS, LEASES, NAMESPACES, REPLICA_SETS, ROLLOUTS

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Recorder:
    """Answers from a script, the last line for ever; keeps what it was asked."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.read())
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if callable(answer):
            return await answer(request)  # type: ignore[no-any-return]
        code, body, *headers = answer
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=code, text=text, headers=headers[0] if headers else None)

    @property
    def asked(self) -> list[str]:
        return [f"{r.method} {r.path_qs}" for r in self.requests]


def application(handler: Handler) -> web.Application:
    async def entry(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", entry)
    return app


@asynccontextmanager
async def serving(handler: Handler, **options: Any) -> AsyncIterator[HttpKubeApi]:
    app = application(handler)
    async with TestServer(app) as server:
        url = str(server.make_url("/")).rstrip("/")
        flags = ConnectOptions(**{"server": url, "token": "secret", **options})
        connection = await connect(flags, environ={"KUBECONFIG": "/nonexistent"})
        async with HttpKubeApi(connection, rng=random.Random(1)) as api:
            yield api


def status(code: int, reason: str, **details: Any) -> tuple[int, dict[str, Any]]:
    return code, {
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": f"it is {reason}", "details": details,
    }  # fmt: skip


OBJECT = {"metadata": {"name": "web", "namespace": "shop", "resourceVersion": "7"}}


async def test_every_verb_has_its_request() -> None:
    server = Recorder((200, OBJECT))
    async with serving(server) as api:
        await api.get(ROLLOUTS, "web", "shop")
        await api.list(REPLICA_SETS, labels="a=b", fields="x=y", limit=500, continue_token="t")
        await api.create(EVENTS, OBJECT, "shop", dry_run=True)
        await api.create(ROLLOUTS, {}, "shop", name="web", subresource="scale")
        await api.update(ROLLOUTS, OBJECT, "shop", subresource="status")
        await api.patch(ROLLOUTS, "web", {"a": None}, "shop", subresource="status")
        await api.patch(ROLLOUTS, "web", [], "shop", type=PatchType.JSON)
        await api.apply(NAMESPACES, {"metadata": {"name": "n"}}, field_manager="me", force=True)
        await api.delete(
            ROLLOUTS, "web", "shop", uid="u", resource_version="7", grace_period_seconds=0
        )
    root = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts"
    assert server.asked == [
        f"GET {root}/web",
        "GET /apis/apps/v1/replicasets?labelSelector=a%3Db&fieldSelector=x%3Dy&limit=500&continue=t",
        "POST /api/v1/namespaces/shop/events?dryRun=All",
        f"POST {root}/web/scale",
        f"PUT {root}/web/status",
        f"PATCH {root}/web/status",
        f"PATCH {root}/web",
        "PATCH /api/v1/namespaces/n?fieldManager=me&force=true",
        f"DELETE {root}/web",
    ]
    assert [r.content_type for r in server.requests[5:8]] == [
        "application/merge-patch+json",
        "application/json-patch+json",
        "application/apply-patch+yaml",
    ]
    assert json.loads(server.bodies[5]) == {"a": None}
    assert json.loads(server.bodies[8]) == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
        "preconditions": {"uid": "u", "resourceVersion": "7"},
        "gracePeriodSeconds": 0,
    }
    assert {r.headers["Authorization"] for r in server.requests} == {"Bearer secret"}
    assert all(r.headers["User-Agent"].startswith("rollouts-controller/") for r in server.requests)


async def test_impersonation_sends_every_group() -> None:
    server = Recorder((200, OBJECT))
    async with serving(server, as_user="ann", as_groups=("dev", "ops")) as api:
        await api.get(ROLLOUTS, "web", "shop")
    headers = server.requests[0].headers
    assert headers["Impersonate-User"] == "ann"
    assert headers.getall("Impersonate-Group") == ["dev", "ops"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (status(404, "NotFound"), errors.NotFound),
        (status(409, "AlreadyExists"), errors.AlreadyExists),
        (status(409, "Conflict"), errors.Conflict),
        (status(410, "Expired"), errors.Gone),
        (status(422, "Invalid"), errors.Invalid),
        (status(400, "BadRequest"), errors.BadRequest),
        (status(403, "Forbidden"), errors.Forbidden),
        (status(415, "UnsupportedMediaType"), errors.BadRequest),
        (status(429, "TooManyRequests"), errors.Throttled),
        (status(500, "InternalError"), errors.ServerError),
    ],
)
async def test_every_refusal_has_its_class(answer: Any, kind: type[errors.ApiError]) -> None:
    async with serving(Recorder(answer)) as api:
        with pytest.raises(kind) as caught:
            await api.create(ROLLOUTS, OBJECT, "shop")
    assert type(caught.value) is kind
    assert caught.value.code == answer[0]
    assert caught.value.reason == answer[1]["reason"]
    assert caught.value.message == answer[1]["message"]


async def test_text_that_is_no_status_is_not_repeated() -> None:
    async with serving(Recorder((503, "<html>password=hunter2</html>"))) as api:
        with pytest.raises(errors.ServerError) as caught:
            await api.create(ROLLOUTS, OBJECT, "shop")
    assert caught.value.message == "the server answered 503 Service Unavailable"


async def test_a_server_that_asks_to_come_back_is_asked_again() -> None:
    server = Recorder(
        (429, "{}", {"Retry-After": "0"}),
        status(503, "ServiceUnavailable", retryAfterSeconds=1),
        (201, OBJECT),
    )
    async with serving(server) as api:
        assert await api.create(ROLLOUTS, OBJECT, "shop") == OBJECT
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("verb", "tries"), [("get", 3), ("create", 1), ("patch", 1), ("delete", 3)]
)
async def test_a_plain_500_is_tried_again_only_where_that_is_safe(verb: str, tries: int) -> None:
    server = Recorder(status(500, "InternalError"))
    async with serving(server) as api:
        calls = {
            "get": lambda: api.get(ROLLOUTS, "web", "shop"),
            "create": lambda: api.create(ROLLOUTS, OBJECT, "shop"),
            "patch": lambda: api.patch(ROLLOUTS, "web", {}, "shop"),
            "delete": lambda: api.delete(ROLLOUTS, "web", "shop"),
        }
        with pytest.raises(errors.ServerError):
            await calls[verb]()
    assert len(server.requests) == tries


async def test_no_answer_leaves_the_outcome_of_a_write_open() -> None:
    async def hang(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(5)
        return web.Response()

    server = Recorder(hang)
    async with serving(server, request_timeout=0.05) as api:
        with pytest.raises(errors.Unreachable):
            await api.create(ROLLOUTS, OBJECT, "shop")
        assert len(server.requests) == 1
        with pytest.raises(errors.Unreachable):
            await api.create(LEASES, OBJECT, "shop")


async def test_an_answer_that_was_cut_is_no_answer() -> None:
    async with serving(Recorder((200, '{"metadata": {"na'))) as api:
        with pytest.raises(errors.Unreachable):
            await api.create(ROLLOUTS, OBJECT, "shop")


async def test_nobody_listens() -> None:
    async with serving(Recorder((200, OBJECT)), server="http://127.0.0.1:9") as api:
        with pytest.raises(errors.Unreachable):
            await api.get(ROLLOUTS, "web", "shop")


async def test_credentials_are_loaded_again_once_after_a_401(tmp_path: Any) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")

    async def check(request: web.Request) -> web.StreamResponse:
        good = request.headers.get("Authorization") == "Bearer new"
        return web.json_response(
            OBJECT if good else status(401, "Unauthorized")[1], status=200 if good else 401
        )

    server = Recorder(check)
    app = application(server)
    async with TestServer(app) as test_server:
        path = kubeconfig(tmp_path, str(test_server.make_url("/")), {"tokenFile": str(token)})
        connection = await connect(ConnectOptions(kubeconfig=path))
        async with HttpKubeApi(connection, rng=random.Random(1)) as api:
            with pytest.raises(errors.Unauthorized):
                await api.get(ROLLOUTS, "web", "shop")
            assert len(server.requests) == 2
            token.write_text("new\n")
            answers = await asyncio.gather(*(api.get(ROLLOUTS, "web", "shop") for _ in range(5)))
            assert answers == [OBJECT] * 5


def kubeconfig(tmp_path: Any, server: str, user: dict[str, Any]) -> str:
    path = tmp_path / "config"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "shop"}}],
        "clusters": [{"name": "k", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(json.dumps(document))
    return str(path)


@pytest.mark.parametrize("name", ["../secrets/x", "..", "a/b", "a?b", "a%2fb", "a\nb"])
async def test_a_name_cannot_address_something_else(name: str) -> None:
    server = Recorder((200, OBJECT))
    async with serving(server) as api:
        with pytest.raises(errors.BadRequest, match="is not a valid name"):
            await api.get(ROLLOUTS, name, "shop")
    assert server.requests == []


async def test_requests_in_flight_are_bounded_and_leases_have_their_own_lane() -> None:
    busy = most = 0
    gate = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        nonlocal busy, most
        if "leases" not in request.path:
            busy += 1
            most = max(most, busy)
            await gate.wait()
            busy -= 1
        return web.json_response(OBJECT)

    app = application(slow)
    async with TestServer(app) as server:
        connection = await connect(
            ConnectOptions(server=str(server.make_url("/"))), environ={"KUBECONFIG": "/none"}
        )
        async with HttpKubeApi(connection, rng=random.Random(1), in_flight=3) as api:
            many = [asyncio.create_task(api.get(ROLLOUTS, "web", "shop")) for _ in range(10)]
            await api.get(LEASES, "lock", "shop")
            gate.set()
            await asyncio.gather(*many)
    assert most <= 3


# Watches.


def stream(*chunks: bytes, cut: bool = False) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
            await asyncio.sleep(0.001)
        if cut and request.transport:
            request.transport.close()
        return response

    return answer


def event(kind: str, version: int, **fields: Any) -> bytes:
    obj = {"metadata": {"name": "a", "resourceVersion": str(version)}, **fields}
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


async def watched(handler: Handler) -> tuple[list[WatchEvent], errors.ApiError | None]:
    found: list[WatchEvent] = []
    async with serving(handler) as api:
        try:
            stream = api.watch(REPLICA_SETS, "shop", resource_version="5", timeout_seconds=9)
            async for one in stream:
                found += [one]
        except errors.ApiError as error:
            return found, error
    return found, None


async def test_a_watch_asks_for_bookmarks_and_an_end() -> None:
    server = Recorder(stream(event("ADDED", 6), event("BOOKMARK", 9)))
    found, error = await watched(server)
    assert error is None
    assert [(e.type, e.object["metadata"]["resourceVersion"]) for e in found] == [
        ("ADDED", "6"),
        ("BOOKMARK", "9"),
    ]
    query = server.requests[0].query
    assert dict(query) == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "5",
        "timeoutSeconds": "9",
    }


async def test_events_cut_anywhere_and_of_any_length() -> None:
    payload = event("ADDED", 6, data="x" * 5_000_000) + event("MODIFIED", 7) + event("DELETED", 8)
    cuts = [0, 1, 70_000, 5_000_050, len(payload) - 3, len(payload)]
    found, error = await watched(stream(*(payload[a:b] for a, b in itertools.pairwise(cuts))))
    assert error is None
    assert [e.type for e in found] == ["ADDED", "MODIFIED", "DELETED"]
    assert len(found[0].object["data"]) == 5_000_000


@pytest.mark.parametrize("code", [410, None], ids=["in stream", "as status"])
async def test_both_forms_of_gone(code: int | None) -> None:
    gone = status(410, "Expired")
    line = json.dumps({"type": "ERROR", "object": gone[1]}).encode() + b"\n"
    handler = stream(event("ADDED", 6), line) if code else Recorder(gone)
    found, error = await watched(handler)
    assert isinstance(error, errors.Gone)
    assert len(found) == (1 if code else 0)


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (stream(event("ADDED", 6), b"<html>\n"), errors.ServerError),
        (stream(event("ADDED", 6), b'{"type":"ADDED"}\n'), errors.ServerError),
        (stream(event("ADDED", 6), b'{"type":"ADD'), errors.Unreachable),
        (stream(event("ADDED", 6), cut=True), errors.Unreachable),
        (
            stream(
                event("ADDED", 6),
                json.dumps({"type": "ERROR", "object": status(500, "InternalError")[1]}).encode()
                + b"\n",
            ),
            errors.ServerError,
        ),
    ],
    ids=["html", "no object", "half an event", "connection cut", "error event"],
)
async def test_a_broken_stream_raises_after_what_it_delivered(
    handler: Handler, kind: type[errors.ApiError]
) -> None:
    found, error = await watched(handler)
    assert type(error) is kind
    assert len(found) == 1


async def test_a_502_with_html_is_an_error_not_an_event() -> None:
    found, error = await watched(Recorder((502, "<html>\n<h1>Bad gateway</h1>\n")))
    assert found == []
    assert type(error) is errors.ServerError
