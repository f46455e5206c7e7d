"""A real Prometheus server loaded with exact samples: the judge of the embedded one."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], list[tuple[int, float]]]
"""(metric name, label pairs) -> [(milliseconds, value)]"""


CLIENT = httpx.Client(trust_env=False)


def require_prometheus() -> None:
    """Skip for a user without the binary; fail where CI promised one."""
    if shutil.which("prometheus") and shutil.which("promtool"):
        return
    if os.environ.get("CI"):
        pytest.fail("CI must install prometheus (with promtool)")
    pytest.skip("no prometheus binary on PATH")


def openmetrics(samples: Samples) -> str:
    lines = []
    for (name, labels), points in sorted(samples.items()):
        body = ",".join(f'{key}="{value}"' for key, value in labels)
        lines += [f"{name}{{{body}}} {value!r} {time / 1000:.3f}" for time, value in points]
    return "\n".join([*lines, "# EOF", ""])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(base: str, path: str, parameters: Mapping[str, str]) -> tuple[int, Any]:
    answer = CLIENT.get(f"{base}{path}", params=dict(parameters), timeout=10)
    return answer.status_code, answer.json()


@contextmanager
def prometheus(folder: Path, samples: Samples) -> Iterator[str]:
    """The base URL of a server that holds ``samples`` and scrapes nothing."""
    page = folder / "samples.om"
    page.write_text(openmetrics(samples))
    load = [
        "promtool",
        "tsdb",
        "create-blocks-from",
        "openmetrics",
        str(page),
        str(folder / "data"),
    ]
    subprocess.run(load, check=True, capture_output=True)
    (folder / "prometheus.yml").write_text("global: {}\n")
    port = free_port()
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            base = f"http://127.0.0.1:{port}"
            _wait_ready(base, server)
            yield base
        finally:
            server.terminate()
            server.wait(timeout=10)


def _wait_ready(base: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert server.poll() is None, "prometheus exited"
        try:
            if CLIENT.get(f"{base}/-/ready", timeout=1).status_code == 200:
                return
        except httpx.TransportError:
            pass
        try:  # a real server in a real process: nothing but the clock on the wall to wait by
            server.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            continue
    pytest.fail("prometheus did not become ready")
