"""Doing what is due: asking the providers, all at once.

Owns how one task becomes one measurement: the metric gets its real arguments, the provider is
asked, whatever goes wrong is an Error measurement of that metric only, and nothing leaves without
being masked and cut to a size that can be stored. Refuses to decide what is due, what it means, and
where Secrets come from. Called by the controller of runs and by ``analysis.driver``.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from analysis import args
from analysis.bounds import cut
from analysis.plan import with_secrets
from analysis.providers.base import (
    Now,
    ProviderError,
    Providers,
    RunRef,
    Secrets,
    failed_measurement,
)
from analysis.redact import Redactor
from analysis.schedule import Action, Task
from analysis.spec import Measurement, Metric

_LONGEST_SECONDS: Final = 3600.0  # one call of a provider, whatever its own limits are
# Characters of what one measurement keeps.
_MAX_VALUE: Final = 4096
_MAX_TEXT: Final = 1024
_LEAST_SECRET: Final = 4  # characters: a region ("us") is no secret, and is part of many words
_MAX_OF: Final[Mapping[str, int]] = {"query": 2048, "reason": 768}


@dataclass(frozen=True, slots=True)
class Given:
    """The arguments of a run with their real values. ``missing``: why there are none."""

    values: Mapping[str, str]
    redactor: Redactor
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one task. Without a measurement what it needs was away: try again."""

    task: Task
    measurement: Measurement | None
    metadata: Mapping[str, str]
    failure: Exception | None = None


@dataclass(slots=True)
class Overheard:
    """Secrets as a provider reads them, and what it has read, so that it can be masked."""

    secrets: Secrets = field(repr=False)
    values: set[str] = field(default_factory=set, repr=False)

    async def of_run(self, name: str) -> Mapping[str, str]:
        return self._heard(await self.secrets.of_run(name))

    async def of_controller(self, name: str, usual: str) -> Mapping[str, str]:
        return self._heard(await self.secrets.of_controller(name, usual))

    def _heard(self, found: Mapping[str, str]) -> Mapping[str, str]:
        self.values.update(one for one in found.values() if len(one.strip()) >= _LEAST_SECRET)
        return found


@dataclass(frozen=True, slots=True)
class Measurer:
    """``transient``: errors of the surroundings after which the task is simply tried again.
    ``expected``: errors whose text is fit for users as it is.
    """

    providers: Providers
    now: Now
    transient: tuple[type[Exception], ...] = ()
    expected: tuple[type[Exception], ...] = ()

    async def measure(self, run: RunRef, due: Sequence[Task], given: Given) -> list[Done]:
        """All tasks at once; one that fails does not end the others."""
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(self._perform(run, task, given)) for task in due]
        return [task.result() for task in running]

    async def collect_garbage(
        self, run: RunRef, done: Sequence[Done]
    ) -> list[tuple[str, Exception]]:
        """Remove what older measurements left behind; the metrics for which that failed, and why.

        Errors that are neither a provider's nor ``expected`` pass through.
        """
        known: tuple[type[Exception], ...] = (ProviderError, *self.expected)
        read = Overheard(run.secrets)
        run = replace(run, secrets=read)
        failed: list[tuple[str, Exception]] = []
        for one in done:
            if one.measurement is None or one.measurement.finished_at is None:
                continue
            metric = one.task.plan.metric
            try:
                provider = self.providers.of(metric)
                await provider.garbage_collect(run, metric, one.task.plan.retention)
            except known as error:
                text = Redactor.of(read.values).text(str(error))
                failed.append((metric.name, ProviderError(text)))
        return failed

    async def _perform(self, run: RunRef, task: Task, given: Given) -> Done:
        started = self.now()
        read = Overheard(run.secrets)
        run = replace(run, secrets=read, sharing=task.plan.sharing)
        metadata: Mapping[str, str] = {}
        try:
            if given.missing and task.action is Action.MEASURE:
                raise ProviderError(given.missing)
            values = dict(given.values)
            metric = task.plan.metric if given.missing else with_secrets(task.plan, values)
            about = given.redactor.mapping(self.providers.of(metric).metadata(metric))
            metadata = {key: cut(text, _MAX_TEXT) for key, text in about.items()}
            measurement = await self._ask(run, task, metric)
        except self.transient as error:
            return Done(task, None, metadata, error)
        except (ProviderError, args.ArgsError) as error:
            measurement = self._failed(task, str(error), started)
        except self.expected as error:
            measurement = self._failed(task, str(error), started)
        except Exception as error:  # noqa: BLE001 - a provider's bug is an error of its metric only
            measurement = self._failed(task, f"{type(error).__name__}: {error}", started)
        return Done(task, within_bounds(measurement, given.redactor.also(read.values)), metadata)

    async def _ask(self, run: RunRef, task: Task, metric: Metric) -> Measurement:
        provider = self.providers.of(metric)
        try:
            async with asyncio.timeout(_LONGEST_SECONDS) as limit:
                if task.measurement is None:
                    return await provider.run(run, metric, task.ordinal)
                if task.action is Action.RESUME:
                    return await provider.resume(run, metric, task.measurement)
                return await provider.terminate(run, metric, task.measurement)
        except TimeoutError:
            if limit.expired():
                raise ProviderError(f"no answer within {_LONGEST_SECONDS:g} s") from None
            raise

    def _failed(self, task: Task, message: str, started: float) -> Measurement:
        """An Error measurement in place of the one that could not be made or finished."""
        failed = failed_measurement(message, started, self.now())
        if task.measurement is None:
            return failed
        return task.measurement.model_copy(
            update={"phase": failed.phase, "message": message, "finished_at": failed.finished_at}
        )


def within_bounds(measurement: Measurement, redactor: Redactor) -> Measurement:
    """The measurement without secrets and short enough to be stored."""
    metadata = redactor.mapping(measurement.metadata)
    return measurement.model_copy(
        update={
            "message": cut(redactor.text(measurement.message), _MAX_TEXT),
            "value": cut(redactor.text(measurement.value), _MAX_VALUE),
            "metadata": {k: cut(v, _MAX_OF.get(k, _MAX_VALUE)) for k, v in metadata.items()},
        }
    )
