"""What every request passes first: who may ask, and how a refusal looks on the wire.

A sandbox has no credentials, so it answers only requests addressed to a loopback name (a web page
cannot make a browser send that after DNS rebinding) and none that a web page sends (Origin).
Owns those checks and the turning of errors into Status answers.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import web

from rollouts.kube.api import Obj
from rollouts.kube.errors import ApiError, Forbidden, NotFound, ServerError
from rollouts.sandbox.http.bodies import too_large
from rollouts.sandbox.http.tables import encode

_log = structlog.get_logger(__name__)
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse strangers; answer every error as a Status."""
    try:
        _check_caller(request)
        return await handler(request)
    except ApiError as error:
        return refused(error)
    except web.HTTPRequestEntityTooLarge:
        return refused(too_large())
    except web.HTTPException as error:
        known = NotFound("the server could not find the requested resource")
        return refused(known if error.status == 404 else ApiError(error.reason, code=error.status))
    except ConnectionResetError:
        raise
    except Exception as error:  # noqa: BLE001 - a bug answers 500, it does not hang up
        _log.exception("request failed", method=request.method, path=request.path)
        return refused(ServerError(f"an error on the server: {type(error).__name__}: {error}"))


def refused(error: ApiError) -> web.Response:
    """An error as its Status object, with the headers that go with it."""
    return status_answer(error.status, error.code or 500)


def status_answer(status: Obj, code: int) -> web.Response:
    body, media = encode(status)
    answer = web.Response(body=body, status=code, headers={"Content-Type": media})
    wait = (status.get("details") or {}).get("retryAfterSeconds")
    if wait is not None:
        answer.headers["Retry-After"] = str(wait)
    return answer


def _check_caller(request: web.Request) -> None:
    host = request.headers.get("Host", "")
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdigit():
        name = host
    if name.lower() not in _LOOPBACK:
        raise Forbidden(
            f"the sandbox answers to loopback names only, not to {host!r}: use 127.0.0.1"
        )
    if "Origin" in request.headers:
        raise Forbidden("the sandbox does not answer web pages")
