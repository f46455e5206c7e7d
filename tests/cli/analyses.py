"""Templates in files, providers that obey, and what a user sees of it."""

import asyncio
from dataclasses import dataclass, field

import yaml

from analysis.providers.base import Answer, Providers, Queried, Question
from analysis.spec import Measurement, Phase
from analysis.times import format_time
from rollouts.cli.analyze import live
from rollouts.cli.analyze.material import Wanted, load
from rollouts.cli.analyze.output import Output
from rollouts.simulate.loop import run_virtual, virtual_clock

RATE = {
    "name": "rate",
    "interval": "10s",
    "count": 5,
    "successCondition": "result[0] >= 0.95",
    "provider": {"prometheus": {"address": "http://prometheus.example", "query": "rate"}},
}


def manifest(kind, name, **spec):
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def template(name="check", *metrics, **spec):
    return manifest("AnalysisTemplate", name, metrics=list(metrics) or [RATE], **spec)


def metric(**changes):
    return {**RATE, **changes}


def write(folder, *objects, name="files.yaml"):
    path = folder / name
    path.write_text(yaml.safe_dump_all(objects, sort_keys=False))
    return str(path)


def material_of(folder, *objects, **wanted):
    return load([write(folder, *objects)], Wanted(**wanted))


@dataclass
class Script:
    """A source of values: each answer is used once, the last one for ever."""

    answers: list = field(default_factory=lambda: [[0.99]])
    seconds: float = 0.0
    asked: list = field(default_factory=list)

    def question(self, metric):
        return Question(metric.provider.prometheus.query)

    async def ask(self, _run, metric, _question):
        self.asked.append(metric)
        await asyncio.sleep(self.seconds)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return Answer(answer, str(answer))

    def metadata(self, _metric):
        return {}


@dataclass
class Slow:
    """A provider that takes its time: started, looked at again, and at last successful."""

    now: object = None
    looks: int = 3
    ended: list = field(default_factory=list)

    async def run(self, *_):
        return self._waiting(Measurement(phase=Phase.RUNNING, started_at=format_time(self.now())))

    async def resume(self, _run, _metric, measurement):
        self.looks -= 1
        if self.looks:
            return self._waiting(measurement)
        return self._over(measurement, Phase.SUCCESSFUL, "")

    async def terminate(self, _run, _metric, measurement):
        return self._over(measurement, Phase.INCONCLUSIVE, "Metric Terminated")

    async def garbage_collect(self, *_):
        """Nothing is left behind."""

    def metadata(self, _metric):
        return {}

    def _waiting(self, measurement):
        return measurement.model_copy(update={"resume_at": format_time(self.now() + 15)})

    def _over(self, measurement, phase, message):
        self.ended.append(phase)
        finished = {"phase": phase, "message": message, "finished_at": format_time(self.now())}
        return measurement.model_copy(update=finished)


@dataclass
class Told:
    """What became of a run in virtual time."""

    code: int
    seconds: float
    text: str
    errors: str


def run_live(material, provider, capsys, *, limit=0.0, interrupt_after=None, form=None):
    """Drive a run in virtual time; ``provider``: a Script, or any provider, as Prometheus."""

    async def main():
        clock = virtual_clock()
        if isinstance(provider, Script):
            made = Queried(provider, clock.wall)
        else:
            made, provider.now = provider, clock.wall
        ending = live.Ending()
        if interrupt_after is not None:
            asyncio.get_running_loop().call_later(interrupt_after, ending.interrupt)
        providers = Providers({"prometheus": made})
        code = await live.run(material, providers, clock.wall, Output(form), ending, seconds=limit)
        return code, clock.monotonic()

    code, seconds = run_virtual(main())
    captured = capsys.readouterr()
    return Told(code, seconds, captured.out, captured.err)
