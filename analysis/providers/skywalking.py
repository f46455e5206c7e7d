"""SkyWalking queries as measurements.

Owns the GraphQL that is sent, with the window as its variable ``duration``, to the minute and in
UTC. Conditions see the ``data`` of the answer.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from analysis.providers.answers import (
    checked_url,
    graphql_reason,
    interpreted,
    json_text,
    read_json,
)
from analysis.providers.base import (
    Answer,
    MetricProvider,
    Now,
    ProviderError,
    Queried,
    Question,
    RunRef,
)
from analysis.providers.config import Skywalking
from analysis.providers.http import HttpClient, Request
from analysis.providers.tools import Tools
from analysis.spec import Metric
from analysis.times import parse_duration

TIMEOUT: Final = 30.0
_WHO: Final = "SkyWalking"
_MINUTE: Final = "%Y-%m-%d %H%M"


@dataclass(frozen=True, slots=True)
class SkywalkingSource:
    http: HttpClient
    now: Now

    def question(self, metric: Metric) -> Question:
        config = metric.provider.skywalking or Skywalking()
        try:
            seconds = parse_duration(config.interval)
        except ValueError as error:
            raise ProviderError(f"skywalking interval: {error}") from error
        now = self.now()
        return Question(config.query, (now - seconds, now))

    async def ask(self, run: RunRef, metric: Metric, question: Question) -> Answer:  # noqa: ARG002 - the seam
        config = metric.provider.skywalking or Skywalking()
        address = checked_url(config.address, "skywalking address")
        start, end = question.window or (0.0, 0.0)
        window = {"start": minute(start), "end": minute(end), "step": "MINUTE"}
        body = {"query": config.query, "variables": {"duration": window}}
        request = Request(
            url=f"{address}/graphql",
            method="POST",
            headers=(("Content-Type", "application/json"), ("Accept", "application/json")),
            body=orjson.dumps(body),
            timeout=TIMEOUT,
        )
        response = await self.http.send(request)
        return await interpreted(response, lambda r: read_data(read_json(r, _WHO, graphql_reason)))

    def metadata(self, metric: Metric) -> dict[str, str]:  # noqa: ARG002 - nothing to add
        return {}


def provider(tools: Tools) -> MetricProvider:
    """The provider ``skywalking``."""
    return Queried(SkywalkingSource(tools.http, tools.now), tools.now)


def minute(epoch: float) -> str:
    """``2026-01-02 0304`` in UTC."""
    return datetime.fromtimestamp(epoch, UTC).strftime(_MINUTE)


def read_data(document: Any) -> Answer:
    """The ``data`` of an answer without errors."""
    if reason := graphql_reason(document):
        raise ProviderError(f"{_WHO} could not evaluate the query: {reason}")
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict):
        raise ProviderError(f"{_WHO} sent an answer without data")
    return Answer(data, json_text(data))
