"""Requests to Amazon: who signs them, that the signature is right, and that it goes nowhere else."""

import hashlib
import hmac
import socket
import sys
from urllib.parse import parse_qs, quote, unquote, urlsplit

import httpx
import orjson
import pytest

from analysis.providers.address import AddressPolicy
from analysis.providers.authentication import Sender
from analysis.providers.aws import Aws, workspace_region
from analysis.providers.base import ProviderError, Queried, RunRef
from analysis.providers.cloudwatch import CloudWatchSource
from analysis.providers.http import HttpClient, Request, Response
from analysis.providers.prometheus import PrometheusSource
from analysis.spec import Metric, Phase
from tests.analysis.servers import answered, reply, serving

KEY, SECRET, TOKEN = (
    "AKIDEXAMPLE",
    "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "canary/session+token==",
)
RUN = RunRef("default", "run", "uid")
NOW = 1_767_323_045.0
WORKSPACE = "https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1"
OK = b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"0.5"]}]}}'
QUERIES = [
    {"id": "rate", "expression": "errors / requests", "label": "", "period": "60"},
    {
        "id": "errors",
        "metricStat": {
            "metric": {
                "namespace": "shop",
                "metricName": "Errors",
                "dimensions": [{"name": "Pod", "value": "canary"}],
            },
            "period": 300,
            "stat": "Sum",
            "unit": "Count",
        },
        "returnData": False,
    },
]


