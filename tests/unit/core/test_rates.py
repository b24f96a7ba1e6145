"""The table of rates: GCRA against a model, places that are not taken away, many processes at once."""

from __future__ import annotations

import ipaddress
import mmap
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.rates import RateTable, network_of, standing

SECOND = 10**9
FULL = -1
HAMMER = """
import mmap, sys
from headgate.core.rates import RateTable
with open(sys.argv[1], "r+b") as file:
    limit = RateTable(memoryview(mmap.mmap(file.fileno(), 0)), bytes(16)).limit("a", 0.001, 5000)
print("ready", flush=True)
sys.stdin.readline()
print(sum(limit.take_at(f"key {number % 3}", 10**9) == 0 for number in range(15_000)))
"""


SEED = bytes(range(16))  # always the same: how keys fall into sets is chance


def table(size: int = 1 << 16) -> RateTable:
    return RateTable(memoryview(mmap.mmap(-1, size)), SEED)


def test_a_burst_and_then_the_rate() -> None:
    limit = table().limit("a", 10.0, 5)
    now = 1000 * SECOND
    assert [limit.take_at("x", now) for _ in range(5)] == [0] * 5
    assert (limit.remaining, limit.reset) == (0, SECOND // 2)
    assert limit.standing('"web"') == '"web";r=0;t=1'
    assert limit.take_at("x", now) == SECOND // 10  # when the next may come
    assert limit.take_at("x", now + SECOND // 10 - 1) == 1
    assert limit.take_at("x", now + SECOND // 10) == 0
    assert limit.take_at("y", now) == 0
    assert limit.remaining == 4
    assert [limit.take_at("x", now + 9 * SECOND) for _ in range(6)] == [0] * 5 + [SECOND // 10]


def test_what_was_given_back_can_be_taken() -> None:
    limit = table().limit("a", 1.0, 2)
    assert [limit.take_at("x", SECOND) for _ in range(3)] == [0, 0, SECOND]
    limit.give_back("x")
    limit.give_back("never seen")
    assert [limit.take_at("x", SECOND) for _ in range(2)] == [0, SECOND]


@given(st.integers(1, 50), st.integers(1, 8), st.lists(st.integers(0, SECOND // 2), min_size=1, max_size=100))
def test_like_a_bucket_that_fills_again(rate: int, burst: int, pauses: list[int]) -> None:
    """A bucket of `burst` tokens that gets one every `interval`, in whole numbers."""
    limit = table().limit("a", float(rate), burst)
    interval = int(1e9 / rate + 0.5)
    now, level = SECOND, burst * interval
    for pause in pauses:
        now += pause
        level = min(level + pause, burst * interval)
        taken = limit.take_at("x", now)
        if level >= interval:
            level -= interval
            assert (taken, limit.remaining) == (0, level // interval)
        else:
            assert taken == interval - level
        assert limit.reset == burst * interval - level


def test_limits_of_other_names_and_numbers_are_others() -> None:
    shared = table()
    assert shared.limit("a", 1.0, 1).take_at("x", SECOND) == 0
    assert shared.limit("a", 1.0, 1).take_at("x", SECOND) > 0
    for name, rate, burst in (("b", 1.0, 1), ("a", 2.0, 1), ("a", 1.0, 2)):
        assert shared.limit(name, rate, burst).take_at("x", SECOND) == 0


@pytest.mark.parametrize(("rate", "burst"), [(0.0, 1), (1.0, 0), (1e-6, 10**9), (float("nan"), 1), (1e12, 1)])
def test_limits_that_cannot_be_kept(rate: float, burst: int) -> None:
    with pytest.raises(ValueError, match="none that can be kept"):
        table().limit("a", rate, burst)


def test_a_table_is_a_power_of_two() -> None:
    with pytest.raises(ValueError, match="power of two"):
        RateTable(memoryview(mmap.mmap(-1, 3 * 64)), bytes(16))
    with pytest.raises(ValueError, match="aligned"):
        RateTable(memoryview(mmap.mmap(-1, 4096))[8 : 8 + 1024], bytes(16))


def test_a_flood_pushes_nobody_out() -> None:
    limit = table(1 << 12).limit("a", 1.0, 1)
    regulars = [f"regular {number}" for number in range(64)]
    assert all(limit.take_at(key, SECOND) == 0 for key in regulars)
    flood = [limit.take_at(f"flood {number}", SECOND + 1) for number in range(10_000)]
    assert flood.count(0) + flood.count(FULL) == 10_000
    assert 170 <= flood.count(0) <= 192  # 256 places, 64 of them taken
    assert all(limit.take_at(key, SECOND + 2) > 0 for key in regulars)
    assert limit.take_at("later", 3 * SECOND) == 0  # all time has passed, and with it the flood


def test_hardly_a_place_is_missed_up_to_half() -> None:
    """Each key can be in either of two sets, and goes into the emptier one."""
    limit = table(1 << 20).limit("a", 0.001, 1)
    refused = sum(limit.take_at(str(number), SECOND) != 0 for number in range(1 << 15))
    assert refused <= 1, "four of ten seeds have one, this one too"


def test_processes_together_take_exactly_the_burst(tmp_path: Path) -> None:
    """All time stands still: each of three keys has a burst of 5,000, whoever takes of it."""
    path = tmp_path / "table"
    path.write_bytes(bytes(1 << 10))
    command = [sys.executable, "-c", HAMMER, str(path)]
    workers = [
        subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(4)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:  # all are ready: begin at once
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    assert sum(int(worker.communicate(timeout=30)[0]) for worker in workers) == 3 * 5000


@given(st.ip_addresses(v=6), st.integers(0, 128))
def test_networks(address: ipaddress.IPv6Address, prefix: int) -> None:
    network = ipaddress.ip_network((address, prefix), strict=False)
    if address.ipv4_mapped is not None:
        assert network_of(str(address), prefix) == str(address.ipv4_mapped)
    else:
        assert network_of(str(address), prefix) == network.network_address.packed.decode("latin-1")


@pytest.mark.parametrize("address", ["192.0.2.1", "", "unix", "::ffff:192.0.2.1:", "a:b"])
def test_what_is_no_address_of_six_stays(address: str) -> None:
    assert network_of(address, 64) == address


def test_four_in_six_is_four() -> None:
    assert network_of("::ffff:192.0.2.1", 64) == "192.0.2.1"


@pytest.mark.parametrize(
    ("remaining", "reset", "text"),
    [
        (0, 0, ";r=0;t=0"),
        (9, 1, ";r=9;t=1"),
        (10**18, 10 * SECOND, f";r={10**18};t=10"),
        (-1, -1, ";r=0;t=0"),
    ],
)
def test_the_field_says_what_is_left(remaining: int, reset: int, text: str) -> None:
    assert standing('"müller"', remaining, reset) == '"müller"' + text


def test_a_name_that_is_too_long_for_the_field() -> None:
    with pytest.raises(ValueError, match="200 bytes at most, not 201"):
        standing("x" * 201, 0, 0)
