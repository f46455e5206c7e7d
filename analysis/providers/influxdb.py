"""InfluxDB queries (Flux) as measurements.

Owns the server a profile stands for and the annotated CSV it answers with: conditions see the list
of the records' values, of all tables and in their order, each of the type the server says. No
records is an error. A profile is a Secret; its token only goes to the address beside it.
"""

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from analysis.providers.answers import (
    check_status,
    checked_url,
    interpreted,
    json_text,
    number_text,
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
from analysis.providers.config import Influxdb
from analysis.providers.http import HttpClient, Request
from analysis.providers.tools import Tools
from analysis.spec import Metric

USUAL_SECRET: Final = "influxdb"  # noqa: S105 - the name of one
TIMEOUT: Final = 30.0
_WHO: Final = "InfluxDB"
_DIALECT: Final = {"annotations": ["datatype", "group", "default"], "header": True}
_TYPES: Final[Mapping[str, Callable[[str], Any]]] = {
    "double": float,
    "long": int,
    "unsignedLong": int,
    "boolean": lambda text: text.lower() == "true",
}
"""What is neither is text: strings, times, durations."""


@dataclass(frozen=True, slots=True)
class Profile:
    address: str
    org: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class InfluxdbSource:
    http: HttpClient
    now: Now

    def question(self, metric: Metric) -> Question:
        return Question((metric.provider.influxdb or Influxdb()).query)

    async def ask(self, run: RunRef, metric: Metric, question: Question) -> Answer:
        config = metric.provider.influxdb or Influxdb()
        secret = await run.secrets.of_controller(config.profile or USUAL_SECRET, USUAL_SECRET)
        profile = read_profile(secret)
        body = {"query": question.query, "type": "flux", "dialect": _DIALECT}
        request = Request(
            url=f"{profile.address}/api/v2/query?{urlencode({'org': profile.org})}",
            method="POST",
            headers=(
                ("Authorization", f"Token {profile.token}"),
                ("Content-Type", "application/json"),
                ("Accept", "application/csv"),
            ),
            body=orjson.dumps(body),
            timeout=TIMEOUT,
        )
        response = await self.http.send(request)
        check_status(response, _WHO, _said)
        return await interpreted(response, lambda r: read_tables(r.body))

    def metadata(self, metric: Metric) -> dict[str, str]:  # noqa: ARG002 - nothing to add
        return {}


def provider(tools: Tools) -> MetricProvider:
    """The provider ``influxdb``."""
    return Queried(InfluxdbSource(tools.http, tools.now), tools.now)


def read_profile(secret: Mapping[str, str]) -> Profile:
    """What a profile's Secret says. Raises ProviderError where it does not say enough."""
    found = {key: text.strip() for key, text in secret.items()}
    missing = [key for key in ("address", "authToken", "org") if not found.get(key)]
    if missing:
        raise ProviderError(f"authToken, org or address not found: no {', '.join(missing)}")
    address = checked_url(found["address"], "address of the influxdb profile")
    return Profile(address, found["org"], found["authToken"])


def read_tables(body: bytes) -> Answer:
    """The values of all records."""
    try:
        rows = csv.reader(io.StringIO(body.decode(), newline=""), strict=True)
        values = [value for table in _tables(rows) for value in table.values()]
    except (csv.Error, UnicodeDecodeError, ValueError) as error:
        raise ProviderError(
            f"{_WHO} answered, but not with the CSV of its API; check the address: {error}"
        ) from error
    if not values:
        raise ProviderError("no values found: InfluxDB has no data for the query")
    return Answer(values, f"[{','.join(map(_text, values))}]")


@dataclass(slots=True)
class _Table:
    """A header, its annotations by column, and the records below it."""

    columns: Sequence[str]
    types: Sequence[str]
    defaults: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)

    def values(self) -> Iterator[Any]:
        """Raises ProviderError for the table of an error, ValueError for what is no table."""
        if "error" in self.columns and self.rows:
            reason = self.rows[0][self.columns.index("error")]
            raise ProviderError(f"{_WHO} could not evaluate the query: {reason}")
        if "result" not in self.columns:
            raise ValueError("no column 'result'")
        if self.rows and "_value" not in self.columns:
            raise ProviderError("the records have no column _value; keep it in the query")
        for row in self.rows:
            yield self._value(row, self.columns.index("_value"))

    def _value(self, row: Sequence[str], at: int) -> Any:
        if len(row) != len(self.columns):
            raise ValueError("a record has not the columns of its header")
        kind = self.types[at] if at < len(self.types) else ""
        text = row[at] or (self.defaults[at] if at < len(self.defaults) else "")
        if not text:
            return "" if kind == "string" else None
        return _TYPES.get(kind, str)(text)


def _tables(rows: Iterable[Sequence[str]]) -> Iterator[_Table]:
    """Annotations, or an empty line, begin the next table."""
    table: _Table | None = None
    notes: dict[str, Sequence[str]] = {}
    for row in rows:
        begins = not row or row[0].startswith("#")
        if begins and table is not None:
            yield table
            table, notes = None, {}
        if not row:
            continue
        if begins:
            notes[row[0]] = row
        elif table is None:
            table = _Table(row, notes.get("#datatype", ()), notes.get("#default", ()))
        else:
            table.rows.append(row)
    if table is not None:
        yield table


def _text(value: Any) -> str:
    if isinstance(value, float):
        return number_text(value) if math.isfinite(value) else json_text(str(value))
    return json_text(value)


def _said(document: Any) -> str:
    return str(document.get("message") or "") if isinstance(document, dict) else ""
