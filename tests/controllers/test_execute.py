"""Carrying out plans: what is told, and only after it is stored."""

from typing import Any

import pytest

from rollouts.controllers.execute import Executor, Owner
from rollouts.kube.api import Obj
from rollouts.kube.errors import Conflict
from rollouts.kube.resources import ROLLOUTS
from rollouts.kube.writes import WriteLog
from rollouts.planner.plan import Plan, Timing
from rollouts.planner.planner import plan
from rollouts.planner.project import project
from rollouts.planner.world import World
from rollouts.runtime.clock import SystemClock
from tests.planner.taken import Taken


class Stored:
    """A KubeApi that has one Rollout, and stores patches or refuses them all."""

    def __init__(self, rollout: Obj) -> None:
        self.refusing = False
        self._rollout = rollout

    async def get(self, *_: Any) -> Obj:
        return self._rollout

    async def patch(self, _resource: Any, name: str, *_: Any, **__: Any) -> Obj:
        if self.refusing:
            raise Conflict("it has moved on")
        return {"metadata": {"name": name, "resourceVersion": "5000"}}


def promotion() -> tuple[World, Plan]:
    """A canary whose last pause is over and whose pods are all there: it is promoted now."""
    model = Taken("canary-timed-pause")
    model.wait(2401)
    for _ in range(20):
        before = model.world
        decided = model.reconcile()
        if decided.timings:
            return before, decided
        model.pods_follow()
    raise AssertionError("it is never promoted")


async def test_an_update_that_ended_is_told_once_it_is_stored_and_not_before():
    world, decided = promotion()
    told: list[Timing] = []
    api = Stored(world.rollout.raw)
    executor = Executor(api, WriteLog(SystemClock()), lambda *_: None, told.append)
    owner = Owner(ROLLOUTS, world.rollout.raw)
    api.refusing = True
    with pytest.raises(Conflict):
        await executor.execute(owner, decided)
    assert told == []
    api.refusing = False
    await executor.execute(owner, decided)
    assert [timing.outcome for timing in told] == ["Promoted"]
    assert plan(project(world, decided.writes)).timings == ()
