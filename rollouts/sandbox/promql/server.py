"""The embedded Prometheus on a socket: aiohttp around ``answer``.

Binds loopback, reads parameters from the URL and from a form, and answers. All decisions are in
``answer``.
"""

from aiohttp import web

from rollouts.sandbox.promql.answer import PromApi


def application(api: PromApi) -> web.Application:
    """A web application with Prometheus's query endpoints."""

    async def handle(request: web.Request) -> web.Response:
        parameters = dict(request.query)
        if request.method == "POST":
            form = await request.post()
            parameters |= {key: value for key, value in form.items() if isinstance(value, str)}
        answer = api.answer(request.path, parameters)
        return web.Response(
            status=answer.status, body=answer.body, content_type=answer.content_type
        )

    app = web.Application(client_max_size=1 << 20)
    app.router.add_route("GET", "/{path:.*}", handle)
    app.router.add_route("POST", "/{path:.*}", handle)
    return app


async def serve(api: PromApi, port: int = 0) -> tuple[web.AppRunner, str]:
    """Listen on loopback; the runner to clean up and the base URL."""
    runner = web.AppRunner(application(api), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"
