"""Tunnels: opaque bytes both ways, each direction with its own end."""

from __future__ import annotations

import asyncio
import json

import pytest

from headgate import spec
from headgate.core.cells import WorkerWord
from unit.proxy.stage import GET, OK, End, Stage, post

ASK = post("Connection: Upgrade", "Upgrade: x", method="GET")
SWITCH = b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
BIG = 8_000_000


async def opened(stage: Stage, early: bytes = b"", first: bytes = b"", **more: int) -> tuple[End, End]:
    """Both ends of a tunnel; `early` and `first` come at once with the request and the answer."""
    await stage.serve()
    client = await stage.client(**more)
    await client.send(ASK + early)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(SWITCH + first)
    assert (await client.response()).status == 101
    return client, upstream


async def test_early_bytes_of_both_sides(stage: Stage) -> None:
    client, upstream = await opened(stage, b"from the client", b"from the upstream")
    assert stage.word(0, WorkerWord.WORKER_TUNNELS) == 1
    await upstream.expect(b"from the client")
    await client.expect(b"from the upstream")
    await client.send(b"x")
    await upstream.expect(b"x")


async def test_early_bytes_beyond_what_is_held(stage: Stage) -> None:
    early = bytes(range(256)) * 1000
    client, upstream = await opened(stage, early)
    await upstream.expect(early)
    await upstream.send(b"y")
    await client.expect(b"y")


async def test_upgrade_that_is_not_taken(stage: Stage) -> None:
    """What waits behind the request is then the next request."""
    await stage.serve()
    client = await stage.client()
    await client.send(ASK + GET)
    upstream = await stage.backend.accept()
    for _ in range(2):
        await upstream.request()
        await upstream.send(OK)
        assert (await client.response()).body == b"ok"


@pytest.mark.parametrize("first", ["client", "upstream"])
async def test_half_close(stage: Stage, first: str) -> None:
    client, upstream = await opened(stage)
    here, there = (client, upstream) if first == "client" else (upstream, client)
    await here.send(b"last")
    here.half_close()
    assert await there.end() == b"last"
    await there.send(b"still", b" talking")
    await here.expect(b"still talking")
    there.half_close()
    assert await here.end() == b""
    await stage.quiet()
    assert stage.word(0, WorkerWord.WORKER_TUNNELS) == 0


@pytest.mark.parametrize("first", ["client", "upstream"])
async def test_nothing_is_lost_at_the_end(stage: Stage, first: str) -> None:
    """Both sides are done while one of them still has much to read."""
    client, upstream = await opened(stage)
    here, there = (client, upstream) if first == "client" else (upstream, client)
    there.half_close()
    assert await here.end() == b""
    data = bytes(range(256)) * (BIG // 256)
    sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(here.socket, data))
    await asyncio.sleep(0.3)
    reading = asyncio.create_task(there.end())
    await sending
    here.close()
    assert await reading == data
    assert not there.was_reset


@pytest.mark.parametrize("first", ["client", "upstream"])
@pytest.mark.parametrize("way", ["reset", "close"])
async def test_one_side_is_gone(stage: Stage, first: str, way: str) -> None:
    client, upstream = await opened(stage)
    here, there = (client, upstream) if first == "client" else (upstream, client)
    getattr(here, way)()
    await there.end()
    there.close()
    await stage.quiet()


async def test_drain_leaves_tunnels(stage: Stage) -> None:
    client, upstream = await opened(stage)
    stage.runtime.drain()
    await client.send(b"x")
    await upstream.expect(b"x")
    stage.runtime.commit(stage.runtime.prepare(stage.snapshot(endpoints=())))
    await upstream.send(b"y")
    await client.expect(b"y")


async def test_abort_ends_tunnels(stage: Stage) -> None:
    client, upstream = await opened(stage)
    stage.runtime.abort()
    await asyncio.gather(client.end(), upstream.end())


async def test_bytes_are_counted(stage: Stage) -> None:
    await stage.serve(access_log=spec.AccessLog())
    client = await stage.client()
    await client.send(ASK)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(SWITCH)
    await client.response()
    await client.send(b"x" * 100)
    await upstream.expect(b"x" * 100)
    client.close()
    await upstream.end()
    upstream.close()
    await stage.quiet()


@pytest.mark.parametrize("first", ["client", "upstream", "nobody"])
async def test_who_closed_a_websocket_and_why(stage: Stage, first: str) -> None:
    await stage.serve(access_log=spec.AccessLog())
    client = await stage.client()
    await client.send(post("Connection: Upgrade", "Upgrade: websocket", method="GET"))
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(SWITCH.replace(b"Upgrade: x", b"Upgrade: WebSocket"))
    await client.response()
    hello, from_client, from_upstream = b"\x81\x05hello", b"\x88\x82\0\0\0\0\x03\xf2", b"\x88\x02\x03\xe9"
    await upstream.send(hello)
    await client.expect(hello)
    one, other = (client, upstream) if first == "client" else (upstream, client)
    if first != "nobody":
        frame = from_client if first == "client" else from_upstream
        await one.send(frame)
        await other.expect(frame)
    one.close()
    await other.end()
    other.close()
    await stage.quiet()
    stage.runtime.context.write_records()
    record = json.loads(stage.records.text)
    expected = {"client": (1010, "client"), "upstream": (1001, "upstream"), "nobody": (None, None)}[first]
    assert (record.get("websocket_close"), record.get("websocket_closed_by")) == expected