@pytest.fixture(autouse=True)
def identity(monkeypatch, tmp_path):
    """An identity in the environment, and nowhere to look for another one."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch):
    """Whoever connects elsewhere fails the test."""
    connect = socket.socket.connect

    def guarded(self, address):
        assert self.family == socket.AF_UNIX or address[0] in ("127.0.0.1", "::1"), address
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
async def http():
    client = HttpClient(policy=AddressPolicy(allow_loopback=True))
    yield client
    await client.aclose()


class Recorder:
    """Instead of the HTTP client: keeps what would be sent, and answers."""

    def __init__(self, body=OK, status=200):
        self.body, self.status, self.sent = body, status, []

    async def send(self, request):
        self.sent.append(request)
        body = self.body(request) if callable(self.body) else self.body
        return Response(self.status, body)


def headers_of(request):
    return {name.lower(): value for name, value in request.headers}


def signature_is_right(method, url, headers, body, service, region, secret=SECRET):
    """Whether the server, which knows the secret, would accept the request (as AWS documents it)."""
    kind, _, fields = headers["authorization"].partition(" ")
    said = dict(part.strip().split("=", 1) for part in fields.split(","))
    scope = said["Credential"].split("/", 1)[1]
    names = said["SignedHeaders"].split(";")
    parts = urlsplit(url)
    seen = headers | {"host": headers.get("host", parts.netloc)}
    canonical = "\n".join(
        [
            method,
            parts.path or "/",
            parts.query,
            *(f"{name}:{' '.join(seen[name].split())}" for name in names),
            "",
            said["SignedHeaders"],
            hashlib.sha256(body).hexdigest(),
        ]
    )
    when = headers["x-amz-date"]
    assert scope == f"{when[:8]}/{region}/{service}/aws4_request"
    assert kind == "AWS4-HMAC-SHA256"
    assert {"host", "x-amz-date"} <= set(names)
    to_sign = "\n".join([kind, when, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest() == said["Signature"]


# --- prometheus ---


def prometheus(address=WORKSPACE, sigv4=None, **more):
    config = {
        "address": address,
        "query": "up > 0",
        "authentication": {"sigv4": sigv4 or {}},
        **more,
    }
    return Metric.model_validate({"name": "m", "provider": {"prometheus": config}})


async def asked(http, metric, environ=()):
    sender = Sender(http, lambda: NOW, Aws(http, dict(environ)))
    return await Queried(PrometheusSource(sender, lambda: NOW), lambda: NOW).run(RUN, metric, 1)


async def test_a_query_to_a_workspace_is_signed():
    http = Recorder()
    metric = prometheus(headers=[{"key": "X-Team", "value": "shop"}])
    assert answered(await asked(http, metric)).value == "[0.5]"
    [request] = http.sent
    headers = headers_of(request)
    assert signature_is_right("POST", request.url, headers, request.body, "aps", "eu-west-1")
    assert headers["x-amz-security-token"] == TOKEN
    assert headers["x-team"] == "shop"
    assert f"Credential={KEY}/" in headers["authorization"]


async def test_another_body_has_another_signature():
    http = Recorder()
    await asked(http, prometheus())
    [request] = http.sent
    headers = headers_of(request)
    assert not signature_is_right(
        "POST", request.url, headers, request.body + b"&query=other", "aps", "eu-west-1"
    )


async def test_a_query_by_get_is_signed_as_it_is_sent():
    """Amazon reads a plus in a query as a plus, so a blank must not be sent as one."""
    query = 'sum(rate(errors{path=~"/a+b|c d"}[1m])) + 1'

    class GetOnly(Recorder):
        async def send(self, request):
            found = await super().send(request)
            return found if request.method == "GET" else Response(405, b"no")

    http = GetOnly()
    assert answered(await asked(http, prometheus(query=query))).value == "[0.5]"
    refused, request = http.sent
    assert refused.method == "POST"
    sent = str(httpx.Request(request.method, request.url).url)
    given = [part.partition("=") for part in urlsplit(sent).query.split("&")]
    assert {name: unquote(value) for name, _, value in given}["query"] == query
    assert signature_is_right("GET", canonical(sent), headers_of(request), b"", "aps", "eu-west-1")


def canonical(url):
    """The URL with its query as Amazon signs it: decoded, sorted, and encoded anew."""
    pairs = sorted(part.split("=", 1) for part in urlsplit(url).query.split("&"))
    query = "&".join("=".join(quote(unquote(text), safe="-_.~") for text in p) for p in pairs)
    return urlsplit(url)._replace(query=query).geturl()


async def test_the_region_of_the_metric_is_signed_for():
    http = Recorder()
    await asked(http, prometheus(sigv4={"region": "us-east-1"}), {"AWS_REGION": "eu-west-3"})
    [request] = http.sent
    assert "/us-east-1/aps/" in headers_of(request)["authorization"]


@pytest.mark.parametrize(
    ("url", "region"),
    [
        (WORKSPACE, "eu-west-1"),
        ("https://APS-workspaces.us-gov-west-1.amazonaws.com:443/workspaces/x", "us-gov-west-1"),
        ("https://aps-workspaces-fips.us-east-2.api.aws/workspaces/x", "us-east-2"),
        ("https://aps-workspaces.cn-north-1.amazonaws.com.cn/workspaces/x", "cn-north-1"),
        ("https://vpce-0a1-b2.aps-workspaces.eu-west-1.vpce.amazonaws.com/w", "eu-west-1"),
    ],
)
def test_workspaces_are_known(url, region):
    assert workspace_region(Request(url)) == region


@pytest.mark.parametrize(
    "address",
    [
        "http://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws",
        "https://aps-workspaces.eu-west-1.amazonaws.com:8443/workspaces/ws",
        "https://aps-workspaces.eu-west-1.amazonaws.com.evil.example/workspaces/ws",
        "https://aps-workspaces.eu-west-1.amazonaws.com@evil.example/workspaces/ws",
        "https://evil.example/aps-workspaces.eu-west-1.amazonaws.com",
        "https://evil.example\\@aps-workspaces.eu-west-1.amazonaws.com/",
        "https://aps-workspaces.evil.example/workspaces/ws",
        "https://aps-workspaces.eu-west-1.evilamazonaws.com/workspaces/ws",
        "https://evil-aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws",
        "https://aps-workspaces.s3.eu-west-1.amazonaws.com/workspaces/ws",
        "https://aps-workspaces.s3-website-eu-west-1.amazonaws.com/",
        "https://aps-workspaces.x.execute-api.eu-west-1.amazonaws.com/",
        "https://aps-workspaces.eu-west-1.amazonaws.com./workspaces/ws",
        "https://vpce-1.vpce-svc-2.aps-workspaces.eu-west-1.vpce.amazonaws.com.evil.example/",
        "https://127.0.0.1/aps-workspaces",
        "https://[::1]/aps-workspaces",
    ],
)
async def test_nothing_is_sent_to_hosts_that_only_look_like_amazon(address):
    http = Recorder()
    measurement = await asked(http, prometheus(address))
    assert measurement.phase is Phase.ERROR
    assert http.sent == []


async def test_a_connection_that_is_not_verified_gets_no_credentials():
    http = Recorder()
    measurement = await asked(http, prometheus(insecure=True))
    assert "verified certificate" in measurement.message
    assert http.sent == []


async def test_another_server_is_asked_without_a_signature(http):
    async with serving({"/api/v1/query": reply(OK)}) as server:
        assert answered(await asked(http, prometheus(server.url))).value == "[0.5]"
        assert "authorization" not in server.seen[0].headers
        assert "x-amz-security-token" not in server.seen[0].headers


async def test_a_refusal_does_not_repeat_what_was_sent():
    def echo(request):
        return orjson.dumps({"message": f"the canonical request was {headers_of(request)}"})

    http = Recorder(echo, 403)
    measurement = await asked(http, prometheus())
    assert "the canonical request was" in measurement.message
    assert TOKEN not in str(measurement)
    signature = headers_of(http.sent[0])["authorization"].rpartition("=")[2]
    assert signature not in measurement.message


async def test_without_the_extra_the_message_names_it(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "botocore"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "botocore", None)
    measurement = await asked(Recorder(), prometheus())
    assert "pip install 'rollouts[aws]'" in measurement.message


async def test_without_an_identity_the_message_says_how_to_give_one(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    measurement = await asked(Recorder(), prometheus())
    assert "no AWS credentials: give the controller's service account a role" in measurement.message


async def test_a_profile_is_who_signs(tmp_path):
    (tmp_path / "credentials").write_text(
        "[shop]\naws_access_key_id = AKIDSHOP\naws_secret_access_key = shop-secret\n"
    )
    http = Recorder()
    await asked(http, prometheus(sigv4={"profile": "shop"}))
    [request] = http.sent
    headers = headers_of(request)
    assert "Credential=AKIDSHOP/" in headers["authorization"]
    assert signature_is_right(
        "POST", request.url, headers, request.body, "aps", "eu-west-1", "shop-secret"
    )


async def test_a_profile_that_is_not_there_is_named():
    measurement = await asked(Recorder(), prometheus(sigv4={"profile": "nobody"}))
    assert "AWS credentials: The config profile (nobody) could not be found" in measurement.message


ROLE = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/rollouts</Arn>
<AssumedRoleId>A:rollouts</AssumedRoleId></AssumedRoleUser><Credentials>
<AccessKeyId>AKIDROLE</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey>
<SessionToken>role-token</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials>
</AssumeRoleResult></AssumeRoleResponse>"""
REFUSED = """<ErrorResponse><Error><Code>AccessDenied</Code>
<Message>not allowed to assume</Message></Error></ErrorResponse>"""


