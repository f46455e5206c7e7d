"""The application: every path of the server and who answers it.

Owns the routes outside resources (health, version, discovery, OpenAPI) and hands the rest to
``verbs``. Holds no state of its own beyond what it was built from. Called by ``server``.
"""

import asyncio
import platform
from typing import Any, Final

from aiohttp import web

from rollouts.kube.api import Obj
from rollouts.kube.errors import NotFound
from rollouts.kube.resources import CRDS
from rollouts.runtime.clock import Clock
from rollouts.sandbox import schemas
from rollouts.sandbox.apiserver import ApiServer
from rollouts.sandbox.http import bodies, discovery, openapi2
from rollouts.sandbox.http.guard import guard
from rollouts.sandbox.http.negotiate import DISCOVERY_GROUP, discovery_version
from rollouts.sandbox.http.openapi import Documents
from rollouts.sandbox.http.paths import parse
from rollouts.sandbox.http.streams import Streams
from rollouts.sandbox.http.tables import Tables, encode
from rollouts.sandbox.http.verbs import Verbs
from rollouts.sandbox.registry import ResourceInfo

_HEALTH: Final = ("healthz", "livez", "readyz")
_ROOT_PATHS: Final = ["/api", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]


def application(server: ApiServer, clock: Clock) -> web.Application:
    """An application for one API server; closing it ends its watches."""

    def definition(info: ResourceInfo) -> Obj | None:
        if info.custom is None:
            return None
        crds = server.registry.resolve(CRDS.group, CRDS.version, CRDS.plural)
        try:
            return server.get(crds, None, info.resource.group_resource)
        except NotFound:
            return None

    tables = Tables(definition)
    streams = Streams(tables, clock)
    front = Front(server, Documents(server.registry), streams, tables, clock)
    app = web.Application(middlewares=[guard], client_max_size=bodies.LIMIT)
    app.router.add_route("*", "/{path:.*}", front.answer)

    async def stop(_app: web.Application) -> None:
        streams.close_all()

    app.on_shutdown.append(stop)
    return app


class Front:
    """The first decision about a request: which part of the API it is about."""

    def __init__(
        self,
        server: ApiServer,
        documents: Documents,
        streams: Streams,
        tables: Tables,
        clock: Clock,
    ) -> None:
        self._registry = server.registry
        self._documents = documents
        self._verbs = Verbs(server, tables, streams, clock)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        parts = [part for part in request.path.split("/") if part]
        match parts:
            case []:
                return _json({"paths": _ROOT_PATHS})
            case [name, *_] if name in _HEALTH:
                return _health(name, request)
            case ["version"]:
                return _json(_version())
            case ["openapi", version, *rest]:
                return await self._openapi(request, version, "/".join(rest))
            case ["api"] | ["apis"]:
                return self._everything(request, core=parts == ["api"])
            case ["api", version]:
                return _json(discovery.resource_list(self._registry, "", version))
            case ["apis", group]:
                return _json(discovery.group(self._registry, group))
            case ["apis", group, version]:
                return _json(discovery.resource_list(self._registry, group, version))
        target = parse(request.path)
        if target is None:
            raise NotFound("the server could not find the requested resource")
        return await self._verbs.handle(request, target)

    def _everything(self, request: web.Request, *, core: bool) -> web.Response:
        version = discovery_version(request.headers.get("Accept", ""))
        if not version:
            plain = discovery.api_versions() if core else discovery.group_list(self._registry)
            return _json(plain)
        answer = _json(discovery.aggregated(self._registry, version, core=core))
        answer.headers["Content-Type"] = (
            f"application/json;g={DISCOVERY_GROUP};v={version};as=APIGroupDiscoveryList"
        )
        return answer

    async def _openapi(self, request: web.Request, version: str, path: str) -> web.Response:
        # Deriving the schemas takes half a second when they are not on disk yet.
        await asyncio.to_thread(schemas.definitions)
        if version == "v2" and not path:
            if openapi2.ASKED not in request.headers.get("Accept", ""):
                raise NotFound("the server could not find the requested resource")
            body, digest = self._documents.of_old()
            headers = {"ETag": f'"{digest}"', "Content-Type": openapi2.MEDIA}
            return web.Response(body=body, headers=headers)
        if version != "v3":
            raise NotFound("the server could not find the requested resource")
        if not path:
            return _json(self._documents.index(), {"Cache-Control": "no-cache, private"})
        body, digest = self._documents.document(path)
        headers = {"ETag": f'"{digest}"', "Vary": "Accept", "Content-Type": "application/json"}
        asked = request.query.get("hash")
        if asked == digest:
            headers["Cache-Control"] = "public, immutable"
        elif asked is not None:
            where = f"/openapi/v3/{path}?hash={digest}"
            return web.Response(status=301, headers={"Location": where})
        else:
            headers["Cache-Control"] = "no-cache, private"
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers=headers)


def _json(value: Any, headers: dict[str, str] | None = None) -> web.Response:
    body, media = encode(value)
    return web.Response(body=body, headers={"Content-Type": media, **(headers or {})})


def _health(name: str, request: web.Request) -> web.Response:
    checks = ("ping", "store")
    if "verbose" not in request.query:
        return web.Response(text="ok")
    lines = [f"[+]{check} ok\n" for check in checks]
    return web.Response(text="".join(lines) + f"{name} check passed\n")


def _version() -> Obj:
    major, minor = schemas.release()
    return {
        "major": str(major),
        "minor": str(minor),
        "gitVersion": f"v{major}.{minor}.0+sandbox",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": platform.python_implementation().lower(),
        "platform": f"{platform.system()}/{platform.machine()}".lower(),
    }
