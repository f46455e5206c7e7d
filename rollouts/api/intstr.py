"""Numbers that may be written as percentages or as durations.

Owns the arithmetic of ``maxSurge``, ``maxUnavailable`` and ``pause.duration``, quirks included.
Pure. Used by the strategies here and by the planner.
"""

import re
from functools import lru_cache

from analysis.times import parse_duration

DEFAULT_BUDGET = "25"
_DIGITS = re.compile(r"[+-]?\d{1,18}")


def leading_number(value: int | str) -> int:
    """The number in ``5``, ``"5"`` or ``"5%"``, and 0 for anything else."""
    if isinstance(value, int):
        return value
    text = value.replace("%", "")
    return int(text) if _DIGITS.fullmatch(text) else 0


def resolve(value: int | str, total: int, *, round_up: bool) -> int:
    """A budget as a number of replicas out of ``total``.

    Any text is a percentage, with or without ``%`` (Argo Rollouts' behaviour: ``"5"`` is 5 %,
    ``5`` is five pods). Text that is no number counts as 0.
    """
    number = leading_number(value)
    if isinstance(value, int):
        return number
    return -(-number * total // 100) if round_up else number * total // 100


@lru_cache(maxsize=1024)  # asked several times in every pass
def resolve_budgets(
    max_surge: int | str | None, max_unavailable: int | str | None, replicas: int
) -> tuple[int, int]:
    """(surge, unavailable) in replicas: unset is 25 %, both zero gives unavailable 1, never more
    unavailable than there are replicas.
    """
    surge = resolve(DEFAULT_BUDGET if max_surge is None else max_surge, replicas, round_up=True)
    wanted = DEFAULT_BUDGET if max_unavailable is None else max_unavailable
    unavailable = resolve(wanted, replicas, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, replicas)


def duration_seconds(value: int | str) -> int:
    """Whole seconds of a pause: a number or numeric text is seconds, else a Go duration.

    What cannot be read is -1, which validation refuses.
    """
    if isinstance(value, int):
        return value
    if _DIGITS.fullmatch(value):
        return int(value)
    try:
        return int(parse_duration(value))
    except ValueError:
        return -1
