"""Datadog queries as measurements, by either version of its API.

Owns who asks (a Secret the metric names, the controller's environment, or the Secret ``datadog``),
what is sent, and which answers are answers. Conditions see a float, a list of floats where the
query groups, and nothing at all where Datadog has no data. The keys only ever go to the address
that stands beside them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from analysis.providers.answers import (
    checked_url,
    interpreted,
    json_text,
    list_text,
    number,
    number_text,
    read_json,
)
from analysis.providers.authentication import without
from analysis.providers.base import (
    Answer,
    MetricProvider,
    Now,
    ProviderError,
    Queried,
    Question,
    RunRef,
)
from analysis.providers.config import Datadog
from analysis.providers.http import HttpClient, Request, Response
from analysis.providers.tools import Tools
from analysis.spec import Metric
from analysis.times import parse_duration

USUAL_SECRET: Final = "datadog"  # noqa: S105 - the name of one
DEFAULT_ADDRESS: Final = "https://api.datadoghq.com"
VARIABLES: Final = {"api-key": "DD_API_KEY", "app-key": "DD_APP_KEY", "address": "DD_ADDRESS"}
DEFAULT_AGGREGATOR: Final = "last"
MAX_GROUPS: Final = 100
_WHO: Final = "Datadog"
_NO_DATA: Final = Answer(None, "[]")


@dataclass(frozen=True, slots=True)
class Credentials:
    address: str
    api_key: str = field(repr=False)
    app_key: str = field(repr=False)

    def headers(self) -> tuple[tuple[str, str], ...]:
        return (
            ("Content-Type", "application/json"),
            ("DD-API-KEY", self.api_key),
            ("DD-APPLICATION-KEY", self.app_key),
        )


@dataclass(frozen=True, slots=True)
class DatadogSource:
    """``environ``: of the controller."""

    http: HttpClient
    now: Now
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    def question(self, metric: Metric) -> Question:
        config = metric.provider.datadog or Datadog()
        now = self.now()
        start = now - _seconds("interval", config.interval or "5m")
        return Question(_query_text(config), (start, now))

    async def ask(self, run: RunRef, metric: Metric, question: Question) -> Answer:
        config = metric.provider.datadog or Datadog()
        timeout = _seconds("requestTimeout", config.request_timeout or "10s")
        who = await self._credentials(run, config)
        if config.api_version == "v2":
            request = Request(
                url=f"{who.address}/api/v2/query/scalar",
                method="POST",
                headers=who.headers(),
                body=orjson.dumps(scalar_request(config, question)),
                timeout=timeout,
            )
            return await self._read(request, who, read_scalar)
        start, end = question.window or (0.0, 0.0)
        asked = urlencode({"from": int(start), "to": int(end), "query": config.query})
        request = Request(
            url=f"{who.address}/api/v1/query?{asked}", headers=who.headers(), timeout=timeout
        )
        return await self._read(request, who, read_series)

    def metadata(self, metric: Metric) -> dict[str, str]:  # noqa: ARG002 - nothing to add
        return {}

    async def _read(
        self, request: Request, who: Credentials, read: Callable[[Any], Answer]
    ) -> Answer:
        """The answer; keys from the environment are no Secrets that would be masked later."""

        def parsed(response: Response) -> Answer:
            return read(read_json(without(response, who.api_key, who.app_key), _WHO, _said))

        return await interpreted(await self.http.send(request), parsed)

    async def _credentials(self, run: RunRef, config: Datadog) -> Credentials:
        found = await self._keys(run, config)
        missing = [key for key in ("api-key", "app-key") if not found.get(key, "").strip()]
        if missing:
            raise ProviderError(f"API or App token not found: {', '.join(missing)} is missing")
        address = found.get("address", "").strip() or DEFAULT_ADDRESS
        return Credentials(
            checked_url(address, "the address of Datadog beside its keys"),
            found["api-key"].strip(),
            found["app-key"].strip(),
        )

    async def _keys(self, run: RunRef, config: Datadog) -> Mapping[str, str]:
        wanted = config.secret_ref
        if wanted.name and wanted.namespaced:
            return await run.secrets.of_run(wanted.name)
        if wanted.name:
            return await run.secrets.of_controller(wanted.name, USUAL_SECRET)
        given = {key: self.environ.get(name, "") for key, name in VARIABLES.items()}
        if all(given.values()):
            return given
        try:
            return await run.secrets.of_controller(USUAL_SECRET, USUAL_SECRET)
        except ProviderError as error:
            raise ProviderError(
                f"failed to find the credentials for datadog metrics provider: {error}"
            ) from error


def provider(tools: Tools) -> MetricProvider:
    """The provider ``datadog``."""
    return Queried(DatadogSource(tools.http, tools.now, tools.environ), tools.now)


def scalar_request(config: Datadog, question: Question) -> dict[str, Any]:
    """The body of a v2 query; times in milliseconds."""
    queries = config.queries or {"query": config.query}
    formula = config.formula or next(iter(queries))
    start, end = question.window or (0.0, 0.0)
    attributes = {
        "from": int(start * 1000),
        "to": int(end * 1000),
        "queries": [
            {
                "data_source": "metrics",
                "name": name,
                "query": query,
                "aggregator": config.aggregator or DEFAULT_AGGREGATOR,
            }
            for name, query in queries.items()
        ],
        "formulas": [{"formula": formula}],
    }
    return {"data": {"type": "scalar_request", "attributes": attributes}}


def read_series(document: Any) -> Answer:
    """v1: the last point of the first series."""
    if not isinstance(document, dict):
        raise ProviderError(f"{_WHO} sent an answer that is no object")
    if document.get("status") == "error" or document.get("error"):
        raise ProviderError(f"{_WHO} could not evaluate the query: {_said(document)}")
    if "series" not in document and document.get("status") != "ok":
        raise ProviderError(f"{_WHO} sent an answer without series")
    series = document.get("series") or []
    try:
        points = series[0].get("pointlist") or [] if series else []
        value = number(points[-1][1]) if points else None
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ProviderError(f"{_WHO} sent a series without points of numbers") from error
    return _NO_DATA if value is None else Answer(value, number_text(value))


def read_scalar(document: Any) -> Answer:
    """v2: the column of numbers; a list of them where there are columns of groups."""
    try:
        columns = document["data"]["attributes"]["columns"] or []
        numbers = [one for one in columns if one.get("type") == "number"]
        groups = [one for one in columns if one.get("type") == "group"]
        values = [number(one) for one in numbers[0].get("values") or []] if numbers else []
        names = _group_names(groups, len(values))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        reason = _said(document) or "no columns of numbers"
        raise ProviderError(f"{_WHO} could not evaluate the query: {reason}") from error
    if groups and values:
        return Answer(values, list_text(values), _groups(names, values))
    if not values or values[0] is None:
        return _NO_DATA
    return Answer(values[0], number_text(values[0]))


def _group_names(columns: list[dict[str, Any]], count: int) -> list[str]:
    """``env:prod,host:a`` for each value."""
    return [
        ",".join(
            f"{column.get('name', '')}:{'|'.join(map(str, column['values'][row] or ()))}"
            for column in columns
        )
        for row in range(count)
    ]


def _groups(names: list[str], values: list[float | None]) -> dict[str, str]:
    """Value by group, as JSON; of very many the lowest and the highest."""
    found = list(zip(names, values, strict=True))
    if len(found) <= MAX_GROUPS:
        return {"groups": json_text(dict(found))}
    ranked = sorted(found, key=lambda one: float("-inf") if one[1] is None else one[1])
    kept = ranked[: MAX_GROUPS // 2] + ranked[-MAX_GROUPS // 2 :]
    return {"groups": json_text(dict(kept)), "groups_truncated": "true"}


def _query_text(config: Datadog) -> str:
    if not config.queries:
        return config.query
    named = "; ".join(f"{name} = {query}" for name, query in config.queries.items())
    return f"{config.formula}, where {named}" if config.formula else named


def _seconds(field_name: str, text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise ProviderError(f"datadog {field_name}: {error}") from error
    if seconds <= 0:
        raise ProviderError(f"datadog {field_name} must be longer than nothing")
    return seconds


def _said(document: Any) -> str:
    if not isinstance(document, dict):
        return ""
    errors = document.get("errors")
    if isinstance(errors, list):
        return "; ".join(map(str, errors))
    return str(errors or document.get("error") or document.get("message") or "")
