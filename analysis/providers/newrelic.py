"""New Relic queries (NRQL) as measurements.

Owns the account a profile stands for, the GraphQL that carries the query, and the rows that come
back: one row is a map for conditions (``result.count``), several are a list of maps, none is an
error. A profile is a Secret; its key only goes to its own region, or to the address beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
from analysis.providers.config import NewRelic
from analysis.providers.http import HttpClient, Request
from analysis.providers.tools import Tools
from analysis.spec import Metric

USUAL_SECRET: Final = "newrelic"  # noqa: S105 - the name of one
DEFAULT_TIMEOUT: Final = 5
REGIONS: Final = {
    "us": "https://api.newrelic.com/graphql",
    "eu": "https://api.eu.newrelic.com/graphql",
    "staging": "https://staging-api.newrelic.com/graphql",
}
_ON_THE_WAY: Final = 5.0  # seconds beyond those the query itself may take
_WHO: Final = "New Relic"
_GRAPHQL: Final = (
    "query ($account: Int!, $query: Nrql!, $timeout: Seconds) { actor { account(id: $account) "
    "{ nrql(query: $query, timeout: $timeout) { results } } } }"
)


@dataclass(frozen=True, slots=True)
class Account:
    number: int
    url: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewRelicSource:
    http: HttpClient
    now: Now

    def question(self, metric: Metric) -> Question:
        return Question((metric.provider.new_relic or NewRelic()).query)

    async def ask(self, run: RunRef, metric: Metric, question: Question) -> Answer:
        config = metric.provider.new_relic or NewRelic()
        timeout = DEFAULT_TIMEOUT if config.timeout is None else config.timeout
        if timeout < 0:
            raise ProviderError("newRelic timeout must not be negative")
        timeout = timeout or DEFAULT_TIMEOUT
        secret = await run.secrets.of_controller(config.profile or USUAL_SECRET, USUAL_SECRET)
        account = read_account(secret)
        variables = {"account": account.number, "query": question.query, "timeout": timeout}
        request = Request(
            url=account.url,
            method="POST",
            headers=(("Content-Type", "application/json"), ("API-Key", account.key)),
            body=orjson.dumps({"query": _GRAPHQL, "variables": variables}),
            timeout=timeout + _ON_THE_WAY,
        )
        response = await self.http.send(request)
        return await interpreted(response, lambda r: read_rows(read_json(r, _WHO, graphql_reason)))

    def metadata(self, metric: Metric) -> dict[str, str]:
        return {"ResolvedNewRelicQuery": (metric.provider.new_relic or NewRelic()).query}


def provider(tools: Tools) -> MetricProvider:
    """The provider ``newRelic``."""
    return Queried(NewRelicSource(tools.http, tools.now), tools.now)


def read_account(secret: Mapping[str, str]) -> Account:
    """What a profile's Secret says. Raises ProviderError where it does not say enough."""
    found = {key: text.strip() for key, text in secret.items()}
    missing = [key for key in ("personal-api-key", "account-id") if not found.get(key)]
    if missing:
        raise ProviderError(f"account ID or personal API key not found: no {', '.join(missing)}")
    if not found["account-id"].isdecimal():
        raise ProviderError("account-id of the newRelic profile is no number")
    url = found.get("base-url-nerdgraph")
    if not url:
        region = (found.get("region") or "us").lower()
        if region not in REGIONS:
            raise ProviderError(
                f"region of the newRelic profile must be one of {', '.join(REGIONS)}"
            )
        url = REGIONS[region]
    url = checked_url(url, "base-url-nerdgraph of the newRelic profile")
    return Account(int(found["account-id"]), url, found["personal-api-key"])


def read_rows(document: Any) -> Answer:
    """The rows of an answer without errors."""
    if reason := graphql_reason(document):
        raise ProviderError(f"{_WHO} could not evaluate the query: {reason}")
    try:
        rows = document["data"]["actor"]["account"]["nrql"]["results"]
    except (KeyError, TypeError) as error:
        raise ProviderError(f"{_WHO} sent an answer without results") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ProviderError(f"{_WHO} sent results that are no rows")
    if not rows:
        raise ProviderError("no results returned from NRQL query")
    result = rows[0] if len(rows) == 1 else rows
    return Answer(result, json_text(result))