async def test_a_role_is_assumed_once_and_signs(monkeypatch):
    http = Recorder()
    sender = Sender(http, lambda: NOW, Aws(http, {}))
    provider = Queried(PrometheusSource(sender, lambda: NOW), lambda: NOW)
    metric = prometheus(sigv4={"roleArn": "arn:aws:iam::1:role/reader"})
    async with serving({"/": reply(ROLE, Content_Type="text/xml")}) as sts:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        for _ in range(2):
            assert answered(await provider.run(RUN, metric, 1)).phase is Phase.SUCCESSFUL
        [seen] = sts.seen
    form = parse_qs(seen.body.decode())
    assert form["RoleArn"] == ["arn:aws:iam::1:role/reader"]
    assert signature_is_right("POST", f"{sts.url}/", seen.headers, seen.body, "sts", "eu-west-1")
    for request in http.sent:
        headers = headers_of(request)
        assert headers["x-amz-security-token"] == "role-token"
        assert signature_is_right(
            "POST", request.url, headers, request.body, "aps", "eu-west-1", "role-secret"
        )


async def test_a_role_that_may_not_be_assumed_is_an_error(monkeypatch):
    http = Recorder()
    async with serving({"/": reply(REFUSED, "403 Forbidden", Content_Type="text/xml")}) as sts:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        measurement = await asked(http, prometheus(sigv4={"roleArn": "arn:aws:iam::1:role/x"}))
    assert "AWS credentials: An error occurred (AccessDenied)" in measurement.message
    assert "not allowed to assume" in measurement.message
    assert http.sent == []


# --- cloudWatch ---


def cloudwatch(queries=QUERIES, **more):
    config = {"metricDataQueries": queries, **more}
    given = {"name": "m", "provider": {"cloudWatch": config}}
    return Metric.model_validate(given | {"successCondition": "result[0].Values[0] < 0.1"})


