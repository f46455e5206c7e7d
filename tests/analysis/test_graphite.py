"""The Graphite provider: what is rendered, and which points are values."""

from urllib.parse import unquote

import pytest

from analysis.providers.graphite import provider
from analysis.spec import Phase
from tests.analysis.apis import Client, everything, failed, measured
from tests.analysis.servers import reply, serving

QUERY = "sumSeries(stats.shop.*.errors)"


async def ask(answer, condition="result[0] < 1", query=QUERY, address="{url}"):
    """The measurement, and the server after it."""
    async with serving({"/render": answer, "/graphite/render": answer}) as server:
        config = {"address": address.format(url=server.url, port=server.port), "query": query}
        measurement = await measured(
            provider, {"graphite": config}, metric={"successCondition": condition}
        )
        return measurement, server


def target(*values):
    points = ",".join(f"[{value},{60 * i}]" for i, value in enumerate(values))
    return f'{{"target": "t", "tags": {{}}, "datapoints": [{points}]}}'


def rendered(*targets):
    return reply(f"[{','.join(targets)}]")


@pytest.mark.parametrize(
    ("answer", "value", "phase"),
    [
        (rendered(target(0.5)), "[0.5]", Phase.SUCCESSFUL),
        (rendered(target(2, 0.5)), "[2,0.5]", Phase.FAILED),
        (rendered(target("null", 0.5, "null", 3)), "[0.5,3]", Phase.SUCCESSFUL),
        (rendered(target(0.5), target(9)), "[0.5]", Phase.SUCCESSFUL),
    ],
    ids=["one point", "several", "nulls are left out", "of the first target"],
)
async def test_a_value(answer, value, phase):
    measurement, _ = await ask(answer)
    assert (measurement.value, measurement.phase) == (value, phase)


async def test_infinity_as_graphite_writes_it_is_a_value():
    measurement, _ = await ask(rendered(target("1e9999")), "isInf(result[0])")
    assert (measurement.value, measurement.phase) == ("[+Inf]", Phase.SUCCESSFUL)


async def test_nan_is_a_value_that_decides_nothing():
    measurement, _ = await ask(rendered(target("NaN")), "!(result[0] > 1)")
    assert (measurement.value, measurement.phase) == ("[NaN]", Phase.ERROR)


async def test_a_large_answer_is_read_as_well_and_shown_in_part():
    answer = rendered(target(*range(10_000)))
    async with serving({"/render": answer}) as server:
        measurement = await measured(
            provider,
            {"graphite": {"address": server.url, "query": QUERY}},
            metric={"successCondition": "len(result) == 10000 && result[9999] == 9999"},
            http=Client(max_body=1_000_000),
        )
    assert measurement.phase is Phase.SUCCESSFUL
    assert measurement.value.startswith("[0,1,2,")
    assert measurement.value.endswith("characters)")


@pytest.mark.parametrize(
    "answer",
    [
        rendered(),
        rendered(target()),
        rendered(target("null", "null")),
        rendered(target(), target(1)),
    ],
    ids=["no target", "no points", "only nulls", "nothing in the first target"],
)
async def test_no_data_is_an_error(answer):
    measurement, _ = await ask(answer, "default(result, 0) == 0")
    assert failed(measurement) == "no values found"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (reply("Invalid target", "400 Bad Request"), "Graphite refused the query (status 400)"),
        (reply('{"message": "no"}', "400 Bad Request"), "(status 400): no"),
        (reply("{}"), "no list of targets"),
        (reply("[1]"), "without points of numbers"),
        (reply('[{"datapoints": [["x", 1]]}]'), "without points of numbers"),
        (reply('[{"datapoints": [[true, 1]]}]'), "without points of numbers"),
    ],
)
async def test_errors_of_the_api(answer, message):
    measurement, _ = await ask(answer)
    assert message in failed(measurement)


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        (QUERY, f"target={QUERY}"),
        ("a&b=c d#", "target=a&b=cd#"),
        ("target=summarize(\n  x.{A,B},\n '5min' )", "target=summarize(x.{A,B},'5min')"),
        ("target=x&from=-5min", "target=x&from=-5min"),
    ],
    ids=["a target", "nothing in it is a parameter", "as documented", "more parameters"],
)
async def test_what_is_asked(query, sent):
    measurement, server = await ask(rendered(target(0.5)), query=query)
    (seen,) = server.seen
    assert seen.method == "GET"
    path, _, parameters = seen.target.partition("?")
    assert path == "/render"
    assert unquote(parameters) == f"format=json&{sent}"
    assert measurement.metadata["query"] == "".join(query.split())


async def test_a_target_cannot_add_parameters():
    _, server = await ask(rendered(target(0.5)), query="a&target=b")
    assert server.seen[0].target == "/render?format=json&target=a%26target%3Db"


async def test_an_address_may_have_a_path_and_credentials_which_show_nowhere():
    address = "http://me:canary@127.0.0.1:{port}/graphite/"
    measurement, server = await ask(rendered(target(0.5)), address=address)
    (seen,) = server.seen
    assert seen.target.startswith("/graphite/render?")
    assert seen.headers["authorization"] == "Basic bWU6Y2FuYXJ5"
    assert "canary" not in everything(measurement)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("", "graphite address is not set"),
        ("graphite:80", "graphite address is not a URL"),
        ("http://g?x=y", "graphite address is not a URL"),
        ("http://[::1", "graphite address is not a URL"),
    ],
)
async def test_an_address_must_be_a_url(address, message):
    http = Client()
    config = {"graphite": {"address": address, "query": QUERY}}
    assert message in failed(await measured(provider, config, http=http))
    assert http.urls == []
