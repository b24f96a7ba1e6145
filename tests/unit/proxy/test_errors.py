"""Errors of ours: logged and counted, and nobody is left hanging."""

from __future__ import annotations

import asyncio

import pytest

from headgate import spec
from headgate.core.cells import WorkerWord
from headgate.proxy import replies
from unit.proxy.stage import GET, OK, Stage, post


class Full:
    """A sink that cannot be written to."""

    def offer(self, data: bytes) -> bool:
        raise OSError(28, f"No space left for {len(data)} bytes")


def broken(*_: object) -> None:
    raise LookupError("a bug that the test made")


async def test_while_the_request_is_handled(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.serve(route={"respond": spec.Respond(body="x")})
    client = await stage.client()
    with monkeypatch.context() as patch:
        patch.setattr(replies, "respond", broken)
        await client.send(GET)
        assert await client.end() == b""
    other = await stage.client()
    assert (await other.ask(GET)).body == b"x"
    assert stage.word(0, WorkerWord.WORKER_ERRORS) == 1
    stage.forgive()


async def test_while_the_answer_is_handled(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It happens on the upstream side; the client must not wait for ever."""
    await stage.serve()
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    with monkeypatch.context() as patch:
        patch.setattr(replies, "error", broken)
        upstream.close()
        assert await client.end() == b""
    assert stage.word(0, WorkerWord.WORKER_ERRORS) == 1
    stage.forgive()


async def test_while_time_is_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.serve(limits=spec.RouteLimits(first_byte_timeout=0.2))
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    with monkeypatch.context() as patch:
        patch.setattr(replies, "error", broken)
        assert await client.end() == b""
    await upstream.end()
    stage.forgive()


async def test_while_a_connect_fails(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.serve()
    stage.backend.socket.close()
    clients = [await stage.client() for _ in range(3)]
    with monkeypatch.context() as patch:
        patch.setattr(replies, "error", broken)
        for client in clients:
            await client.send(GET)
        await asyncio.sleep(0.2)
    for client in clients:
        assert await client.end() == b""
    stage.forgive()


async def test_sink_that_is_broken(stage: Stage) -> None:
    """Records are lost then, exchanges are not."""
    await stage.serve(access_log=spec.AccessLog())
    stage.runtime.set_sink(Full())
    client = await stage.client()
    upstream = None
    for _ in range(300):
        await client.send(post("User-Agent: " + "x" * 500, method="GET"))
        upstream = upstream or await stage.backend.accept()
        await upstream.request()
        await upstream.send(OK)
        assert (await client.response()).body == b"ok"
    stage.runtime.set_sink(stage.records)
    stage.forgive()
