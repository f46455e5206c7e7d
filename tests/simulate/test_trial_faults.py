"""A controller killed between any two requests brings an Experiment to the same end."""

import os
from functools import cache

import pytest

from rollouts.simulate.faults import Fault, FaultPlan, Hit
from rollouts.simulate.runner import Outcome, differences, play, problems, report
from rollouts.simulate.scenarios import SCENARIOS, Scenario
from rollouts.simulate.stage import Stage

FULL = os.environ.get("ROLLOUTS_CAMPAIGN") == "full"
TRIALS = [name for name in SCENARIOS if name.startswith("trial")]
STRIDE = 1 if FULL else 9
FAULTS = list(Fault) if FULL else [Fault.CRASH_AFTER, Fault.STALE_RESTART]

pytestmark = pytest.mark.timeout(1200 if FULL else 60)


@cache
def calm(scenario: str) -> Outcome:
    outcome = play(SCENARIOS[scenario])
    assert problems(outcome) == [], report(outcome, problems(outcome))
    return outcome


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("scenario", TRIALS)
def test_one_fault_at_any_request_changes_nothing_about_the_end(scenario, fault):
    for at in range(TRIALS.index(scenario) % STRIDE, len(calm(scenario).trace), STRIDE):
        run = play(SCENARIOS[scenario], FaultPlan(hits=(Hit(at, fault),)))
        found = differences(calm(scenario), run)
        assert found == [], report(run, found)


async def ended(stage: Stage) -> None:
    await stage.until_experiment("Successful", "Inconclusive")


STOPPED = Scenario("stopped", SCENARIOS["trial-again"].objects, ended)


def test_asked_to_stop_at_any_moment_it_comes_to_an_end_and_leaves_nothing():
    whole = play(STOPPED)
    phases = set()
    for at in range(len(whole.trace) // 4, len(whole.trace), 1 if FULL else 4):
        run = play(STOPPED, FaultPlan(commands=((at, "terminate"),)))
        assert problems(run) == [], report(run, problems(run))
        phases.add(run.end["Experiment/app"]["status"]["phase"])
    assert phases == {"Successful", "Inconclusive"}
