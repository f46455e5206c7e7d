"""A Prometheus server that is asked for series, several questions at one moment.

Owns the requests and what series an answer holds, labels included. Whatever is no answer raises
ProviderError. Used by the providers that compare the canary with the stable version.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from analysis.providers.authentication import Sender
from analysis.providers.aws import Aws
from analysis.providers.base import ProviderError
from analysis.providers.config import PrometheusServer
from analysis.providers.http import Response
from analysis.providers.prometheus import (
    ADDRESS_VARIABLE,
    PrometheusSource,
    read_document,
    timeout_of,
)
from analysis.providers.tools import Tools

Labels: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Asking:
    """``namespace``: of the run, since credentials are never shared between them."""

    source: PrometheusSource

    async def now(
        self, server: PrometheusServer, queries: Sequence[str], at: float, namespace: str
    ) -> list[list[tuple[Labels, float]]]:
        """Every series of every query at one moment (seconds since the epoch)."""
        asked = [
            self._ask(server, "/api/v1/query", {"query": query, "time": f"{at:.3f}"}, namespace)
            for query in queries
        ]
        return [_samples(answer) for answer in await _all(asked)]

    async def between(
        self,
        server: PrometheusServer,
        queries: Sequence[str],
        span: tuple[float, float, float],
        namespace: str,
    ) -> list[list[tuple[Labels, list[float]]]]:
        """The points of every series of every query; ``span``: from, to and step in seconds."""
        start, end, step = span
        times = {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        asked = [
            self._ask(server, "/api/v1/query_range", {"query": query, **times}, namespace)
            for query in queries
        ]
        return [_points(answer) for answer in await _all(asked)]

    async def _ask(
        self, server: PrometheusServer, path: str, form: Mapping[str, str], namespace: str
    ) -> Response:
        return await self.source.exchange(
            server, path, form, timeout_of(server), namespace=namespace
        )


def asking(tools: Tools) -> Asking:
    """Asks as the provider ``prometheus`` does."""
    sender = Sender(tools.http, tools.now, Aws(tools.http, tools.environ))
    address = tools.environ.get(ADDRESS_VARIABLE, "")
    return Asking(PrometheusSource(sender, tools.now, address))


async def _all(questions: Sequence[Any]) -> list[Response]:
    """All answers, or the first error once all have ended."""
    answers = await asyncio.gather(*questions, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return [answer for answer in answers if not isinstance(answer, BaseException)]


def _data(response: Response) -> tuple[str, Any]:
    data = read_document(response).get("data")
    if not isinstance(data, dict):
        raise ProviderError("bad_response: the answer has no data")
    return str(data.get("resultType")), data.get("result")


def _samples(response: Response) -> list[tuple[Labels, float]]:
    kind, result = _data(response)
    try:
        if kind == "scalar":
            return [({}, float(result[1]))]
        if kind == "vector":
            return [(one["metric"], float(one["value"][1])) for one in result]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ProviderError(f"bad_response: a {kind} sample without a float value") from error
    raise ProviderError(f"the query must give a vector, not a {kind[:32]}")


def _points(response: Response) -> list[tuple[Labels, list[float]]]:
    kind, result = _data(response)
    if kind != "matrix":
        raise ProviderError(f"the query must give a vector at each point, not a {kind[:32]}")
    try:
        return [(one["metric"], [float(value) for _, value in one["values"]]) for one in result]
    except (KeyError, TypeError, ValueError) as error:
        raise ProviderError("bad_response: a point without a float value") from error


def whole(value: float, what: str) -> int:
    """A counter's value. Raises ProviderError where it cannot be one."""
    if not math.isfinite(value) or value < 0:
        raise ProviderError(f"{what} is {value}, which is no counter")
    if abs(value - round(value)) > 1e-6 * max(1.0, value):
        raise ProviderError(
            f"{what} is {value:g}, which is no whole number: ask for the counter itself, without "
            "rate() or increase()"
        )
    return round(value)
