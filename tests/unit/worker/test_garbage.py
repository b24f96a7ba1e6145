import asyncio
import gc
import weakref

import pytest

from headgate.worker import garbage
from headgate.worker.garbage import Garbage


class Node:
    def __init__(self) -> None:
        self.me = self


async def test_it_collects_when_idle_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "LOOK_SECONDS", 0.01)
    busy = True
    collector = Garbage(asyncio.get_running_loop(), lambda: busy)
    collector.start()
    try:
        assert not gc.isenabled()
        seen = weakref.ref(Node())
        await asyncio.sleep(0.05)
        assert seen() is not None
        busy = False
        async with asyncio.timeout(5):
            while seen() is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert gc.get_freeze_count() > 0
        busy = True
        monkeypatch.setattr(garbage, "LONGEST_SECONDS", 0.02)
        seen = weakref.ref(Node())
        async with asyncio.timeout(5):
            while seen() is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        collector.close()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
