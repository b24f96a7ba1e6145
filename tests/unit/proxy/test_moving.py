"""Large bodies that the kernel moves from socket to socket, and what ends them."""

from __future__ import annotations

import asyncio
import resource

import pytest

from headgate import spec
from headgate.core.cells import Word
from unit.proxy.stage import GET, OK, ROUTE, End, Stage, open_files, post, until

SIZE = 8_000_000
BODY = bytes(range(256)) * (SIZE // 256)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE


async def answering(stage: Stage, client: End) -> End:
    """An upstream that got a request."""
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    return upstream


async def test_response(stage: Stage) -> None:
    await stage.serve()
    client = await stage.client()
    upstream = await answering(stage, client)
    for number in range(3):
        if number:
            await client.send(GET)
            await upstream.request()
        await asyncio.gather(upstream.send(HEAD + BODY), client.read(lambda rest: rest.endswith(BODY)))
        assert (await client.response()).body == BODY
    await stage.quiet()
    assert stage.word(ROUTE, Word.BYTES_OUT) == 3 * SIZE


async def test_request(stage: Stage) -> None:
    await stage.serve()
    client = await stage.client()
    upstream = await answering(stage, client)
    await upstream.send(OK)
    await client.response()
    for _ in range(3):
        await asyncio.gather(
            client.send(post(f"Content-Length: {SIZE}", body=BODY)),
            upstream.read(lambda rest: rest.endswith(BODY)),
        )
        assert (await upstream.request()).body == BODY
        await upstream.send(OK)
        assert (await client.response()).body == b"ok"
    await stage.quiet()
    assert stage.word(ROUTE, Word.BYTES_IN) == 3 * SIZE


async def test_slow_reader(stage: Stage) -> None:
    await stage.serve()
    client = await stage.client(receive_bytes=4096)
    upstream = await answering(stage, client)
    sending = asyncio.create_task(upstream.send(HEAD + BODY))
    await asyncio.sleep(0.3)
    client.hurry()
    assert (await client.response()).body == BODY
    await sending


@pytest.mark.parametrize("way", ["reset", "close", "half_close"])
async def test_response_cut_short(stage: Stage, way: str) -> None:
    await stage.serve()
    client = await stage.client()
    upstream = await answering(stage, client)
    await upstream.send(HEAD + BODY[:2_000_000])
    getattr(upstream, way)()
    assert len(await client.end()) < SIZE
    await stage.quiet()


@pytest.mark.parametrize("way", ["reset", "close"])
async def test_reader_leaves(stage: Stage, way: str) -> None:
    await stage.serve()
    client = await stage.client(receive_bytes=4096)
    upstream = await answering(stage, client)
    await upstream.send(HEAD)
    await upstream.flood()
    getattr(client, way)()
    await upstream.end()


@pytest.mark.parametrize("way", ["reset", "half_close"])
async def test_writer_leaves(stage: Stage, way: str) -> None:
    await stage.serve()
    client = await stage.client()
    await client.send(post(f"Content-Length: {SIZE}", body=BODY[:1_000_000]))
    upstream = await stage.backend.accept()
    await upstream.request_head()
    getattr(client, way)()
    assert len(await upstream.end()) <= 1_000_000


async def test_early_refusal_of_a_large_body(stage: Stage) -> None:
    """The answer arrives although the client goes on sending."""
    await stage.serve()
    client = await stage.client()
    await client.send(post(f"Content-Length: {SIZE}", body=BODY[:500_000]))
    upstream = await stage.backend.accept()
    await upstream.request_head()
    await upstream.send(b"HTTP/1.1 413 Too Much\r\nContent-Length: 2\r\n\r\nno")
    await client.send(BODY[500_000:1_000_000])
    assert (await client.response()).body == b"no"
    await client.send(BODY[:100_000])
    assert await client.end() == b""


async def test_early_answer_that_waits_for_its_reader(stage: Stage) -> None:
    """The upstream is done and gone, the response is not read, and the request still comes."""
    await stage.serve(limits=spec.RouteLimits(buffer_response=50_000_000))
    client = await stage.client(receive_bytes=4096)
    await client.send(post(f"Content-Length: {4 * SIZE}", body=BODY[:500_000]))
    upstream = await stage.backend.accept()
    await upstream.request_head()
    sending = asyncio.create_task(upstream.send(HEAD + BODY))
    await upstream.read(lambda rest: len(rest) >= 500_000)
    await sending
    await until(lambda: upstream.socket.fileno() >= 0, "the response to be sent")
    await client.send(BODY[:500_000], BODY[:500_000])
    client.hurry()
    assert (await client.response()).body == BODY
    await stage.quiet()


@pytest.mark.parametrize("way", ["close", "reset"])
async def test_large_body_over_a_stale_connection(stage: Stage, way: str) -> None:
    """Closed after the first bytes: sent once more, with all that comes meanwhile."""
    await stage.serve(limits=spec.RouteLimits(buffer_bytes=1_000_000))
    client = await stage.client()
    upstream = await answering(stage, client)
    await upstream.send(OK)
    await client.response()
    head = post(f"Content-Length: {SIZE}", method="PUT")
    await client.send(head + BODY[:1000])
    await upstream.read(lambda rest: rest.endswith(BODY[:1000]))
    getattr(upstream, way)()
    sending = asyncio.create_task(client.send(BODY[1000:]))
    upstream = await stage.backend.accept()
    await upstream.read(lambda rest: len(rest) > SIZE)
    assert (await upstream.request()).body == BODY
    await sending
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


async def test_no_file_for_a_pipe(stage: Stage) -> None:
    """Then the bytes are received and sent as those of small bodies."""
    await stage.serve()
    client = await stage.client()
    upstream = await answering(stage, client)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (upstream.socket.fileno() + 1, hard))
    try:
        sending = asyncio.create_task(upstream.send(HEAD + BODY))
        assert (await client.response()).body == BODY
        await sending
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_spare_pipes_are_closed(stage: Stage) -> None:
    await stage.serve()
    client = await stage.client()
    upstream = await answering(stage, client)
    before = open_files()
    await asyncio.gather(upstream.send(HEAD + BODY), client.read(lambda rest: rest.endswith(BODY)))
    await client.response()
    await until(lambda: open_files() <= before, "pipes to be closed")


async def test_reload_and_abort_while_bodies_move(stage: Stage) -> None:
    await stage.serve()
    clients = [await stage.client(receive_bytes=4096) for _ in range(5)]
    for client in clients:
        upstream = await answering(stage, client)
        await upstream.send(HEAD)
        await upstream.flood(SIZE, rest=0.01)
    await stage.serve(endpoints=())
    stage.runtime.abort()
    for client in clients:
        await client.end()
