"""A real sandbox process and the kubectl that is on PATH.

One sandbox per test module, started as users start it; one namespace per test. Set
ROLLOUTS_TEST_KUBECTL to a path to use another kubectl.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
BINARY = os.environ.get("ROLLOUTS_TEST_KUBECTL") or shutil.which("kubectl")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.kubectl)
            # Without kubectl a user goes on; a build that lacks it is broken.
            if BINARY is None and not os.environ.get("CI"):
                item.add_marker(pytest.mark.skip(reason="no kubectl on PATH"))


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Kubectl:
    """Runs kubectl against one sandbox, in one namespace, with a home of its own."""

    binary: str
    kubeconfig: Path
    home: Path
    namespace: str = "default"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "KUBECACHEDIR": str(self.home / "cache"),
            "KUBECONFIG": str(self.kubeconfig),
            "PATH": os.environ["PATH"],
        }

    def command(self, args: Sequence[str]) -> list[str]:
        return [self.binary, "--namespace", self.namespace, *args]

    def attempt(self, *args: str, stdin: Any = None, **environment: str) -> Result:
        """``stdin``: text, or objects that are sent as one YAML stream."""
        text = stdin if stdin is None or isinstance(stdin, str) else _stream(stdin)
        done = subprocess.run(
            self.command(args),
            input=text,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env=self.environment | environment,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def __call__(self, *args: str, stdin: Any = None, **environment: str) -> str:
        """Standard output of a command that must succeed."""
        found = self.attempt(*args, stdin=stdin, **environment)
        assert found.code == 0, f"kubectl {' '.join(args)}: {found.out}{found.err}"
        return found.out

    def object(self, *args: str) -> Any:
        return json.loads(self("get", *args, "-o", "json"))

    @contextmanager
    def running(self, *args: str) -> Iterator[subprocess.Popen[str]]:
        """A command that goes on beside the test, and ends with the block."""
        with subprocess.Popen(
            self.command(args), stdout=subprocess.PIPE, text=True, env=self.environment
        ) as process:
            try:
                yield process
            finally:
                process.terminate()

    @property
    def minor(self) -> int:
        found = re.search(r"v1\.(\d+)", self("version", "--client"))
        assert found
        return int(found[1])


def _stream(objects: Any) -> str:
    return yaml.safe_dump_all([objects] if isinstance(objects, dict) else objects)


@dataclass(frozen=True)
class Sandbox:
    process: subprocess.Popen[str]
    kubeconfig: Path
    url: str

    def ask(self, path: str, body: Any = None) -> bytes:
        """GET, or POST with a body; raises on any answer but success."""
        asked = urllib.request.Request(  # noqa: S310 - the address of the sandbox itself
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=10) as answer:  # noqa: S310 - likewise
            return answer.read()


@pytest.fixture(scope="session")
def sandbox_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Schemas are derived once per test run, not once per sandbox."""
    return os.environ | {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache"))}


def start_sandbox(environment: dict[str, str], *args: str) -> Sandbox:
    """Start ``rollouts sandbox`` and wait until it says that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "rollouts.cli.sandbox", *args],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env=environment,
    )
    assert process.stdout
    ready = process.stdout.readline()
    found = re.search(r"http://\S+", ready)
    assert found, f"the sandbox did not start: {ready}"
    kubeconfig = Path(process.stdout.readline().removeprefix("kubeconfig: ").strip())
    return Sandbox(process, kubeconfig, found[0])


@pytest.fixture(scope="module")
def sandbox(sandbox_environment: dict[str, str]) -> Iterator[Sandbox]:
    running = start_sandbox(sandbox_environment, "--no-controller")
    yield running
    running.process.terminate()
    running.process.wait(timeout=10)
    running.process.stdout.close()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def kubectl(sandbox: Sandbox, home: Path, request: pytest.FixtureRequest) -> Kubectl:
    """Kubectl in a namespace that belongs to this test."""
    assert BINARY, "no kubectl on PATH"
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())[:60]
    name = name.strip("-")
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    sandbox.ask("/api/v1/namespaces", body)
    return replace(Kubectl(BINARY, sandbox.kubeconfig, home), namespace=name)
