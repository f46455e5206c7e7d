"""What a query would have answered, at any instant of the past.

Owns which instants are fetched together and what is remembered: instants that lie a whole number of
steps apart share a grid, and a grid is fetched in chunks well below the number of points a server
gives at once. A chunk that is too much for the server is halved. Refuses to judge; knows no
metrics, only queries. Used by ``replay``.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, Final

import orjson

from analysis.backtest.query import Form, form_of, knows_its_range
from analysis.backtest.server import Series, Server
from analysis.providers.base import ProviderError
from analysis.providers.config import Prometheus

MAX_POINTS: Final = 10_000  # of one request; servers refuse more than 11 000 per series
_FIRST_POINTS: Final = 64  # fetched for an instant nobody announced; four times as many next time
_WORTH: Final = 500  # points that cost no more than another request would
_LEAST_POINTS: Final = 100  # a chunk this small is not halved any further
_TOO_MUCH: Final = (
    "execution:",
    "timeout:",
    "server_error:",
    "sent more than",
    "did not answer",
    "too slowly",
)

Sample = tuple[bytes, Any]
"""The labels of a series, and its value as the API writes it."""


class History:
    """One query of one metric. ``until``: the last instant that may be asked for."""

    def __init__(self, server: Server, config: Prometheus, until: int) -> None:
        self._server, self._config, self._until = server, config, until
        self._grids: dict[tuple[int, int], _Grid] = {}
        self._exact: dict[int, Any] = {}
        self.form = form_of(config.query)
        self.had_data = False

    async def announce(self, spans: Iterable[tuple[int, int]], step: int) -> None:
        """Fetch what will be asked for: from a first to a last instant, ``step`` apart."""
        if self.form is Form.EXACT:
            return
        by_phase: dict[int, list[tuple[int, int]]] = {}
        for first, last in spans:
            by_phase.setdefault(first % step, []).append((first, min(last, self._until)))
        await _together(
            self._grid(step, phase).fill(first, last)
            for phase, ranges in by_phase.items()
            for first, last in _merged(ranges, step * _WORTH)
        )

    async def instant(self, moment: int, step: int) -> tuple[str, Any]:
        """The result of an instant query: its type and data, as the API writes them."""
        if self.form is Form.EXACT:
            return await self._exactly(moment)
        (column,) = await self._grid(step, moment % step).columns(moment, moment)
        self.had_data = self.had_data or bool(column)
        if self.form is Form.SCALAR:
            return "scalar", [moment, column[0][1]["value"][1]] if column else [moment, "NaN"]
        return "vector", [sample for _, sample in column]

    async def range(self, start: int, end: int, step: int) -> tuple[str, Any]:
        """The result of a range query, likewise."""
        if knows_its_range(self._config.query):
            found = await self._server.range(self._config, start, end, step)
            self.had_data = self.had_data or bool(found)
            return "matrix", found
        columns = await self._grid(step, start % step).columns(start, end)
        series: dict[bytes, list[Any]] = {}
        for column in columns:
            for labels, sample in column:
                series.setdefault(labels, []).append(sample.get("value"))
        self.had_data = self.had_data or bool(series)
        return "matrix", [{"values": series[labels]} for labels in sorted(series)]

    def _grid(self, step: int, phase: int) -> "_Grid":
        key = (step, phase)
        if key not in self._grids:
            self._grids[key] = _Grid(self._server, self._config, step, self._until)
        return self._grids[key]

    async def _exactly(self, moment: int) -> tuple[str, Any]:
        if moment not in self._exact:
            self._exact[moment] = await self._server.instant(self._config, moment)
        data = self._exact[moment]
        self.had_data = self.had_data or bool(data)
        if isinstance(data, list) and data and not isinstance(data[0], dict):
            return "scalar", data
        matrix = any("values" in series for series in data)
        return ("matrix" if matrix else "vector"), data


class _Grid:
    """The instants ``step`` apart, as far as they have been fetched."""

    def __init__(self, server: Server, config: Prometheus, step: int, until: int) -> None:
        self._server, self._config, self._step, self._until = server, config, step, until
        self._columns: dict[int, list[Sample]] = {}
        self._ahead = _FIRST_POINTS
        self._lock = asyncio.Lock()

    async def columns(self, start: int, end: int) -> list[list[Sample]]:
        """What there was at each instant from ``start`` to ``end``."""
        moments = range(start, end + 1, self._step)
        async with self._lock:
            missing = next((moment for moment in moments if moment not in self._columns), None)
            if missing is not None:
                far = missing + (self._ahead - 1) * self._step
                await self.fill(missing, max(end, min(far, self._until)))
                self._ahead = min(self._ahead * 4, MAX_POINTS)
        return [self._columns[moment] for moment in moments]

    async def fill(self, first: int, last: int) -> None:
        """Fetch from ``first`` to ``last``, in chunks."""
        length = (MAX_POINTS - 1) * self._step
        starts = range(first, last + 1, MAX_POINTS * self._step)
        await _together(self._chunk(start, min(start + length, last)) for start in starts)

    async def _chunk(self, start: int, end: int) -> None:
        end -= (end - start) % self._step
        try:
            found = await self._server.range(self._config, start, end, self._step)
        except ProviderError as error:
            points = (end - start) // self._step + 1
            if points <= _LEAST_POINTS or not any(sign in str(error) for sign in _TOO_MUCH):
                raise
            middle = start + points // 2 * self._step
            await self._chunk(start, middle - self._step)
            await self._chunk(middle, end)
        else:
            self._remember(found, range(start, end + 1, self._step))

    def _remember(self, found: list[Series], moments: range) -> None:
        self._columns.update({moment: [] for moment in moments})
        for series in found:
            labels = orjson.dumps(series.get("metric") or {}, option=orjson.OPT_SORT_KEYS)
            for kind, samples in (("value", "values"), ("histogram", "histograms")):
                for sample in series.get(samples) or []:
                    column = self._columns.get(round(sample[0]))
                    if column is not None:
                        column.append((labels, {kind: sample}))


async def _together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All of it at once; the first failure ends the rest."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _merged(spans: list[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """Spans joined where no more than ``gap`` seconds lie between them."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first - merged[-1][1] <= gap:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        elif last >= first:
            merged.append((first, last))
    return merged
