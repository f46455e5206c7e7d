"""IP addresses and CIDR blocks."""

import ipaddress
from typing import Final, TypeAlias

from rollouts.sandbox.crd.cel.signatures import Library
from rollouts.sandbox.crd.cel.values import EvalError

LIBRARY: Final = Library()
function = LIBRARY.function

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class Ip:
    """One address."""

    cel_type = "net.IP"
    __slots__ = ("address",)

    def __init__(self, address: _Address) -> None:
        self.address = address

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ip) and self.address == other.address

    def __hash__(self) -> int:
        return hash(self.address)

    def __str__(self) -> str:
        return str(self.address)


class Cidr:
    """An address with a prefix length; the address need not be the first of its block."""

    cel_type = "net.CIDR"
    __slots__ = ("interface",)

    def __init__(self, interface: ipaddress.IPv4Interface | ipaddress.IPv6Interface) -> None:
        self.interface = interface

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cidr) and self.interface == other.interface

    def __hash__(self) -> int:
        return hash(self.interface)

    def __str__(self) -> str:
        return str(self.interface)


def parse_ip(text: str) -> Ip | None:
    """An address without zone; IPv4 in IPv6 is refused as ambiguous."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and (address.scope_id or address.ipv4_mapped):
        return None
    return Ip(address)


def parse_cidr(text: str) -> Cidr | None:
    head, slash, prefix = text.partition("/")
    if not slash or not prefix.isascii() or not prefix.isdigit() or parse_ip(head) is None:
        return None
    if len(prefix) > 1 and prefix.startswith("0"):
        return None
    try:
        return Cidr(ipaddress.ip_interface(text))
    except ValueError:
        return None


@function("isIP(string) -> bool")
def is_ip(text: str) -> bool:
    return parse_ip(text) is not None


@function("ip(string) -> net.IP")
def ip(text: str) -> Ip:
    parsed = parse_ip(text)
    if parsed is None:
        raise EvalError(f'IP Address "{text}" parse error during conversion from string')
    return parsed


@function("ip.isCanonical(string) -> bool")
def is_canonical(text: str) -> bool:
    return str(ip(text)) == text


@function("net.IP.family() -> int")
def family(value: Ip) -> int:
    return value.address.version


@function("net.IP.isUnspecified() -> bool")
def is_unspecified(value: Ip) -> bool:
    return value.address.is_unspecified


@function("net.IP.isLoopback() -> bool")
def is_loopback(value: Ip) -> bool:
    return value.address.is_loopback


@function("net.IP.isLinkLocalMulticast() -> bool")
def is_link_local_multicast(value: Ip) -> bool:
    blocks = ("224.0.0.0/24", "ff02::/16")
    return any(
        value.address in block
        for block in map(ipaddress.ip_network, blocks)
        if block.version == value.address.version
    )


@function("net.IP.isLinkLocalUnicast() -> bool")
def is_link_local_unicast(value: Ip) -> bool:
    return value.address.is_link_local


@function("net.IP.isGlobalUnicast() -> bool")
def is_global_unicast(value: Ip) -> bool:
    address = value.address
    special = (
        address.is_unspecified
        or address.is_loopback
        or address.is_multicast
        or address.is_link_local
    )
    return not special and str(address) != "255.255.255.255"


@function("isCIDR(string) -> bool")
def is_cidr(text: str) -> bool:
    return parse_cidr(text) is not None


@function("cidr(string) -> net.CIDR")
def cidr(text: str) -> Cidr:
    parsed = parse_cidr(text)
    if parsed is None:
        raise EvalError(f'network address parse error during conversion from string "{text}"')
    return parsed


@function("net.CIDR.containsIP(net.IP) -> bool", "net.CIDR.containsIP(string) -> bool")
def contains_ip(block: Cidr, address: Ip | str) -> bool:
    found = ip(address) if isinstance(address, str) else address
    return found.address in block.interface.network


@function("net.CIDR.containsCIDR(net.CIDR) -> bool", "net.CIDR.containsCIDR(string) -> bool")
def contains_cidr(block: Cidr, other: Cidr | str) -> bool:
    inner = (cidr(other) if isinstance(other, str) else other).interface
    outer = block.interface.network
    return inner.ip in outer and inner.network.prefixlen >= outer.prefixlen


@function("net.CIDR.ip() -> net.IP")
def address_of(block: Cidr) -> Ip:
    return Ip(block.interface.ip)


@function("net.CIDR.masked() -> net.CIDR")
def masked(block: Cidr) -> Cidr:
    network = block.interface.network
    return Cidr(ipaddress.ip_interface(f"{network.network_address}/{network.prefixlen}"))


@function("net.CIDR.prefixLength() -> int")
def prefix_length(block: Cidr) -> int:
    return block.interface.network.prefixlen
