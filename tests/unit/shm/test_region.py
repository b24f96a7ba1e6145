import os
from collections.abc import Iterator

import pytest

from headgate.core.cells import Block, Word
from headgate.shm import region
from headgate.shm.region import SLOT_BYTES, SLOTS, Region, RegionError, written_blocks


@pytest.fixture
def fd() -> Iterator[int]:
    fd = region.create()
    yield fd
    os.close(fd)


def test_all_roles_see_the_same(fd: int) -> None:
    one, two = Region(fd), Region(fd)
    one.slot(5)[3] = 7
    assert two.slot(5)[3] == 7
    assert two.slot(4)[3] == two.slot(6)[3] == 0
    assert len(two.slot(SLOTS - 1)) == SLOT_BYTES
    with pytest.raises(IndexError):
        one.slot(SLOTS)


def test_tables_by_key_have_one_seed_that_nobody_else_has(fd: int) -> None:
    one, two = Region(fd).keys, Region(fd).keys
    other = region.create()
    try:
        assert one.seed == two.seed != Region(other).keys.seed
    finally:
        os.close(other)
    one.rates[3], one.permits[5] = 7, 8
    assert (two.rates[3], two.permits[5]) == (7, 8)
    assert (len(one.rates), len(one.permits)) == (region.RATES_BYTES, region.PERMITS_BYTES)


def test_a_new_region_costs_almost_nothing(fd: int) -> None:
    assert os.fstat(fd).st_blocks * 512 <= 4096


@pytest.mark.parametrize("content", [b"", b"x" * 24, region.MAGIC + b"\xff" * 16])
def test_something_else_is_refused(content: bytes) -> None:
    fd = os.memfd_create("test")
    os.write(fd, content)
    try:
        with pytest.raises(RegionError, match=f"no shared memory of format {region.FORMAT}"):
            Region(fd)
    finally:
        os.close(fd)


def test_written_blocks(fd: int) -> None:
    memory = Region(fd)
    assert list(written_blocks(fd, 1)) == []
    memory.slot(0)[0] = 1
    Block(memory.slot(1), 100).write(Word.IN_FLIGHT, 1)
    Block(memory.slot(1), 102).write(Word.OPEN, 1)
    Block(memory.slot(1), region.BLOCKS - 1).write(Word.BLOCK_WORDS - 1, 1)
    memory.slot(2)[0] = 1
    blocks = list(written_blocks(fd, 1))
    assert {100, 102, region.BLOCKS - 1} <= set(blocks)
    assert len(blocks) == len(set(blocks)) == 2 * region.GROUP_BLOCKS
    assert 0 in written_blocks(fd, 0)
