"""Subresources without anything in the store: tokens, logs, and what needs a running container.

Owns their answers and that they are honest: a token opens nothing, a log says that nothing runs,
and exec is refused rather than left hanging. Called by ``verbs``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from rollouts.kube.api import Obj
from rollouts.kube.errors import ApiError, BadRequest
from rollouts.kube.resources import PODS
from rollouts.sandbox.apiserver import ApiServer
from rollouts.sandbox.http.paths import Target
from rollouts.sandbox.objects import timestamp

_NEEDS_CONTAINER: Final = frozenset({"exec", "attach", "portforward", "proxy"})
_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Request:
    """What a special endpoint gets; ``now`` in seconds since the epoch."""

    server: ApiServer
    target: Target
    body: Obj
    query: Mapping[str, str]
    now: float


Special = Callable[[Request], Obj | str]


def special(method: str, target: Target) -> Special | None:
    """Who answers, if it is a special endpoint. A text answer is plain text, not JSON."""
    if target.plural == "pods" and not target.group:
        if target.subresource == "log" and method == "GET":
            return _log
        if target.subresource in _NEEDS_CONTAINER:
            return _no_container
    if (target.plural, target.subresource, method) == ("serviceaccounts", "token", "POST"):
        return _token
    return None


def _token(request: Request) -> Obj:
    target = request.target
    accounts = request.server.registry.resolve("", "v1", "serviceaccounts")
    request.server.get(accounts, target.namespace, target.name)
    spec = request.body.get("spec") or {}
    lifetime = spec.get("expirationSeconds") or _HOUR
    status = {
        "token": f"sandbox.{target.namespace}.{target.name}",
        "expirationTimestamp": timestamp(request.now + lifetime),
    }
    return request.body | {"status": status}


def _log(request: Request) -> str:
    target = request.target
    pods = request.server.registry.resolve("", "v1", PODS.plural)
    pod = request.server.get(pods, target.namespace, target.name)
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    known = [one["name"] for one in (spec.get("containers") or [])]
    known += [one["name"] for one in (spec.get("initContainers") or [])]
    name = request.query.get("container") or (known[0] if known else "")
    if name not in known:
        raise BadRequest(f"container {name} is not valid for pod {target.name}")
    states = {one["name"]: one for one in status.get("containerStatuses") or []}
    waiting = ((states.get(name) or {}).get("state") or {}).get("waiting")
    if waiting is not None:
        why = waiting.get("reason") or "ContainerCreating"
        raise BadRequest(f'container "{name}" in pod "{target.name}" is waiting to start: {why}')
    images = {one["name"]: one.get("image") for one in spec.get("containers") or []}
    restarts = (states.get(name) or {}).get("restartCount", 0)
    where = f"container {name} of pod {target.namespace}/{target.name}"
    lines = [
        f"[sandbox] {where} is simulated: no process runs here, so it writes no log",
        f"[sandbox] image {images.get(name)}, phase {status.get('phase')}, restarts {restarts}",
    ]
    tail = request.query.get("tailLines", "")
    shown = lines[-int(tail) :] if tail.isdigit() and int(tail) else lines
    return "".join(f"{line}\n" for line in shown)


def _no_container(request: Request) -> Obj:
    raise ApiError(
        f"pods/{request.target.subresource} needs a running container, and the sandbox runs none",
        code=405,
        reason="MethodNotAllowed",
    )
