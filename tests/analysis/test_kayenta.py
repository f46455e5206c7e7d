"""The Kayenta provider: a judgement is started, looked at, and its score is what counts."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from analysis.driver import Pace, drive
from analysis.measure import Given, Measurer
from analysis.plan import plan_run
from analysis.providers.base import Providers, RunRef
from analysis.providers.http import Response
from analysis.providers.kayenta import provider
from analysis.providers.tools import Tools
from analysis.redact import Redactor
from analysis.spec import Phase, RunSpec
from rollouts.simulate.loop import run_virtual, virtual_clock
from tests.analysis.apis import NOW, TERMINATE, TROUBLES, Client, failed, measured
from tests.analysis.servers import reply, serving

DETAIL = {
    "scope": "app=shop",
    "region": "us-east-1",
    "step": 60,
    "start": "2026-01-02T02:00:00Z",
    "end": "2026-01-02T03:00:00Z",
}
CONFIG = {
    "application": "shop",
    "canaryConfigName": "golden",
    "metricsAccountName": "my metrics",
    "configurationAccountName": "configs",
    "storageAccountName": "store",
    "threshold": {"pass": 90, "marginal": 75},
    "scopes": [
        {
            "name": "default",
            "controlScope": {**DETAIL, "scope": "app=shop-stable"},
            "experimentScope": DETAIL,
        }
    ],
}
LIST = reply('[{"id": "other", "name": "silver"}, {"id": "1a-2b", "name": "golden"}]')
STARTED = reply('{"canaryExecutionId": "01ABC"}')


async def begin(listed=LIST, started=STARTED, http=None, **config):
    """The measurement of a judgement just started, and the server after it."""
    async with serving({"/canaryConfig": listed, "/canary/1a-2b": started}) as server:
        asked = {"address": server.url, **CONFIG, **config}
        measurement = await measured(provider, {"kayenta": asked}, http=http)
        return measurement, server


async def look(answer, *, metric=None, action=None, **config):
    """The measurement after one more look, and the server after it."""
    before, _ = await begin()
    async with serving({"/canary/01ABC": answer}) as server:
        asked = {"address": server.url, **CONFIG, **config}
        measurement = await measured(
            provider,
            {"kayenta": asked},
            before=before,
            action=action,
            metric=metric,
            now=lambda: NOW + 60,
        )
        return measurement, server


def judged(score, status="succeeded"):
    result = {"judgeResult": {"score": {"score": score, "classification": "Pass"}}}
    return reply(orjson.dumps({"complete": True, "status": status, "result": result}))


async def test_a_judgement_is_started_and_looked_at_later():
    measurement, server = await begin()
    listed, started = server.seen
    assert measurement.phase is Phase.RUNNING
    assert measurement.finished_at is None
    assert measurement.metadata["canaryExecutionId"] == "01ABC"
    assert measurement.metadata["window"] == "2026-01-02T02:00:00Z/2026-01-02T03:00:00Z"
    assert measurement.resume_at == "2026-01-02T03:04:20Z"
    assert (listed.method, listed.target.partition("?")[0]) == ("GET", "/canaryConfig")
    assert parse_qs(urlsplit(listed.target).query) == {
        "application": ["shop"],
        "configurationAccountName": ["configs"],
    }
    assert started.method == "POST"
    assert parse_qs(urlsplit(started.target).query) == {
        "application": ["shop"],
        "metricsAccountName": ["my metrics"],
        "configurationAccountName": ["configs"],
        "storageAccountName": ["store"],
    }
    assert orjson.loads(started.body) == {
        "scopes": {
            "default": {
                "controlScope": {**DETAIL, "scope": "app=shop-stable"},
                "experimentScope": DETAIL,
            }
        },
        "thresholds": {"pass": 90, "marginal": 75},
    }


async def test_a_judgement_that_goes_on_is_looked_at_again():
    measurement, server = await look(reply('{"complete": false, "status": "running"}'))
    (seen,) = server.seen
    assert (seen.method, seen.target) == ("GET", "/canary/01ABC?storageAccountName=store")
    assert measurement.phase is Phase.RUNNING
    assert measurement.finished_at is None
    assert measurement.resume_at == "2026-01-02T03:05:20Z"
    assert measurement.metadata["canaryExecutionId"] == "01ABC"


@pytest.mark.parametrize(
    ("score", "phase", "value"),
    [
        (100, Phase.SUCCESSFUL, "100"),
        (90, Phase.SUCCESSFUL, "90"),
        (89.9, Phase.INCONCLUSIVE, "89.9"),
        (75.0, Phase.INCONCLUSIVE, "75"),
        (74.99, Phase.FAILED, "74.99"),
        (0, Phase.FAILED, "0"),
    ],
)
async def test_the_score_decides(score, phase, value):
    measurement, _ = await look(judged(score))
    assert (measurement.phase, measurement.value) == (phase, value)
    assert measurement.finished_at == "2026-01-02T03:05:05Z"
    assert f"score {value}" in measurement.metadata["reason"]


async def test_conditions_are_not_looked_at():
    measurement, _ = await look(judged(100), metric={"successCondition": "false"})
    assert measurement.phase is Phase.SUCCESSFUL


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (judged(100, "canceled"), "the judgement ended canceled"),
        (
            reply(
                orjson.dumps(
                    {
                        "complete": True,
                        "status": "terminal",
                        "exception": {"details": {"errors": ["no metrics", "for shop"]}},
                    }
                )
            ),
            "the judgement ended terminal: no metrics; for shop",
        ),
        (
            reply(
                '{"complete": true, "status": "TERMINAL", "exception": {"details": {"error": "x"}}}'
            ),
            "the judgement ended terminal: x",
        ),
        (reply('{"complete": true}'), "the judgement ended without a status"),
        (reply('{"complete": true, "status": "succeeded"}'), "ended without a score"),
        (judged(None), "ended without a score"),
        (judged("100"), "ended without a score"),
        (reply('{"status": "succeeded"}'), "does not say whether the judgement is complete"),
        (reply('{"message": "no such execution"}', "404 Not Found"), "no such execution"),
    ],
)
async def test_a_judgement_without_a_score_is_an_error(answer, message):
    measurement, _ = await look(answer)
    assert message in failed(measurement)
    assert measurement.metadata["canaryExecutionId"] == "01ABC"


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_server_in_trouble_while_it_is_looked_at(trouble):
    answer, message = TROUBLES[trouble]
    measurement, _ = await look(answer)
    assert message in failed(measurement)


async def test_a_judgement_nobody_waits_for_any_more():
    measurement, server = await look(judged(100), action=TERMINATE)
    assert (measurement.phase, measurement.message) == (Phase.ERROR, "Metric Terminated")
    assert measurement.finished_at
    assert server.seen == []


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (
            {"listed": reply("[]")},
            "canary configuration 'golden' not found in account 'configs'",
        ),
        ({"listed": reply('{"message": "x"}')}, "no list of canary configurations"),
        ({"listed": reply('[1, {"name": "silver"}]')}, "'golden' not found"),
        ({"started": reply("{}")}, "sent no canaryExecutionId"),
        ({"started": reply('{"canaryExecutionId": 5}')}, "sent no canaryExecutionId"),
        (
            {"started": reply('{"message": "scopes are missing"}', "400 Bad Request")},
            "Kayenta refused the query (status 400): scopes are missing",
        ),
    ],
)
async def test_what_cannot_be_started_is_an_error(answers, message):
    measurement, _ = await begin(**answers)
    assert message in failed(measurement)


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_server_in_trouble_when_it_is_started(trouble):
    answer, message = TROUBLES[trouble]
    measurement, _ = await begin(started=answer)
    assert message in failed(measurement)


async def test_every_request_may_take_fifteen_seconds():
    http = Client()
    await begin(http=http)
    assert http.timeouts == [15, 15]


async def test_an_id_cannot_lead_elsewhere():
    listed = reply('[{"id": "../secrets?x=", "name": "golden"}]')
    _, server = await begin(listed=listed)
    assert server.seen[1].target.startswith("/canary/..%2Fsecrets%3Fx%3D?")


# --- a whole run ---


class Judge:
    """A Kayenta that takes some minutes; remembers when it was asked."""

    def __init__(self, now, seconds):
        self.now = now
        self.seconds = seconds
        self.started = []
        self.looked = []

    async def send(self, request):
        path = urlsplit(request.url).path
        if path == "/canaryConfig":
            return Response(200, b'[{"id": "1a-2b", "name": "golden"}]')
        if request.method == "POST":
            self.started.append(self.now())
            return Response(200, b'{"canaryExecutionId": "01ABC"}')
        self.looked.append(self.now() - self.started[0])
        if self.now() < self.started[0] + self.seconds:
            return Response(200, b'{"complete": false, "status": "running"}')
        result = {"judgeResult": {"score": {"score": 95}}}
        done = {"complete": True, "status": "succeeded", "result": result}
        return Response(200, orjson.dumps(done))


def test_a_run_waits_for_the_judgement_and_looks_every_fifteen_seconds():
    async def main():
        now = virtual_clock().wall
        judge = Judge(now, 100)
        provided = {"kayenta": {"address": "http://kayenta", **CONFIG}}
        spec = {"metrics": [{"name": "m", "provider": provided}]}
        status = await drive(
            plan_run(RunSpec.model_validate(spec)),
            RunRef("team", "run", "uid"),
            Given({}, Redactor.of(())),
            Measurer(Providers({"kayenta": provider(Tools(judge, now, {}))}), now),
            Pace.of_clock(now, asyncio.Event()),
            heard=lambda *_: None,
        )
        return status, judge

    status, judge = run_virtual(main())
    (result,) = status.metric_results
    assert status.phase is Phase.SUCCESSFUL
    assert [one.value for one in result.measurements] == ["95"]
    assert len(judge.started) == 1
    assert len(judge.looked) == 7
    assert all(abs(at - 15 * i) <= 2 for i, at in enumerate(judge.looked, 1))
