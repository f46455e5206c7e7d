"""The demo application: answers with its colour, sometimes with an error, always with metrics.

Owns one pod's worth of web server and what a version's behaviour is. The version is the image's
tag: ``red`` and ``bad-…`` fail every fifth request, ``slow-…`` takes its time. The container's
environment (``ERROR_RATE`` in percent, ``LATENCY`` as a duration) overrides that. Run by ``pods``.
"""

import asyncio
import random
from dataclasses import dataclass, replace
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from analysis.times import parse_duration
from rollouts.kube.api import Obj
from rollouts.runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class Behaviour:
    """``error_rate`` is a share from 0 to 1, ``latency`` the mean in seconds."""

    version: str
    error_rate: float = 0.0
    latency: float = 0.004


_BAD: Final = 0.2
_SLOW: Final = 0.4


def _of_version(version: str) -> Behaviour:
    behaviour = Behaviour(version)
    if version == "red" or version.startswith("bad-"):
        behaviour = replace(behaviour, error_rate=_BAD)
    if version.startswith("slow-"):
        behaviour = replace(behaviour, latency=_SLOW)
    return behaviour


def behaviour_of(pod: Obj) -> Behaviour:
    """What the pod's first container does. A setting that cannot be read is ignored."""
    container = ((pod.get("spec") or {}).get("containers") or [{}])[0]
    image = str(container.get("image", "")).rpartition("/")[2].partition("@")[0]
    version = image.partition(":")[2] or "latest"
    behaviour = _of_version(version)
    env = {str(v.get("name")): str(v.get("value", "")) for v in container.get("env") or []}
    try:
        if "ERROR_RATE" in env:
            share = min(100.0, max(0.0, float(env["ERROR_RATE"]))) / 100
            behaviour = replace(behaviour, error_rate=share)
        if "LATENCY" in env:
            behaviour = replace(behaviour, latency=parse_duration(env["LATENCY"]))
    except ValueError:
        pass
    return behaviour


class Colours:
    """One running copy of the application."""

    def __init__(self, behaviour: Behaviour, name: str, clock: Clock, rng: random.Random) -> None:
        self.behaviour = behaviour
        self.registry = CollectorRegistry()
        self._name, self._clock, self._rng = name, clock, rng
        self._requests = Counter(
            "http_requests", "Requests answered.", ["code", "version"], registry=self.registry
        )
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Time to answer.",
            ["version"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
            registry=self.registry,
        )
        for code in ("200", "500"):  # a counter that starts at its first error hides that error
            self._requests.labels(code, behaviour.version)

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._healthy)
        app.router.add_route("GET", "/{path:.*}", self._colour)
        return app

    async def _colour(self, request: web.Request) -> web.Response:
        began = self._clock.monotonic()
        await asyncio.sleep(self.behaviour.latency * self._rng.uniform(0.5, 1.5))
        failed = self._rng.uniform(0.0, 1.0) < self.behaviour.error_rate
        version, code = self.behaviour.version, 500 if failed else 200
        self._requests.labels(str(code), version).inc()
        self._seconds.labels(version).observe(self._clock.monotonic() - began)
        body = {"version": version, "pod": self._name, "path": request.path}
        if failed:
            body["error"] = "this version fails now and then"
        return web.json_response(body, status=code, headers={"X-Version": version})

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self.registry), content_type="text/plain")

    async def _healthy(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")
