"""Users and their traces, without sockets: metrics as the pods of a cluster would produce them.

Each second every ready pod answers ten requests, as its version does (``behaviour_of``); the
counters feed the embedded Prometheus. ``send`` is the network as the controller sees it: that
Prometheus under its in-cluster name, and every Service.
"""

import asyncio
from collections import Counter

import httpx
import orjson

from analysis.providers.base import ProviderError
from analysis.providers.http import Request, Response
from rollouts.kube.api import KubeApi
from rollouts.kube.errors import NotFound
from rollouts.kube.resources import PODS, SERVICES
from rollouts.runtime.clock import Clock
from rollouts.sandbox.demo.colours import behaviour_of
from rollouts.sandbox.promql.answer import PromApi
from rollouts.sandbox.promql.model import NAME, labels_of
from rollouts.sandbox.promql.store import SeriesStore

PROMETHEUS = "prometheus.monitoring.svc"
REQUESTS = 10  # per pod and second
BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, float("inf"))


class Traffic:
    """The users of one namespace."""

    def __init__(self, api: KubeApi, clock: Clock, namespace: str) -> None:
        self.flowing = True
        self._api, self._clock, self._namespace = api, clock, namespace
        self._counts: Counter[tuple[tuple[str, str], ...]] = Counter()
        self._store = SeriesStore()
        self._prometheus = PromApi(self._store, clock)

    async def run(self) -> None:
        while True:
            for pod in await self._ready_pods():
                self._serve(pod)
            now = round(self._clock.wall() * 1000)
            for labels, count in self._counts.items():
                self._store.append(labels, now, float(count))
            await asyncio.sleep(1.0)

    async def _ready_pods(self, labels: str = ""):
        pods = (await self._api.list(PODS, self._namespace, labels=labels))["items"]
        return [pod for pod in pods if _is_ready(pod)]

    def _serve(self, pod) -> None:
        behaviour, own = behaviour_of(pod), pod["metadata"]["labels"]
        common = {
            "pod": pod["metadata"]["name"],
            "app": own["app"],
            "rollouts_pod_template_hash": own.get("rollouts-pod-template-hash", ""),
        }
        answered = REQUESTS if self.flowing else 0
        failed = round(answered * behaviour.error_rate)
        requests = {NAME: "http_requests_total"} | common
        self._counts[labels_of(requests | {"code": "200"})] += answered - failed
        self._counts[labels_of(requests | {"code": "500"})] += failed
        for bound in BUCKETS:
            bucket = {NAME: "http_request_duration_seconds_bucket", "le": f"{bound:g}"} | common
            self._counts[labels_of(bucket)] += answered if behaviour.latency <= bound else 0

    async def send(self, request: Request) -> Response:
        """What an HTTP request of the controller gets."""
        url = httpx.URL(request.url)
        if url.host == PROMETHEUS:
            parameters = dict(url.params) | dict(httpx.QueryParams(request.body.decode()))
            answer = self._prometheus.answer(url.path, parameters)
            return Response(answer.status, answer.body)
        service, _, rest = url.host.partition(".")
        if rest != f"{self._namespace}.svc":
            raise ProviderError(f"cannot resolve host '{url.host}'")
        return await self._ask_service(service)

    async def aclose(self) -> None:
        """Nothing is open."""

    async def _ask_service(self, service: str) -> Response:
        try:
            spec = (await self._api.get(SERVICES, service, self._namespace))["spec"]
        except NotFound:
            raise ProviderError(f"cannot resolve host '{service}'") from None
        pods = await self._ready_pods(",".join(f"{k}={v}" for k, v in spec["selector"].items()))
        if not pods:
            raise ProviderError(f"cannot connect to {service}: connection refused")
        behaviour = behaviour_of(pods[0])
        status = 500 if behaviour.error_rate else 200
        return Response(status, orjson.dumps({"version": behaviour.version}))


def _is_ready(pod) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return not pod["metadata"].get("deletionTimestamp") and any(
        each["type"] == "Ready" and each["status"] == "True" for each in conditions
    )
