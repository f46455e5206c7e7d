"""The demo's pods, Services, load and Prometheus, on real loopback sockets."""

import asyncio
import random

import aiohttp
import pytest

from rollouts.kube.resources import ENDPOINT_SLICES
from rollouts.kube.store import Store
from rollouts.runtime.clock import SystemClock
from rollouts.sandbox.demo.colours import Behaviour, behaviour_of
from rollouts.sandbox.demo.load import NOBODY, LoadGenerator
from rollouts.sandbox.demo.pods import DemoPods
from rollouts.sandbox.demo.prometheus import demo_prometheus
from rollouts.sandbox.demo.proxy import ServiceProxy, by_service
from tests.sandbox.promql_oracle import require_prometheus

CLOCK = SystemClock()


def pod(name, image="demo/colours:blue", hash_="abc", env=()):
    labels = {"app": "shop", "rollouts-pod-template-hash": hash_}
    container = {"image": image, "env": list(env), "ports": [{"containerPort": 8080}]}
    return {
        "metadata": {"namespace": "demo", "name": name, "labels": labels},
        "spec": {"containers": [container]},
    }


def slices(*endpoints, service="shop"):
    """A synced store with one EndpointSlice of (pod name, ready) endpoints."""
    store = Store(ENDPOINT_SLICES, {"service": by_service})
    store.put(_slice(endpoints, service))
    return store


def _slice(endpoints, service):
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": "demo",
            "name": f"{service}-1",
            "labels": {"kubernetes.io/service-name": service},
            "resourceVersion": "1",
        },
        "endpoints": [
            {"conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": name}}
            for name, ready in endpoints
        ],
    }


@pytest.fixture
async def pods():
    runtime = DemoPods(CLOCK, random.Random(1))
    yield runtime
    await runtime.close()


@pytest.fixture
async def proxied(pods):
    """Start pods behind the Service ``shop``; its proxy's URL."""
    proxies = []

    async def start(*endpoints, running=None):
        for name, image in (running or {}).items():
            await pods.start(pod(name, image, hash_=image.partition(":")[2]))
        proxy = ServiceProxy(slices(*endpoints), pods.address_of, "demo")
        proxies.append(proxy)
        return await proxy.listen("shop")

    yield start
    for proxy in proxies:
        await proxy.close()


async def get(url):
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize(
    ("image", "env", "expected"),
    [
        ("demo/colours:blue", {}, Behaviour("blue")),
        ("demo/colours:red", {}, Behaviour("red", error_rate=0.2)),
        ("registry:5000/demo/colours:slow-blue@sha256:0", {}, Behaviour("slow-blue", latency=0.4)),
        ("registry:5000/demo/colours", {}, Behaviour("latest")),
        ("demo/colours:red", {"ERROR_RATE": "5"}, Behaviour("red", error_rate=0.05)),
        ("demo/colours:blue", {"ERROR_RATE": "900"}, Behaviour("blue", error_rate=1.0)),
        ("demo/colours:blue", {"LATENCY": "1500ms"}, Behaviour("blue", latency=1.5)),
        ("demo/colours:blue", {"LATENCY": "soon"}, Behaviour("blue")),
    ],
)
def test_a_version_behaves_as_its_image_and_environment_say(image, env, expected):
    variables = [{"name": name, "value": value} for name, value in env.items()]
    assert behaviour_of(pod("p", image, env=variables)) == expected


async def test_a_pod_answers_with_its_colour_until_it_stops(pods):
    at = await pods.start(pod("p"))
    assert await pods.start(pod("p")) == at
    address = f"{at.ip}:{at.ports[8080]}"
    status, body = await get(f"http://{address}/anything")
    assert (status, '"version": "blue"' in body) == (200, True)
    assert pods.address_of("demo", "p") == address
    await pods.stop(pod("p"))
    await pods.stop(pod("p"))
    assert pods.address_of("demo", "p") is None
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(f"http://{address}/")


