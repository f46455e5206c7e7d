"""Real processes: the sandbox and the controller as users start them, and what they cost.

Owns starting and stopping them, a client for the sandbox, and reading CPU time and memory. Each
process is ended by its own id. Used by the benchmarks that measure whole processes.
"""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rollouts.kube.client import HttpKubeApi
from rollouts.kube.config import ConnectOptions, connect

ROLLOUTS: Final = (sys.executable, "-m", "rollouts.cli.main")
_CONTROLLER: Final = (sys.executable, "-m", "benchmarks.metered")
_STOP_SECONDS: Final = 30
_READY: Final = "sandbox ready"


@dataclass(slots=True)
class Report:
    """What a controller process says about itself when it ends.

    ``requests`` by verb and kind; ``reconciles``: CPU seconds of each reconcile of a Rollout.
    """

    cpu: float = 0.0
    peak: float = 0.0
    requests: dict[str, int] = field(default_factory=dict)
    reconciles: list[float] = field(default_factory=list)


def memory(pid: int | str = "self") -> tuple[float, float]:
    """(current, peak) resident megabytes. The peak alone, twice, where there is no /proc."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return (peak / 1024, peak / 1024) if sys.platform == "darwin" else (peak, peak)
    found = dict(line.split(":", 1) for line in lines)
    now, peak = (int(found[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, peak


def cpu_seconds(pid: int) -> float:
    """CPU time of another process so far; 0 where there is no /proc."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
    except OSError:
        return 0.0
    user, system = after_name.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def sandbox(pods: str = "instant") -> Iterator[tuple[int, Path]]:
    """A sandbox without our controller: its process id and its kubeconfig."""
    with tempfile.TemporaryDirectory(prefix="rollouts-bench-") as scratch:
        path = Path(scratch) / "kubeconfig"
        options = ("sandbox", "--no-controller", "--pods", pods, "--kubeconfig", str(path))
        with subprocess.Popen([*ROLLOUTS, *options], stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                assert line.startswith(_READY), line
                yield process.pid, path
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(_STOP_SECONDS)


@contextmanager
def controller(kubeconfig: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], Report]]:
    """``rollouts controller`` with a meter in it: the process, and a Report filled at its end."""
    report = Report()
    written = kubeconfig.with_name("report.json")
    fixed = ("--kubeconfig", str(kubeconfig), "--healthzPort", "-1", "--metricsPort", "-1")
    command = [*_CONTROLLER, str(written), "controller", *fixed, "--loglevel", "warning", *options]
    with subprocess.Popen(command) as process:
        try:
            yield process, report
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_STOP_SECONDS)
    found: dict[str, Any] = json.loads(written.read_text(encoding="utf-8"))
    for name, value in found.items():
        setattr(report, name, value)


@asynccontextmanager
async def client(kubeconfig: Path) -> AsyncIterator[HttpKubeApi]:
    """A user's client for the sandbox."""
    connection = await connect(ConnectOptions(kubeconfig=str(kubeconfig)))
    async with HttpKubeApi(connection, rng=random.Random(1), in_flight=8) as api:
        yield api
