"""What counters have grown by between two looks, pod by pod.

Owns raw differences: a counter that fell has begun anew, one that is new has a past nobody knows,
one that is away may come back; none of that is an event. Nothing is extrapolated, so whole
requests stay whole. Called by the provider ``sequential``. Pure.
"""

from collections.abc import Mapping
from typing import TypeAlias

Reading: TypeAlias = Mapping[str, tuple[int, ...]]
"""By series: all requests, then the bad ones of each question."""


def grown(before: Reading | None, now: Reading, width: int) -> tuple[int, ...]:
    """How much all series together grew; ``before`` is None at the first look.

    A series counts only where both looks know it and nothing of it fell, so that its requests and
    its bad requests are always of the same time.
    """
    total = [0] * width
    for key, values in now.items():
        known = (before or {}).get(key)
        if known is None or any(new < old for new, old in zip(values, known, strict=True)):
            continue
        for at, (new, old) in enumerate(zip(values, known, strict=True)):
            total[at] += new - old
    return tuple(total)


def remembered(before: Reading | None, now: Reading) -> Reading:
    """What the next look is compared with: a series that is away keeps its last value."""
    return {**(before or {}), **now}
