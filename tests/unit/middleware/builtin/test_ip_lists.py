"""Lists of addresses."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate.middleware import Reply
from headgate.middleware.builtin.ip_lists import Addresses, IpAllow, IpDeny, range_of
from support.hooks import Alone, exchange, made

NETWORKS = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)), st.tuples(st.ip_addresses(v=6), st.integers(0, 128))
).map(lambda pair: ipaddress.ip_network(pair, strict=False))
MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def unmapped(network: Network) -> Network:
    """The network of IPv4 that one of IPv6 means."""
    if network.version == 4 or not network.subnet_of(MAPPED):
        return network
    return ipaddress.ip_network((int(network[0]) & 0xFFFFFFFF, network.prefixlen - 96))


@given(st.lists(NETWORKS, max_size=6), st.ip_addresses())
@example([MAPPED], ipaddress.ip_address("10.0.0.1"))
@example([ipaddress.ip_network("::/0")], ipaddress.ip_address("10.0.0.1"))
def test_as_the_standard_library_says(networks: list[Network], address: object) -> None:
    found = Addresses(range_of(str(network)) for network in networks)
    edges = [edge for network in networks for edge in (network[0], network[-1])]
    for each in [address, *edges]:
        assert isinstance(each, ipaddress.IPv4Address | ipaddress.IPv6Address)
        if each in MAPPED:
            continue
        assert (str(each) in found) == any(each in unmapped(network) for network in networks)


@given(st.text(max_size=30))
def test_any_text_is_a_range_or_refused(text: str) -> None:
    try:
        version, first, last = range_of(text)
    except ValueError:
        return
    assert version in {4, 6}
    assert 0 <= first <= last < 1 << (32 if version == 4 else 128)


def test_ipv4_written_as_ipv6_is_ipv4() -> None:
    found = Addresses([range_of("::ffff:10.0.0.0/104"), range_of("192.0.2.7")])
    assert "10.1.2.3" in found
    assert "::ffff:192.0.2.7" in found
    assert "11.0.0.0" not in found
    assert "10.0.0.0" not in Addresses([range_of("::/0")])


def test_clients_without_an_address_are_in_no_range() -> None:
    everybody = [range_of("0.0.0.0/0"), range_of("::/0")]
    assert "unix:" not in Addresses(everybody)
    assert "fe80::1%eth0" in Addresses(everybody)


def test_the_memory_of_clients_is_bounded() -> None:
    found = Addresses([range_of("10.0.0.0/8")])
    for number in range(10_000):
        assert str(ipaddress.ip_address(0x0A000000 + number)) in found
    assert len(found._known) <= 4096


def test_many_ranges_in_no_order() -> None:
    """More than are sorted at a time."""
    numbers = [7919 * number % 10_007 for number in range(1, 10_007)]
    found = Addresses(range_of(f"10.{number >> 8}.{number & 255}.0/25") for number in numbers)
    for number in range(1, 10_007):
        assert f"10.{number >> 8}.{number & 255}.127" in found
        assert f"10.{number >> 8}.{number & 255}.128" not in found


def test_allow_and_deny_are_opposites() -> None:
    worker = Alone()
    options = {"ranges": ["192.0.2.0/24"]}
    allow, deny = made(IpAllow, options, worker), made(IpDeny, options, worker)
    assert allow.on_request(exchange()) is None
    assert isinstance(deny.on_request(exchange()), Reply)
    assert deny.on_request(exchange(client="10.0.0.1")) is None
    reply = allow.on_request(exchange({"Accept": "application/json"}, client="10.0.0.1"))
    assert reply.status == 403
    assert b'"detail": "Requests from your address are not allowed here."' in reply.body
    assert worker.counts == {"refused": 2}


def test_what_is_wrong_is_said_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_text("10.0.0.0/8\n10.0.0.0/33 # too long\n")
    with pytest.raises(
        ValueError, match=r"list:2: '10.0.0.0/33' is no range: behind the slash stands 0 to 32"
    ):
        made(IpAllow, {"files": [str(file)]})
    with pytest.raises(ValueError, match="no addresses are named"):
        made(IpAllow, {})
    with pytest.raises(FileNotFoundError):
        made(IpAllow, {"files": [str(tmp_path / "none")]})
