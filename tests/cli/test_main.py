"""The programs themselves: speed of help, flags in any position, failures in one line."""

import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from rollouts.cli.main import program
from rollouts.cli.why import as_object, explained
from rollouts.kube.errors import Unreachable
from rollouts.planner.plan import Blocker
from tests.cli.cluster import NOW, World

HEAVY = ("pydantic", "kubernetes_asyncio", "aiohttp", "rich", "yaml", "structlog", "asyncio")


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from rollouts.cli.main import program, run\n"
        "from rollouts.cli.common import Session\n"
        "run(program('rollouts'), ['--help'], Session('rollouts'))\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert "Show a Rollout and everything it owns as a tree." in done.stdout
    assert done.stderr.strip() == "[]"


def leaves(command: click.Command, path: tuple[str, ...] = ()):
    if not isinstance(command, click.Group):
        yield path
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        yield from leaves(child, (*path, name))


def test_every_verb_of_the_plugin_has_help_with_an_example(capsys):
    name = "kubectl argo rollouts"
    for path in leaves(program(name, plugin=True)):
        assert World().run(*path, "--help", name=name) == 0
        printed = capsys.readouterr().out
        assert f"Examples:\n  {name} {' '.join(path)}" in printed, path


def test_the_plugin_only_talks_to_clusters():
    plugin = program("kubectl argo rollouts", plugin=True)
    assert plugin.get_command(click.Context(plugin), "sandbox") is None


@pytest.mark.parametrize(
    "args",
    [
        ("-n", "web", "list", "rollouts"),
        ("list", "-n", "web", "rollouts"),
        ("list", "rollouts", "-n", "web"),
        ("-n", "other", "list", "rollouts", "--namespace=web"),
    ],
)
def test_flags_may_stand_anywhere_and_the_last_one_counts(args):
    world = World()
    assert world.run(*args) == 0
    assert world.flags["namespace"] == "web"


def test_flags_are_those_of_the_connection():
    from rollouts.kube.config import ConnectOptions

    world = World()
    world.run(
        *("list", "rollouts", "--context=c", "--cluster=k", "--user=u", "--token=t", "-s", "h"),
        *("--as=a", "--as-group=g1", "--as-group=g2", "--request-timeout=1m", "--kubeconfig=f"),
        *("--insecure-skip-tls-verify=true", "-v", "0", "--loglevel", "info"),
    )
    options = ConnectOptions(**world.flags)
    assert options.as_groups == ("g1", "g2")
    assert (options.request_timeout, options.insecure, options.server) == (60, True, "h")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("get", "rollout"), "Error: Missing argument 'NAME'."),
        (("abort",), "Error: Missing argument 'NAME...'."),
        (("frobnicate",), "Error: No such command 'frobnicate'."),
        (("set", "image", "shop", "nonsense"), "must be CONTAINER=IMAGE, not nonsense"),
        (("list", "rollouts", "--request-timeout", "x"), 'time: invalid duration "x"'),
    ],
)
def test_wrong_usage_ends_with_one(args, words, capsys):
    assert World().run(*args) == 1
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.err.startswith("Usage: ")
    assert printed.out == ""


def test_a_cluster_that_does_not_answer_is_one_line(monkeypatch, capsys):
    world = World()

    async def silent(*_args, **_kwargs):
        raise Unreachable("GET /apis: connection refused")

    monkeypatch.setattr(world.api, "get", silent)
    assert world.run("get", "rollout", "shop") == 1
    assert capsys.readouterr().err == "Error: GET /apis: connection refused\n"


def test_the_version_is_the_one_that_is_packaged(capsys):
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert World().run("version", "--short") == 0
    assert capsys.readouterr().out == f"kubectl-argo-rollouts: v{project['project']['version']}\n"


WAITING = Blocker(
    code="PausedByStep",
    message="step 2 of 2 pauses until somebody promotes",
    object="rollout/shop",
    field="spec.strategy.canary.steps[1]",
    since=NOW - 65,
    until=NOW + 300,
    then="the next step starts",
    command="kubectl argo rollouts promote shop",
)


def test_why_reads_like_an_answer():
    lines = explained(
        "shop", "Paused", "CanaryPauseStep", (WAITING,), program="rollouts", now=NOW, color=False
    )
    assert lines == [
        "rollout 'shop': ॥ Paused - CanaryPauseStep",
        "",
        "PausedByStep: step 2 of 2 pauses until somebody promotes",
        "  where:  rollout/shop spec.strategy.canary.steps[1]",
        "  since:  65s ago",
        "  until:  in 5m",
        "  then:   the next step starts",
        "  try:    rollouts promote shop",
    ]


def test_why_for_programs():
    assert as_object("Paused", "m", (Blocker("C", "words", since=NOW),)) == {
        "phase": "Paused",
        "message": "m",
        "blockers": [{"code": "C", "message": "words", "since": "2026-01-01T00:00:00Z"}],
    }


def test_why_with_nothing_to_wait_for():
    lines = explained("shop", "Healthy", "", (), program="rollouts", now=NOW, color=False)
    assert lines == ["rollout 'shop': ✔ Healthy", "Nothing is being waited for."]


def test_why_asks_the_planner(capsys):
    world = World()
    world.rollout()
    assert world.run("why", "shop") == 0
    assert capsys.readouterr().out.startswith("rollout 'shop': ")
    assert world.run("why", "nope") == 1
    assert capsys.readouterr().err == 'Error: rollouts.argoproj.io "nope" not found\n'


def test_why_asks_the_planner_of_experiments(capsys):
    world = World()
    world.experiment(world.rollout(), "trial", 1)
    assert world.run("why", "experiment", "trial") == 0
    plain = capsys.readouterr().out
    assert plain.startswith("experiment 'trial': ")
    assert world.run("why", "exp", "trial") == 0
    assert capsys.readouterr().out == plain
    assert world.run("why", "rollout", "shop") == 0
    assert capsys.readouterr().out.startswith("rollout 'shop': ")
    assert world.run("why", "experiment", "nope") == 1
    assert capsys.readouterr().err == 'Error: experiments.argoproj.io "nope" not found\n'


def test_why_takes_one_word_for_a_rollout_whatever_it_is_called(capsys):
    world = World()
    world.rollout("experiment")
    assert world.run("why", "experiment") == 0
    assert capsys.readouterr().out.startswith("rollout 'experiment': ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ar", "x"), "use 'rollouts get analysisrun x'"),
        (("pod", "x"), "'pod' is neither rollout nor experiment"),
        (("a", "b", "c"), "takes a name, or a kind and a name"),
    ],
)
def test_why_says_what_it_can_be_asked_about(words, said, capsys):
    assert World().run("why", *words) == 1
    assert said in capsys.readouterr().err
