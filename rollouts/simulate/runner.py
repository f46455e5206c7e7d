"""Plays a scenario in virtual time while things go wrong, and compares the end with a calm run.

Owns starting, killing and restarting controller processes (a new one knows nothing), and the
oracle: same end state, same creations and deletions, no rule broken, little more work than calm.
Deterministic: a scenario's name and a plan are enough to see a failure again.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from structlog.testing import capture_logs

from rollouts.controllers.wiring import controller_set
from rollouts.kube.api import Obj
from rollouts.kube.resources import (
    ANALYSIS_RUNS,
    EXPERIMENTS,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
)
from rollouts.runtime.clock import Clock
from rollouts.sandbox.cluster import Cluster
from rollouts.simulate.actors import CONTROLLER, acting_as
from rollouts.simulate.faults import Asked, Crash, FaultPlan, Journal
from rollouts.simulate.faultyapi import FaultyApi
from rollouts.simulate.invariants import Judge
from rollouts.simulate.loop import VirtualTimeError, run_virtual, virtual_clock
from rollouts.simulate.normal import end_state, unlike
from rollouts.simulate.scenarios import Scenario
from rollouts.simulate.stage import NotReached, Stage

CALM: Final = FaultPlan()
_RESTART_SECONDS: Final = 1.0
_COMPARED: Final = (ROLLOUTS, EXPERIMENTS, REPLICA_SETS, SERVICES, ANALYSIS_RUNS)
_EXTRA_WRITES: Final = 4  # a fault may cost a few writes more, not a number that grows
_STORM_WRITES: Final = 2.0


@dataclass(slots=True)
class Outcome:
    """What became of one run. ``problem`` is what ended it early; ``at_rest``: writes made while
    nothing was left to do. ``waited``: virtual seconds. ``commands``: what the user did, and the
    Rollout's status at that moment.
    """

    scenario: str
    plan: FaultPlan
    end: dict[str, Obj] = field(default_factory=dict)
    created: Counter[str] = field(default_factory=Counter)
    deleted: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    changes: int = 0
    at_rest: int = 0
    waited: float = 0.0
    phase: str = ""
    commands: list[tuple[str, Obj]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    trace: list[Asked] = field(default_factory=list)
    problem: str = ""

    @property
    def writes(self) -> int:
        return self.done.total()

    @property
    def idle_writes(self) -> int:
        """Writes the server has done that changed nothing."""
        return self.writes - self.changes


def play(
    scenario: Scenario,
    plan: FaultPlan = CALM,
    *,
    ends: tuple[str, ...] = (),
    rest: float = 0.0,
) -> Outcome:
    """Play to the end. ``ends``: other phases than the scenario's in which it may come to rest;
    ``rest``: virtual seconds to watch afterwards that nothing is written.
    """
    outcome = Outcome(scenario.name, plan)
    with capture_logs() as logs:
        try:
            run = _Run(scenario, plan, outcome)
            run_virtual(
                run.play(ends or (scenario.ends,), rest), seed=plan.seed, shuffle=plan.shuffle
            )
        except (NotReached, VirtualTimeError) as error:
            outcome.problem = f"{type(error).__name__}: {error}"
    outcome.errors += [_told(each) for each in logs if each["log_level"] in ("error", "critical")]
    return outcome


def _told(entry: Any) -> str:
    about = entry.get("exc_info") or entry.get("error") or ""
    return f"{entry['event']} {entry.get('key', '')} {about!r}"


def differences(calm: Outcome, run: Outcome) -> list[str]:
    """What is wrong with ``run``, given how the same scenario goes when nothing goes wrong."""
    found = problems(run)
    if run.problem:
        return found
    for key in sorted(calm.end.keys() | run.end.keys()):
        found += unlike(key, calm.end.get(key), run.end.get(key))
    for word, was, now in (
        ("created", calm.created, run.created),
        ("deleted", calm.deleted, run.deleted),
    ):
        for key in sorted(was.keys() | now.keys()):
            if was[key] != now[key]:
                found.append(f"{key} is {word} {now[key]} times instead of {was[key]}")
    if run.writes > _most_writes(calm, run.plan):
        more = {key: count for key, count in run.done.items() if count > calm.done[key]}
        found.append(f"{run.writes} writes instead of {calm.writes}: {more}")
    return found


def _most_writes(calm: Outcome, plan: FaultPlan) -> float:
    """How many writes a plan excuses: a few per fault; in proportion for storms and rivals."""
    if plan.storm is not None or plan.leaders > 1:
        return _STORM_WRITES * calm.writes * plan.leaders + _EXTRA_WRITES
    return calm.writes + _EXTRA_WRITES * (1 + len(plan.hits))


def problems(run: Outcome) -> list[str]:
    """What is wrong with a run by itself."""
    found = [*run.violations, *run.errors]
    if run.problem:
        found.append(run.problem)
    if run.at_rest:
        found.append(f"{run.at_rest} writes at rest")
    return found


def report(run: Outcome, found: list[str], last: int = 60) -> str:
    """A failure, with everything needed to see it again."""
    lines = [f"play(SCENARIOS[{run.scenario!r}], {run.plan!r})", *(f"  {each}" for each in found)]
    return "\n".join([*lines, "the last requests:", *map(str, run.trace[-last:])])


class _Run:
    """One run in progress."""

    def __init__(self, scenario: Scenario, plan: FaultPlan, outcome: Outcome) -> None:
        self._scenario = scenario
        self._plan = plan
        self._outcome = outcome
        self._dead: list[asyncio.Task[Any]] = []

    async def play(self, ends: tuple[str, ...], rest: float) -> None:
        asyncio.get_running_loop().set_exception_handler(self._unheard)
        clock = virtual_clock()
        cluster = Cluster(clock, random.Random(self._plan.seed), pods="fast")
        judge = Judge(cluster.server.store, clock.wall, grace=self._plan.longest_lag)
        journal = Journal(self._plan, clock.wall, moments=judge.ledger.moments)
        stage = Stage(cluster.server, clock, judge.ledger, lambda: journal.asked_at)
        journal.on_command = stage.command
        await cluster.start()
        processes = [
            asyncio.create_task(self._serve(number, cluster, clock, journal, stage))
            for number in range(self._plan.leaders)
        ]
        try:
            await self._unless(self._tell(stage, ends), *processes, cluster.failed())
            if rest:
                before = len(judge.ledger.history)
                await self._unless(asyncio.sleep(rest), *processes, cluster.failed())
                late = judge.ledger.history[before:]
                self._outcome.at_rest = sum(1 for seen in late if seen.by_controller)
            judge.at_rest()
        finally:
            self._note(judge, journal, clock, stage)
            for task in (*processes, *self._dead):
                task.cancel()
            await asyncio.gather(*processes, *self._dead, return_exceptions=True)
            await cluster.stop()

    def _unheard(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception nobody asked for is a defect, unless it is the death we arranged."""
        if not isinstance(context.get("exception"), Crash):
            self._outcome.errors.append(f"{context['message']} {context.get('exception')!r}")

    async def _tell(self, stage: Stage, ends: tuple[str, ...]) -> None:
        stage.apply(*self._scenario.objects)
        await self._scenario.story(stage)
        await stage.until_phase(*ends)
        await stage.rest()
        await stage.until_phase(*ends)

    async def _unless(self, main: Coroutine[Any, Any, None], *others: Any) -> None:
        """``main``; raises what ends anything else meanwhile."""
        telling = asyncio.ensure_future(main)
        futures = [asyncio.ensure_future(each) for each in others]
        try:
            await asyncio.wait([telling, *futures], return_when=asyncio.FIRST_COMPLETED)
            for future in futures:
                if future.done():
                    future.result()
            await telling
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _serve(
        self, number: int, cluster: Cluster, clock: Clock, journal: Journal, stage: Stage
    ) -> None:
        """One controller process after the other; raises what ends one that was not killed."""
        lag = self._plan.lags[number] if number < len(self._plan.lags) else 0.0
        for life in range(1 << 16):
            name = f"{CONTROLLER}-{number}.{life}"
            api = FaultyApi(cluster.api, journal, name, lag=lag)
            rng = random.Random(f"{self._plan.seed} {name}")
            with acting_as(name):
                managers = controller_set(api, clock, rng, http=stage.metrics)
                tasks = [asyncio.create_task(each.run(), name=name) for each in managers]
                killed = asyncio.create_task(_wait(api.died))
            await asyncio.wait([killed, *tasks], return_when=asyncio.FIRST_COMPLETED)
            if not api.died.is_set():
                for task in tasks:
                    task.result()
                raise RuntimeError(f"{name} ended by itself")
            for task in tasks:
                task.cancel()
            self._dead += tasks
            await asyncio.sleep(_RESTART_SECONDS)

    def _note(self, judge: Judge, journal: Journal, clock: Clock, stage: Stage) -> None:
        outcome, ledger = self._outcome, judge.ledger
        outcome.waited = clock.monotonic()
        outcome.commands = stage.commands
        outcome.trace = journal.trace
        outcome.done = journal.done
        outcome.changes = sum(1 for seen in ledger.history if seen.by_controller)
        outcome.violations = judge.violations
        outcome.phase = str((stage.rollout.get("status") or {}).get("phase"))
        for resource in _COMPARED:
            prefix = f"{resource.plural}/"
            outcome.created += Counter(
                {k: v for k, v in ledger.created.items() if k.startswith(prefix)}
            )
            outcome.deleted += Counter(
                {k: v for k, v in ledger.deleted.items() if k.startswith(prefix)}
            )
            for obj in ledger.all(resource):
                outcome.end[f"{resource.kind}/{obj['metadata']['name']}"] = end_state(obj)


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
