"""Which addresses a step may reach: the open network, the private ranges an environment lists, and never metadata."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NEVER = tuple(
    ipaddress.ip_network(text)
    for text in (
        "169.254.0.0/16",
        "fe80::/10",
        "fec0::/10",
        "0.0.0.0/8",
        "::/128",
        "fd00:ec2::254/128",  # metadata of AWS, Alibaba, Oracle and Azure, where they are no link-local address
        "100.100.100.200/32",
        "192.0.0.192/32",
        "168.63.129.16/32",
    )
)
TUNNELS = tuple(ipaddress.ip_network(text) for text in ("64:ff9b::/32", "::ffff:0:0:0/96", "::/96"))


def network_of(text: str, *, four: int = 32, six: int = 64) -> str:
    """The network whose callers are counted as one: by default an address, of IPv6 its 64 bits, which one host has.

    `text` is an address or a network; `four` and `six` are how many bits count. Empty for what is no address.
    """
    try:
        address = ipaddress.ip_interface(text.partition("%")[0]).ip
    except ValueError:
        return ""
    plain = getattr(address, "ipv4_mapped", None) or address
    return str(ipaddress.ip_network((plain, four if plain.version == 4 else six), strict=False))


def address_problem(text: str, networks: Iterable[str]) -> str:
    """Why this address may not be reached, or an empty string.

    Ranges as the IANA special-purpose registries have them (RFC 6890); tunnels that carry an IPv4 address inside
    (mapped, 6to4, Teredo, NAT64, translated, compatible) are judged by what they carry, or refused.
    """
    address = _carried(ipaddress.ip_address(text.partition("%")[0]))
    if address is None:
        return f"{text} is an address inside a tunnel."
    if any(address in network for network in NEVER) or address.is_multicast:
        return f"{text} is an address that no step may reach (link-local, metadata or multicast)."
    if address.is_global or any(address in ipaddress.ip_network(network, strict=False) for network in networks):
        return ""
    return f"{text} is a private address that this environment does not list."


def _carried(address: Address) -> Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None or address.teredo is not None:
        return None
    plain = int(address) < 2  # :: and ::1 are no tunnel
    return None if not plain and any(address in network for network in TUNNELS) else address
