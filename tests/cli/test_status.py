"""One line about a Rollout, the exit code scripts depend on, and what clients must report."""

import asyncio

import pytest

from rollouts.api.rollout import Rollout
from rollouts.cli.common import FailedError
from rollouts.cli.listing import Shown, watch_rows
from rollouts.cli.phase import actual_weight, phase_of, set_weight
from rollouts.cli.status import report
from rollouts.kube.resources import ROLLOUTS
from rollouts.simulate.loop import run_virtual, virtual_clock
from tests.cli.cluster import World


@pytest.mark.parametrize(
    ("status", "code", "out", "err"),
    [
        ({}, 0, "Paused - CanaryPauseStep\n", ""),
        ({"phase": "Healthy", "message": ""}, 0, "Healthy\n", ""),
        (
            {"phase": "Degraded", "message": "RolloutAborted: x"},
            1,
            "Degraded\n",
            "Error: The rollout is in a degraded state with message: RolloutAborted: x\n",
        ),
    ],
)
def test_asking_once(status, code, out, err, capsys):
    world = World()
    world.rollout(status=status)
    assert world.run("status", "shop", "--watch=false") == code
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == (out, err)


async def _until(changes: list[dict[str, str]], seconds: float = 0) -> list[str]:
    world = World(virtual_clock())
    world.rollout()
    lines: list[str] = []
    task = asyncio.create_task(
        report(world.client(), "shop", lines.append, watch=True, seconds=seconds)
    )
    for change in changes:
        await asyncio.sleep(5)
        await world.api.patch(ROLLOUTS, "shop", {"status": change}, "default", subresource="status")
    await task
    return lines


def test_waiting_prints_each_change_once():
    lines = run_virtual(
        _until(
            [
                {"phase": "Progressing", "message": "more replicas need to be updated"},
                {"readyReplicas": 4},
                {"phase": "Healthy", "message": ""},
            ]
        )
    )
    assert lines == [
        "Paused - CanaryPauseStep",
        "Progressing - more replicas need to be updated",
        "Healthy",
    ]


def test_waiting_fails_with_the_release():
    with pytest.raises(FailedError, match="degraded state with message: bad"):
        run_virtual(_until([{"phase": "Degraded", "message": "bad"}]))


def test_waiting_has_an_end():
    with pytest.raises(FailedError, match=r"^Rollout status watch exceeded timeout$"):
        run_virtual(_until([], seconds=30))


def test_a_list_of_rollouts(capsys):
    world = World()
    world.rollout("shop")
    world.rollout(
        "web", strategy={"blueGreen": {"activeService": "a"}}, status={"phase": "Healthy"}
    )
    assert world.run("list", "rollouts") == 0
    assert capsys.readouterr().out == (
        "NAME  STRATEGY   STATUS   STEP  SET-WEIGHT  READY  DESIRED  UP-TO-DATE  AVAILABLE\n"
        "shop  Canary     Paused   1/2   20          5/5    5        1           5\n"
        "web   BlueGreen  Healthy  -     -           5/5    5        1           5\n"
    )
    world.run("list", "ro", "--name", "web", "-A")
    assert capsys.readouterr().out.splitlines()[1].startswith("default    web ")


def test_a_watched_list_prints_a_line_when_its_row_changes():
    async def story() -> list[str]:
        world = World(virtual_clock())
        world.rollout()
        lines: list[str] = []
        shown = Shown(everywhere=False, timestamps=True)
        task = asyncio.create_task(watch_rows(world.client(), "", shown, lines.append))
        for change in ({"stableRS": "unseen"}, {"phase": "Healthy"}):
            await asyncio.sleep(5)
            await world.api.patch(
                ROLLOUTS, "shop", {"status": change}, "default", subresource="status"
            )
        await asyncio.sleep(5)
        task.cancel()
        return lines

    lines = [line.split() for line in run_virtual(story())]
    assert [line[:4] for line in lines] == [
        ["TIMESTAMP", "NAME", "STRATEGY", "STATUS"],
        ["2026-01-01T00:00:00Z", "shop", "Canary", "Paused"],
        ["2026-01-01T00:00:10Z", "shop", "Canary", "Healthy"],
    ]


def test_an_empty_list(capsys):
    assert World().run("list", "rollouts") == 0
    assert capsys.readouterr().err == "No resources found.\n"


def test_a_list_of_experiments(capsys):
    world = World()
    world.experiment(world.rollout(), "e", 1)
    world.run("list", "experiments")
    assert capsys.readouterr().out == (
        "NAME  STATUS   DURATION  REMAINING  AGE\ne     Running  10m       9m         0s\n"
    )


def rollout(status: dict, **spec) -> Rollout:
    canary = {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}]}}
    return Rollout.decode(
        {
            "metadata": {"name": "x", "generation": 3},
            "spec": {"strategy": canary, **spec},
            "status": {"observedGeneration": "3", "phase": "Paused", "message": "m", **status},
        }
    )


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, ("Paused", "m")),
        ({"observedGeneration": "7b4c"}, ("Paused", "m")),
        ({"observedGeneration": "99"}, ("Paused", "m")),
        (
            {"observedGeneration": "2"},
            ("Progressing", "waiting for rollout spec update to be observed"),
        ),
        ({"controllerPause": True}, ("Progressing", "waiting for rollout to unpause")),
        ({"phase": ""}, ("Progressing", "more replicas need to be updated")),
    ],
)
def test_a_phase_is_never_older_than_the_spec(status, expected):
    assert phase_of(rollout(status)) == expected


@pytest.mark.parametrize(
    ("status", "weight"),
    [
        ({}, 20),
        ({"currentStepIndex": 1}, 20),
        ({"currentStepIndex": 2}, 60),
        ({"currentStepIndex": 3}, 100),
        ({"currentStepIndex": 2, "abort": True}, 0),
    ],
)
def test_the_set_weight(status, weight):
    assert set_weight(rollout(status)) == weight


def test_the_actual_weight_of_routers_is_what_they_were_told():
    routed = {"canary": {"steps": [{"setWeight": 20}], "trafficRouting": {"istio": {}}}}
    status = {
        "currentStepIndex": 0,
        "availableReplicas": 5,
        "canary": {"weights": {"canary": {"weight": 15}, "stable": {"weight": 85}}},
    }
    assert actual_weight(rollout(status, strategy=routed), []) == 15
    del status["canary"]
    assert actual_weight(rollout(status, strategy=routed), []) == 20
