"""The deciding itself, without caches or requests: one plan, one condition."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from analysis.expr.condition import evaluate
from analysis.expr.program import compile_expression
from analysis.spec import Phase
from benchmarks import objects
from benchmarks.table import Row, say
from rollouts.api.rollout import Rollout
from rollouts.planner.planner import plan
from rollouts.planner.project import project
from rollouts.planner.world import World

_ROUNDS = 5
_NOW = 1_767_225_600.0
_CONDITIONS = (
    ("result[0] >= 0.95", [0.99]),
    ("all(result, # < 0.5)", [0.1] * 10),
    ("len(result) == 0 || result[0] < 0.01", [0.001]),
)


def _microseconds(call: Callable[[], Any], times: int) -> float:
    """The best of some rounds, per call."""
    best = float("inf")
    for _ in range(_ROUNDS):
        started = time.thread_time()
        for _ in range(times):
            call()
        best = min(best, time.thread_time() - started)
    return best / times * 1e6


def _world() -> World:
    """A first release that has been planned and applied; its pods are not there yet."""
    body = objects.rollout("shop")
    body["metadata"] |= {"uid": "1", "resourceVersion": "1", "generation": 1}
    world = World(now=_NOW, rollout=Rollout.decode(body))
    return project(world, plan(world).writes)


def run() -> Iterator[Row]:
    say("plan and condition")
    world = _world()
    assert not plan(world).writes
    yield Row("plan of a Rollout at rest", _microseconds(lambda: plan(world), 200), "µs CPU")
    for condition, result in _CONDITIONS:
        program = compile_expression(condition)
        assert program.run(result) is True
        once = _microseconds(partial(program.run, result), 2000)
        yield Row(f"condition {condition}", once, "µs CPU", below=10)
    condition, result = _CONDITIONS[0]
    assert evaluate(condition, "", result).phase is Phase.SUCCESSFUL
    one = _microseconds(partial(evaluate, condition, "", result), 2000)
    yield Row("verdict on an answer", one, "µs CPU")
