"""Releases judged by a real Prometheus server, over real sockets, in real time.

Promoted on good data, aborted on bad, paused for a human without data; the same templates say the
same without a cluster, now and over the past.
"""

import asyncio
import json
import math
import os
import random
import sys
import zlib
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
import yaml

from analysis.backtest.history import History
from analysis.backtest.server import PastServer
from analysis.providers.address import AddressPolicy
from analysis.providers.authentication import Sender
from analysis.providers.config import Prometheus
from analysis.providers.http import HttpClient
from analysis.providers.prometheus import PrometheusSource
from analysis.times import format_time, parse_time
from rollouts.controllers.wiring import controller_set
from rollouts.kube.client import HttpKubeApi
from rollouts.kube.config import ConnectOptions, connect
from rollouts.kube.resources import ANALYSIS_RUNS, ANALYSIS_TEMPLATES, ROLLOUTS
from rollouts.runtime.clock import SystemClock
from rollouts.sandbox.cluster import Cluster
from rollouts.sandbox.http.server import HttpServer, write_kubeconfig
from tests.analysis.prometheus_server import prometheus_server
from tests.e2e.world import EXAMPLES, World

# One server for all: it takes five seconds to its first scrape.
pytestmark = [
    pytest.mark.prometheus,
    pytest.mark.timeout(60),
    pytest.mark.asyncio(loop_scope="module"),
]
HOUR = 3600
# Hours before an instant a quarter past or to the hour: releases begin well away from the edges.
GAP = (10 * HOUR, 9 * HOUR)  # no samples
BAD = (5 * HOUR, 3 * HOUR)  # too many errors
SHARE = 'sum(rate(requests_total{app="{{args.app}}",code!~"5.."}[10s]))'
ALL = 'sum(rate(requests_total{app="{{args.app}}"}[10s]))'
# Without traffic there is nothing to divide: neither condition holds, and a human decides.
CAREFUL = {
    "successCondition": "len(result) > 0 && result[0] >= 0.95",
    "failureCondition": "len(result) > 0 && result[0] < 0.95",
}


class Shop:
    """The page of metrics: one app answers well, one fails often, nobody asks the third."""

    def __init__(self, clock):
        self.clock, self.began = clock, clock.monotonic()

    def page(self):
        asked = (self.clock.monotonic() - self.began) * 100
        errors = {"good": 0.01, "bad": 0.4}
        lines = ["# TYPE requests_total counter"]
        for app, share in errors.items():
            lines.append(f'requests_total{{app="{app}",code="200"}} {asked * (1 - share):.0f}')
            lines.append(f'requests_total{{app="{app}",code="500"}} {asked * share:.0f}')
        return "\n".join(lines) + "\n"


def edge(now):
    """The instant from which the hours above are counted back."""
    return int(now) // (HOUR // 2) * (HOUR // 2) - HOUR // 4


def yesterday(now):
    """A day of one sample a minute, with a hole and with bad hours."""
    lines = ["# TYPE ratio gauge"]
    for moment in range(edge(now) - 26 * HOUR, int(now), 60):
        ago = edge(now) - moment
        if GAP[1] < ago <= GAP[0]:
            continue
        value = 0.81 if BAD[1] < ago <= BAD[0] else 0.99
        lines += [f'ratio{{pod="{pod}"}} {value} {moment}' for pod in "ab"]
    return "\n".join([*lines, "# EOF\n"])


def template(url, **changes):
    metric = {
        "name": "success-rate",
        "interval": "1s",
        "count": 3,
        "consecutiveErrorLimit": 0,
        **CAREFUL,
        "provider": {"prometheus": {"address": url, "query": f"{SHARE} / {ALL}"}},
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": "success-rate"},
        "spec": {"args": [{"name": "app"}], "metrics": [{**metric, **changes}]},
    }


def rollout(name):
    analysis = {
        "templates": [{"templateName": "success-rate"}],
        "args": [{"name": "app", "value": name}],
    }
    labels = {"app": name}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "shop", "image": "shop:v1"}]},
            },
            "strategy": {"canary": {"steps": [{"setWeight": 50}, {"analysis": analysis}]}},
        },
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prometheus(tmp_path_factory):
    clock = SystemClock()
    now = clock.wall()
    past, page = yesterday(now), Shop(clock).page
    shown = 'rate(requests_total{app="bad"}[10s])'
    folder = tmp_path_factory.mktemp("prometheus")
    async with prometheus_server(folder, page, shows=shown, past=past) as url:
        yield url, edge(now)


@asynccontextmanager
async def cluster(folder):
    """The embedded cluster behind a socket, our controller in front of it; seen from outside."""
    clock, rng = SystemClock(), random.Random(20)
    sandbox = Cluster(clock, rng, pods="fast")
    server = HttpServer(sandbox.server, clock)
    kubeconfig = folder / "kubeconfig"
    write_kubeconfig(kubeconfig, await server.start())
    await sandbox.start()
    connection = await connect(ConnectOptions(kubeconfig=str(kubeconfig)))
    async with HttpKubeApi(connection, rng=rng) as api:
        (manager,) = controller_set(api, clock, rng, allow_loopback=True)
        managing = asyncio.create_task(manager.run())
        try:
            yield World(api, clock, "default", None)
        finally:
            managing.cancel()
            await asyncio.gather(managing, return_exceptions=True)
            await server.stop()
            await sandbox.stop()


