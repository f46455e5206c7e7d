"""Runs a copy of the demo application for each pod, all in this process, on loopback.

Owns which pod answers on which port. It is the kubelet's pod runtime: ``start`` when a pod's
containers start, ``stop`` when they end. ``page`` gathers every pod's metrics, labelled the way
Kubernetes service discovery labels them, so that Prometheus has one address to scrape. Prometheus
looks at discovered targets every five seconds only, and pods here live for less than a minute.
"""

import asyncio
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from prometheus_client import Metric, generate_latest
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from rollouts.api.labels import POD_TEMPLATE_HASH
from rollouts.kube.api import Obj
from rollouts.runtime.clock import Clock
from rollouts.sandbox.controllers import PodAddress
from rollouts.sandbox.demo.colours import Colours, behaviour_of

_HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class _Running:
    runner: web.AppRunner
    port: int
    colours: Colours
    labels: dict[str, str]


class DemoPods(Collector):
    """The demo's pod runtime."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self._clock, self._rng = clock, rng
        self._running: dict[tuple[str, str], _Running] = {}

    async def start(self, pod: Obj) -> PodAddress:
        """Start the pod's application, on a port of its own; again is the same port."""
        key = _key(pod)
        if key not in self._running:
            colours = Colours(
                behaviour_of(pod), key[1], self._clock, random.Random(self._rng.getrandbits(64))
            )
            runner = web.AppRunner(colours.application(), access_log=None, shutdown_timeout=1.0)
            await runner.setup()
            site = web.TCPSite(runner, _HOST, 0)
            await site.start()
            port = int(runner.addresses[0][1])
            self._running[key] = _Running(runner, port, colours, _labels(pod))
        running = self._running[key]
        return PodAddress(_HOST, dict.fromkeys(_container_ports(pod), running.port))

    async def stop(self, pod: Obj) -> None:
        """Finish the requests in flight and stop; nothing happens for a pod that does not run."""
        running = self._running.pop(_key(pod), None)
        if running:
            await running.runner.cleanup()

    async def close(self) -> None:
        """Stop everything."""
        running, self._running = list(self._running.values()), {}
        await asyncio.gather(*(each.runner.cleanup() for each in running))

    def address_of(self, namespace: str, name: str) -> str | None:
        """Where a pod answers, as ``host:port``, or None when it does not run."""
        running = self._running.get((namespace, name))
        return f"{_HOST}:{running.port}" if running else None

    def page(self) -> str:
        """The metrics of every running pod, as one page."""
        return generate_latest(self).decode()

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for running in self._running.values():
            for family in running.colours.registry.collect():
                merged = families.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                merged.samples.extend(_relabelled(family.samples, running.labels))
        yield from families.values()


def _relabelled(samples: Iterable[Sample], labels: dict[str, str]) -> Iterator[Sample]:
    for sample in samples:
        yield sample._replace(labels={**sample.labels, **labels})


def _key(pod: Obj) -> tuple[str, str]:
    return pod["metadata"].get("namespace", "default"), pod["metadata"]["name"]


def _container_ports(pod: Obj) -> Iterator[int]:
    for container in (pod.get("spec") or {}).get("containers") or []:
        yield from (int(port["containerPort"]) for port in container.get("ports") or [])


def _labels(pod: Obj) -> dict[str, str]:
    """What a scrape knows of a pod beyond its page: the usual discovery labels."""
    namespace, name = _key(pod)
    own = pod["metadata"].get("labels") or {}
    labels = {"namespace": namespace, "pod": name, "app": own.get("app", "")}
    return labels | {POD_TEMPLATE_HASH.replace("-", "_"): own.get(POD_TEMPLATE_HASH, "")}
