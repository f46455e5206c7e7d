"""Wavefront queries as measurements.

Owns what is charted and which point counts: of each series the one closest to now. One series is a
float for conditions, several are a list, none is an error. The token is the one kept under the very
address the metric names, so that it goes nowhere else.
"""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from analysis.providers.answers import checked_url, interpreted, number, read_json
from analysis.providers.base import (
    Answer,
    MetricProvider,
    Now,
    ProviderError,
    Queried,
    Question,
    RunRef,
)
from analysis.providers.config import Wavefront
from analysis.providers.http import HttpClient, Request
from analysis.providers.tools import Tools
from analysis.spec import Metric

SECRET: Final = "wavefront-api-tokens"  # noqa: S105 - the name of one
TIMEOUT: Final = 30.0
_WHO: Final = "Wavefront"


@dataclass(frozen=True, slots=True)
class WavefrontSource:
    http: HttpClient
    now: Now

    def question(self, metric: Metric) -> Question:
        now = self.now()
        return Question((metric.provider.wavefront or Wavefront()).query, (now, now))

    async def ask(self, run: RunRef, metric: Metric, question: Question) -> Answer:
        config = metric.provider.wavefront or Wavefront()
        tokens = await run.secrets.of_controller(SECRET, SECRET)
        token = tokens.get(config.address, "").strip()
        if not token:
            raise ProviderError(
                f"API token not found: secret '{SECRET}' has no key '{config.address[:128]}'"
            )
        now = question.window[1] if question.window else self.now()
        asked = {
            "q": config.query,
            "s": int(now * 1000),
            "e": int(now * 1000),
            "g": "s",
            "p": 1,
            "i": "true",
            "strict": "false",
        }
        address = checked_url(f"https://{config.address}", "wavefront address")
        request = Request(
            url=f"{address}/api/v2/chart/api?{urlencode(asked)}",
            headers=(("Authorization", f"Bearer {token}"), ("Accept", "application/json")),
            timeout=TIMEOUT,
        )
        response = await self.http.send(request)
        return await interpreted(response, lambda r: read_chart(read_json(r, _WHO, _said), now))

    def metadata(self, metric: Metric) -> dict[str, str]:  # noqa: ARG002 - nothing to add
        return {}


def provider(tools: Tools) -> MetricProvider:
    """The provider ``wavefront``."""
    return Queried(WavefrontSource(tools.http, tools.now), tools.now)


def read_chart(document: Any, now: float) -> Answer:
    """The points closest to ``now`` (seconds since the epoch), and how far from it they are."""
    if not isinstance(document, dict):
        raise ProviderError(f"{_WHO} sent an answer that is no object")
    if reason := str(document.get("errorMessage") or document.get("errorType") or ""):
        raise ProviderError(f"{_WHO} could not evaluate the query: {reason}")
    try:
        series = document.get("timeseries") or []
        points = [_closest(one.get("data") or [], now) for one in series]
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise ProviderError(f"{_WHO} sent a series without points of numbers") from error
    found = [point for point in points if point is not None]
    if not found:
        raise ProviderError("no time series returned: Wavefront found no data for the query")
    metadata = {
        "timestamps": ",".join(f"{when:.0f}" for when, _ in found),
        "drift": ",".join(f"{now - when:.0f}" for when, _ in found),
    }
    if warnings := str(document.get("warnings") or ""):
        metadata["warnings"] = warnings
    values = [value for _, value in found]
    if len(values) == 1:
        return Answer(values[0], f"{values[0]:.2f}", metadata)
    return Answer(values, f"[{','.join(f'{value:.2f}' for value in values)}]", metadata)


def _closest(points: list[Any], now: float) -> tuple[float, float] | None:
    """When and what; None where there is no point with a value."""
    found = [
        (when, value)
        for point in points
        if (when := number(point[0])) is not None and (value := number(point[1])) is not None
    ]
    return min(found, key=lambda point: abs(now - point[0]), default=None)


def _said(document: Any) -> str:
    """Its errors are ``{"status": {"message": ...}}`` or ``{"errorMessage": ...}``."""
    if not isinstance(document, dict):
        return ""
    status = document.get("status")
    within = status.get("message") if isinstance(status, dict) else None
    return str(document.get("errorMessage") or within or document.get("message") or "")