async def watched(http, metric, **environ):
    given = {"AWS_REGION": "eu-west-1", **environ}
    source = CloudWatchSource(Aws(http, {k: v for k, v in given.items() if v}), lambda: NOW)
    return await Queried(source, lambda: NOW).run(RUN, metric, 1)


def page(*results, token=None, messages=()):
    document = {"MetricDataResults": list(results), "Messages": list(messages)}
    return reply(orjson.dumps(document | ({"NextToken": token} if token else {})))


def series(name, values, status="Complete", **more):
    times = [NOW - 60 * n for n in range(len(values))]
    return {
        "Id": name,
        "Label": name,
        "StatusCode": status,
        "Values": values,
        "Timestamps": times,
    } | more


async def test_cloudwatch_is_asked_as_documented_and_signed(http):
    async with serving({"/": page(series("rate", [0.05, 0.2]))}) as server:
        measurement = await watched(http, cloudwatch(), AWS_ENDPOINT_URL_CLOUDWATCH=server.url)
        [seen] = server.seen
    assert measurement.phase is Phase.SUCCESSFUL
    assert seen.headers["x-amz-target"] == "GraniteServiceVersion20100801.GetMetricData"
    assert seen.headers["content-type"] == "application/x-amz-json-1.0"
    assert seen.headers["x-amz-security-token"] == TOKEN
    assert signature_is_right(
        "POST", f"{server.url}/", seen.headers, seen.body, "monitoring", "eu-west-1"
    )
    assert orjson.loads(seen.body) == {
        "MetricDataQueries": [
            {"Id": "rate", "Expression": "errors / requests", "Period": 60},
            {
                "Id": "errors",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "shop",
                        "MetricName": "Errors",
                        "Dimensions": [{"Name": "Pod", "Value": "canary"}],
                    },
                    "Period": 300,
                    "Stat": "Sum",
                    "Unit": "Count",
                },
                "ReturnData": False,
            },
        ],
        "StartTime": int(NOW) - 300,
        "EndTime": int(NOW),
    }
    assert measurement.metadata["window"] == "2026-01-02T02:59:05Z/2026-01-02T03:04:05Z"
    assert orjson.loads(measurement.value) == [
        {
            "Id": "rate",
            "Label": "rate",
            "StatusCode": "Complete",
            "Timestamps": ["2026-01-02T03:04:05Z", "2026-01-02T03:03:05Z"],
            "Values": [0.05, 0.2],
        }
    ]


async def test_pages_are_put_together(http):
    def answer(seen):
        token = orjson.loads(seen.body).get("NextToken")
        if token is None:
            messages = [{"Code": "ArithmeticError", "Value": "one operand is empty"}]
            first = series("a", [0.05], "PartialData"), series("b", [7.0])
            return page(*first, token="second", messages=messages)
        assert token == "second"
        return page(series("a", [0.06], Messages=[{"Code": "Note", "Value": "late"}]))

    async with serving({"/": answer}) as server:
        measurement = await watched(http, cloudwatch(), AWS_ENDPOINT_URL=server.url)
        assert len(server.seen) == 2
    assert measurement.phase is Phase.SUCCESSFUL
    found = {one["Id"]: one for one in orjson.loads(measurement.value)}
    assert found["a"]["Values"] == [0.05, 0.06]
    assert found["a"]["StatusCode"] == "Complete"
    assert found["b"]["Values"] == [7.0]
    assert measurement.metadata["messages"] == (
        '"ArithmeticError: one operand is empty" "Note: late"'
    )


async def test_pages_without_end_are_an_error(http):
    async with serving({"/": lambda _: page(token="again")}) as server:
        measurement = await watched(http, cloudwatch(), AWS_ENDPOINT_URL=server.url)
    assert "more than 20 pages" in measurement.message


async def test_conditions_see_the_results(http):
    condition = (
        'result[1].Id == "b" and result[1].Values[0] == 7 and len(result[0].Values) == 2 and '
        'result[0].Timestamps[0] > now() - duration("1m") and result[0].StatusCode == "Complete"'
    )
    metric = cloudwatch().model_copy(update={"success_condition": condition})
    async with serving({"/": page(series("a", [1.0, 2.0]), series("b", [7.0]))}) as server:
        measurement = await watched(http, metric, AWS_ENDPOINT_URL=server.url)
    assert measurement.phase is Phase.SUCCESSFUL, measurement.message


