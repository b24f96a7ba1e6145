"""Whom a deadline is for: only a peer that is waited for can be late."""

from __future__ import annotations

import asyncio
import time

import pytest

from headgate import spec
from headgate.core.cells import Word
from unit.proxy.stage import GET, OK, ROUTE, Stage, post, until

LONG = 0.9  # seconds; the timeouts under test are shorter by more than two sweeps
SHORT = 0.3
BIG = 40_000_000  # more than all buffers of the kernel on the way


async def test_body_complete_in_two_parts(stage: Stage) -> None:
    """The time for the body ends with the body; the response may take longer."""
    await stage.serve(limits=spec.RouteLimits(body_idle_timeout=SHORT))
    client = await stage.client()
    await client.send(post("Content-Length: 6", body=b"abc"), b"def")
    upstream = await stage.backend.accept()
    assert (await upstream.request()).body == b"abcdef"
    assert await client.silent(LONG)
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


async def test_long_upload_over_a_used_connection(stage: Stage) -> None:
    """The idle time of the pool is over when the connection is lent out."""
    await stage.serve(pool=spec.Pool(idle_timeout=SHORT))
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(OK)
    await client.response()
    await client.send(post("Content-Length: 10"))
    await upstream.request_head()
    for _ in range(10):
        await client.send(b"x")
        await asyncio.sleep(LONG / 10)
    await upstream.expect(b"x" * 10)
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


async def test_late_request_over_a_connection_that_carried_a_response(stage: Stage) -> None:
    """A deadline of the exchange before does not end the next one."""
    await stage.serve(
        limits=spec.RouteLimits(response_idle_timeout=SHORT), pool=spec.Pool(connections=1, wait_timeout=5)
    )
    first, second = await stage.client(), await stage.client()
    await first.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await second.send(post("Content-Length: 2", body=b"a"))
    await upstream.send(OK)
    assert (await first.response()).body == b"ok"
    await upstream.request_head()
    await asyncio.sleep(LONG)
    await second.send(b"b")
    await upstream.expect(b"ab")
    await upstream.send(OK)
    assert (await second.response()).body == b"ok"


async def test_slow_reader_is_no_slow_upstream(stage: Stage) -> None:
    """While nothing is read from an upstream, it is not late."""
    await stage.serve(limits=spec.RouteLimits(response_idle_timeout=LONG, minimum_rate=0))
    client = await stage.client(receive_bytes=4096)
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG)
    await upstream.flood()
    limit = time.monotonic() + 3 * LONG
    while time.monotonic() < limit:
        await client.read(lambda rest: len(rest) >= 50_000)
        client.rest = b""
        await asyncio.sleep(0.02)
        assert not client.ended
    assert stage.word(ROUTE, Word.TIMEOUTS) == 0


async def test_reader_that_stops(stage: Stage) -> None:
    await stage.serve(limits=spec.RouteLimits(response_idle_timeout=SHORT, minimum_rate=0))
    client = await stage.client(receive_bytes=4096)
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG)
    while stage.runtime.active:
        upstream.fill(bytes(1_000_000))
        await asyncio.sleep(0.02)
    await upstream.end()


async def test_slow_upstream_is_no_slow_client(stage: Stage) -> None:
    """A body that the upstream takes slowly is not the client's fault."""
    await stage.serve(limits=spec.RouteLimits(body_idle_timeout=SHORT, response_idle_timeout=10))
    client = await stage.client()
    await client.send(post(f"Content-Length: {BIG}"))
    upstream = await stage.backend.accept()
    await upstream.request_head()
    sent = await client.flood(BIG)
    await asyncio.sleep(LONG)
    assert stage.runtime.active == 1
    while sent < BIG:
        sent += client.fill(bytes(min(1_000_000, BIG - sent)))
        await upstream.read(lambda rest: len(rest) >= 100_000)
        upstream.rest = b""
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


async def test_upstream_that_takes_nothing(stage: Stage) -> None:
    await stage.serve(limits=spec.RouteLimits(response_idle_timeout=SHORT))
    client = await stage.client()
    await client.send(post(f"Content-Length: {BIG}"))
    upstream = await stage.backend.accept()
    await upstream.request_head()
    while stage.runtime.active:
        client.fill(bytes(1_000_000))
        await asyncio.sleep(0.02)
    assert (await client.response()).status == 504


async def test_waiting_for_100_continue(stage: Stage) -> None:
    """Whoever was told to wait is not late; the upstream is."""
    limits = spec.RouteLimits(body_idle_timeout=SHORT, minimum_rate=1000, minimum_rate_grace=SHORT)
    await stage.serve(limits=limits)
    client = await stage.client()
    await client.send(post("Content-Length: 5", "Expect: 100-continue"))
    upstream = await stage.backend.accept()
    await upstream.request_head()
    assert await client.silent(LONG)
    await upstream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert (await client.response()).status == 100
    await client.send(b"hello")
    await upstream.expect(b"hello")
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


