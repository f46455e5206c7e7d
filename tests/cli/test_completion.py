"""Completion in a shell: the same candidates by click's scripts and by kubectl's protocol."""

import os
import subprocess
import sys

import pytest

from rollouts.kube.errors import Unreachable
from tests.cli.cluster import World

KUBECTL = "kubectl argo rollouts"


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        ("bash", "complete -o nosort -F _rollouts_completion rollouts"),
        ("zsh", "#compdef rollouts"),
        ("fish", "complete --no-files --command rollouts"),
    ],
)
def test_a_script_for_each_shell(shell, words, capsys):
    assert World().run("completion", shell) == 0
    printed = capsys.readouterr().out
    assert words in printed
    assert "_ROLLOUTS_COMPLETE=" in printed


def test_the_plugin_is_completed_under_the_name_of_its_program(capsys):
    World().run("completion", "zsh", name=KUBECTL)
    assert capsys.readouterr().out.startswith("#compdef kubectl-argo-rollouts\n")


def test_a_shell_nobody_knows(capsys):
    assert World().run("completion", "powershell") == 1
    assert "'powershell' is not one of 'bash', 'zsh', 'fish'" in capsys.readouterr().err


def candidates(capsys, *words: str, world: World | None = None) -> list[str]:
    assert (world or World()).run("__complete", *words, name=KUBECTL) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    *lines, directive = printed.out.splitlines()
    assert directive == ":4"
    return [line.partition("\t")[0] for line in lines]


def test_verbs_and_kinds(capsys):
    assert candidates(capsys, "pro") == ["promote"]
    assert candidates(capsys, "retry", "") == ["experiment", "rollout"]
    assert "__complete" not in candidates(capsys, "")


def test_options(capsys):
    assert candidates(capsys, "status", "--ti") == ["--timeout"]
    assert candidates(capsys, "get", "rollout", "-o", "") == ["json", "yaml", "name"]


def test_names_come_from_the_cluster(capsys):
    world = World()
    world.run_of(world.rollout(), "shop-1", 1, phase="Running")
    world.rollout("shop-two")
    world.rollout("web")
    assert candidates(capsys, "promote", "sh", world=world) == ["shop", "shop-two"]
    assert candidates(capsys, "abort", "shop", "w", world=world) == ["web"]
    assert candidates(capsys, "terminate", "ar", "", world=world) == ["shop-1"]
    assert candidates(capsys, "-n", "kube-system", "get", "ro", "", world=world) == []


def test_without_a_cluster_there_are_no_candidates_and_no_errors(capsys, monkeypatch):
    world = World()

    async def silent(*_args, **_kwargs):
        raise Unreachable("no answer")

    monkeypatch.setattr(world.api, "list", silent)
    assert candidates(capsys, "promote", "", world=world) == []


def test_a_shell_asks_by_the_environment():
    done = subprocess.run(
        [sys.executable, "-m", "rollouts.cli.main"],
        env={
            **os.environ,
            "_ROLLOUTS_COMPLETE": "bash_complete",
            "COMP_WORDS": "rollouts pro",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (0, "plain,promote\n")
