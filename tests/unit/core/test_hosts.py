from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headgate.core.arena import Arena
from headgate.core.hosts import Hosts
from headgate.core.places import Places

names = st.lists(st.sampled_from(["a", "b", "ab", ""]), min_size=1, max_size=4).map(".".join)


def levels(hosts: list[str], host: str) -> list[str]:
    table = Hosts({host: Places() for host in hosts}, Arena())
    return [hosts[number] for number in table.levels(host.encode())]


def test_exact_then_longest_wildcard() -> None:
    hosts = ["*.com", "example.com", "*.example.com", "a.example.com", "*.a.example.com"]
    assert levels(hosts, "a.example.com") == ["a.example.com", "*.example.com", "*.com"]
    assert levels(hosts, "b.a.example.com") == ["*.a.example.com", "*.example.com", "*.com"]
    assert levels(hosts, "com") == levels(hosts, "") == levels(hosts, ".com") == []


def test_a_host_like_a_wildcard_is_not_one() -> None:
    assert levels(["*.b"], ".b") == []
    assert levels([".b"], "a.b") == []


def test_many_labels_and_long_hosts() -> None:
    assert levels(["*.a"], "a." * 127 + "a") == ["*.a"]
    assert levels(["*.a"], "a." * 200 + "a") == []


def test_hosts_of_every_size() -> None:
    hosts = ["a" * size for size in range(1, 256)]
    assert all(levels(hosts, host) == [host] for host in hosts)


@given(st.lists(st.one_of(names, names.map("*.{}".format)), unique=True, max_size=20), names)
def test_agrees_with_the_rule(hosts: list[str], host: str) -> None:
    wild = [key for key in hosts if key.startswith("*.") and host.endswith(key[1:]) and len(host) >= len(key)]
    wanted = [host] if host and host in hosts else []
    assert levels(hosts, host) == wanted + sorted(wild, key=len, reverse=True)
