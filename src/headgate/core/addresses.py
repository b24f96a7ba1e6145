"""Client addresses as numbers, IPv4 mapped into IPv6 so that both are of one kind."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

MAPPED = 0xFFFF << 32  # ::ffff:0:0, where IPv4 lies in IPv6


def address_bytes(text: str) -> bytes:
    """The 16 bytes of an address, IPv4 mapped into IPv6. Raises ValueError."""
    address = ip_address(text)
    number = int(address) | (MAPPED if address.version == 4 else 0)
    return number.to_bytes(16, "big")


def address_ranges(networks: Iterable[str]) -> list[tuple[int, int]]:
    """First and last address of the networks, as IPv6 numbers, sorted, neighbours joined.

    IPv4 is mapped into IPv6; a wider IPv6 network, such as ::/0, does not take IPv4 along.
    Raises ValueError.
    """
    ranges: list[tuple[int, int]] = []
    for text in networks:
        network = ip_network(text, strict=False)
        first = int(network.network_address)
        last = int(network.broadcast_address)
        if network.version == 4:
            ranges.append((first | MAPPED, last | MAPPED))
        elif first < MAPPED and last >= MAPPED + 2**32:
            ranges += [(first, MAPPED - 1), (MAPPED + 2**32, last)]
        else:
            ranges.append((first, last))
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined
