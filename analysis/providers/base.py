"""What a metric provider is.

Owns the seam: a provider starts a measurement, resumes and terminates unfinished ones, clears up,
and says something of the metric. Plug-ins and the simulator are ordinary providers. A provider
reports what it cannot do by raising ProviderError, which becomes an Error measurement; it decides
nothing about limits or time. Most providers are a Source: one question, one answer, judged by the
metric's conditions. Called by the controller of runs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from analysis.expr.condition import Kind, Verdict, evaluate, kind_of
from analysis.spec import Measurement, Metric, Phase
from analysis.times import format_time

Now = Callable[[], float]
"""Seconds since the epoch."""


class ProviderError(Exception):
    """The measurement could not be made; the message says why and goes into the status."""


class Secrets(Protocol):
    """Secrets for one measurement: read on demand, never kept, masked in what is reported.

    Values are decoded text by key. Both raise ProviderError when the Secret is not there or may
    not be used.
    """

    async def of_run(self, name: str) -> Mapping[str, str]:
        """A Secret beside the run."""
        ...

    async def of_controller(self, name: str, usual: str) -> Mapping[str, str]:
        """A Secret beside the controller: the provider's ``usual`` one, or one whose labels say
        that metrics may use it.
        """
        ...


class NoSecrets:
    """For measurements that need none."""

    async def of_run(self, name: str) -> Mapping[str, str]:
        raise ProviderError(f"secret '{name}' cannot be read here")

    async def of_controller(self, name: str, usual: str) -> Mapping[str, str]:  # noqa: ARG002 - the seam
        raise ProviderError(f"secret '{name}' cannot be read here")


@dataclass(frozen=True, slots=True)
class RunRef:
    """Whose measurement it is, and the Secrets it may use.

    ``sharing``: how many sequential metrics of the run share one chance of a false verdict.
    """

    namespace: str
    name: str
    uid: str
    secrets: Secrets = field(default_factory=NoSecrets, repr=False, compare=False)
    sharing: int = 1


class MetricProvider(Protocol):
    """One way of getting a value. ``ordinal`` counts the measurements of a metric from 1."""

    async def run(self, run: RunRef, metric: Metric, ordinal: int) -> Measurement: ...

    async def resume(self, run: RunRef, metric: Metric, measurement: Measurement) -> Measurement:
        """Look again at an unfinished measurement."""
        ...

    async def terminate(self, run: RunRef, metric: Metric, measurement: Measurement) -> Measurement:
        """Give up an unfinished measurement; the answer is finished."""
        ...

    async def garbage_collect(self, run: RunRef, metric: Metric, limit: int) -> None:
        """Remove what measurements beyond the latest ``limit`` left behind."""
        ...

    def metadata(self, metric: Metric) -> dict[str, str]:
        """What is worth knowing of the metric itself, e.g. the resolved query."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the query as it is sent, and the window it looks at, from and to in seconds
    since the epoch; without one, the moment it is asked at.
    """

    query: str
    window: tuple[float, float] | None = None

    def metadata(self, now: float) -> dict[str, str]:
        """How a measurement remembers it: uncut, since Secrets are only found in what is whole."""
        start, end = self.window or (now, now)
        window = format_time(start) if start == end else f"{format_time(start)}/{format_time(end)}"
        return {"query": self.query, "window": window}


@dataclass(frozen=True, slots=True)
class Answer:
    """``result`` is for conditions, ``value`` for people. ``suffices``: that it came at all says
    enough for a metric without conditions, even when it is empty.
    """

    result: Any
    value: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    suffices: bool = False


class Source(Protocol):
    """A provider that answers at once."""

    def question(self, metric: Metric) -> Question:
        """What will be asked; sends nothing. Raises ProviderError where settings make no sense."""
        ...

    async def ask(self, run: RunRef, metric: Metric, question: Question) -> Answer:
        """The answer to ``question``. Raises ProviderError where there is none."""
        ...

    def metadata(self, metric: Metric) -> dict[str, str]: ...


@dataclass(frozen=True, slots=True)
class Queried:
    """A Source as a provider: ask, then let the conditions decide."""

    source: Source
    now: Now

    async def run(self, run: RunRef, metric: Metric, ordinal: int) -> Measurement:  # noqa: ARG002 - the seam
        started = self.now()
        asked: dict[str, str] = {}
        try:
            question = self.source.question(metric)
            asked = question.metadata(started)
            answer = await self.source.ask(run, metric, question)
        except ProviderError as error:
            failed = failed_measurement(str(error), started, self.now())
            return failed.model_copy(update={"metadata": asked})
        finished = self.now()
        verdict = evaluate(
            metric.success_condition,
            metric.failure_condition,
            answer.result,
            now=finished,
            suffices=answer.suffices,
        )
        return Measurement(
            phase=verdict.phase,
            message=verdict.message,
            value=answer.value,
            metadata=asked | dict(answer.metadata) | told(verdict, answer),
            started_at=format_time(started),
            finished_at=format_time(finished),
        )

    async def resume(self, run: RunRef, metric: Metric, measurement: Measurement) -> Measurement:  # noqa: ARG002 - the seam
        return self._ended(measurement, "the answer of this measurement was lost")

    async def terminate(self, run: RunRef, metric: Metric, measurement: Measurement) -> Measurement:  # noqa: ARG002 - the seam
        return self._ended(measurement, "Metric Terminated")

    async def garbage_collect(self, run: RunRef, metric: Metric, limit: int) -> None:
        """Nothing is left behind."""

    def metadata(self, metric: Metric) -> dict[str, str]:
        return self.source.metadata(metric)

    def _ended(self, measurement: Measurement, message: str) -> Measurement:
        return measurement.model_copy(
            update={
                "phase": Phase.ERROR,
                "message": message,
                "finished_at": format_time(self.now()),
            }
        )


def told(verdict: Verdict, answer: Answer) -> dict[str, str]:
    """The reason of a verdict in words, and what the answer lacks where it is no plain value."""
    found = {}
    if verdict.because:
        found["reason"] = f"{verdict.because}: result = {answer.value}"
    if (kind := kind_of(answer.result)) is not Kind.VALUE:
        found["answer"] = str(kind)
    return found


@dataclass(frozen=True, slots=True)
class Providers:
    """The providers at hand, by the key users write under ``provider``."""

    by_name: Mapping[str, MetricProvider]

    def of(self, metric: Metric) -> MetricProvider:
        """Raises ProviderError when nobody can measure this metric."""
        configured = metric.provider.configured()
        for name in configured:
            if name in self.by_name:
                return self.by_name[name]
        known = ", ".join(sorted(self.by_name))
        raise ProviderError(
            f"metric provider '{configured[0] if configured else ''}' is not supported here; "
            f"supported: {known}"
        )


def failed_measurement(message: str, started: float, finished: float) -> Measurement:
    """An Error measurement; times in seconds since the epoch."""
    return Measurement(
        phase=Phase.ERROR,
        message=message,
        started_at=format_time(started),
        finished_at=format_time(finished),
    )
