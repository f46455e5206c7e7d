"""How often the sequential test is wrong, and how long it takes to be right.

Owns made-up releases: 50 requests a second of which a tenth goes to the canary, one in two hundred
fails, and every ten seconds somebody looks, for half an hour. They go through the very ``look`` the
provider calls. Seeded, so the numbers are the same every time. Run by ``python -m benchmarks``, and
in small by the tests.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from analysis.stats.sequential import Counts, Rules, Verdict, begin, look
from benchmarks.table import Row, say

ALPHA: Final = 0.01
RULES: Final = Rules(alpha=ALPHA, margin=0.1, minimum=100)
SEED: Final = 20
LOOK_SECONDS: Final = 10
LOOKS: Final = 180
FEW, FULL = 200, 10_000  # releases of each kind
_REQUESTS = 50  # a second
_BASE = 0.005
_STEPS = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True, slots=True)
class Kind:
    """A way releases go. ``ratio``: the canary's error rate by stable's. ``burst``: errors that
    come together, on average, and hit one side; ``missing``: share of looks without an answer.
    """

    name: str
    ratio: float = 1.0
    burst: int = 1
    missing: float = 0.0
    weight: Callable[[int], float] = lambda _: 0.1


HEALTHY: Final = (
    Kind("constant weight"),
    Kind("stepping weights", weight=lambda at: _STEPS[min(at // 30, len(_STEPS) - 1)]),
    Kind("bursts of 5", burst=5),
    Kind("bursts of 30", burst=30),
    Kind("bursts of 5, stepping weights", burst=5, weight=lambda at: _STEPS[min(at // 30, 5)]),
    Kind("3 of 10 scrapes missing", missing=0.3),
)
SICK: Final = tuple(Kind(f"{ratio} times the errors", ratio=ratio) for ratio in (2, 3, 5, 10))
_LIMITS: Final = {3: 240.0, 10: 45.0}  # seconds


def released(kind: Kind, rng: np.random.Generator) -> tuple[Verdict, int]:
    """The verdict on one release, and after how many seconds it came."""
    state, verdict = begin(1), Verdict.OPEN
    unseen = np.zeros(4, dtype=int)
    for at in range(LOOKS):
        unseen += _interval(kind, kind.weight(at), rng)
        if kind.missing and rng.random() < kind.missing:
            continue  # counters go on; the next look sees both intervals as one
        state, found = look(state, [Counts(*map(int, unseen))], RULES)
        unseen[:] = 0
        verdict = found.verdict
        if verdict is not Verdict.OPEN:
            return verdict, (at + 1) * LOOK_SECONDS
    return verdict, LOOKS * LOOK_SECONDS


def _interval(kind: Kind, weight: float, rng: np.random.Generator) -> np.ndarray:
    """Bad and all requests of the canary, then of stable."""
    every = rng.poisson(_REQUESTS * LOOK_SECONDS)
    canary = rng.binomial(every, weight)
    stable = every - canary
    if kind.burst == 1:
        bad = (rng.binomial(canary, _BASE * kind.ratio), rng.binomial(stable, _BASE))
    else:
        there = weight * kind.ratio
        bursts = rng.poisson(every * _BASE / kind.burst * (there + 1 - weight))
        sizes = rng.geometric(1 / kind.burst, bursts)
        hit = rng.random(bursts) < there / (there + 1 - weight)
        bad = (min(canary, sizes[hit].sum()), min(stable, sizes[~hit].sum()))
    return np.array([bad[0], canary, bad[1], stable], dtype=int)


def false_aborts(kind: Kind, releases: int, seed: int = SEED) -> float:
    """The share of releases that were called worse."""
    rng = np.random.default_rng(seed)
    verdicts = [released(kind, rng)[0] for _ in range(releases)]
    return verdicts.count(Verdict.WORSE) / releases


def seconds_to_catch(kind: Kind, releases: int, seed: int = SEED) -> float:
    """The median time until a release is called worse; those that never are count as endless."""
    rng = np.random.default_rng(seed)
    found = [released(kind, rng) for _ in range(releases)]
    times = [took if verdict is Verdict.WORSE else float("inf") for verdict, took in found]
    return float(np.median(times))


def run(releases: int = FEW) -> Iterator[Row]:
    say(f"sequential test: {releases} releases of each kind")
    for kind in HEALTHY:
        percent = 100 * false_aborts(kind, releases)
        yield Row(f"false aborts, {kind.name}", percent, "%", at_most=100 * ALPHA)
    for kind in SICK:
        limit = _LIMITS.get(round(kind.ratio))
        took = seconds_to_catch(kind, min(releases, 2000))
        yield Row(f"caught, {kind.name} (median)", took, "s", at_most=limit)
