"""The demo from curtain to curtain: set the scene, play the acts, count what users saw.

Owns the order of things and the summary's numbers. It starts no cluster, controller or server:
those are given (``cli.demo`` composes them), so the same story plays wherever there is a KubeApi.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import yaml

from rollouts.kube.api import Obj
from rollouts.kube.resources import ANALYSIS_RUNS, ANALYSIS_TEMPLATES, ROLLOUTS, SERVICES
from rollouts.sandbox.demo.acts import ACTS, CHECKOUT, SHOP, Act, Outcome, Stage
from rollouts.sandbox.demo.load import Tally
from rollouts.sandbox.demo.narrate import Tone

_PATIENCE: Final = 20.0
_RESOURCES: Final = {each.kind: each for each in (SERVICES, ANALYSIS_TEMPLATES, ROLLOUTS)}


@dataclass(frozen=True, slots=True)
class Scene:
    """One act's line in the summary. ``seconds``: how long it took."""

    title: str
    outcome: Outcome
    requests: int
    errors: int
    seconds: float

    @property
    def as_told(self) -> bool:
        return not self.outcome.problems


class NotReady(Exception):
    """The scene could not be set; the message says what was missing."""


def manifests(prometheus: str, preview: str) -> list[Obj]:
    """The demo's objects. ``prometheus``, ``preview``: base URLs."""
    text = files("rollouts.sandbox.demo").joinpath("shop.yaml").read_text()
    filled = text.replace("${prometheus}", prometheus).replace("${preview}", preview)
    return list(yaml.safe_load_all(filled))


async def set_the_scene(stage: Stage, objects: Sequence[Obj]) -> None:
    """Create the objects; return when both Rollouts are healthy. NotReady after 20 seconds."""
    view = stage.view
    for obj in objects:
        await stage.api.create(_RESOURCES[obj["kind"]], obj, view.namespace)
    names = ", ".join(f"{obj['kind']} {obj['metadata']['name']}" for obj in objects)
    stage.say(f"created {names}", Tone.QUIET)

    def healthy() -> bool:
        return all(view.status(name).get("phase") == "Healthy" for name in (SHOP, CHECKOUT))

    if not await view.until(healthy, _PATIENCE):
        phases = {name: view.get(ROLLOUTS, name).get("status") for name in (SHOP, CHECKOUT)}
        raise NotReady(f"the Rollouts did not become healthy: {phases}")


async def until_measured(stage: Stage, seen: Callable[[], Awaitable[bool]]) -> None:
    """Return when Prometheus sees the traffic. NotReady after 20 seconds."""
    deadline = stage.clock.monotonic() + _PATIENCE
    while not await seen():
        if stage.clock.monotonic() > deadline:
            raise NotReady("Prometheus sees no traffic")
        await asyncio.sleep(0.2)


async def play(stage: Stage, acts: Sequence[Act] = ACTS) -> list[Scene]:
    """Play the acts in order, each whatever became of the one before."""
    return [await _act(stage, number, act) for number, act in enumerate(acts, start=1)]


async def _act(stage: Stage, number: int, act: Act) -> Scene:
    stage.say(f"Act {number}. {act.title}", Tone.TITLE)
    stage.say(act.intention, Tone.TELL)
    began, before = stage.clock.monotonic(), _seen(stage)
    analysed = len(stage.view.store(ANALYSIS_RUNS))
    playing = asyncio.ensure_future(act.play(stage))

    def in_the_middle() -> bool:
        return playing.done() or len(stage.view.store(ANALYSIS_RUNS)) > analysed

    await stage.view.until(in_the_middle, _PATIENCE)
    stage.show(act.rollout)
    outcome = await playing
    stage.show(act.rollout)
    seen = _seen(stage).since(before)
    for problem in outcome.problems:
        stage.say(f"Not as told: {problem}", Tone.BAD)
    if not outcome.problems:
        stage.say(f"As told: {outcome.ended}", Tone.GOOD)
    return Scene(
        act.title,
        outcome,
        seen.requests.total(),
        seen.errors.total(),
        stage.clock.monotonic() - began,
    )


def _seen(stage: Stage) -> Tally:
    """What all users have seen so far."""
    total = Tally()
    for load in stage.loads.values():
        total.requests.update(load.tally.requests)
        total.errors.update(load.tally.errors)
    return total
