"""Where a connection comes from: flags, then kubeconfig, then the cluster around us."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rollouts.kube.config import ConfigError, ConnectOptions, connect, connect_to


def write(path: Path, *, server: str = "https://one:6443", name: str = "one", **user: Any) -> str:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": name, "namespace": f"ns-{name}"}}
        ],
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "users": [{"name": name, "user": user or {"token": f"token-{name}"}}],
    }
    path.write_text(json.dumps(document))
    return str(path)


async def token(options: ConnectOptions, environ: dict[str, str]) -> str:
    connection = await connect(options, environ)
    return str((await connection.configuration.auth_settings())["BearerToken"]["value"])


async def test_files_are_merged_and_the_first_current_context_is_overridden_by_flags(
    tmp_path: Path,
) -> None:
    one = write(tmp_path / "one")
    two = write(tmp_path / "two", server="https://two:6443", name="two")
    environ = {"KUBECONFIG": os.pathsep.join([one, two, "/nonexistent"])}
    by_context = await connect(ConnectOptions(context="one"), environ)
    assert (by_context.host, by_context.namespace) == ("https://one:6443", "ns-one")
    mixed = ConnectOptions(context="one", cluster="two", user="two", namespace="mine")
    connection = await connect(mixed, environ)
    assert (connection.host, connection.namespace) == ("https://two:6443", "mine")
    assert await token(mixed, environ) == "Bearer token-two"


async def test_a_cluster_may_be_named_by_a_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", write(tmp_path / "two", server="https://two:6443", name="two"))
    connection = await connect_to(write(tmp_path / "one"))
    assert (connection.host, connection.namespace) == ("https://one:6443", "ns-one")
    with pytest.raises(ConfigError, match="no such file"):
        await connect_to(str(tmp_path / "none"))


async def test_outside_a_cluster_there_is_none_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ConfigError, match="in-cluster service account"):
        await connect_to("in-cluster")


async def test_flags_win_over_files(tmp_path: Path) -> None:
    path = write(tmp_path / "config")
    flags = ConnectOptions(kubeconfig=path, server="http://127.0.0.1:1/", token="t", insecure=True)
    connection = await connect(flags, {})
    assert connection.host == "http://127.0.0.1:1"
    assert connection.configuration.verify_ssl is False
    assert await token(flags, {}) == "Bearer t"


async def test_an_exec_plugin_gives_the_token(tmp_path: Path) -> None:
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-plugin"},
    }
    plugin = {
        "apiVersion": credential["apiVersion"],
        "command": sys.executable,
        "args": ["-c", f"print('''{json.dumps(credential)}''')"],
    }
    path = write(tmp_path / "config", exec=plugin)
    assert await token(ConnectOptions(kubeconfig=path), {}) == "Bearer from-plugin"


async def test_basic_passwords(tmp_path: Path) -> None:
    path = write(tmp_path / "config", username="u", password="p")
    assert await token(ConnectOptions(kubeconfig=path), {}) == "Basic dTpw"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kubeconfig": "/nonexistent"}, "no such file"),
        ({"context": "other"}, 'context "other" does not exist'),
        ({"cluster": "other"}, 'cluster "other" does not exist'),
        ({"user": "other"}, 'user "other" does not exist'),
        ({"as_groups": ("g",)}, "need --as"),
    ],
)
async def test_what_is_missing_is_named(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    environ = {"KUBECONFIG": write(tmp_path / "config")}
    with pytest.raises(ConfigError, match=message):
        await connect(ConnectOptions(**options), environ)


@pytest.mark.parametrize("content", ["", "[]", "{}", "apiVersion: v1\nkind: Config\n", "\t: {"])
async def test_a_broken_file_is_one_line_of_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises(ConfigError, match="config"):
        await connect(ConnectOptions(kubeconfig=str(path)), {})


async def test_nothing_at_all_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="pass --kubeconfig"):
        await connect(ConnectOptions(), {})


PROBE = """
import sys
from rollouts.kube import transport
loaded = transport.load()
assert not [name for name in sys.modules if name.startswith("kubernetes_asyncio")], "left behind"
slim = len(sys.modules)
loaded.RestClient, loaded.kube_config.load_kube_config, loaded.incluster_config.load_incluster_config
import kubernetes_asyncio
kubernetes_asyncio.client.V1Pod, kubernetes_asyncio.config.load_kube_config
assert kubernetes_asyncio.client.Configuration is not loaded.Configuration
print(slim, len(sys.modules))
"""


def test_the_library_is_loaded_without_its_models_and_the_real_one_stays_importable() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    slim, full = map(int, done.stdout.split())
    assert full - slim > 700, "the models were not left out"
