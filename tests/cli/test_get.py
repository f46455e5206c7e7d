"""The tree and the lines above it."""

import asyncio
import re

import pytest

from rollouts.api import labels
from rollouts.cli.get import CLEAR, show_tree, watch_tree
from rollouts.cli.style import wants_color
from rollouts.kube.errors import NotFound
from rollouts.kube.resources import EXPERIMENTS, ROLLOUTS
from rollouts.simulate.loop import run_virtual, virtual_clock
from tests.cli.cluster import World, running


@pytest.fixture
def world() -> World:
    world = World()
    shop = world.rollout()
    old = world.replica_set(shop, "aaa", "shop:1", 4, **{labels.REVISION: "1"})
    new = world.replica_set(shop, "bbb", "shop:2", 1, **{labels.REVISION: "2"})
    world.pod(old, "x1", **running())
    world.pod(new, "y1", **running(restarts=2))
    world.run_of(
        shop,
        "shop-bbb-2-1",
        2,
        phase="Running",
        metricResults=[
            {
                "name": "m",
                "phase": "Running",
                "successful": 3,
                "error": 1,
                "measurements": [
                    {
                        "phase": "Successful",
                        "startedAt": "2025-12-31T23:59:00Z",
                        "metadata": {"job-name": "u.m.1"},
                    }
                ],
            }
        ],
    )
    return world


def test_the_whole_picture(world, capsys):
    assert world.run("get", "rollout", "shop") == 0
    assert capsys.readouterr().out == (
        "Name:            shop\n"
        "Namespace:       default\n"
        "Status:          ॥ Paused\n"
        "Message:         CanaryPauseStep\n"
        "Strategy:        Canary\n"
        "  Step:          1/2\n"
        "  SetWeight:     20\n"
        "  ActualWeight:  20\n"
        "Images:          shop:1 (stable)\n"
        "                 shop:2 (canary)\n"
        "Replicas:\n"
        "  Desired:       5\n"
        "  Current:       5\n"
        "  Updated:       1\n"
        "  Ready:         5\n"
        "  Available:     5\n"
        "\n"
        "NAME                    KIND         STATUS        AGE  INFO\n"
        "⟳ shop                  Rollout      ॥ Paused      0s\n"
        "├──# revision:2\n"
        "│  ├──⧉ shop-bbb        ReplicaSet   ✔ Healthy     0s   canary\n"
        "│  │  └──□ shop-bbb-y1  Pod          ✔ Running     0s   ready:1/1,restarts:2\n"
        "│  └──α shop-bbb-2-1    AnalysisRun  ◌ Running     0s   ✔ 3,⚠ 1\n"
        "│     └──⊞ u.m.1        Job          ✔ Successful  60s\n"
        "└──# revision:1\n"
        "   └──⧉ shop-aaa        ReplicaSet   ✔ Healthy     0s   stable\n"
        "      └──□ shop-aaa-x1  Pod          ✔ Running     0s   ready:1/1\n"
    )


def test_a_replica_set_that_waits_for_its_end(capsys):
    world = World()
    shop = world.rollout(
        strategy={"blueGreen": {"activeService": "a", "previewService": "p"}},
        status={
            "blueGreen": {"activeSelector": "aaa", "previewSelector": "bbb"},
            "currentStepIndex": None,
        },
    )
    deadline = {labels.SCALE_DOWN_DEADLINE: "2026-01-01T00:00:25Z", labels.REVISION: "1"}
    world.replica_set(shop, "aaa", "shop:1", 5, **deadline)
    world.replica_set(shop, "bbb", "shop:2", 0, **{labels.REVISION: "2"})
    world.run("get", "ro", "shop")
    out = capsys.readouterr().out
    assert "Strategy:        BlueGreen\n" in out
    assert "Step:" not in out
    assert "shop-aaa  ReplicaSet  ✔ Healthy     0s   stable,active,delay:25s\n" in out
    assert "shop-bbb  ReplicaSet  • ScaledDown  0s   preview\n" in out
    assert "shop:2" not in out


