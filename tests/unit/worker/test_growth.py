import asyncio
import gc
from collections.abc import Callable

import pytest

from headgate.worker import growth
from headgate.worker.growth import Growth


async def seen(monkeypatch: pytest.MonkeyPatch, limit: int, sizes: Callable[[], int]) -> list[int]:
    """What is told in the time of several looks."""
    monkeypatch.setattr(growth, "LOOK_SECONDS", 0.001)
    told: list[int] = []
    looks = 0
    enough = asyncio.Event()

    def limit_of() -> int:
        nonlocal looks
        looks += 1
        if looks == 5:
            enough.set()
        return limit

    monkeypatch.setattr(growth, "resident", sizes)
    watched = Growth(asyncio.get_running_loop(), limit_of, told.append)
    watched.start()
    async with asyncio.timeout(5):
        await enough.wait()
    watched.close()
    return told


async def test_it_tells_again_while_it_is_above(monkeypatch: pytest.MonkeyPatch) -> None:
    told = await seen(monkeypatch, 100, lambda: 101)
    assert len(told) > 1
    assert set(told) == {101}


async def test_it_tells_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not await seen(monkeypatch, 100, lambda: 100)
    assert not await seen(monkeypatch, 0, lambda: 1 << 40)


async def test_what_garbage_collection_takes_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    size = 101

    def collect() -> None:
        nonlocal size
        size = 99

    monkeypatch.setattr(gc, "collect", collect)

    def grown() -> int:
        nonlocal size
        before, size = size, 101
        return before

    assert not await seen(monkeypatch, 100, grown)
