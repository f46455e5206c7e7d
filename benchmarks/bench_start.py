"""How long a user waits: for ``--help``, and for a cluster.

From the start of the process to its last word, or to the line that says the sandbox is ready.
"""

import subprocess
from collections.abc import Callable, Iterator

from benchmarks.processes import ROLLOUTS, sandbox
from benchmarks.table import Row, say
from rollouts.runtime.clock import SystemClock

_ROUNDS = 5  # the best counts: the first one also reads the files from the disk


def _help() -> None:
    subprocess.run([*ROLLOUTS, "--help"], check=True, stdout=subprocess.DEVNULL)


def _best(call: Callable[[], float], rounds: int) -> float:
    return min(call() for _ in range(rounds))


def run() -> Iterator[Row]:
    clock = SystemClock()

    def help_seconds() -> float:
        started = clock.monotonic()
        _help()
        return clock.monotonic() - started

    def ready_seconds() -> float:
        started = clock.monotonic()
        with sandbox("fast"):
            return clock.monotonic() - started

    say("start: rollouts --help, rollouts sandbox")
    yield Row("rollouts --help", _best(help_seconds, _ROUNDS) * 1000, "ms", below=150)
    yield Row("sandbox ready after start", _best(ready_seconds, 3), "s", below=2)
