"""Whatever goes wrong on the way, a release ends as it would have ended anyway.

Each case plays a scenario while one thing or many go wrong, and compares the end with a calm run.
By default a sample is played; ``ROLLOUTS_CAMPAIGN=full`` plays every request of every scenario. A
failure prints the call that plays it again.
"""

import os
import random
from functools import cache

import pytest

from rollouts.simulate.faults import Fault, FaultPlan, Hit, Storm
from rollouts.simulate.runner import Outcome, differences, play, problems, report
from rollouts.simulate.scenarios import SCENARIOS

FULL = os.environ.get("ROLLOUTS_CAMPAIGN") == "full"
BASE = ("canary", "background-failing", "blue-green")
SAMPLE = 2  # requests per scenario and kind of fault
SEEDS = range(40) if FULL else range(2)

pytestmark = pytest.mark.timeout(600 if FULL else 60)


@cache
def calm(scenario: str) -> Outcome:
    outcome = play(SCENARIOS[scenario])
    assert problems(outcome) == [], report(outcome, problems(outcome))
    return outcome


def boundaries(scenario: str, salt: object, count: int = SAMPLE) -> list[int]:
    """The requests at which something goes wrong."""
    everywhere = range(len(calm(scenario).trace))
    if FULL:
        return list(everywhere)
    return random.Random(f"{scenario} {salt}").sample(everywhere, count)


def same_end(scenario: str, plan: FaultPlan) -> None:
    run = play(SCENARIOS[scenario], plan)
    found = differences(calm(scenario), run)
    assert found == [], report(run, found)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_calm_release_keeps_every_rule_and_then_rests_for_a_day(scenario):
    run = play(SCENARIOS[scenario], rest=86_400.0 if FULL else 3_600.0)
    assert problems(run) == [], report(run, problems(run))
    assert run.idle_writes == 0, report(run, [f"{run.idle_writes} writes changed nothing"])


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("scenario", SCENARIOS if FULL else BASE)
def test_one_fault_changes_nothing_about_the_end(scenario, fault):
    for at in boundaries(scenario, fault):
        same_end(scenario, FaultPlan(hits=(Hit(at, fault),)))


@pytest.mark.parametrize("kind", ["rollouts", "replicasets", "analysisruns", "services"])
@pytest.mark.parametrize("scenario", SCENARIOS if FULL else BASE)
def test_caches_that_disagree_about_the_time_change_nothing_about_the_end(scenario, kind):
    for at in boundaries(scenario, kind):
        same_end(scenario, FaultPlan(hits=(Hit(at, Fault.LAG, kind),)))


RIVALS = FaultPlan(seed=1, leaders=2, lags=(0.5, 0.0), shuffle=True)
STORMY_RIVALS = FaultPlan(seed=8, leaders=2, lags=(2.0, 1.0), storm=Storm(0.1, 200), shuffle=True)
WILD_RIVALS = FaultPlan(seed=0, leaders=2, lags=(2.0, 1.0), storm=Storm(0.1, 200), shuffle=True)
FOUND_BEFORE = [
    # A leader whose caches are behind moved a Service towards a revision aborted meanwhile.
    pytest.param("canary-failing", RIVALS, id="a late leader switches a Service"),
    # A leader whose caches are behind stopped a run it had not heard of, and the release stood.
    pytest.param("canary", STORMY_RIVALS, id="a late leader stops a run"),
    # It made an Experiment that was over look as if it had been cut short.
    pytest.param("experiment-step", WILD_RIVALS, id="a late leader stops an Experiment"),
]


@pytest.mark.parametrize(("scenario", "plan"), FOUND_BEFORE)
def test_what_was_broken_once_stays_mended(scenario, plan):
    same_end(scenario, plan)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_after_a_storm_everything_comes_to_its_end(scenario, seed):
    plan = FaultPlan(seed=seed, storm=Storm(rate=0.2, until=150), shuffle=True)
    same_end(scenario, plan)


@pytest.mark.parametrize("seed", SEEDS if FULL else [0])
@pytest.mark.parametrize("scenario", SCENARIOS if FULL else BASE)
@pytest.mark.parametrize("lags", [(0.0, 0.0), (0.0, 3.0), (1.0, 2.0)])
def test_two_leaders_do_no_harm(scenario, lags, seed):
    plan = FaultPlan(seed=seed, leaders=2, lags=lags, shuffle=True)
    run = play(SCENARIOS[scenario], plan)
    found = differences(calm(scenario), run)
    assert found == [], report(run, found)


