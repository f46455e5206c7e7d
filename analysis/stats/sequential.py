"""A canary compared with the stable version, look by look.

Owns the sequential test: what is known after the looks so far, what one more look adds, and when
that suffices to say "worse" or "no worse". Looking often costs nothing: the chance that a canary
that is no worse than the margin is ever called worse stays below alpha. Knows no clock and no
queries. Called by the provider ``sequential`` and by the benchmark that counts false verdicts.
Pure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from analysis.stats import bursts
from analysis.stats.beta import log_sum
from analysis.stats.mixture import log_e, with_margin

_STEP: Final = 0.1  # relative change of the share from which on a weight was changed
_BURSTS: Final = 0.1  # of the mixture expects bursts
_NOISE: Final = 4.0  # standard deviations: what chance alone does to a share


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened between two looks: requests, and those of them that were bad."""

    canary_bad: int
    canary: int
    stable_bad: int
    stable: int


@dataclass(frozen=True, slots=True)
class Rules:
    """``alpha``: chance of a false "worse" that is accepted, for all questions of this test
    together. ``margin``: how much worse is no worse (0.1: ten percent). ``minimum``: requests each
    side must have answered before anything is called no worse.
    """

    alpha: float
    margin: float
    minimum: int

    def threshold(self, questions: int) -> float:
        """Ln of the E-value that decides one of so many questions."""
        return math.log(questions / self.alpha)


class Verdict(StrEnum):
    WORSE = "worse"
    NO_WORSE = "no worse"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of one question, e.g. "errors" or "slower than 250 ms".

    The current segment, as long as the share stays as it is, in counts; segments before it as the
    logarithms of their E-values. ``explained`` and ``worse``: see ``bursts``.
    """

    canary_bad: int = 0
    bad: int = 0
    closed_more: float = 0.0
    closed_fewer: float = 0.0
    explained: tuple[float, ...] = (0.0,) * len(bursts.CORRELATIONS)
    worse: tuple[float, ...] = (0.0,) * (len(bursts.CORRELATIONS) * len(bursts.RATIOS))
    total_canary_bad: int = 0
    total_stable_bad: int = 0
    best: float = 0.0  # the largest ln E for "worse" so far


@dataclass(frozen=True, slots=True)
class State:
    """Everything known; ``canary`` and ``all`` are requests of the current segment. Requests count
    only of intervals in which both versions had some: nothing else can be compared.
    """

    questions: tuple[Evidence, ...]
    canary: int = 0
    all: int = 0
    total_canary: int = 0
    total_stable: int = 0
    looks: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What a look found. ``e`` and ``e_no_worse``: logarithms of the E-values of the question
    that decides (``question``: its index), or comes closest.
    """

    verdict: Verdict
    question: int
    e: float
    e_no_worse: float
    powered: bool = field(default=False)

    @property
    def p(self) -> float:
        """A p-value that holds at any look, for this question alone."""
        return min(1.0, math.exp(-self.e))


def begin(questions: int) -> State:
    return State((Evidence(),) * questions)


def look(state: State, counts: Sequence[Counts], rules: Rules) -> tuple[State, Found]:
    """What is known after one more interval. ``counts``: one for each question, over the same
    requests.
    """
    first = counts[0]
    canary, every = first.canary, first.canary + first.stable
    state = replace(state, looks=state.looks + 1)
    if 0 < canary < every:
        if _share_changed(state, canary, every):
            state = _closed(state, rules)
        segment = (state.canary + canary, state.all + every)
        share = with_margin(canary / every, rules.margin)
        questions = [
            _added(known, one, share) for known, one in zip(state.questions, counts, strict=True)
        ]
        state = replace(
            state,
            questions=tuple(questions),
            canary=segment[0],
            all=segment[1],
            total_canary=state.total_canary + canary,
            total_stable=state.total_stable + first.stable,
        )
    scores = _scores(state, rules)
    best = [
        replace(each, best=max(each.best, more))
        for each, (more, _) in zip(state.questions, scores, strict=True)
    ]
    state = replace(state, questions=tuple(best))
    return state, _found(state, scores, rules)


def assess(state: State, rules: Rules) -> Found:
    """What is known without another look."""
    return _found(state, _scores(state, rules), rules)


def _scores(state: State, rules: Rules) -> list[tuple[float, float]]:
    return [_score(state, each, rules) for each in state.questions]


def _share_changed(state: State, canary: int, every: int) -> bool:
    """Whether the canary's share of requests is another one than in the segment so far."""
    if not state.all:
        return False
    before, now = state.canary / state.all, canary / every
    pooled = (state.canary + canary) / (state.all + every)
    noise = math.sqrt(pooled * (1 - pooled) * (1 / state.all + 1 / every))
    return abs(now - before) > max(_STEP * before, _NOISE * noise)


def _closed(state: State, rules: Rules) -> State:
    """A new segment begins; the E-values of segments are multiplied."""
    questions = []
    for each in state.questions:
        more, fewer = _segment(state, each, rules)
        questions.append(
            replace(
                each,
                canary_bad=0,
                bad=0,
                closed_more=each.closed_more + more,
                closed_fewer=each.closed_fewer + fewer,
            )
        )
    return replace(state, questions=tuple(questions), canary=0, all=0)


def _segment(state: State, known: Evidence, rules: Rules) -> tuple[float, float]:
    if not known.bad:
        return 0.0, 0.0
    found = log_e(known.canary_bad, known.bad, with_margin(state.canary / state.all, rules.margin))
    return found.more, found.fewer


def _added(known: Evidence, counts: Counts, share: float) -> Evidence:
    canary, bad = counts.canary_bad, counts.canary_bad + counts.stable_bad
    if not bad:
        return known
    explained = bursts.explained(canary, bad, share)
    worse = bursts.worse(canary, bad, share)
    return replace(
        known,
        canary_bad=known.canary_bad + canary,
        bad=known.bad + bad,
        explained=tuple(map(sum, zip(known.explained, explained, strict=True))),
        worse=tuple(map(sum, zip(known.worse, worse, strict=True))),
        total_canary_bad=known.total_canary_bad + canary,
        total_stable_bad=known.total_stable_bad + counts.stable_bad,
    )


def _score(state: State, known: Evidence, rules: Rules) -> tuple[float, float]:
    """Ln E for "worse" and for "no worse".

    Half of the mixture expects independent errors, half bursts; both are compared with whatever
    explains a canary that is no worse best, bursts included. So no burst alone decides.
    """
    more, fewer = _segment(state, known, rules)
    innocent = max(0.0, log_sum(*known.explained) - math.log(len(known.explained)))
    in_bursts = log_sum(*known.worse) - math.log(len(known.worse))
    independent = known.closed_more + more
    either = log_sum(independent + math.log1p(-_BURSTS), in_bursts + math.log(_BURSTS))
    return either - innocent, known.closed_fewer + fewer - innocent


def _found(state: State, scores: Sequence[tuple[float, float]], rules: Rules) -> Found:
    """One question suffices for "worse"; "no worse" must hold in all of them."""
    threshold = rules.threshold(len(scores))
    powered = min(state.total_canary, state.total_stable) >= rules.minimum
    best = max(range(len(scores)), key=lambda at: state.questions[at].best)
    if state.questions[best].best >= threshold:
        return Found(Verdict.WORSE, best, state.questions[best].best, scores[best][1], powered)
    least = min(score[1] for score in scores)
    sure = powered and least >= math.log(1 / rules.alpha)
    verdict = Verdict.NO_WORSE if sure else Verdict.OPEN
    return Found(verdict, best, scores[best][0], least, powered)
