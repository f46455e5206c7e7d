"""Turns metrics pages into samples, on a schedule.

Owns the targets' bookkeeping: labels of a target, the ``up`` series, and marking a series as
ended when a page or a target no longer has it (so that a pod that is gone stops counting at
once). How a page is fetched is the caller's business: over HTTP in the demo, a function call in
tests.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from rollouts.runtime.clock import Clock
from rollouts.sandbox.promql.model import NAME, Labels, labels_of
from rollouts.sandbox.promql.store import SeriesStore


@dataclass(frozen=True, slots=True)
class Target:
    """Something to scrape: a URL, and the labels its series get (``instance`` among them)."""

    url: str
    labels: Labels


class ScrapeFailed(Exception):
    """The page could not be fetched or is not a metrics page."""


class Scraper:
    """Scrapes every target each ``interval`` seconds into a store."""

    def __init__(
        self,
        store: SeriesStore,
        clock: Clock,
        targets: Callable[[], Sequence[Target]],
        fetch: Callable[[str], Awaitable[str]],
        interval: float = 0.5,
    ) -> None:
        self._store = store
        self._clock = clock
        self._targets = targets
        self._fetch = fetch
        self._interval = interval
        self._seen: dict[Target, set[Labels]] = {}
        self._metadata: dict[str, dict[str, str]] = {}

    def metadata(self) -> Mapping[str, list[dict[str, str]]]:
        """Type and help of each metric seen, as ``/api/v1/metadata`` lists them."""
        return {name: [entry] for name, entry in sorted(self._metadata.items())}

    async def run(self) -> None:
        """Scrape for ever."""
        while True:
            await self.scrape()
            await asyncio.sleep(self._interval)

    async def scrape(self) -> None:
        """Scrape every target once, and end the series of targets that are gone."""
        targets = list(self._targets())
        now = self._now()
        for gone in set(self._seen) - set(targets):
            self._replace(gone, set(), now)
            del self._seen[gone]
        await asyncio.gather(*(self._scrape(target) for target in targets))

    async def _scrape(self, target: Target) -> None:
        now = self._now()
        try:
            page = await self._fetch(target.url)
            samples = self._parsed(page, target)
        except ScrapeFailed:
            samples = {}
        up = labels_of({NAME: "up"} | dict(target.labels))
        self._replace(target, set(samples) | {up}, now)
        for labels, value in samples.items():
            self._store.append(labels, now, value)
        self._store.append(up, now, 1.0 if samples else 0.0)

    def _replace(self, target: Target, present: set[Labels], now: int) -> None:
        for labels in self._seen.get(target, set()) - present:
            self._store.end(labels, now)
        self._seen[target] = present

    def _parsed(self, page: str, target: Target) -> dict[Labels, float]:
        """The samples of a page; a label the target already has is renamed ``exported_…``."""
        samples: dict[Labels, float] = {}
        own = dict(target.labels)
        try:
            for family in text_string_to_metric_families(page):
                name = f"{family.name}_total" if family.type == "counter" else family.name
                self._metadata[name] = {
                    "type": family.type,
                    "help": family.documentation,
                    "unit": family.unit,
                }
                for sample in family.samples:
                    labels = {
                        f"exported_{key}" if key in own else key: value
                        for key, value in sample.labels.items()
                    }
                    samples[labels_of(labels | own | {NAME: sample.name})] = float(sample.value)
        except ValueError as error:
            raise ScrapeFailed(f"{target.url}: {error}") from error
        return samples

    def _now(self) -> int:
        return round(self._clock.wall() * 1000)
