"""The session: where it gets its proxy from, and what it never sends."""

import pytest

from rollouts.kube.resources import NAMESPACES
from rollouts.kube.session import environment_proxy
from tests.kube.test_client import Recorder, serving

PROXY = "http://proxy.example:3128"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_the_environment_names_a_proxy_by_scheme(environment):
    environment.setenv("HTTPS_PROXY", PROXY)
    assert environment_proxy("https://cluster.example:6443") == PROXY
    assert environment_proxy("http://cluster.example:8080") is None


@pytest.mark.parametrize("exempt", ["cluster.example", ".example", "cluster.example:6443", "*"])
def test_an_exempt_server_is_asked_directly(environment, exempt):
    environment.setenv("HTTPS_PROXY", PROXY)
    environment.setenv("NO_PROXY", exempt)
    assert environment_proxy("https://cluster.example:6443") is None


async def test_a_request_goes_through_the_proxy(environment):
    proxy = Recorder((200, {"items": []}))
    async with serving(proxy) as at_proxy:
        environment.setenv("HTTP_PROXY", at_proxy._connection.host)
        async with serving(Recorder((500, "never asked")), server="http://10.255.255.1:1") as api:
            await api.list(NAMESPACES)
    assert proxy.requests[0].headers["Host"] == "10.255.255.1:1"


async def test_passwords_in_the_home_directory_stay_there(environment, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2\n")
    environment.setenv("NETRC", str(netrc))
    server = Recorder((200, {"items": []}))
    async with serving(server) as api:
        await api.list(NAMESPACES)
    assert server.requests[0].headers["Authorization"] == "Bearer secret"