@pytest.mark.parametrize(
    ("condition", "phase"),
    [
        ("result[0].Values[0] < 0.1", Phase.ERROR),
        ("all(result[0].Values, # < 0.1)", Phase.ERROR),
        ("len(result[0].Values) == 0 || result[0].Values[0] < 0.1", Phase.SUCCESSFUL),
        ("", Phase.ERROR),
    ],
)
async def test_no_points_are_no_success(http, condition, phase):
    metric = cloudwatch().model_copy(update={"success_condition": condition})
    async with serving({"/": page(series("rate", []))}) as server:
        measurement = await watched(http, metric, AWS_ENDPOINT_URL=server.url)
    assert measurement.phase is phase
    assert measurement.metadata["answer"] == "empty"


def refused(kind, message, status="400 Bad Request"):
    return reply(
        orjson.dumps({"__type": f"com.amazonaws.cloudwatch#{kind}", "message": message}), status
    )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            refused("ThrottlingException", "Rate exceeded"),
            "CloudWatch refused the query (status 400): ThrottlingException: Rate exceeded",
        ),
        (
            refused("AccessDeniedException", "not authorized", "403 Forbidden"),
            "CloudWatch refused the credentials (status 403): AccessDeniedException: not authorized",
        ),
        (
            refused("ValidationError", "Period must be a multiple of 60"),
            "CloudWatch refused the query (status 400): ValidationError: Period must be a multiple of 60",
        ),
        (reply("oops", "503 Unavailable"), "CloudWatch failed (status 503): oops"),
        (reply("<html>"), "but not with the JSON of its API"),
        (reply("[]"), "CloudWatch answered with JSON that is not of its API"),
        (reply("{}"), "CloudWatch answered with JSON that is not of its API"),
        (page({"Id": "a", "Values": ["x"], "Timestamps": [1]}), "not of its API"),
        (page({"Id": "a", "Values": [1.0], "Timestamps": []}), "not of its API"),
        (
            page(series("rate", [], "Forbidden", Messages=[{"Code": "Forbidden", "Value": "why"}])),
            "CloudWatch did not answer query 'rate': Forbidden: Forbidden: why",
        ),
        (
            page(series("rate", [1.0], "InternalError")),
            "CloudWatch did not answer query 'rate': InternalError: no reason given",
        ),
    ],
)  # fmt: skip
async def test_what_is_no_answer_is_an_error(http, answer, message):
    async with serving({"/": answer}) as server:
        measurement = await watched(http, cloudwatch(), AWS_ENDPOINT_URL=server.url)
    assert measurement.phase is Phase.ERROR
    assert message in measurement.message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"queries": []}, "cloudWatch.metricDataQueries is empty"),
        ({"interval": "soon"}, "cloudWatch.interval: time: invalid duration"),
        ({"interval": "0s"}, "cloudWatch.interval must be more than nothing"),
        ({"queries": [{"id": "a", "expression": "b", "period": "often"}]}, "period 'often' is no integer"),
    ],
)  # fmt: skip
async def test_a_question_that_makes_no_sense_is_not_asked(given, message):
    http = Recorder()
    measurement = await watched(http, cloudwatch(**given))
    assert message in measurement.message
    assert http.sent == []


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("eu-west-1", "https://monitoring.eu-west-1.amazonaws.com/"),
        ("cn-north-1", "https://monitoring.cn-north-1.amazonaws.com.cn/"),
        ("mars-north-7", "https://monitoring.mars-north-7.amazonaws.com/"),
    ],
)
async def test_cloudwatch_is_asked_in_the_region_of_the_controller(region, url):
    http = Recorder(orjson.dumps({"MetricDataResults": [series("a", [0.01])]}))
    measurement = await watched(http, cloudwatch(), AWS_REGION=region)
    assert measurement.phase is Phase.SUCCESSFUL, measurement.message
    assert [request.url for request in http.sent] == [url]
    assert f"/{region}/monitoring/" in headers_of(http.sent[0])["authorization"]


async def test_without_a_region_the_message_says_where_to_set_it():
    measurement = await watched(Recorder(), cloudwatch(), AWS_REGION="")
    assert "no AWS region: set AWS_REGION on the controller" in measurement.message


async def test_an_identity_that_does_not_come_is_not_waited_for():
    def never_in_time():
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.settimeout(0.3)
            ours.recv(1)

    with pytest.raises(ProviderError, match="no AWS credentials came within"):
        await Aws(Recorder(), {}).blocking(never_in_time, 0.05)