async def analyze(folder, made, *args):
    """``rollouts analyze`` in a process of its own: exit code, what was printed, and on stderr."""
    text = yaml.safe_dump(made)
    file = folder / f"{zlib.crc32(text.encode()):x}.yaml"
    file.write_text(text)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rollouts.cli.main", "analyze", "-f", str(file), *args),
        cwd=EXAMPLES.parent,
        env={name: value for name, value in os.environ.items() if name != "FORCE_COLOR"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_good_is_promoted_bad_is_aborted_and_silence_waits_for_a_human(prometheus, tmp_path):
    url, _ = prometheus
    apps = ("good", "bad", "silent")
    async with cluster(tmp_path) as world:
        await world.api.create(ANALYSIS_TEMPLATES, template(url), "default")
        for name in apps:
            await world.api.create(ROLLOUTS, rollout(name), "default")
        first = {name: (await world.until_phase(name, "Healthy", 30))["stableRS"] for name in apps}
        for name in apps:
            await world.set_image(name, "shop:v2")

        good = await world.until_rollout(
            "good", lambda s: s["phase"] == "Healthy" and s["stableRS"] != first["good"], 30
        )
        assert good["stableRS"] == good["currentPodHash"]
        assert await world.images("good") == {"v2": 2}

        bad = await world.until_phase("bad", "Degraded", 30)
        assert bad["abort"]
        assert bad["stableRS"] == first["bad"]
        assert "success-rate" in bad["message"]

        silent = await world.until_phase("silent", "Paused", 30)
        assert [one["reason"] for one in silent["pauseConditions"]] == ["InconclusiveAnalysisRun"]
        assert silent["stableRS"] == first["silent"]

        runs = (await world.api.list(ANALYSIS_RUNS, "default"))["items"]
        phases = {one["spec"]["args"][0]["value"]: one["status"]["phase"] for one in runs}
        assert phases == {"good": "Successful", "bad": "Failed", "silent": "Inconclusive"}
        (empty,) = (one for one in runs if one["status"]["phase"] == "Inconclusive")
        assert empty["status"]["metricResults"][0]["measurements"][0]["value"] == "[]"


async def test_without_a_cluster_the_same_templates_say_the_same(prometheus, tmp_path):
    url, _ = prometheus
    made = template(url)
    # What else people write where there may be no data.
    lenient = template(url, successCondition="len(result) == 0 || result[0] >= 0.95")
    strict = template(url, successCondition="result[0] >= 0.95")
    for one in (lenient, strict):
        del one["spec"]["metrics"][0]["failureCondition"]
    asked = [
        (made, "good"),
        (made, "bad"),
        (made, "silent"),
        (lenient, "silent"),
        (strict, "silent"),
    ]
    told = await asyncio.gather(
        *(analyze(tmp_path, one, "--arg", f"app={app}") for one, app in asked)
    )
    good, bad, silent, passed, failed = told
    assert [code for code, _, _ in told] == [0, 1, 4, 0, 3], told
    assert "success-rate: ✔ Successful" in good[1]
    assert "✖ Failed" in bad[1]
    assert "is true: result = [0.6" in bad[1]
    assert "success-rate: ? Inconclusive" in silent[1]
    assert passed[1].count("is true: result = []") == 3
    assert "no data returned from the metric provider" in failed[1]


async def test_the_past_is_judged_as_it_was(prometheus, tmp_path):
    url, since = prometheus
    config = {"prometheus": {"address": url, "query": "avg(ratio)"}}
    made = template(url, interval="1m", count=5, provider=config)
    args = ("--arg", "app=any", "--backtest", "1d")
    code, text, lines = await analyze(tmp_path, made, *args, "--every", "30m", "-o", "json")
    assert code == 0, lines
    found = json.loads(text)
    for release in found["releases"]:
        wanted = expected(since - parse_time(release["start"]))
        assert release["verdict"] == wanted, release
    counted = found["summary"]
    assert (counted["failed"], counted["inconclusive"]) == (4, 2)
    assert "would have aborted at" in lines
    assert "is true: result = [0.81]" in lines

    turned_bad = format_time(since - BAD[0] - 90)
    code, text, _ = await analyze(tmp_path, made, *args, "--at", turned_bad)
    assert code == 0
    assert f"would have aborted at {_minute(since - BAD[0] + 30)} after 2m" in text


def expected(ago):
    """The verdict of a release that began so many seconds before the edge."""
    if BAD[1] < ago <= BAD[0]:
        return "Failed"
    return "Inconclusive" if GAP[1] < ago <= GAP[0] else "Successful"


def _minute(moment):
    return format_time(moment).replace("T", " ").removesuffix("Z")


@pytest.mark.parametrize(
    "query", ["ratio", "scalar(ratio{pod='a'})", "topk(1, ratio)", "avg(ratio)"]
)
async def test_asked_in_bulk_every_instant_has_the_value_it_had(prometheus, query):
    """Around the edges of a hole, where a sample is old but not yet forgotten."""
    url, since = prometheus
    wall = SystemClock().wall
    config = Prometheus(query=query, address=url)
    http = HttpClient(policy=AddressPolicy(allow_loopback=True))
    server = PastServer(PrometheusSource(Sender(http, wall), wall))
    try:
        past = History(server, config, int(wall()))
        start = since - GAP[0] - 600
        await past.announce([(start, start + 2 * HOUR)], 47)
        for moment in range(start, start + 2 * HOUR, 47):
            kind, data = await past.instant(moment, 47)
            exact = await server.instant(config, moment)
            assert _numbers(kind, data) == _numbers(kind, exact), moment
    finally:
        server.close()
        await http.aclose()


def _numbers(kind, data):
    numbers = [data[1]] if kind == "scalar" else sorted(one["value"][1] for one in data)
    return ["NaN" if math.isnan(float(number)) else number for number in numbers]
