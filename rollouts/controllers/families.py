"""Metric families whose series come and go with the objects they describe.

Owns exact names (Argo Rollouts' counters have no ``_total``, which the library would add), labels,
and the removal of series. Values are kept when something happens and only read by a scrape.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Final, TypeAlias

from prometheus_client.core import Metric

Labels: TypeAlias = tuple[str, ...]


class Family:
    """Series of one name, grouped by the object they belong to."""

    def __init__(self, name: str, help_text: str, labels: Labels, *, kind: str = "gauge") -> None:
        self.name: Final = name
        self._help = help_text
        self._labels = labels
        # Counters not called _total can only be exposed as untyped.
        self._kind = "unknown" if kind == "counter" and not name.endswith("_total") else kind
        self._series: dict[Hashable, dict[Labels, float]] = {}

    def replace(self, owner: Hashable, series: dict[Labels, float]) -> None:
        """These are all series of ``owner``; what it had before is gone."""
        if series:
            self._series[owner] = series
        else:
            self._series.pop(owner, None)

    def add(self, owner: Hashable, labels: Labels, amount: float = 1.0) -> None:
        series = self._series.setdefault(owner, {})
        series[labels] = series.get(labels, 0.0) + amount

    def forget(self, owner: Hashable) -> None:
        self._series.pop(owner, None)

    def collect(self) -> Iterator[Metric]:
        metric = Metric(self.name.removesuffix("_total"), self._help, self._kind)
        for series in self._series.values():
            for labels, value in series.items():
                metric.add_sample(self.name, dict(zip(self._labels, labels, strict=True)), value)
        yield metric


class Reading:
    """A family whose values are asked for at each scrape: lengths and ages, never lists."""

    def __init__(
        self,
        name: str,
        help_text: str,
        labels: Labels,
        read: Callable[[], Iterable[tuple[Labels, float]]],
        *,
        kind: str = "gauge",
    ) -> None:
        self.name: Final = name
        self._help = help_text
        self._labels = labels
        self._read = read
        self._kind = kind

    def collect(self) -> Iterator[Metric]:
        metric = Metric(self.name.removesuffix("_total"), self._help, self._kind)
        for labels, value in self._read():
            metric.add_sample(self.name, dict(zip(self._labels, labels, strict=True)), value)
        yield metric
