"""Providers that other packages bring along.

Owns finding them by the name a metric gives (entry points of ``rollouts.metric_providers``), making
each when it is first asked for, and keeping what is wrong with one to the metrics that use it.
Refuses to judge what they measure. docs/metric-providers.md says how to write one. Used like any
provider, under the key ``plugin``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from analysis.providers.base import MetricProvider, ProviderError, RunRef
from analysis.providers.tools import Tools
from analysis.spec import Measurement, Metric

GROUP: Final = "rollouts.metric_providers"
_SECONDS: Final = 300.0  # after which a plug-in that does not answer has failed
_MEMBERS: Final = ("run", "resume", "terminate", "garbage_collect", "metadata")


def installed() -> Iterable[EntryPoint]:
    """Entry points of all packages on the path of this process."""
    return entry_points(group=GROUP)


def configuration(metric: Metric) -> Any:
    """What the metric says to its plug-in: the value beside the plug-in's name."""
    return next(iter((metric.provider.plugin or {}).values()), None)


class Plugins:
    """The provider ``plugin``: passes each metric to the plug-in it names."""

    def __init__(self, tools: Tools, find: Callable[[], Iterable[EntryPoint]] = installed) -> None:
        self._tools = tools
        self._find = find
        self._found: dict[str, list[EntryPoint]] | None = None
        self._made: dict[str, MetricProvider] = {}
        self._broken: dict[str, str] = {}

    async def run(self, run: RunRef, metric: Metric, ordinal: int) -> Measurement:
        return await self._asked(metric, self._of(metric).run(run, metric, ordinal))

    async def resume(self, run: RunRef, metric: Metric, measurement: Measurement) -> Measurement:
        return await self._asked(metric, self._of(metric).resume(run, metric, measurement))

    async def terminate(self, run: RunRef, metric: Metric, measurement: Measurement) -> Measurement:
        return await self._asked(metric, self._of(metric).terminate(run, metric, measurement))

    async def garbage_collect(self, run: RunRef, metric: Metric, limit: int) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                await self._of(metric).garbage_collect(run, metric, limit)
        except Exception as error:
            raise ProviderError(f"plug-in '{_name(metric)}': {_said(error)}") from error

    def metadata(self, metric: Metric) -> dict[str, str]:
        found = self._of(metric).metadata(metric)
        return {str(key): str(value) for key, value in found.items()}

    async def _asked(self, metric: Metric, answer: Awaitable[Measurement]) -> Measurement:
        name = _name(metric)
        try:
            async with asyncio.timeout(_SECONDS):
                measurement = await answer
        except TimeoutError:
            raise ProviderError(f"plug-in '{name}' did not answer within {_SECONDS:g} s") from None
        except Exception as error:
            raise ProviderError(f"plug-in '{name}': {_said(error)}") from error
        if not isinstance(measurement, Measurement):
            kind = type(measurement).__name__
            raise ProviderError(f"plug-in '{name}' answered with a {kind}, not a Measurement")
        return measurement

    def _of(self, metric: Metric) -> MetricProvider:
        name = _name(metric)
        if name in self._broken:
            raise ProviderError(self._broken[name])
        if name not in self._made:
            try:
                self._made[name] = self._make(name)
            except ProviderError as error:
                self._broken[name] = str(error)
                raise
        return self._made[name]

    def _make(self, name: str) -> MetricProvider:
        if self._found is None:
            self._found = {}
            for entry in self._find():
                self._found.setdefault(entry.name, []).append(entry)
        entries = self._found.get(name, [])
        if not entries:
            known = ", ".join(sorted(self._found)) or "none"
            raise ProviderError(f"plug-in '{name[:128]}' is not installed; installed: {known}")
        if len({entry.value for entry in entries}) > 1:
            several = ", ".join(sorted(entry.value for entry in entries))
            raise ProviderError(f"several plug-ins are called '{name}': {several}")
        try:
            made = entries[0].load()(self._tools)
        except (Exception, SystemExit) as error:
            raise ProviderError(
                f"plug-in '{name}' ({entries[0].value}) could not be loaded: {_said(error)}"
            ) from error
        lacking = [member for member in _MEMBERS if not callable(getattr(made, member, None))]
        if lacking:
            raise ProviderError(
                f"plug-in '{name}' ({entries[0].value}) is no metric provider: it has no "
                f"{', '.join(lacking)}"
            )
        provider: MetricProvider = made
        return provider


def _name(metric: Metric) -> str:
    names = list(metric.provider.plugin or {})
    if len(names) != 1:
        raise ProviderError("provider.plugin must name exactly one plug-in")
    return str(names[0])


def _said(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, ProviderError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
