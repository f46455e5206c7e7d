"""Amazon CloudWatch queries as measurements.

Owns one GetMetricData call over all its pages: what is sent, and which answers are answers. Asks as
the controller's AWS identity, in AWS_REGION, at CloudWatch itself or at the controller's
AWS_ENDPOINT_URL_CLOUDWATCH (AWS_ENDPOINT_URL). Conditions see the list of results:
``result[0].Values[0]`` is the latest point of the first query.
"""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from analysis.expr.values import Instant
from analysis.providers.answers import checked_url, json_text, number, read_json
from analysis.providers.aws import Aws, Identity
from analysis.providers.base import (
    Answer,
    MetricProvider,
    Now,
    ProviderError,
    Queried,
    Question,
    RunRef,
)
from analysis.providers.config import CloudWatch, MetricDataQuery, MetricStat
from analysis.providers.http import Request
from analysis.providers.tools import Tools
from analysis.spec import Metric
from analysis.times import format_time, parse_duration

SERVICE: Final = "monitoring"
"""How signatures call CloudWatch."""
ENDPOINT_VARIABLES: Final = ("AWS_ENDPOINT_URL_CLOUDWATCH", "AWS_ENDPOINT_URL")
DEFAULT_INTERVAL: Final = "5m"
TIMEOUT: Final = 30.0  # seconds, of each page
MAX_PAGES: Final = 20
_TARGET: Final = "GraniteServiceVersion20100801.GetMetricData"
_WHO: Final = "CloudWatch"
_CLIENT: Final = "cloudwatch"
_CONTROLLER: Final = Identity()  # the metric has no say in who asks
_FAILED: Final = frozenset({"InternalError", "Forbidden"})
_MAX_MESSAGES: Final = 20


@dataclass(frozen=True, slots=True)
class CloudWatchSource:
    aws: Aws
    now: Now

    def question(self, metric: Metric) -> Question:
        config = metric.provider.cloud_watch or CloudWatch()
        if not config.metric_data_queries:
            raise ProviderError("cloudWatch.metricDataQueries is empty: it says what to ask")
        now = self.now()
        asked = json_text([_query(one) for one in config.metric_data_queries])
        return Question(asked, (now - _interval(config), now))

    async def ask(self, run: RunRef, metric: Metric, question: Question) -> Answer:  # noqa: ARG002 - the seam
        start, end = question.window or (0.0, 0.0)
        asked = {
            "MetricDataQueries": orjson.loads(question.query),
            "StartTime": int(start),
            "EndTime": int(end),
        }
        url = await self.aws.blocking(self._url, TIMEOUT)
        pages = []
        for _ in range(MAX_PAGES):
            pages.append(await self._page(url, asked))
            token = pages[-1].get("NextToken")
            if not token:
                return read_pages(pages)
            asked["NextToken"] = token
        raise ProviderError(f"{_WHO} has more than {MAX_PAGES} pages; use a longer period")

    def metadata(self, metric: Metric) -> dict[str, str]:  # noqa: ARG002 - nothing to add
        return {}

    async def _page(self, url: str, asked: dict[str, Any]) -> dict[str, Any]:
        request = Request(
            url=url,
            method="POST",
            headers=(("Content-Type", "application/x-amz-json-1.0"), ("X-Amz-Target", _TARGET)),
            body=orjson.dumps(asked),
            timeout=TIMEOUT,
        )
        document = read_json(await self.aws.send(request, SERVICE, _CONTROLLER), _WHO, _said)
        if not isinstance(document, dict):
            raise ProviderError(f"{_WHO} answered with JSON that is not of its API")
        return document

    def _url(self) -> str:
        """Where to ask. Blocks."""
        for name in ENDPOINT_VARIABLES:
            if given := self.aws.environ.get(name):
                return checked_url(given, name) + "/"
        return self.aws.endpoint(_CLIENT, _CONTROLLER) + "/"


def provider(tools: Tools) -> MetricProvider:
    """The provider ``cloudWatch``."""
    return Queried(CloudWatchSource(Aws(tools.http, tools.environ), tools.now), tools.now)


# --- what is asked ---