async def test_metrics_carry_the_labels_of_the_pod(pods):
    await pods.start(pod("p"))
    address = pods.address_of("demo", "p")
    await get(f"http://{address}/")
    assert (
        'http_requests_total{code="200",version="blue"} 1.0'
        in (await get(f"http://{address}/metrics"))[1]
    )
    await pods.start(pod("q", "demo/colours:green", hash_="def"))
    page = pods.page()
    line = next(line for line in page.splitlines() if 'pod="p"' in line and 'code="200"' in line)
    assert 'rollouts_pod_template_hash="abc"' in line
    assert 'app="shop"' in line
    assert 'namespace="demo"' in line
    assert 'version="green"' in page
    assert page.count("# TYPE http_requests_total") == 1


async def test_a_service_balances_over_ready_pods_only(proxied):
    running = {"a": "x:blue", "b": "x:green", "c": "x:red"}
    url = await proxied(("a", True), ("b", True), ("c", False), ("gone", True), running=running)
    load = LoadGenerator(url, CLOCK, rate=400)
    await load.run(0.25)
    assert set(load.tally.requests) == {"blue", "green"}
    assert abs(load.tally.requests["blue"] - load.tally.requests["green"]) <= 2
    assert load.tally.errors.total() == 0


async def test_a_service_without_ready_pods_says_so(proxied):
    url = await proxied(("a", False), running={"a": "x:blue"})
    assert await get(url) == (503, "shop: no ready endpoint\n")
    load = LoadGenerator(url, CLOCK, rate=100)
    await load.run(0.05)
    assert load.tally.errors[NOBODY] == load.tally.requests[NOBODY] > 0


async def test_a_pod_that_just_went_away_costs_no_request(proxied, pods):
    url = await proxied(("a", True), ("b", True), running={"a": "x:blue", "b": "x:blue"})
    listening = pods.address_of("demo", "b")
    await pods.stop(pod("b"))
    pods.address_of = lambda _, name: listening if name == "b" else real(_, name)
    real = DemoPods.address_of.__get__(pods)
    assert [(await get(url))[0] for _ in range(4)] == [200] * 4


async def test_users_see_the_errors_of_a_bad_version(proxied):
    url = await proxied(("a", True), running={"a": "x:red"})
    load = LoadGenerator(url, CLOCK, rate=400)
    await load.run(0.5)
    assert 0.05 < load.tally.errors["red"] / load.tally.requests["red"] < 0.4


async def test_load_keeps_to_its_rate_and_stops_by_itself(proxied):
    url = await proxied(("a", True), running={"a": "x:blue"})
    load = LoadGenerator(url, CLOCK, rate=100)
    await load.run(0.5)
    assert 5 <= load.tally.requests.total() <= 51


@pytest.mark.parametrize(
    "embedded",
    [True, pytest.param(False, marks=pytest.mark.prometheus)],
)
async def test_prometheus_sees_the_pods(pods, embedded):
    if not embedded:
        require_prometheus()
    await pods.start(pod("p"))
    address = pods.address_of("demo", "p")
    async with (
        demo_prometheus(pods.page, CLOCK, interval=0.1, embedded=embedded) as prometheus,
        aiohttp.ClientSession() as session,
    ):
        assert ("embedded" in prometheus.kind) == embedded
        query = 'sum by (rollouts_pod_template_hash, code) (http_requests_total{code="200"})'

        async def ask():
            parameters = {"query": query}
            async with session.get(f"{prometheus.url}/api/v1/query", params=parameters) as answer:
                return (await answer.json())["data"]["result"]

        async def until(wanted):
            """A real server scrapes in real time: ask until it knows."""
            async with asyncio.timeout(10):
                # Another process: there is no event to wait for.
                while [float(row["value"][1]) for row in await ask()] != wanted:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)

        await until([0])
        assert (await ask())[0]["metric"] == {"code": "200", "rollouts_pod_template_hash": "abc"}
        await get(f"http://{address}/")
        await until([1])
        await pods.stop(pod("p"))
        await until([])
