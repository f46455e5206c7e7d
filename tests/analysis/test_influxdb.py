"""The InfluxDB provider: the server of a profile, and its annotated CSV."""

import orjson
import pytest

from analysis.providers.influxdb import provider
from analysis.spec import Phase
from tests.analysis.apis import Client, FakeSecrets, failed, measured
from tests.analysis.servers import reply, serving

QUERY = 'from(bucket: "shop")\n  |> range(start: -5m)\n  |> mean()'
TOKEN = {"authToken": "canary-token", "org": "shop floor"}


async def ask(answer, condition="result[0] < 1", secret=None, http=None, **config):
    """The measurement, and the server after it."""
    async with serving({"/api/v2/query": answer, "/db/api/v2/query": answer}) as server:
        profile = {"address": server.url, **TOKEN, **(secret or {})}
        profile["address"] = profile["address"].replace("AT", server.url)
        measurement = await measured(
            provider,
            {"influxdb": {"query": QUERY, **config}},
            secrets=FakeSecrets(controller={config.get("profile") or "influxdb": profile}),
            metric={"successCondition": condition},
            http=http,
        )
        return measurement, server


def table(*values, kind="double", default="", number=0):
    """One table as the server writes it, with its values as text."""
    lines = [
        f"#datatype,string,long,dateTime:RFC3339,{kind},string",
        "#group,false,false,false,false,true",
        f"#default,_result,,,{default},",
        ",result,table,_time,_value,host",
        *(f",,{number},2026-01-02T03:00:00Z,{value},a" for value in values),
    ]
    return "\r\n".join(lines) + "\r\n"


def tables(*found):
    return reply("\r\n".join(found) + "\r\n", Content_Type="text/csv; charset=utf-8")


@pytest.mark.parametrize(
    ("answer", "condition", "value"),
    [
        (tables(table("0.5")), "result[0] == 0.5", "[0.5]"),
        (tables(table("0.5", "3")), "len(result) == 2", "[0.5,3]"),
        (tables(table("0.5"), table("7", number=1)), "result[1] == 7", "[0.5,7]"),
        (tables(table("12", kind="long")), "result[0] == 12", "[12]"),
        (tables(table("12", kind="unsignedLong")), "result[0] == 12", "[12]"),
        (tables(table("true", kind="boolean")), "result[0]", "[true]"),
        (tables(table('"a ""b"", c"', kind="string")), "result[0] == 'a \"b\", c'", None),
        (tables(table("12", kind="string")), 'result[0] == "12"', '["12"]'),
        (tables(table("", kind="double", default="4")), "result[0] == 4", "[4]"),
        (tables(table("", kind="double")), "result[0] == nil", "[null]"),
        (tables(table("", kind="string")), 'result[0] == ""', '[""]'),
        (tables(table("+Inf")), "isInf(result[0])", '["inf"]'),
        (reply(",result,table,_value\r\n,_result,0,0.5\r\n"), 'result[0] == "0.5"', '["0.5"]'),
    ],
    ids=[
        "one record",
        "several records",
        "several tables",
        "long",
        "unsigned",
        "boolean",
        "quoted text",
        "text that looks like a number",
        "a default",
        "null",
        "empty text",
        "infinity",
        "without annotations everything is text",
    ],
)
async def test_a_value(answer, condition, value):
    measurement, _ = await ask(answer, condition)
    assert measurement.phase is Phase.SUCCESSFUL, measurement.message
    assert value is None or measurement.value == value


async def test_a_condition_that_does_not_hold_fails():
    assert (await ask(tables(table("7"))))[0].phase is Phase.FAILED


@pytest.mark.parametrize("answer", [reply("\r\n"), reply(""), tables(table())])
async def test_no_data_is_an_error(answer):
    measurement, _ = await ask(answer, "default(result, 0) == 0")
    assert "no values found" in failed(measurement)


async def test_what_is_asked():
    measurement, server = await ask(tables(table("0.5")), secret={"address": "AT/db/"})
    (seen,) = server.seen
    assert (seen.method, seen.target) == ("POST", "/db/api/v2/query?org=shop+floor")
    assert seen.headers["authorization"] == "Token canary-token"
    assert seen.headers["accept"] == "application/csv"
    assert orjson.loads(seen.body) == {
        "query": QUERY,
        "type": "flux",
        "dialect": {"annotations": ["datatype", "group", "default"], "header": True},
    }
    assert measurement.metadata["query"] == QUERY


async def test_it_waits_half_a_minute():
    http = Client()
    await ask(tables(table("0.5")), http=http)
    assert http.timeouts == [30]


@pytest.mark.parametrize(("profile", "name"), [({}, "influxdb"), ({"profile": "second"}, "second")])
async def test_a_profile_is_a_secret_beside_the_controller(profile, name):
    held = FakeSecrets(controller={})
    await measured(provider, {"influxdb": {"query": QUERY, **profile}}, secrets=held)
    assert held.asked == [("controller", name, "influxdb")]


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ({"authToken": ""}, "no authToken"),
        ({"org": " "}, "no org"),
        ({"address": ""}, "no address"),
        ({"address": "influxdb:8086"}, "address of the influxdb profile is not a URL"),
    ],
)
async def test_a_profile_that_does_not_do(secret, message):
    measurement, server = await ask(tables(table("0.5")), secret=secret)
    if "not a URL" in message:
        message = "is not a URL"
    assert message in failed(measurement)
    assert server.seen == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            reply('{"code": "invalid", "message": "error @1:1: undefined"}', "400 Bad Request"),
            "InfluxDB refused the query (status 400): error @1:1: undefined",
        ),
        (
            reply('{"code": "unauthorized", "message": "unauthorized access"}', "401 No"),
            "InfluxDB refused the credentials (status 401): unauthorized access",
        ),
        (
            reply("#datatype,string,long\r\n,error,reference\r\n,out of memory,897\r\n"),
            "InfluxDB could not evaluate the query: out of memory",
        ),
        (
            reply(table("1") + "\r\nerror,reference\r\nlost a shard,1\r\n"),
            "InfluxDB could not evaluate the query: lost a shard",
        ),
        (reply(",result,table,x\r\n,_result,0,5\r\n"), "have no column _value"),
        (tables(table("abc")), "not with the CSV of its API"),
        (tables(table("1.5", kind="long")), "not with the CSV of its API"),
        (reply(",result,table,_value\r\n,_result,0\r\n"), "not the columns of its header"),
        (reply(',result,table,_value\r\n,_result,0,"half\r\n'), "not with the CSV of its API"),
    ],
)
async def test_errors_of_the_api(answer, message):
    measurement, _ = await ask(answer)
    assert message in failed(measurement)
