"""What the counters of one version say, series by series.

Owns how series of bad requests and of all requests belong together, and what buckets of a histogram
mean. Refuses what cannot be counted, with the remedy. Called by the provider ``sequential``. Pure.
"""

import math
import zlib
from collections.abc import Mapping, Sequence

from analysis.providers.asking import Labels, whole
from analysis.providers.base import ProviderError
from analysis.stats.counters import Reading

Series = Sequence[tuple[Labels, float]]


def of_counters(side: str, bad: Series, total: Series, before: Reading | None) -> Reading:
    """All requests and bad ones by series; ``side`` is ``canary`` or ``stable``.

    A counter of bad requests may not be there before the first one. Where it was there and is away
    now, it keeps its value (``before``).
    """
    every = {_key(labels): whole(value, f"{side}.total") for labels, value in total}
    failed = {_key(labels): whole(value, f"{side}.bad") for labels, value in bad}
    if len(every) < len(total) or len(failed) < len(bad):
        raise ProviderError(f"{side}: two series have the same labels")
    if strange := failed.keys() - every.keys():
        raise ProviderError(
            f"{side}.bad has {len(strange)} series that {side}.total has not: aggregate both by "
            "the same labels, e.g. sum by (pod)"
        )
    found = {}
    for key, count in every.items():
        known = (before or {}).get(key, (0, 0))
        found[key] = (count, failed.get(key, known[1]))
        if found[key][1] > count and key in failed:
            raise ProviderError(
                f"{side}.bad ({found[key][1]}) exceeds {side}.total ({count}): total must count "
                "all requests, bad ones included"
            )
    return found


def of_buckets(side: str, buckets: Series, bounds: Sequence[str]) -> Reading:
    """All requests, and those slower than each bound, by series."""
    grouped: dict[str, dict[float, int]] = {}
    for labels, value in buckets:
        if "le" not in labels:
            raise ProviderError(f"latency.{side} has no label le: keep it, as in sum by (le, pod)")
        rest = {name: text for name, text in labels.items() if name != "le"}
        counts = grouped.setdefault(_key(rest), {})
        counts[_bound(labels["le"])] = whole(value, f"latency.{side}")
    found = {}
    for key, counts in grouped.items():
        missing = [each for each in (*bounds, "+Inf") if _bound(each) not in counts]
        if missing:
            known = ", ".join(f"{each:g}" for each in sorted(counts))
            raise ProviderError(f"latency.{side} has no bucket {missing[0]}; it has {known}")
        every = counts[math.inf]
        found[key] = (every, *(max(0, every - counts[_bound(each)]) for each in bounds))
    return found


def _bound(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ProviderError(f"the bound '{text[:32]}' of a bucket is no number") from None


def _key(labels: Mapping[str, str]) -> str:
    """A short name that stands for these labels at every look."""
    text = "\n".join(f"{name}={labels[name]}" for name in sorted(labels))
    return f"{zlib.crc32(text.encode()):x}"
