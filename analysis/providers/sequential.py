"""The canary compared with the stable version, look by look, by counters in Prometheus.

Owns one long measurement: when to look, what is asked, which looks got no answer, and what is said
of them. What the counts mean is decided in ``analysis.stats``. Everything counted so far is in the
measurement itself, so another controller goes on where this one stopped, and nothing is counted
twice. Never passes without having seen enough requests of both versions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from analysis.comparisons import fraction
from analysis.providers.asking import Asking, asking
from analysis.providers.base import MetricProvider, Now, ProviderError, RunRef
from analysis.providers.config import Sequential
from analysis.providers.notes import Notes, read, written
from analysis.providers.reading import of_buckets, of_counters
from analysis.providers.tools import Tools
from analysis.spec import Measurement, Metric, Phase
from analysis.stats.counters import Reading, grown, remembered
from analysis.stats.sequential import Counts, Found, Rules, Verdict, assess, begin, look
from analysis.times import format_time, parse_duration, parse_time

_LARGEST: Final = 40.0  # ln of the largest E that is printed
_MISSES: Final = 5  # looks in a row that may go without an answer


@dataclass(frozen=True, slots=True)
class _Case:
    """One measurement, of whom, and what it was told to do."""

    config: Sequential
    run: RunRef
    measurement: Measurement

    @property
    def rules(self) -> Rules:
        try:
            alpha, margin = fraction(self.config.alpha), fraction(self.config.margin)
        except ValueError as error:
            raise ProviderError(str(error)) from error
        return Rules(alpha / self.run.sharing, margin, self.config.minimum_requests)

    @property
    def end(self) -> float:
        """When looking stops, in seconds since the epoch."""
        started = parse_time(self.measurement.started_at) or 0.0
        return started + parse_duration(self.config.duration)


@dataclass(frozen=True, slots=True)
class SequentialProvider:
    asking: Asking
    now: Now

    async def run(self, run: RunRef, metric: Metric, ordinal: int) -> Measurement:  # noqa: ARG002 - the seam
        started = Measurement(phase=Phase.RUNNING, started_at=format_time(self.now()))
        case = _Case(_config(metric), run, started)
        return await self._look(case, Notes(begin(len(_questions(case.config)))))

    async def resume(self, run: RunRef, metric: Metric, measurement: Measurement) -> Measurement:
        case = _Case(_config(metric), run, measurement)
        return await self._look(case, read(measurement.metadata))

    async def terminate(self, run: RunRef, metric: Metric, measurement: Measurement) -> Measurement:
        """The verdict on what was seen."""
        case, notes = _Case(_config(metric), run, measurement), read(measurement.metadata)
        return self._over(case, notes, assess(notes.state, case.rules))

    async def garbage_collect(self, run: RunRef, metric: Metric, limit: int) -> None:
        """Nothing is left behind."""

    def metadata(self, metric: Metric) -> dict[str, str]:  # noqa: ARG002 - measurements say it all
        return {}

    async def _look(self, case: _Case, notes: Notes) -> Measurement:
        now = self.now()
        try:
            canary, stable = await self._read(case, notes, now)
        except ProviderError as error:
            return self._missed(case, notes, str(error))
        if notes.canary is None:  # nothing to compare with yet
            state, found = notes.state, assess(notes.state, case.rules)
        else:
            counts = _counts(case.config, notes, canary, stable)
            state, found = look(notes.state, counts, case.rules)
        notes = Notes(state, remembered(notes.canary, canary), remembered(notes.stable, stable))
        if found.verdict is Verdict.OPEN and now < case.end:
            return self._open(case, notes, found)
        return self._over(case, notes, found)

    async def _read(self, case: _Case, notes: Notes, now: float) -> tuple[Reading, Reading]:
        """What the counters of both versions say at this moment."""
        config = case.config
        queries = [query for _, query in _queries(config)]
        answers = await self.asking.now(config.prometheus, queries, now, case.run.namespace)
        if config.latency is not None:
            bounds = config.latency.slower_than
            canary, stable = answers
            return of_buckets("canary", canary, bounds), of_buckets("stable", stable, bounds)
        return (
            of_counters("canary", answers[0], answers[1], notes.canary),
            of_counters("stable", answers[2], answers[3], notes.stable),
        )

    def _missed(self, case: _Case, notes: Notes, error: str) -> Measurement:
        """A look without an answer: the next one sees what this one has missed."""
        notes = replace(notes, misses=notes.misses + 1)
        if notes.misses > _MISSES:
            return self._ended(case.measurement, Phase.ERROR, error)
        reason = f"no answer ({notes.misses} in a row, {_MISSES} are tolerated): {error}"
        return self._again(self._noted(case, notes, {"reason": reason}), case)

    def _open(self, case: _Case, notes: Notes, found: Found) -> Measurement:
        left = max(0.0, case.end - self.now())
        reason = f"{_comparison(case, notes, found)}; decided in {left:.0f} s at the latest"
        return self._again(self._told(case, notes, found, reason), case)

    def _over(self, case: _Case, notes: Notes, found: Found) -> Measurement:
        phase, why = _outcome(case.config, notes, found)
        reason = f"{_comparison(case, notes, found)}; {why}"
        told = self._told(case, notes, found, reason)
        return self._ended(told, phase, "" if phase is Phase.SUCCESSFUL else reason)

    def _told(self, case: _Case, notes: Notes, found: Found, reason: str) -> Measurement:
        said = {"alpha": _alpha_text(case), "p": f"{found.p:.3g}", "reason": reason}
        noted = self._noted(case, notes, said)
        return noted.model_copy(update={"value": _value(case, notes, found)})

    def _noted(self, case: _Case, notes: Notes, said: dict[str, str]) -> Measurement:
        queries = _queries(case.config)
        about = {
            "query": "\n".join(f"{name}: {' '.join(text.split())}" for name, text in queries),
            "window": f"{case.measurement.started_at}/{format_time(self.now())}",
        }
        metadata = {**case.measurement.metadata, **written(notes), **about, **said}
        return case.measurement.model_copy(update={"metadata": metadata})

    def _again(self, measurement: Measurement, case: _Case) -> Measurement:
        moment = min(
            self.now() + parse_duration(case.config.interval), max(case.end, self.now() + 1)
        )
        return measurement.model_copy(update={"resume_at": format_time(moment)})

    def _ended(self, measurement: Measurement, phase: Phase, message: str) -> Measurement:
        return measurement.model_copy(
            update={
                "phase": phase,
                "message": message,
                "finished_at": format_time(self.now()),
                "resume_at": None,
            }
        )


def provider(tools: Tools) -> MetricProvider:
    """The provider ``sequential``."""
    return SequentialProvider(asking(tools), tools.now)


def _config(metric: Metric) -> Sequential:
    return metric.provider.sequential or Sequential()


def _questions(config: Sequential) -> Sequence[str]:
    """What each question calls a bad request."""
    if config.latency is None:
        return ("bad",)
    return [f"slower than {bound} s" for bound in config.latency.slower_than]


def _queries(config: Sequential) -> list[tuple[str, str]]:
    if config.latency is not None:
        return [("canary", config.latency.canary), ("stable", config.latency.stable)]
    found = []
    for name, side in (("canary", config.canary), ("stable", config.stable)):
        if side is not None:
            found += [(f"{name}.bad", side.bad), (f"{name}.total", side.total)]
    return found


def _counts(config: Sequential, notes: Notes, canary: Reading, stable: Reading) -> list[Counts]:
    width = 1 + len(_questions(config))
    ours = grown(notes.canary, canary, width)
    theirs = grown(notes.stable, stable, width)
    return [Counts(ours[at], ours[0], theirs[at], theirs[0]) for at in range(1, width)]


def _outcome(config: Sequential, notes: Notes, found: Found) -> tuple[Phase, str]:
    if found.verdict is Verdict.WORSE:
        return Phase.FAILED, f"the canary is worse than stable by more than {config.margin}"
    if found.verdict is Verdict.NO_WORSE:
        return Phase.SUCCESSFUL, f"the canary is shown to be within {config.margin} of stable"
    if found.powered:
        return Phase.SUCCESSFUL, "nothing speaks against the canary"
    seen = f"{notes.state.total_canary} of the canary and {notes.state.total_stable} of stable"
    return Phase.INCONCLUSIVE, (
        f"too few requests to say: {seen} while both had some, where each needs "
        f"{config.minimum_requests}"
    )


def _comparison(case: _Case, notes: Notes, found: Found) -> str:
    """``canary 0.39% bad (12/3100), stable 0.13% bad (40/30200)``."""
    state, known = notes.state, notes.state.questions[found.question]
    what = _questions(case.config)[found.question]
    sides = (
        ("canary", known.total_canary_bad, state.total_canary),
        ("stable", known.total_stable_bad, state.total_stable),
    )
    return ", ".join(
        f"{name} {bad / total:.2%} {what} ({bad}/{total})" if total else f"{name} no requests"
        for name, bad, total in sides
    )


def _value(case: _Case, notes: Notes, found: Found) -> str:
    """``E=3.2 of 100; canary 12/3100 bad, stable 40/30200``."""
    state, known = notes.state, notes.state.questions[found.question]
    needed = math.exp(case.rules.threshold(len(state.questions)))
    what = _questions(case.config)[found.question]
    return (
        f"E={math.exp(min(found.e, _LARGEST)):.3g} of {needed:.3g}; "
        f"canary {known.total_canary_bad}/{state.total_canary} {what}, "
        f"stable {known.total_stable_bad}/{state.total_stable}"
    )


def _alpha_text(case: _Case) -> str:
    """``0.005 (0.01 shared by 2 metrics)``."""
    sharing, questions = case.run.sharing, len(_questions(case.config))
    parts = [f"{sharing} metrics"] * (sharing > 1) + [f"{questions} bounds"] * (questions > 1)
    shared = f" ({case.config.alpha} shared by {' and '.join(parts)})" if parts else ""
    return f"{case.rules.alpha / questions:.3g}{shared}"
