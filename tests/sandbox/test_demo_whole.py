"""`rollouts demo`, as a user runs it."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(90)
def test_the_demo_ends_as_told():
    done = subprocess.run(
        [sys.executable, "-m", "rollouts.cli.main", "demo", "--embedded-prometheus"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=80,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    table = done.stdout[done.stdout.index("\nACT ") :].splitlines()
    assert [line.split("  ")[0] for line in table[2:5]] == [
        "A good canary",
        "A bad canary",
        "A blue-green release",
    ]
    good, bad, switched = (line.split() for line in table[2:5])
    assert int(good[-2]) == int(switched[-2]) == 0, "users saw errors of a good release"
    assert int(bad[-2]) > 0
    assert "measured success-rate" in done.stdout
