"""Graphite targets as measurements.

Owns what is rendered and which points are values: those of the first target that are not null, as
a list of floats. A target without any is an error. The query is a target, or, where it begins with
``target=``, the parameters of the render API as they are.
"""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from analysis.providers.answers import checked_url, interpreted, list_text, number, read_json
from analysis.providers.base import (
    Answer,
    MetricProvider,
    Now,
    ProviderError,
    Queried,
    Question,
    RunRef,
)
from analysis.providers.config import Graphite
from analysis.providers.http import HttpClient, Request
from analysis.providers.tools import Tools
from analysis.spec import Metric

TIMEOUT: Final = 10.0
_WHO: Final = "Graphite"
_TARGET: Final = "target="
_AS_IT_IS: Final = "=&%+(),*.:;!~$@/?-_'"


@dataclass(frozen=True, slots=True)
class GraphiteSource:
    """An address may carry a user and a password."""

    http: HttpClient
    now: Now

    def question(self, metric: Metric) -> Question:
        config = metric.provider.graphite or Graphite()
        return Question(without_whitespace(config.query))

    async def ask(self, run: RunRef, metric: Metric, question: Question) -> Answer:  # noqa: ARG002 - the seam
        config = metric.provider.graphite or Graphite()
        address = checked_url(config.address, "graphite address")
        parameters = (
            quote(question.query, safe=_AS_IT_IS)
            if question.query.startswith(_TARGET)
            else _TARGET + quote(question.query, safe="")
        )
        request = Request(f"{address}/render?format=json&{parameters}", timeout=TIMEOUT)
        response = await self.http.send(request)
        return await interpreted(response, lambda r: read_targets(read_json(r, _WHO, _said)))

    def metadata(self, metric: Metric) -> dict[str, str]:  # noqa: ARG002 - nothing to add
        return {}


def provider(tools: Tools) -> MetricProvider:
    """The provider ``graphite``."""
    return Queried(GraphiteSource(tools.http, tools.now), tools.now)


def without_whitespace(query: str) -> str:
    """Targets are written over several lines, and Graphite takes them in one."""
    return "".join(query.split())


def read_targets(document: Any) -> Answer:
    """The points of the first target."""
    if not isinstance(document, list):
        raise ProviderError(f"{_WHO} sent an answer that is no list of targets")
    try:
        points = document[0]["datapoints"] if document else []
        values = [value for point in points if (value := number(point[0])) is not None]
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise ProviderError(f"{_WHO} sent a target without points of numbers") from error
    if not values:
        raise ProviderError("no values found")
    return Answer(values, list_text(values))


def _said(document: Any) -> str:
    """Graphite tells errors as text; servers that speak its API have objects."""
    return str(document.get("message") or "") if isinstance(document, dict) else ""
