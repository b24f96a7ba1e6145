"""Cells that any process finds by name and changes without locks."""

import mmap
import subprocess
import sys
from pathlib import Path

import pytest

from headgate.core.shared import SharedTable, TableFull

CELL_BYTES = 256
COUNT = """
import mmap, sys
from headgate.core.shared import SharedTable
with open(sys.argv[1], "r+b") as file:
    table = SharedTable(memoryview(mmap.mmap(file.fileno(), 0)))
for _ in range(20):
    for name in sys.argv[2:]:
        table.cell(name).increase(1)
"""


def memory(cells: int = 64) -> memoryview:
    return memoryview(mmap.mmap(-1, cells * CELL_BYTES))


def test_a_name_finds_the_same_cell_in_every_table() -> None:
    shared = memory()
    one, other = SharedTable(shared), SharedTable(shared)
    one.cell("service:a").write(1, 7)
    other.cell("service:b").write(1, 8)
    assert [other.cell("service:a").read(1), one.cell("service:b").read(1)] == [7, 8]


def test_words_change_by_compare_and_swap() -> None:
    cell = SharedTable(memory()).cell("a")
    assert cell.increase(3, 5) == 0
    assert cell.read(3) == 5
    assert not cell.replace(3, 4, 9)
    assert cell.replace(3, 5, 9)
    assert cell.read(3) == 9
    for word in (0, 32, -1):  # the first says whose the cell is
        with pytest.raises(IndexError):
            cell.write(word, 1)


def test_every_cell_can_be_used_and_a_full_table_says_so() -> None:
    table = SharedTable(memory(16))
    for number in range(16):
        table.cell(f"endpoint {number}").write(1, number)
    assert [table.cell(f"endpoint {number}").read(1) for number in range(16)] == list(range(16))
    with pytest.raises(TableFull, match="all 16 cells"):
        table.cell("one more")


def test_cells_that_are_given_back_are_empty_for_the_next() -> None:
    table = SharedTable(memory(16))
    names = [f"endpoint {number}" for number in range(16)]
    for name in names:
        table.cell(name).write(1, 1)
    assert table.give_back([*names[4:], "never seen"]) == 12
    assert [table.cell(name).read(1) for name in names[:4]] == [1] * 4
    assert [table.cell(f"new {number}").read(1) for number in range(12)] == [0] * 12


def test_memory_that_is_no_table_is_refused() -> None:
    with pytest.raises(BufferError):
        SharedTable(memoryview(bytes(CELL_BYTES)))
    with pytest.raises(TableFull):
        SharedTable(memory()[:8]).cell("a")


def _mapped(path: Path) -> mmap.mmap:
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), 0)


def test_processes_that_claim_the_same_names_at_once_agree(tmp_path: Path) -> None:
    path = tmp_path / "shared"
    path.write_bytes(bytes(512 * CELL_BYTES))
    names = [f"endpoint:{number}" for number in range(300)]
    command = [sys.executable, "-c", COUNT, str(path), *names]
    processes = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    table = SharedTable(memoryview(_mapped(path)))
    assert [table.cell(name).read(1) for name in names] == [80] * 300
