"""A spool gives what it got, in order, wherever it waited."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.middleware.spool import Spool


def open_files(folder: Path = Path("/proc/self/fd")) -> int:
    """How many there are. Those that other tests left behind as garbage are closed first."""
    gc.collect()
    return len(list(folder.iterdir()))


async def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Not at once, as a thread would."""
    await asyncio.sleep(0)
    return function(*arguments)


@settings(deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=40) | st.none() | st.just("pause"), max_size=60),
    st.integers(0, 60),
)
def test_what_goes_in_comes_out(steps: list[bytes | str | None], memory: int) -> None:
    async def run() -> None:
        spool = Spool(memory, 500, None, in_thread)
        went, came = b"", b""
        for step in steps:
            if isinstance(step, bytes):
                went += step
                spool.put(step)
            elif step is None:
                came += await spool.get()
            else:
                await spool.settle()
            assert spool.size == len(went) - len(came)
        while piece := await spool.get():
            came += piece
        assert came == went
        assert spool.size == 0
        spool.close()

    before = open_files()
    asyncio.run(run())
    assert open_files() == before


async def test_what_is_too_much_for_memory_is_in_a_file_without_name(tmp_path: Path) -> None:
    spool = Spool(1000, 10_000, str(tmp_path), in_thread)
    for number in range(50):
        spool.put(bytes([number]) * 100)
        await spool.settle()
    assert spool.on_disk
    assert not spool.crowded
    assert open_files(tmp_path) == 0
    got = b""
    while piece := await spool.get():
        got += piece
    assert got == b"".join(bytes([number]) * 100 for number in range(50))
    spool.close()


async def test_it_is_full_at_its_bounds() -> None:
    spool = Spool(1000, 3000, None, in_thread)
    put = 0
    while not spool.full:
        spool.put(bytes(100))
        await spool.settle()
        put += 100
        assert put <= 5000
    assert put >= 2000
    got = 0
    while piece := await spool.get():
        got += len(piece)
    assert got == put
    spool.close()


async def test_a_folder_that_is_gone_leaves_memory(tmp_path: Path) -> None:
    spool = Spool(100, 1000, str(tmp_path / "gone"), in_thread)
    for letter in b"abc":
        spool.put(bytes([letter]) * 90)
        await spool.settle()
    assert isinstance(spool.error, OSError)
    assert spool.full
    assert await spool.get() == b"a" * 90
    assert await spool.get() + await spool.get() == b"b" * 90 + b"c" * 90
    spool.close()


async def test_it_is_closed_after_what_is_being_written() -> None:
    before = open_files()
    spool = Spool(0, 1000, None, in_thread)
    spool.put(b"abc")
    spool.put(b"def")
    spool.close()
    await spool.settle()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert open_files() == before
