"""Reading ahead, and how much memory that takes."""

from __future__ import annotations

import asyncio
import socket

import pytest

from headgate import spec
from headgate.core.cells import Word
from unit.proxy.stage import GET, OK, ROUTE, Stage, post

BIG = 40_000_000


async def test_whole_request_first(stage: Stage) -> None:
    """Nothing goes upstream before the request is complete; its length is then known."""
    await stage.serve(limits=spec.RouteLimits(buffer_request=10_000))
    client = await stage.client()
    await client.send(post("Transfer-Encoding: chunked", body=b"5\r\nhello\r\n"))
    await asyncio.sleep(0.1)
    assert stage.backend.untouched()
    await client.send(b"0\r\n\r\n")
    upstream = await stage.backend.accept()
    request = await upstream.request()
    assert (request.get("Content-Length"), request.framing, request.body) == ("5", "length", b"hello")
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


async def test_empty_chunked_request(stage: Stage) -> None:
    await stage.serve(limits=spec.RouteLimits(buffer_request=10_000))
    client = await stage.client()
    await client.send(post("Transfer-Encoding: chunked"), b"0\r\n\r\n")
    upstream = await stage.backend.accept()
    for number in range(2):
        if number:
            await client.send(post("Transfer-Encoding: chunked"), b"0\r\n\r\n")
        assert (await upstream.request()).get("Content-Length") == "0"
        await upstream.send(OK)
        assert (await client.response()).body == b"ok"


async def test_trailers(stage: Stage) -> None:
    """Only chunked framing carries them."""
    await stage.serve(limits=spec.RouteLimits(buffer_request=10_000))
    client = await stage.client()
    await client.send(post("Transfer-Encoding: chunked", body=b"5\r\nhello\r\n"), b"0\r\nX-A: b\r\n\r\n")
    upstream = await stage.backend.accept()
    request = await upstream.request()
    assert (request.framing, request.trailers) == ("chunked", [("X-A", "b")])
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


async def test_larger_than_the_buffer(stage: Stage) -> None:
    await stage.serve(limits=spec.RouteLimits(buffer_request=1000))
    client = await stage.client()
    body = bytes(range(256)) * 40
    await client.send(post(f"Content-Length: {len(body)}", body=body[:5000]))
    upstream = await stage.backend.accept()
    await upstream.request_head()
    await upstream.expect(body[:5000])
    await client.send(body[5000:])
    await upstream.expect(body[5000:])
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


async def test_buffered_request_over_a_stale_connection(stage: Stage) -> None:
    await stage.serve(limits=spec.RouteLimits(buffer_request=10_000))
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(OK)
    await client.response()
    await client.send(post("Transfer-Encoding: chunked", method="PUT", body=b"5\r\nhello\r\n"), b"0\r\n\r\n")
    await upstream.request()
    upstream.close()
    upstream = await stage.backend.accept()
    assert (await upstream.request()).body == b"hello"
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


async def test_expectation_is_met_here(stage: Stage) -> None:
    await stage.serve(limits=spec.RouteLimits(buffer_request=10_000))
    client = await stage.client()
    await client.send(post("Content-Length: 5", "Expect: 100-continue"))
    assert (await client.response()).status == 100
    await client.send(b"hello")
    upstream = await stage.backend.accept()
    request = await upstream.request()
    assert (request.get("Expect"), request.body) == (None, b"hello")
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


@pytest.mark.parametrize("way", ["reset", "half_close"])
async def test_client_leaves_within_its_body(stage: Stage, way: str) -> None:
    await stage.serve(limits=spec.RouteLimits(buffer_request=10_000))
    client = await stage.client()
    await client.send(post("Content-Length: 5", body=b"he"))
    await asyncio.sleep(0.02)
    getattr(client, way)()
    await stage.quiet()
    assert stage.backend.untouched()


async def test_violation_within_a_buffered_body(stage: Stage) -> None:
    await stage.serve(limits=spec.RouteLimits(buffer_request=10_000))
    client = await stage.client()
    await client.send(post("Transfer-Encoding: chunked", body=b"5\r\nhello\r\n"), b"zz\r\n")
    assert (await client.response()).status == 400
    assert stage.backend.untouched()


async def test_too_large(stage: Stage) -> None:
    await stage.serve(limits=spec.RouteLimits(buffer_request=10_000, body_bytes=10))
    client = await stage.client()
    await client.send(post("Transfer-Encoding: chunked", body=b"20\r\n" + bytes(32) + b"\r\n"))
    assert (await client.response()).status == 413
    assert stage.backend.untouched()
    assert stage.word(ROUTE, Word.REJECTED) == 1


@pytest.mark.parametrize("limits", [{"buffer_response": 2_000_000}, {"buffer_bytes": 2_000_000}, {}])
async def test_response_ahead_of_the_client(stage: Stage, limits: dict[str, int]) -> None:
    """As much as is set is taken from the upstream, and not more."""
    stage.listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    await stage.serve(limits=spec.RouteLimits(**limits, minimum_rate=0))
    client = await stage.client(receive_bytes=4096)
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG)
    await upstream.flood(rest=0.1)
    client.reset()
    await upstream.end()
    upstream.close()
    await stage.quiet()
    ahead = max(limits.values(), default=0)
    assert ahead / 2 < stage.word(ROUTE, Word.BYTES_OUT) < ahead + 500_000


async def test_response_sets_the_upstream_free(stage: Stage) -> None:
    """The client reads slowly; the upstream serves another meanwhile."""
    await stage.serve(
        limits=spec.RouteLimits(buffer_response=20_000_000), pool=spec.Pool(connections=1, wait_timeout=5)
    )
    slow, quick = await stage.client(receive_bytes=4096), await stage.client()
    await slow.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    body = bytes(range(256)) * 40_000
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await quick.send(GET)
    await upstream.request()
    await upstream.send(OK)
    assert (await quick.response()).body == b"ok"
    slow.hurry()
    assert (await slow.response()).body == body
