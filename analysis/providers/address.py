"""Which addresses a metric may be fetched from.

Owns the rule that a URL written by a user never reaches the metadata service of a cloud, the node's
own link or, unless allowed, the controller itself. Judges addresses after the name was resolved,
so no spelling of a host helps. Refuses to resolve or to connect. Pure; used by the HTTP client.
"""

from dataclasses import dataclass
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

_NAT64: Final = IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = IPv6Network("::/96")
_THIS_HOST: Final = IPv4Network("0.0.0.0/8")
_METADATA: Final = frozenset(
    ip_address(text)
    for text in ("169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254")
)


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Link-local and metadata addresses are refused always; the rest is policy.

    ``allow_loopback``: for clusters on one's own machine. ``refused``: further networks, such as
    the API server's. ``allowed``: when given, nothing outside of it is reached.
    """

    allow_loopback: bool = False
    refused: tuple[Network, ...] = ()
    allowed: tuple[Network, ...] | None = None

    def refusal(self, text: str) -> str | None:
        """Why ``text``, an IP address, may not be connected to; None when it may."""
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
        here = address.is_loopback or address.is_unspecified or address in _THIS_HOST
        if here and not self.allow_loopback:
            return "is a loopback address"
        if any(address in network for network in self.refused):
            return "is refused by the address policy"
        if self.allowed is not None and not any(address in network for network in self.allowed):
            return "is not in the list of allowed addresses"
        return None


def parse_networks(text: str) -> tuple[Network, ...]:
    """Comma-separated networks or addresses. Raises ValueError."""
    return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, where there is one."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is not None:
        return inner
    embeds = address in _NAT64 or (address in _COMPATIBLE and int(address) > 1)
    return IPv4Address(int(address) & 0xFFFFFFFF) if embeds else address
