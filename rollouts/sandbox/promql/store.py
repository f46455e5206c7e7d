"""Samples in memory: one bounded ring per series.

Owns what was scraped and forgets the oldest first. Knows nothing of queries beyond "these
matchers, this span". Filled by ``scrape``, read by ``evaluate``.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence

from rollouts.sandbox.promql.model import NAME, Labels, Sample
from rollouts.sandbox.promql.selectors import LabelMatcher, matches


class SeriesStore:
    """Every series, each with its newest ``capacity`` samples."""

    def __init__(self, capacity: int = 4096) -> None:
        self._capacity = capacity
        self._series: dict[Labels, deque[Sample]] = {}
        self._by_name: dict[str, set[Labels]] = {}

    def append(self, labels: Labels, time: int, value: float | None) -> None:
        """Add a sample (``time`` in milliseconds); one not newer than the last is ignored."""
        ring = self._series.get(labels)
        if ring is None:
            ring = self._series[labels] = deque(maxlen=self._capacity)
            self._by_name.setdefault(dict(labels).get(NAME, ""), set()).add(labels)
        if not ring or ring[-1].time < time:
            ring.append(Sample(time, value))

    def end(self, labels: Labels, time: int) -> None:
        """Mark a series as gone, so that it stops answering before the lookback has passed."""
        ring = self._series.get(labels)
        if ring and ring[-1].value is not None:
            self.append(labels, time, None)

    def forget_before(self, time: int) -> None:
        """Drop the series whose last sample is older than ``time`` (milliseconds)."""
        for labels in [key for key, ring in self._series.items() if ring[-1].time < time]:
            del self._series[labels]
            name = dict(labels).get(NAME, "")
            self._by_name[name].discard(labels)
            if not self._by_name[name]:
                del self._by_name[name]

    def names(self) -> set[str]:
        return set(self._by_name)

    def select(
        self, matchers: Sequence[LabelMatcher], start: int, end: int
    ) -> Iterator[tuple[Labels, list[Sample]]]:
        """Series that match, with their samples in (``start``, ``end``], oldest first."""
        for labels in sorted(self._candidates(matchers)):
            if matches(labels, matchers):
                ring = list(self._series[labels])
                low = bisect_right(ring, start, key=_time)
                high = bisect_right(ring, end, key=_time)
                if low < high:
                    yield labels, ring[low:high]

    def _candidates(
        self, matchers: Sequence[LabelMatcher]
    ) -> set[Labels] | dict[Labels, deque[Sample]]:
        for matcher in matchers:
            if matcher.label == NAME and matcher.equals is not None:
                return self._by_name.get(matcher.equals, set())
        return self._series


def _time(sample: Sample) -> int:
    return sample.time