def _interval(config: CloudWatch) -> float:
    try:
        seconds = parse_duration(config.interval or DEFAULT_INTERVAL)
    except ValueError as error:
        raise ProviderError(f"cloudWatch.interval: {error}") from error
    if seconds <= 0:
        raise ProviderError("cloudWatch.interval must be more than nothing")
    return seconds


def _query(query: MetricDataQuery) -> dict[str, Any]:
    asked = {
        "Id": query.id,
        "Expression": query.expression,
        "Label": query.label,
        "MetricStat": _stat(query.metric_stat) if query.metric_stat else None,
        "Period": _period(query.period),
        "ReturnData": query.return_data,
    }
    return {name: value for name, value in asked.items() if value not in (None, "")}


def _stat(stat: MetricStat) -> dict[str, Any]:
    metric = stat.metric
    asked = {
        "Metric": {
            "Namespace": metric.namespace,
            "MetricName": metric.metric_name,
            "Dimensions": [{"Name": one.name, "Value": one.value} for one in metric.dimensions],
        },
        "Period": _period(stat.period),
        "Stat": stat.stat,
        "Unit": stat.unit,
    }
    return {name: value for name, value in asked.items() if value not in (None, "")}


def _period(value: str | int | None) -> int | None:
    try:
        return None if value in (None, "") else int(value or 0)
    except ValueError:
        raise ProviderError(f"cloudWatch: period '{str(value)[:32]}' is no integer") from None


# --- what is answered ---


def read_pages(pages: list[dict[str, Any]]) -> Answer:
    """All pages as one answer. Raises ProviderError where a query was not answered."""
    results: dict[str, dict[str, Any]] = {}
    messages: list[str] = []
    try:
        for page in pages:
            messages += _messages(page)
            for found in page["MetricDataResults"]:
                _add(results, found)
    except (KeyError, TypeError, ValueError) as error:
        raise ProviderError(f"{_WHO} answered with JSON that is not of its API") from error
    for result in results.values():
        messages += _messages(result)
    failed = [one for one in results.values() if one["StatusCode"] in _FAILED]
    if failed:
        reasons = "; ".join(dict.fromkeys(messages)) or "no reason given"
        raise ProviderError(
            f"{_WHO} did not answer query '{failed[0]['Id']}': "
            f"{failed[0]['StatusCode']}: {reasons[:1024]}"
        )
    told = [f'"{text[:256]}"' for text in dict.fromkeys(messages)][:_MAX_MESSAGES]
    found = list(results.values())
    return Answer(found, _text(found), {"messages": " ".join(told)} if told else {})


def _add(results: dict[str, dict[str, Any]], found: dict[str, Any]) -> None:
    """A result of one page behind those of the pages before it."""
    into = results.setdefault(
        str(found["Id"]),
        {
            "Id": str(found["Id"]),
            "Label": str(found.get("Label") or ""),
            "Messages": [],
            "StatusCode": "",
            "Timestamps": [],
            "Values": [],
        },
    )
    into["StatusCode"] = str(found.get("StatusCode") or "")
    into["Messages"] += found.get("Messages") or []
    values = [number(value) for value in found.get("Values") or []]
    times = [Instant(number(at) or 0.0) for at in found.get("Timestamps") or []]
    if len(values) != len(times):
        raise ValueError("as many values as times")
    into["Values"] += values
    into["Timestamps"] += times


def _messages(part: dict[str, Any]) -> list[str]:
    return [f"{one.get('Code', '')}: {one.get('Value', '')}" for one in part.get("Messages") or []]


def _text(results: list[dict[str, Any]]) -> str:
    """For people: ids, times and values."""
    shown = [
        {
            "Id": one["Id"],
            "Label": one["Label"],
            "StatusCode": one["StatusCode"],
            "Timestamps": [format_time(at.seconds) for at in one["Timestamps"]],
            "Values": one["Values"],
        }
        for one in results
    ]
    return json_text(shown)


def _said(document: Any) -> str:
    """The reason in an error: its type without the namespace, then the message."""
    if not isinstance(document, dict):
        return ""
    kind = str(document.get("__type") or "").rpartition("#")[2]
    message = str(document.get("message") or document.get("Message") or "")
    return ": ".join(filter(None, (kind, message)))