async def test_100_continue_that_never_comes(stage: Stage) -> None:
    await stage.serve(limits=spec.RouteLimits(first_byte_timeout=SHORT))
    client = await stage.client()
    await client.send(post("Content-Length: 5", "Expect: 100-continue"))
    upstream = await stage.backend.accept()
    await upstream.request_head()
    assert (await client.response()).status == 504


async def test_body_that_stops_after_100_continue(stage: Stage) -> None:
    await stage.serve(limits=spec.RouteLimits(body_idle_timeout=SHORT))
    client = await stage.client()
    await client.send(post("Content-Length: 5", "Expect: 100-continue"))
    upstream = await stage.backend.accept()
    await upstream.request_head()
    await upstream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert (await client.response()).status == 100
    assert (await client.response()).status == 408


async def test_early_answer_that_stops(stage: Stage) -> None:
    """The response idles although the request still moves."""
    await stage.serve(limits=spec.RouteLimits(response_idle_timeout=SHORT))
    client = await stage.client()
    await client.send(post("Transfer-Encoding: chunked", body=b"1\r\na\r\n"))
    upstream = await stage.backend.accept()
    await upstream.request_head()
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
    limit = time.monotonic() + 5
    while stage.runtime.active and time.monotonic() < limit:
        await client.send(b"1\r\na\r\n")
        await asyncio.sleep(0.02)
    assert not stage.runtime.active


async def test_whole_exchange_while_the_answer_is_not_read(stage: Stage) -> None:
    await stage.serve(limits=spec.RouteLimits(request_timeout=SHORT, minimum_rate=0))
    client = await stage.client(receive_bytes=4096)
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG)
    while stage.runtime.active:
        upstream.fill(bytes(1_000_000))
        await asyncio.sleep(0.02)
    await upstream.end()


async def test_request_timeout_while_waiting_for_a_connection(stage: Stage) -> None:
    await stage.serve(
        limits=spec.RouteLimits(request_timeout=SHORT), pool=spec.Pool(connections=1, wait_timeout=5)
    )
    first, second = await stage.client(), await stage.client()
    await first.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await asyncio.sleep(0.1)
    await second.send(GET)
    assert (await first.response()).status == 504
    assert (await second.response()).status == 504


async def test_keep_alive_of_a_client_that_sends_empty_lines(stage: Stage) -> None:
    """White space is no request: it does not put the end off."""
    await stage.serve(listener=spec.ListenerLimits(keep_alive_timeout=0.6), route={"respond": spec.Respond()})
    client = await stage.client()
    await client.ask(GET)
    started = time.monotonic()
    while await client.silent(0.1) and time.monotonic() < started + 5:
        await client.send(b"\r\n")
    assert client.ended or client.rest
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("stop", ["client", "upstream"])
async def test_quiet_tunnel(stage: Stage, stop: str) -> None:
    await stage.serve(limits=spec.RouteLimits(tunnel_idle_timeout=SHORT))
    client = await stage.client()
    await client.send(post("Connection: Upgrade", "Upgrade: x", method="GET"))
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
    assert (await client.response()).status == 101
    here, there = (client, upstream) if stop == "client" else (upstream, client)
    for _ in range(4):
        await here.send(b"x")
        await there.expect(b"x")
        await asyncio.sleep(0.1)
    await asyncio.gather(client.end(), upstream.end())


async def test_tunnel_with_a_reader_that_rests(stage: Stage) -> None:
    """In a tunnel only its own idle time counts."""
    await stage.serve(limits=spec.RouteLimits(response_idle_timeout=SHORT, tunnel_idle_timeout=30))
    client = await stage.client(receive_bytes=4096)
    await client.send(post("Connection: Upgrade", "Upgrade: x", method="GET"))
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
    assert (await client.response()).status == 101
    sent = await upstream.flood()
    await asyncio.sleep(LONG)
    client.hurry()
    await client.expect(bytes(sent))


async def test_drops_of_a_body(stage: Stage) -> None:
    await stage.serve(limits=spec.RouteLimits(minimum_rate=1000, minimum_rate_grace=SHORT))
    client = await stage.client()
    await client.send(post("Content-Length: 100000"))
    limit = time.monotonic() + 5
    while await client.silent(0.05) and time.monotonic() < limit:
        await client.send(b"x")
    assert (await client.response()).status == 408


async def test_what_is_sent_already_still_arrives(stage: Stage) -> None:
    """The request turns out to be broken while its early answer waits to be read."""
    await stage.serve()
    client = await stage.client(receive_bytes=4096)
    await client.send(post("Transfer-Encoding: chunked", body=b"1\r\na\r\n"))
    upstream = await stage.backend.accept()
    await upstream.request_head()
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG)
    await upstream.flood()
    await client.send(b"broken\r\n")
    await until(lambda: not stage.runtime.active, "the exchange to end")
    await upstream.end()
    assert stage.runtime.connections == 1
    assert 100_000 < len(await client.end()) < BIG
    assert not client.was_reset
