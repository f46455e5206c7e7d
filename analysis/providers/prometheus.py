"""Prometheus queries as measurements.

Owns the query API: what is sent, and which answers are answers. Anything else — another status,
HTML, an unknown type, a sample that is no number — is an error, never an empty result. Conditions
see a float for a scalar and a list of floats for a vector or a matrix.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import orjson

from analysis.expr.errors import ExprError
from analysis.expr.program import compile_expression
from analysis.expr.values import Instant, type_name
from analysis.providers.authentication import Sender
from analysis.providers.aws import Aws
from analysis.providers.base import (
    Answer,
    MetricProvider,
    Now,
    ProviderError,
    Queried,
    Question,
    RunRef,
)
from analysis.providers.config import Prometheus, PrometheusServer, RangeQuery
from analysis.providers.http import Request, Response
from analysis.providers.tools import Tools
from analysis.spec import Metric
from analysis.times import parse_duration

DEFAULT_TIMEOUT: Final = 30
ADDRESS_VARIABLE: Final = "ARGO_ROLLOUTS_PROMETHEUS_ADDRESS"
_FORM: Final = ("Content-Type", "application/x-www-form-urlencoded")
_MAX_WARNINGS: Final = 20


@dataclass(frozen=True, slots=True)
class PrometheusSource:
    """``default_address`` is used by metrics without one."""

    sender: Sender
    now: Now
    default_address: str = ""

    def question(self, metric: Metric) -> Question:
        config = metric.provider.prometheus or Prometheus()
        now = self.now()
        if config.range_query is None:
            return Question(config.query, (now, now))
        start = _instant("start", config.range_query.start, now)
        return Question(config.query, (start, _instant("end", config.range_query.end, now)))

    async def ask(self, run: RunRef, metric: Metric, question: Question) -> Answer:
        config = metric.provider.prometheus or Prometheus()
        form = {"query": config.query}
        if config.range_query is None:
            path, form = "/api/v1/query", form | _at(question)
        else:
            path, form = "/api/v1/query_range", form | _range(config.range_query, question)
        return read_answer(
            await self.exchange(config, path, form, timeout_of(config), namespace=run.namespace)
        )

    async def exchange(
        self,
        config: PrometheusServer,
        path: str,
        form: Mapping[str, str],
        seconds: float,
        *,
        namespace: str,
    ) -> Response:
        """One call of the server's API, as the metric identifies itself, within ``seconds``.

        ``namespace``: of the run, since credentials are never shared between them. Raises
        ProviderError where there is no answer at all.
        """
        form = {**form, "timeout": f"{seconds:g}s"}
        request = Request(
            url=checked_address(config.address or self.default_address) + path,
            method="POST",
            headers=(_FORM, *((header.key, header.value) for header in config.headers)),
            timeout=seconds,
            insecure=config.insecure,
        )
        who, body = config.authentication, urlencode(form)
        posted = replace(request, body=body.encode())
        response = await self.sender.send(namespace, posted, who)
        if response.status in (405, 501):
            # A blank is %20: signatures are checked over a query in which a plus is a plus.
            query = urlencode(form, quote_via=quote)
            asked = replace(request, method="GET", url=f"{request.url}?{query}")
            response = await self.sender.send(namespace, asked, who)
        return response

    def metadata(self, metric: Metric) -> dict[str, str]:
        config = metric.provider.prometheus or Prometheus()
        return {"ResolvedPrometheusQuery": config.query}


def provider(tools: Tools) -> MetricProvider:
    """The provider ``prometheus``."""
    address = tools.environ.get(ADDRESS_VARIABLE, "")
    sender = Sender(tools.http, tools.now, Aws(tools.http, tools.environ))
    return Queried(PrometheusSource(sender, tools.now, address), tools.now)


def checked_address(address: str) -> str:
    """The address without a trailing slash. Raises ProviderError when there is none, or no URL."""
    if not address:
        raise ProviderError(
            "prometheus address is not configured: set provider.prometheus.address, or "
            f"{ADDRESS_VARIABLE} on the controller"
        )
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise ProviderError(f"prometheus address '{address[:128]}' is not in URL format")
    return address.rstrip("/")


def read_answer(response: Response) -> Answer:
    """What the server said. Raises ProviderError unless it is a value."""
    document = read_document(response)
    data = document.get("data")
    if not isinstance(data, dict):
        raise ProviderError("bad_response: the answer has no data")
    result, value = read_value(data.get("resultType"), data.get("result"))
    return Answer(result, value, _warnings(document))


def read_document(response: Response) -> dict[str, Any]:
    """The JSON of an answer that is a success. Raises ProviderError for all others."""
    try:
        document = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise ProviderError(_not_json(response.status))
    if document.get("status") != "success":
        kind = str(document.get("errorType") or f"status {response.status}")
        reason = document.get("error") or document.get("message") or "no reason given"
        raise ProviderError(f"{kind}: {str(reason)[:1024]}")
    if not 200 <= response.status < 300:
        raise ProviderError(_not_json(response.status))
    return document


def read_value(kind: object, data: Any) -> tuple[Any, str]:
    """The value for conditions and for people, of one result type."""
    try:
        match kind:
            case "scalar":
                number = _number(data[1])
                return number, sample_text(number)
            case "vector":
                numbers = [_number(series["value"][1]) for series in data]
            case "matrix":
                numbers = [_number(point[1]) for series in data for point in series["values"]]
            case _:
                raise ProviderError(f"Prometheus metric type not supported: {str(kind)[:32]}")
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ProviderError(
            f"bad_response: a {kind} sample without a float value (native histograms need "
            f"histogram_quantile or similar): {type(error).__name__}"
        ) from error
    return numbers, f"[{','.join(map(sample_text, numbers))}]"


def sample_text(value: float) -> str:
    """A sample as Prometheus prints it: shortest, without an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return f"{Decimal(repr(value)):f}".removesuffix(".0")


def _number(text: object) -> float:
    if not isinstance(text, str):
        raise TypeError("samples are strings")
    return float(text)


def _at(question: Question) -> dict[str, str]:
    return {"time": f"{question.window[1]:.3f}"} if question.window else {}


def _range(wanted: RangeQuery, question: Question) -> dict[str, str]:
    start, end = question.window or (0.0, 0.0)
    try:
        step = parse_duration(wanted.step)
    except ValueError as error:
        raise ProviderError(f"rangeQuery.step: {error}") from error
    return {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}


def timeout_of(config: PrometheusServer) -> float:
    """Seconds an answer may take. Raises ProviderError."""
    timeout = DEFAULT_TIMEOUT if config.timeout is None else config.timeout
    if timeout < 0:
        raise ProviderError("prometheus timeout should not be negative")
    return timeout or DEFAULT_TIMEOUT


def _instant(field: str, source: str, now: float) -> float:
    try:
        value = compile_expression(source).run(None, now=now)
    except ExprError as error:
        raise ProviderError(f"rangeQuery.{field}: {error}") from error
    if not isinstance(value, Instant):
        raise ProviderError(f"rangeQuery.{field} must be a time, not {type_name(value)}")
    return value.seconds


def _not_json(status: int) -> str:
    if status >= 500:
        return f"server_error: server error: {status}"
    if status >= 400:
        return f"client_error: client error: {status}"
    return f"bad_response: status {status}, but the answer is not the JSON of Prometheus' API"


def _warnings(document: dict[str, Any]) -> dict[str, str]:
    found = document.get("warnings")
    if not isinstance(found, list) or not found:
        return {}
    return {"warnings": " ".join(f'"{str(text)[:256]}"' for text in found[:_MAX_WARNINGS])}
