"""The provider against a real Prometheus server that scrapes a tiny page."""

import pytest

from analysis.providers.address import AddressPolicy
from analysis.providers.authentication import Sender
from analysis.providers.base import ProviderError, Queried, RunRef
from analysis.providers.http import HttpClient
from analysis.providers.prometheus import PrometheusSource
from analysis.spec import Metric, Phase
from rollouts.runtime.clock import SystemClock
from tests.analysis.prometheus_server import prometheus_server
from tests.analysis.servers import answered

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(120)]
RUN = RunRef("default", "run", "uid")
PAGE = """# TYPE demo_ratio gauge
demo_ratio{version="blue"} 0.97
demo_ratio{version="green"} 0.5
# TYPE demo_nan gauge
demo_nan NaN
"""


@pytest.fixture
async def http():
    client = HttpClient(policy=AddressPolicy(allow_loopback=True))
    yield client
    await client.aclose()


@pytest.fixture
async def prometheus(tmp_path):
    async with prometheus_server(tmp_path, lambda: PAGE, shows="demo_ratio") as url:
        yield url


async def test_every_kind_of_answer(prometheus, http):
    now = SystemClock().wall
    provider = Queried(PrometheusSource(Sender(http, now), now, prometheus), now)

    async def ask(query, condition="", **config):
        given = {"query": query, **config}
        metric = {"name": "m", "provider": {"prometheus": given}, "successCondition": condition}
        return answered(await provider.run(RUN, Metric.model_validate(metric), 1))

    scalar = await ask("scalar(demo_ratio{version='blue'})", "result > 0.95")
    assert (scalar.phase, scalar.value) == (Phase.SUCCESSFUL, "0.97")

    vector = await ask("sort(demo_ratio)", "len(result) == 2 && result[1] > 0.95")
    assert (vector.phase, vector.value) == (Phase.SUCCESSFUL, "[0.5,0.97]")
    assert (await ask("demo_ratio", "all(result, # > 0.95)")).phase is Phase.FAILED

    matrix = await ask("demo_ratio{version='blue'}[10s]", "all(result, # == 0.97)")
    assert matrix.phase is Phase.SUCCESSFUL
    wanted = {"start": "now() - duration('5s')", "end": "now()", "step": "1s"}
    ranged = await ask("vector(1)", "len(result) == 6", rangeQuery=wanted)
    assert ranged.phase is Phase.SUCCESSFUL

    nan = await ask("demo_nan", "isNaN(result[0])")
    assert (nan.phase, nan.value) == (Phase.SUCCESSFUL, "[NaN]")
    assert (await ask("demo_nan", "result[0] >= 0.95")).phase is Phase.FAILED
    assert (await ask("demo_nan", "!(result[0] < 0.95)")).phase is Phase.ERROR

    empty = await ask("nobody_has_this", "result[0] >= 0.95")
    assert (empty.phase, empty.value) == (Phase.ERROR, "[]")
    assert "no data returned from the metric provider" in empty.message
    assert (await ask("nobody_has_this", "len(result) == 0")).phase is Phase.SUCCESSFUL

    with pytest.raises(ProviderError, match="Prometheus metric type not supported: string"):
        await ask('"text"')
    with pytest.raises(ProviderError, match=r"bad_data: .*parse error"):
        await ask("sum(")
    with pytest.raises(ProviderError, match="client_error: client error: 404"):
        await ask("up", address=f"{prometheus}/wrong")
