"""Threat: a metric's URL reaches what only the controller can reach. Not a byte may be sent."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from analysis.providers.address import AddressPolicy, Mode, parse_places
from analysis.providers.base import ProviderError
from analysis.providers.http import HttpClient, Request
from rollouts.controllers.settings import Settings, SettingsError, settings_of
from tests.analysis.servers import reply, serving

GUARDED, PRIVATE, LISTED, OFF = (
    Mode.GUARDED,
    Mode.DENY_PRIVATE,
    Mode.ALLOW_LIST,
    Mode.OFF,
)
# Address: in which modes it may be reached, with 10.1.0.0/16 and 198.41.0.4 allowed and 10.1.9.0/24 refused.
TABLE = {
    "8.8.8.8": {GUARDED, PRIVATE},
    "198.41.0.4": {GUARDED, PRIVATE, LISTED},
    "2606:4700::1111": {GUARDED, PRIVATE},
    "10.0.0.1": {GUARDED},
    "10.1.2.3": {GUARDED, PRIVATE, LISTED},
    "10.1.9.1": set(),
    "172.16.0.1": {GUARDED},
    "192.168.1.1": {GUARDED},
    "100.64.0.1": {GUARDED},
    "fd12::1": {GUARDED},
    "192.0.2.1": {GUARDED},
    "::ffff:10.0.0.1": {GUARDED},
    "::ffff:8.8.8.8": {GUARDED, PRIVATE},
    "64:ff9b::a00:1": {GUARDED},
    "2002:a00:1::": {GUARDED},
    "169.254.169.254": set(),
    "169.254.170.2": set(),
    "100.100.100.200": set(),
    "168.63.129.16": set(),
    "192.0.0.192": set(),
    "fd00:ec2::254": set(),
    "fd20:ce::254": set(),
    "::ffff:169.254.169.254": set(),
    "64:ff9b::a9fe:a9fe": set(),
    "64:ff9b:1::a9fe:a9fe": set(),
    "2002:a9fe:a9fe::": set(),
    "2001:0:4136:e378:8000:63bf:5601:5601": set(),
    "::169.254.169.254": set(),
    "fe80::1%eth0": set(),
    "127.0.0.1": set(),
    "127.8.8.8": set(),
    "::1": set(),
    "::": set(),
    "0.0.0.0": set(),
    "0.1.2.3": set(),
    "::ffff:127.0.0.1": set(),
    "224.0.0.1": set(),
    "ff02::1": set(),
    "255.255.255.255": set(),
    "": set(),
    "localhost": set(),
}


@pytest.mark.parametrize("address", sorted(TABLE))
def test_which_addresses_each_mode_reaches(address):
    allowed, hosts = parse_places(["10.1.0.0/16, 198.41.0.4"])
    refused, _ = parse_places(["10.1.9.0/24"])
    reached = {
        mode
        for mode in (GUARDED, PRIVATE, LISTED)
        if AddressPolicy(mode=mode, allowed=allowed, hosts=hosts, refused=refused).refusal(address)
        is None
    }
    assert reached == TABLE[address]


def test_without_a_policy_everything_is_reached():
    assert AddressPolicy(mode=OFF).refusal("169.254.169.254") is None


@pytest.mark.parametrize("mode", [GUARDED, PRIVATE, LISTED])
def test_loopback_and_metadata_are_only_allowed_by_what_says_so(mode):
    everything, _ = parse_places(["0.0.0.0/0,::/0"])
    assert AddressPolicy(mode=mode, allowed=everything).refusal("127.0.0.1") is not None
    assert AddressPolicy(mode=mode, allowed=everything).refusal("169.254.169.254") is not None
    beside, _ = parse_places(["127.0.0.1"])
    assert AddressPolicy(mode=mode, allowed=beside).refusal("127.0.0.1") is None
    assert AddressPolicy(mode=mode, allowed=beside).refusal("127.0.0.2") is not None


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("prometheus.monitoring.svc", True),
        ("PROMETHEUS.monitoring.svc.", True),
        ("a.example.org", True),
        ("a.b.example.org", True),
        ("example.org", False),
        ("evil-example.org", False),
        ("prometheus.monitoring.svc.evil.org", False),
        ("", False),
    ],
)
def test_hosts_are_allowed_by_their_whole_name(host, known):
    networks, hosts = parse_places(["prometheus.monitoring.svc, *.example.org"])
    assert networks == ()
    for mode in (PRIVATE, LISTED):
        assert (AddressPolicy(mode=mode, hosts=hosts).refusal("10.9.9.9", host) is None) is known


def test_a_name_that_is_allowed_cannot_lead_to_loopback_or_metadata():
    policy = AddressPolicy(mode=LISTED, hosts=frozenset({"a.org"}))
    for address in ("127.0.0.1", "169.254.169.254", "fe80::1"):
        assert policy.refusal(address, "a.org") is not None


@pytest.mark.parametrize(
    "text", ["10.0.0.0/99", "a b", "http://a", "1.2.3", "a..b", "-", "*.", "*"]
)
def test_what_is_no_place_is_refused(text):
    with pytest.raises(ValueError, match="is neither a network nor a host name"):
        parse_places([text])


@pytest.mark.parametrize(
    ("api_server", "address", "host", "port"),
    [
        ("https://10.96.0.1:443", "10.96.0.1", "kubernetes.default.svc", 443),
        ("https://10.96.0.1", "10.96.0.1", "10.96.0.1", 443),
        ("http://10.96.0.1", "10.96.0.1", "10.96.0.1", 80),
        ("https://10.96.0.1", "::ffff:10.96.0.1", "any.name", 443),
        ("https://[fd00::1]:6443", "fd00::1", "anything", 6443),
        ("https://api.example.org:6443", "10.0.0.1", "API.example.org.", 6443),
    ],
)
def test_the_api_server_is_never_reached(api_server, address, host, port):
    policy = Settings().address_policy(api_server=api_server)
    assert policy.refusal(address, host, port) == "is the API server"
    assert policy.refusal(address, host, 9090) is None, "what else runs there may be measured"


def test_settings_make_the_policy():
    settings = settings_of(
        {
            "analysis_address_policy": "allow-list",
            "analysis_allow": ("10.0.0.0/8", "prometheus.monitoring"),
            "analysis_deny": ("10.66.0.0/16",),
        }
    )
    policy = settings.address_policy()
    assert policy.refusal("10.1.1.1") is None
    assert policy.refusal("192.168.1.1", "prometheus.monitoring") is None
    assert policy.refusal("10.66.1.1") == "is refused by the address policy"
    assert policy.refusal("8.8.8.8") == "is not in the list of allowed addresses"
    with pytest.raises(SettingsError, match="neither a network nor a host name"):
        settings_of({"analysis_allow": ("300.1.1.1",)})


# --- on the wire ---


@asynccontextmanager
async def secrets_of_the_node():
    """Stands for what must not be reached: counts every connection and every byte."""

    class Seen:
        connections = 0
        received = 0
        port = 0

    seen = Seen()

    async def handle(reader, writer):
        seen.connections += 1
        seen.received += len(await reader.read())
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "good.example@127.0.0.1",
        "good.example:80@127.0.0.1",
        "127.0.0.1%00.good.example",
        "127.0.0.1#.good.example",
    ],
)
async def test_no_spelling_of_a_host_gets_a_byte_through(host):
    client = HttpClient()
    async with secrets_of_the_node() as seen:
        with pytest.raises(ProviderError):
            await client.send(Request(f"http://{host}:{seen.port}/latest/", timeout=5))
        with pytest.raises(ProviderError):
            await client.send(Request(f"http://{host}/", timeout=5))
    await client.aclose()
    assert (seen.connections, seen.received) == (0, 0)


async def test_a_name_that_changes_its_address_is_connected_to_where_it_was_checked():
    """DNS rebinding: a good answer first, the forbidden address at every further question."""
    asked = []

    async def rebinding(host, port):
        asked.append(host)
        return ["127.0.0.2"] if len(asked) == 1 else ["127.0.0.1"]

    policy = AddressPolicy(allowed=parse_places(["127.0.0.2"])[0])
    client = HttpClient(policy=policy, resolve=rebinding)
    async with secrets_of_the_node() as seen:
        for _ in range(3):
            with pytest.raises(ProviderError):
                await client.send(Request(f"http://rebind.example:{seen.port}/", timeout=5))
    await client.aclose()
    assert (seen.connections, seen.received) == (0, 0)
    assert len(asked) == 3, "resolved once for each request, never between checking and connecting"


async def test_a_name_with_one_forbidden_address_is_not_reached_at_all():
    async def mixed(host, port):
        return ["8.8.8.8", "127.0.0.1"]

    client = HttpClient(resolve=mixed)
    async with secrets_of_the_node() as seen:
        with pytest.raises(ProviderError, match=r"127\.0\.0\.1 is a loopback address"):
            await client.send(Request(f"http://both.example:{seen.port}/", timeout=5))
    assert (seen.connections, seen.received) == (0, 0)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Again", "308 Ever"])
async def test_a_redirect_to_a_forbidden_address_ends_there(status):
    async def names(host, port):
        return [{"metrics.example": "127.0.0.2"}.get(host, host)]

    policy = AddressPolicy(allowed=parse_places(["127.0.0.2"])[0])
    client = HttpClient(policy=policy, resolve=names)
    async with secrets_of_the_node() as seen:
        location = f"http://127.0.0.1:{seen.port}/latest/meta-data"
        async with serving(
            {"/": reply(status=status, Location=location)}, host="127.0.0.2"
        ) as open_:
            with pytest.raises(ProviderError, match="is a loopback address"):
                await client.send(Request(f"http://metrics.example:{open_.port}/", timeout=5))
            assert len(open_.seen) == 1
    await client.aclose()
    assert (seen.connections, seen.received) == (0, 0)
