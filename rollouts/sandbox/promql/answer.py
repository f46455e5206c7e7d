"""Prometheus's HTTP API as a function: a path and parameters in, a status and JSON out.

Owns parameter parsing, limits and the shape of answers and errors; opens no socket, so the same
code serves the HTTP server and an in-memory transport in tests. What it has no route for is a
404, as in Prometheus.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Protocol

import orjson
import promql_parser as promql

from rollouts.runtime.clock import Clock
from rollouts.sandbox.promql.evaluate import evaluate, evaluate_range, parse
from rollouts.sandbox.promql.model import (
    BadData,
    Labels,
    Matrix,
    Point,
    QueryError,
    Scalar,
    Text,
    Value,
    Vector,
)
from rollouts.sandbox.promql.store import SeriesStore

MAX_POINTS: Final = 11_000
"""Points per series a range query may ask for."""


class MetadataSource(Protocol):
    """What is known about metrics by name: Prometheus's ``{type, help, unit}``."""

    def metadata(self) -> Mapping[str, list[dict[str, str]]]: ...


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class PromApi:
    """The query endpoints over one store."""

    store: SeriesStore
    clock: Clock
    source: MetadataSource | None = None

    def answer(self, path: str, parameters: Mapping[str, str]) -> Answer:
        """Answer GET or POST ``path`` with its query and form parameters."""
        try:
            match path:
                case "/api/v1/query":
                    return _success(self._query(parameters))
                case "/api/v1/query_range":
                    return _success(self._query_range(parameters))
                case "/api/v1/metadata":
                    return _success(self._metadata(parameters))
                case "/-/ready":
                    return Answer(200, b"Prometheus Server is Ready.\n", "text/plain")
                case "/-/healthy":
                    return Answer(200, b"Prometheus Server is Healthy.\n", "text/plain")
                case _:
                    return Answer(404, b"404 page not found\n", "text/plain")
        except QueryError as error:
            body = {"status": "error", "errorType": error.kind, "error": str(error)}
            return Answer(error.code, orjson.dumps(body))

    def _query(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        now = round(self.clock.wall() * 1000)
        time = _time("time", parameters["time"]) if parameters.get("time") else now
        return instant_json(evaluate(_parsed(parameters), self.store, time), time)

    def _query_range(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        start = _time("start", parameters.get("start", ""))
        end = _time("end", parameters.get("end", ""))
        if end < start:
            raise BadData('invalid parameter "end": end timestamp must not be before start time')
        step = _step(parameters.get("step", ""))
        if (end - start) // step > MAX_POINTS:
            raise BadData(
                "exceeded maximum resolution of 11,000 points per timeseries. "
                "Try decreasing the query resolution (?step=XX)"
            )
        return matrix_json(evaluate_range(_parsed(parameters), self.store, start, end, step))

    def _metadata(self, parameters: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
        known = dict(self.source.metadata()) if self.source else {}
        if parameters.get("metric"):
            known = {name: known[name] for name in [parameters["metric"]] if name in known}
        if parameters.get("limit"):
            try:
                limit = int(parameters["limit"])
            except ValueError as error:
                raise BadData("limit must be a number") from error
            known = dict(list(known.items())[:limit]) if limit >= 0 else known
        return known


def _success(data: Any) -> Answer:
    return Answer(200, orjson.dumps({"status": "success", "data": data}))


def _parsed(parameters: Mapping[str, str]) -> promql.Expr:
    return parse(parameters.get("query", ""))


def _time(name: str, text: str) -> int:
    """Milliseconds from Unix seconds or RFC 3339."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise BadData(
                f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp'
            ) from None
        seconds = moment.timestamp()
    if not math.isfinite(seconds):
        raise BadData(f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp')
    return round(seconds * 1000)


def _step(text: str) -> int:
    """Milliseconds from seconds or a Prometheus duration; must be positive."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = promql.parse_duration(text).total_seconds()
        except ValueError:
            raise BadData(
                f'invalid parameter "step": cannot parse "{text}" to a valid duration'
            ) from None
    if not math.isfinite(seconds) or seconds < 0.001:
        raise BadData(
            'invalid parameter "step": zero or negative query resolution step widths are not '
            "accepted. Try a positive integer"
        )
    return round(seconds * 1000)


def instant_json(value: Value, time: int) -> dict[str, Any]:
    """The ``data`` of an instant query's answer."""
    match value:
        case Scalar():
            return {"resultType": "scalar", "result": _pair(Point(time, value.value))}
        case Text():
            return {"resultType": "string", "result": [_seconds(time), value.value]}
        case Vector():
            result = [
                {"metric": _metric(element.labels), "value": _pair(Point(time, element.value))}
                for element in value.elements
            ]
            return {"resultType": "vector", "result": result}
        case Matrix():
            return matrix_json(value)


def matrix_json(matrix: Matrix) -> dict[str, Any]:
    """The ``data`` of a range query's answer."""
    result = [
        {"metric": _metric(window.labels), "values": [_pair(point) for point in window.points]}
        for window in matrix.windows
    ]
    return {"resultType": "matrix", "result": result}


def _metric(labels: Labels) -> dict[str, str]:
    return dict(labels)


def _seconds(time: int) -> float:
    return time // 1000 if time % 1000 == 0 else time / 1000


def _pair(point: Point) -> list[Any]:
    return [_seconds(point.time), number(point.value)]


def number(value: float) -> str:
    """A float as Prometheus writes it: shortest digits, never an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(value)), "f")
    return text.removesuffix(".0")
