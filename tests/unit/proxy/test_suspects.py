"""Clients that flooded and come again: they and their neighbours are served, and take little time."""

from __future__ import annotations

import pytest

from headgate import spec
from headgate.core.cells import Block, Word, WorkerWord
from unit.proxy.http2_end import Http2End
from unit.proxy.stage import GET, LISTENER, Stage, until
from unit.proxy.test_http2_floods import CALM, pings, rapid_resets


def counted(stage: Stage, word: WorkerWord) -> int:
    return Block(memoryview(stage.memory), 0).read(word)


async def connect(stage: Stage) -> Http2End:
    end = Http2End((await stage.client()).socket)
    await end.begin()
    await end.until(lambda: end.settings)
    return end


async def flood(stage: Stage) -> None:
    """Have a connection ended for a flood."""
    end = await connect(stage)
    end.deaf = True
    await end.raw(b"".join(pings(number) for number in range(1000)))
    await end.until(lambda: end.goaways)
    assert end.goaways[-1][0] == CALM


@pytest.fixture
async def served(stage: Stage) -> Stage:
    await stage.serve(route={"respond": spec.Respond(body="hello")})
    return stage


async def test_nobody_is_a_suspect_at_first(served: Stage) -> None:
    end = await connect(served)
    assert (await end.ask()).body == b"hello"
    assert counted(served, WorkerWord.WORKER_SUSPECTS) == 0


async def test_a_suspect_is_served(served: Stage) -> None:
    await flood(served)
    end = await connect(served)
    for _ in range(30):
        assert (await end.ask()).body == b"hello"
    assert counted(served, WorkerWord.WORKER_SUSPECTS) == 1
    plain = await served.client()
    assert (await plain.ask(GET)).body == b"hello"
    assert counted(served, WorkerWord.WORKER_SUSPECTS) == 2


async def test_a_suspect_that_floods_again_waits_for_its_turn(served: Stage) -> None:
    await flood(served)
    other = await connect(served)
    end = await connect(served)
    await end.raw(b"".join(rapid_resets(number) for number in range(1, 900)))
    assert (await other.ask()).body == b"hello"
    await until(lambda: served.word(LISTENER, Word.ABORTED) == 899, "all to be taken back")
    assert counted(served, WorkerWord.WORKER_SUSPECTS_DELAYED) > 0


async def test_a_connection_from_before_is_no_suspect(served: Stage) -> None:
    end = await connect(served)
    await flood(served)
    assert (await end.ask()).body == b"hello"
    assert counted(served, WorkerWord.WORKER_SUSPECTS) == 0


async def test_a_trusted_proxy_is_no_suspect(stage: Stage) -> None:
    await stage.serve(route={"respond": spec.Respond(body="hello")}, trusted_proxies=("127.0.0.0/8",))
    await flood(stage)
    end = await connect(stage)
    assert (await end.ask()).body == b"hello"
    assert counted(stage, WorkerWord.WORKER_SUSPECTS) == 0