def updating(scenario: str) -> int:
    """The first request of the update."""
    trace = calm(scenario).trace
    created = [a.number for a in trace if (a.verb, a.resource.plural) == ("create", "replicasets")]
    return created[1]


def moments(scenario: str, salt: str) -> list[int]:
    """Requests during the update before which a user does something."""
    everywhere = range(updating(scenario), len(calm(scenario).trace))
    return list(everywhere) if FULL else random.Random(salt).sample(everywhere, 2)


def commanded(scenario: str, *commands: tuple[int, str], ends: tuple[str, ...]) -> Outcome:
    run = play(SCENARIOS[scenario], FaultPlan(commands=commands), ends=ends)
    assert problems(run) == [], report(run, problems(run))
    return run


def stable_set(run: Outcome) -> dict:
    status = run.end["Rollout/app"]["status"]
    return run.end[f"ReplicaSet/app-{status['stableRS']}"]


def image_of(replica_set: dict) -> str:
    return replica_set["spec"]["template"]["spec"]["containers"][0]["image"]


RELEASES = ("background", "blue-green-by-itself")


@pytest.mark.parametrize("scenario", RELEASES)
@pytest.mark.parametrize("command", ["scale=7", "scale=2", "image=3", "image=1", "promote-full"])
def test_what_a_user_asks_for_at_any_moment_is_what_the_user_gets(scenario, command):
    for at in moments(scenario, command):
        run = commanded(scenario, (at, command), ends=("Healthy",))
        name, _, wanted = command.partition("=")
        if name == "scale":
            assert stable_set(run)["spec"]["replicas"] == int(wanted), report(run, [])
        assert image_of(stable_set(run)) == f"app:{wanted if name == 'image' else 2}", report(
            run, []
        )


@pytest.mark.parametrize("scenario", RELEASES)
def test_an_abort_at_any_moment_before_the_end_goes_back_and_stays_back(scenario):
    for at in moments(scenario, "abort"):
        run = commanded(scenario, (at, "abort"), ends=("Healthy", "Degraded"))
        before = run.commands[-1][1]
        in_time = before["stableRS"] != before["currentPodHash"]
        assert image_of(stable_set(run)) == ("app:1" if in_time else "app:2"), report(run, [])
        assert run.phase == ("Degraded" if in_time else "Healthy"), report(run, [])


@pytest.mark.parametrize(
    "commands",
    [
        pytest.param([(23, "image=3")], id="a third revision while the second one grows"),
        pytest.param([(24, "abort"), (25, "retry")], id="a retry overtakes its abort"),
        pytest.param([(22, "abort"), (25, "promote-full")], id="pods counted as they leave"),
    ],
)
def test_what_a_user_once_broke_stays_mended(commands):
    commanded("background", *commands, ends=("Healthy",))


@pytest.mark.parametrize("scenario", RELEASES)
def test_a_retry_at_any_moment_after_an_abort_starts_again(scenario):
    for at in moments(scenario, "retry"):
        for later in (at + 1, at + 4):
            run = commanded(scenario, (at, "abort"), (later, "retry"), ends=("Healthy", "Degraded"))
            if len(run.commands) == 3:
                assert image_of(stable_set(run)) == "app:2", report(run, [])


@pytest.mark.parametrize("scenario", ["blue-green", "blue-green-by-itself"])
def test_a_pause_at_any_moment_holds_until_it_is_lifted(scenario):
    for at in moments(scenario, "pause"):
        run = commanded(scenario, (at, "pause"), ends=("Paused",))
        assert run.end["Rollout/app"]["spec"]["paused"], report(run, [])


def test_a_canary_paused_and_resumed_at_any_moment_ends_as_usual():
    for at in moments("background", "resume"):
        plan = FaultPlan(commands=((at, "pause"), (at + 5, "resume")))
        run = play(SCENARIOS["background"], plan, ends=("Healthy", "Paused"))
        assert problems(run) == [], report(run, problems(run))
        if len(run.commands) == 3:
            assert image_of(stable_set(run)) == "app:2", report(run, [])