def test_an_experiment_hangs_below_its_revision(capsys):
    world = World()
    shop = world.rollout()
    experiment = world.experiment(shop, "shop-bbb-2-0", 2)
    world.replica_set(experiment, "ccc", "shop:1", 1, **{labels.EXPERIMENT_TEMPLATE: "base"})
    world.run("get", "rollout", "shop")
    out = capsys.readouterr().out
    assert "Images:          shop:1 (Σ:base)\n" in out
    assert "└──# revision:2\n" in out
    assert "   └──Σ shop-bbb-2-0         Experiment  ◌ Running" in out
    assert "      └──⧉ shop-bbb-2-0-ccc  ReplicaSet  ✔ Healthy" in out
    assert world.run("get", "exp", "shop-bbb-2-0") == 0
    assert capsys.readouterr().out.startswith("Name:            shop-bbb-2-0\n")


def test_an_experiment_shows_its_pods_and_its_verdicts(capsys):
    world = World()
    shop = world.rollout()
    experiment = world.experiment(shop, "shop-bbb-2-0", 2)
    deadline = {labels.SCALE_DOWN_DEADLINE: "2026-01-01T00:00:25Z"}
    rs = world.replica_set(experiment, "ccc", "shop:1", 1, **deadline)
    world.pod(rs, "x1", **running())
    result = {"name": "m", "phase": "Running", "successful": 2, "inconclusive": 1}
    world.run_of(experiment, "shop-bbb-2-0-rate", 2, phase="Running", metricResults=[result])
    assert world.run("get", "rollout", "shop") == 0
    tree = capsys.readouterr().out.partition("NAME  ")[2]
    assert [" ".join(line.split()) for line in tree.splitlines()[1:]] == [
        "⟳ shop Rollout ॥ Paused 0s",
        "└──# revision:2",
        "└──Σ shop-bbb-2-0 Experiment ◌ Running 0s",
        "├──⧉ shop-bbb-2-0-ccc ReplicaSet ✔ Healthy 0s delay:25s",
        "│ └──□ shop-bbb-2-0-ccc-x1 Pod ✔ Running 0s ready:1/1",
        "└──α shop-bbb-2-0-rate AnalysisRun ◌ Running 0s ✔ 2,? 1",
    ]


def test_the_object_itself(world, capsys):
    assert world.run("get", "rollout", "shop", "-o", "json") == 0
    assert '"name": "shop"' in capsys.readouterr().out
    assert world.run("get", "rollout", "shop", "-o", "yaml") == 0
    assert "  name: shop\n" in capsys.readouterr().out


def test_what_does_not_exist_is_one_line(world, capsys):
    assert world.run("get", "rollout", "nope") == 1
    assert capsys.readouterr().err == 'Error: rollouts.argoproj.io "nope" not found\n'


