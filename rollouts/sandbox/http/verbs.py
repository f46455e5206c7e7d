"""Resource requests: from a method and a path to a verb of the API server, and back.

Owns which verb a request means, its status code and its warnings. What the verb does is decided
by ``sandbox.apiserver``. Called by ``app`` for every path under /api and /apis that names a type.
"""

import asyncio
from dataclasses import replace
from typing import Final

from aiohttp import web

from rollouts.kube.api import Obj
from rollouts.kube.errors import BadRequest, NotFound
from rollouts.runtime.clock import Clock
from rollouts.sandbox import core, schemas
from rollouts.sandbox.apiserver import ApiServer
from rollouts.sandbox.http import bodies, params, specials
from rollouts.sandbox.http.negotiate import Answer, Shape, negotiate
from rollouts.sandbox.http.paths import Target
from rollouts.sandbox.http.streams import Streams
from rollouts.sandbox.http.tables import Tables, encode
from rollouts.sandbox.options import Options, WatchOptions
from rollouts.sandbox.registry import ResourceInfo

_WATCH_SECONDS: Final = 1800.0


class Verbs:
    """All resource requests of one server."""

    def __init__(self, server: ApiServer, tables: Tables, streams: Streams, clock: Clock) -> None:
        self._server = server
        self._tables = tables
        self._streams = streams
        self._clock = clock

    async def handle(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Raises ApiError for whatever is refused."""
        info = self._server.registry.resolve(target.group, target.version, target.plural)
        if target.namespace and not info.resource.namespaced:
            raise NotFound("the server could not find the requested resource")
        special = specials.special(request.method, target)
        if special is not None:
            return await self._special(request, info, target, special)
        match request.method:
            case "GET" | "HEAD":
                return await self._read(request, info, target)
            case "POST":
                return await self._create(request, info, target)
            case "PUT":
                return await self._update(request, info, target)
            case "PATCH":
                return await self._patch(request, info, target)
            case "DELETE":
                return await self._delete(request, info, target)
            case _:
                raise core.not_allowed()

    async def _read(
        self, request: web.Request, info: ResourceInfo, target: Target
    ) -> web.StreamResponse:
        answer = negotiate(request.headers.get("Accept", ""))
        query = request.query
        namespace = target.namespace or None
        if params.flag(query, "watch"):
            options = params.watch_options(query, _WATCH_SECONDS)
            if target.name:
                options = _only(options, target.name)
            watch = self._server.watch(info, namespace, options)
            return await self._streams.serve(request, watch, info, answer)
        if target.name:
            found = self._server.get(info, namespace, target.name, target.subresource)
        else:
            found = self._server.list(info, namespace, params.list_options(query))
        return self._answer(request, found, info, _plain_for(target, answer))

    async def _special(
        self,
        request: web.Request,
        info: ResourceInfo,
        target: Target,
        special: specials.Special,
    ) -> web.Response:
        body: Obj = {}
        if request.method == "POST" and target.subresource == "token":
            body = await self._body(request, info, Options())
        asked = specials.Request(self._server, target, body, request.query, self._clock.wall())
        found = special(asked)
        if isinstance(found, str):
            return web.Response(text=found)
        encoded, media = encode(found)
        return web.Response(body=encoded, status=201, headers={"Content-Type": media})

    async def _create(
        self, request: web.Request, info: ResourceInfo, target: Target
    ) -> web.Response:
        if target.name and not target.subresource:
            raise core.not_allowed()
        if info.resource.namespaced and not target.namespace:
            raise core.not_allowed()
        options = await self._options(request, info)
        body = await self._body(request, info, options)
        made = self._server.create(
            info,
            target.namespace or None,
            body,
            options,
            name=target.name,
            subresource=target.subresource,
        )
        return self._written(request, made, info, options, created=True)

    async def _update(
        self, request: web.Request, info: ResourceInfo, target: Target
    ) -> web.Response:
        if not target.name:
            raise core.not_allowed()
        options = await self._options(request, info)
        body = await self._body(request, info, options)
        namespace = target.namespace or None
        made = self._server.update(
            info, namespace, target.name, body, options, subresource=target.subresource
        )
        return self._written(request, made, info, options)

    async def _patch(
        self, request: web.Request, info: ResourceInfo, target: Target
    ) -> web.Response:
        if not target.name:
            raise core.not_allowed()
        kind, patch = bodies.patch_of(await request.read(), request.headers.get("Content-Type", ""))
        options = await self._options(request, info)
        namespace = target.namespace or None
        made = self._server.patch(
            info, namespace, target.name, patch, kind, options, subresource=target.subresource
        )
        return self._written(request, made, info, options)

    async def _delete(
        self, request: web.Request, info: ResourceInfo, target: Target
    ) -> web.Response:
        if target.subresource:
            raise core.not_allowed()
        body = bodies.options_of(await request.read(), request.headers.get("Content-Type", ""))
        chosen, dry_run = params.delete_options(request.query, body)
        options = Options(dry_run=dry_run)
        namespace = target.namespace or None
        if target.name:
            gone = self._server.delete(info, namespace, target.name, chosen, options)
        else:
            if info.resource.namespaced and not namespace:
                raise core.not_allowed()
            which = params.list_options(request.query)
            gone = self._server.delete_collection(info, namespace, which, chosen, options)
        return self._written(request, gone, info, options)

    async def _options(self, request: web.Request, info: ResourceInfo) -> Options:
        options = params.write_options(request.query, request.headers.get("User-Agent", ""))
        if options.field_validation != "Ignore" and info.custom is None:
            # The first use derives the schemas: half a second that must not stall everybody else.
            await asyncio.to_thread(schemas.definitions)
        return options

    async def _body(self, request: web.Request, info: ResourceInfo, options: Options) -> Obj:
        data = await request.read()
        if not data:
            raise BadRequest("the request has no body")
        content_type = request.headers.get("Content-Type", "")
        found = bodies.object_of(data, content_type, options, info.resource.kind)
        if not isinstance(found, dict):
            raise BadRequest(f"the body is not a {info.resource.kind}: it is not an object")
        return found

    def _written(
        self,
        request: web.Request,
        obj: Obj,
        info: ResourceInfo,
        options: Options,
        *,
        created: bool = False,
    ) -> web.Response:
        answer = negotiate(request.headers.get("Accept", ""))
        response = self._answer(request, obj, info, answer, 201 if created else 200)
        for line in options.warnings:
            text = line.replace("\\", "\\\\").replace('"', '\\"')
            response.headers.add("Warning", f'299 - "{text}"')
        return response

    def _answer(
        self,
        request: web.Request,
        obj: Obj,
        info: ResourceInfo,
        answer: Answer,
        code: int = 200,
    ) -> web.Response:
        if answer.shape is Shape.METADATA and "items" in obj:
            answer = Answer(Shape.METADATA_LIST, answer.version, answer.yaml)
        include = request.query.get("includeObject", "")
        shaped = self._tables.shaped(obj, info, answer, self._clock.wall(), include)
        body, media = encode(shaped, answer)
        return web.Response(body=body, status=code, headers={"Content-Type": media})


def _plain_for(target: Target, answer: Answer) -> Answer:
    """A subresource with a kind of its own (Scale) has no columns."""
    return answer if target.subresource in {"", "status"} else Answer(yaml=answer.yaml)


def _only(options: WatchOptions, name: str) -> WatchOptions:
    """A watch of one object by its path is a watch with a field selector."""
    wanted = f"metadata.name={name}"
    return replace(options, fields=f"{options.fields},{wanted}" if options.fields else wanted)
