"""Which addresses a metric may be fetched from.

Owns the rule that a URL written by a user never reaches the metadata service of a cloud, the node's
own link or, unless allowed, the controller itself. Judges addresses after the name was resolved,
so no spelling of a host helps. Refuses to resolve or to connect. Pure; used by the HTTP client.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_NAT64: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE: Final = IPv6Network("::/96")
_THIS_HOST: Final = IPv4Network("0.0.0.0/8")
_METADATA: Final = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd20:ce::254",
    )
)


class Mode(StrEnum):
    """How strict a policy is. What GUARDED refuses, the stricter ones refuse as well."""

    OFF = "off"
    GUARDED = "guarded"
    DENY_PRIVATE = "deny-private"
    ALLOW_LIST = "allow-list"


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Link-local and metadata addresses are refused always, unless the policy is off.

    ``mode``: GUARDED refuses loopback, DENY_PRIVATE every address that is not public, ALLOW_LIST
    everything. ``allowed`` and ``hosts`` are what the mode would refuse and is allowed all the same
    (``hosts``: names, ``*.example.org`` for all below a domain; they never allow loopback).
    ``refused`` and ``refused_hosts``: networks and names never reached. ``api_server``: host and
    port never reached. ``allow_loopback``: for clusters on one's own machine.
    """

    allow_loopback: bool = False
    refused: tuple[Network, ...] = ()
    allowed: tuple[Network, ...] = ()
    mode: Mode = Mode.GUARDED
    hosts: frozenset[str] = frozenset()
    refused_hosts: frozenset[str] = frozenset()
    api_server: tuple[str, int] | None = None

    def refusal(self, text: str, host: str = "", port: int = 0) -> str | None:
        """Why ``text``, an IP address, may not be connected to; None when it may.

        ``host``: the name that was resolved to it.
        """
        if self.mode is Mode.OFF:
            return None
        try:
            address = _unwrapped(ip_address(text.partition("%")[0]))
        except ValueError:
            return "is not an IP address"
        if address in _METADATA:
            return "is a cloud metadata address"
        if address.is_link_local:
            return "is a link-local address"
        if address.is_multicast or address == IPv4Address("255.255.255.255"):
            return "is not the address of one host"
        if _within(address, self.refused) or _named(host, self.refused_hosts):
            return "is refused by the address policy"
        places = (str(address), text, _plain(host))
        if self.api_server is not None and self.api_server in [(one, port) for one in places]:
            return "is the API server"
        here = address.is_loopback or address.is_unspecified or address in _THIS_HOST
        if here:
            known = any(network.is_loopback for network in self.allowed if address in network)
            return None if known or self.allow_loopback else "is a loopback address"
        if self.mode is Mode.GUARDED or _within(address, self.allowed) or _named(host, self.hosts):
            return None
        if self.mode is Mode.ALLOW_LIST:
            return "is not in the list of allowed addresses"
        return None if address.is_global else "is not a public address"


def parse_networks(text: str) -> tuple[Network, ...]:
    """Comma-separated networks or addresses. Raises ValueError."""
    return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def parse_places(texts: Iterable[str]) -> tuple[tuple[Network, ...], frozenset[str]]:
    """Networks, addresses and host names, separated by commas, told apart.

    Raises ValueError for what is neither.
    """
    networks: list[Network] = []
    hosts: set[str] = set()
    for part in (part.strip() for text in texts for part in text.split(",") if part.strip()):
        try:
            networks += parse_networks(part)
        except ValueError:
            name = _plain(part.removeprefix("*."))
            if not name or not all(label.replace("-", "").isalnum() for label in name.split(".")):
                raise ValueError(f"'{part}' is neither a network nor a host name") from None
            if name.replace(".", "").isdigit():
                raise ValueError(f"'{part}' is neither a network nor a host name") from None
            hosts.add(f"*.{name}" if part.startswith("*.") else name)
    return tuple(networks), frozenset(hosts)


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _named(host: str, names: frozenset[str]) -> bool:
    if not host or not names:
        return False
    name = _plain(host)
    labels = name.split(".")
    above = (f"*.{'.'.join(labels[at:])}" for at in range(1, len(labels)))
    return name in names or any(domain in names for domain in above)


def _plain(host: str) -> str:
    return host.lower().removesuffix(".")


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, where there is one."""
    if isinstance(address, IPv4Address):
        return address
    tunnelled = address.teredo[1] if address.teredo else None
    inner = address.ipv4_mapped or address.sixtofour or tunnelled
    if inner is not None:
        return inner
    embeds = _within(address, _NAT64) or (address in _COMPATIBLE and int(address) > 1)
    return IPv4Address(int(address) & 0xFFFFFFFF) if embeds else address