def test_colours_need_a_terminal_and_consent(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert wants_color(no_color=False, environ={})
    assert not wants_color(no_color=True, environ={})
    assert not wants_color(no_color=False, environ={"NO_COLOR": "1"})
    monkeypatch.setattr("sys.stdout.isatty", lambda: False, raising=False)
    assert not wants_color(no_color=False, environ={})


def test_colours_change_nothing_else(world):
    def drawn(*, color: bool) -> str:
        lines: list[str] = []
        asyncio.run(show_tree(world.client(), "shop", lines.append, color=color))
        return "\n".join(lines)

    plain, colored = drawn(color=False), drawn(color=True)
    assert "\x1b[33m॥ Paused\x1b[0m" in colored
    assert re.sub(r"\x1b\[\d+m", "", colored) == plain


def test_watching_draws_again_after_a_change_and_ends_when_it_is_told_to():
    async def story() -> list[str]:
        world = World(virtual_clock())
        world.rollout()
        screens: list[str] = []
        task = asyncio.create_task(
            watch_tree(world.client(), "shop", screens.append, seconds=60, color=False)
        )
        await asyncio.sleep(5)
        await world.api.patch(
            ROLLOUTS, "shop", {"status": {"phase": "Healthy"}}, "default", subresource="status"
        )
        await task
        return screens

    screens = run_virtual(story())
    assert len(screens) == 2
    assert all(screen.startswith(CLEAR) for screen in screens)
    assert "॥ Paused" in screens[0]
    assert "✔ Healthy" in screens[1]


def test_watching_ends_with_the_object():
    async def story() -> None:
        world = World(virtual_clock())
        world.rollout()
        task = asyncio.create_task(watch_tree(world.client(), "shop", lambda _: None, color=False))
        await asyncio.sleep(5)
        await world.api.delete(ROLLOUTS, "shop", "default")
        await task

    with pytest.raises(NotFound, match=r'rollouts.argoproj.io "shop" not found'):
        run_virtual(story())


def test_watching_something_absent_says_so():
    with pytest.raises(NotFound):
        run_virtual(watch_tree(World().client(), "nope", print, color=False))


def test_kinds_that_may_not_be_read_are_left_out(world, capsys, monkeypatch):
    from rollouts.kube.errors import Forbidden

    readable = world.api.list

    async def listing(resource, *args, **kwargs):
        if resource == EXPERIMENTS:
            raise Forbidden("experiments are a secret")
        return await readable(resource, *args, **kwargs)

    monkeypatch.setattr(world.api, "list", listing)
    assert world.run("get", "rollout", "shop") == 0
    assert "shop-bbb" in capsys.readouterr().out


FAILED = {
    "phase": "Failed",
    "message": 'Metric "rate" assessed Failed due to failed (1) > failureLimit (0)',
    "startedAt": "2026-01-01T00:00:00Z",
    "metricResults": [
        {
            "name": "rate",
            "phase": "Failed",
            "successful": 1,
            "failed": 1,
            "measurements": [
                {
                    "phase": phase,
                    "startedAt": f"2026-01-01T00:00:{second}Z",
                    "value": value,
                    "metadata": {
                        "query": "sum(up)",
                        "window": f"2026-01-01T00:00:{second}Z",
                        "reason": f"result[0] >= 0.95 is {truth}: result = {value}",
                    },
                }
                for phase, second, value, truth in (
                    ("Successful", "00", "[0.99]", "true"),
                    ("Failed", "10", "[0.81]", "false"),
                )
            ],
        },
        {"name": "fine", "phase": "Successful", "dryRun": True, "successful": 1},
    ],
}


@pytest.fixture
def failed() -> World:
    world = World()
    world.run_of(world.rollout(), "shop-bbb-2-1", 2, **FAILED)
    return world


def test_a_run_tells_what_it_measured_and_why_it_came_out_so(failed, capsys):
    assert failed.run("get", "ar", "shop-bbb-2-1") == 0
    assert capsys.readouterr().out == (
        "Name:            shop-bbb-2-1\n"
        "Namespace:       default\n"
        "Status:          ✖ Failed\n"
        'Message:         Metric "rate" assessed Failed due to failed (1) > failureLimit (0)\n'
        "Started:         2026-01-01T00:00:00Z\n"
        "\n"
        "rate: ✖ Failed (1 successful, 1 failed)\n"
        "  query:   sum(up)\n"
        "  window:  2026-01-01T00:00:10Z\n"
        "  2026-01-01T00:00:00Z  ✔ Successful  result[0] >= 0.95 is true: result = [0.99]\n"
        "  2026-01-01T00:00:10Z  ✖ Failed      result[0] >= 0.95 is false: result = [0.81]\n"
        "\n"
        "fine: ✔ Successful (1 successful, dry run)\n"
    )


def test_the_tree_says_why_a_metric_failed(failed, capsys):
    assert failed.run("get", "rollout", "shop") == 0
    out = capsys.readouterr().out
    assert re.search(r"└──μ rate +Metric +✖ Failed +result", out)
    assert out.rstrip().endswith("result[0] >= 0.95 is false: result = [0.81]")
    assert "fine" not in out
