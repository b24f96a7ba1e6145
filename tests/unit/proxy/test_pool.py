"""Pools: who gets a connection, who waits, and what a lost one comes to."""

from __future__ import annotations

import asyncio
import socket

import pytest

from headgate import spec
from headgate.core.cells import Word
from unit.proxy.stage import ENDPOINT, GET, OK, ROUTE, Backend, End, Stage, crowded, post, until


async def used(stage: Stage, client: End) -> End:
    """A connection to the backend that carried an exchange and rests in the pool."""
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"
    return upstream


def refused() -> spec.Address:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return spec.Address(host="127.0.0.1", port=probe.getsockname()[1])


# Connections that were closed under a request


@pytest.mark.parametrize("way", ["close", "reset"])
@pytest.mark.parametrize(
    ("request_", "parts"),
    [
        (GET, ()),
        (post("Content-Length: 5", method="PUT", body=b"hello"), ()),
        (post("Content-Length: 10", method="PUT", body=b"hello"), (b"again",)),
        (post("Transfer-Encoding: chunked", method="PUT", body=b"5\r\nhello\r\n0\r\n\r\n"), ()),
        (post("Transfer-Encoding: chunked", method="PUT", body=b"5\r\nhello\r\n"), (b"0\r\nX-A: b\r\n\r\n",)),
    ],
    ids=["get", "length", "parts", "chunked", "trailers"],
)
async def test_stale_connection(stage: Stage, way: str, request_: bytes, parts: tuple[bytes, ...]) -> None:
    """The request is sent once more, whole, over a fresh connection."""
    await stage.serve()
    client = await stage.client()
    upstream = await used(stage, client)
    await client.send(request_)
    await upstream.request_head()
    getattr(upstream, way)()
    upstream = await stage.backend.accept()
    await client.send(*parts)
    again = await upstream.request()
    body = again.body or b"".join(again.chunks)
    assert body in (b"", b"hello", b"helloagain")
    assert bool(body) == (b"hello" in request_)
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"
    assert stage.word(ROUTE, Word.RETRIES) == 1


async def test_post_over_a_connection_that_ended(stage: Stage) -> None:
    """What cannot be sent twice goes over no connection that is known to be closed."""
    await stage.serve()
    client = await stage.client()
    for _ in range(10):
        upstream = await used(stage, client)
        await asyncio.sleep(0)
        upstream.close()
        await client.send(post("Content-Length: 2", body=b"hi"))
        upstream = await stage.backend.accept()
        assert (await upstream.request()).body == b"hi"
        await upstream.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        assert (await client.response()).status == 200
        upstream.close()


async def test_post_is_not_sent_twice(stage: Stage) -> None:
    await stage.serve()
    client = await stage.client()
    upstream = await used(stage, client)
    await client.send(post("Content-Length: 2", body=b"hi"))
    await upstream.request()
    upstream.close()
    assert (await client.response()).status == 502
    assert stage.backend.untouched()


async def test_interim_answer_means_that_it_was_seen(stage: Stage) -> None:
    await stage.serve()
    client = await stage.client()
    upstream = await used(stage, client)
    await client.send(post("Content-Length: 2", "Expect: 100-continue", method="PUT"))
    await upstream.request_head()
    await upstream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert (await client.response()).status == 100
    upstream.close()
    assert (await client.response()).status == 502
    assert stage.backend.untouched()


async def test_expectation_over_a_stale_connection(stage: Stage) -> None:
    await stage.serve()
    client = await stage.client()
    upstream = await used(stage, client)
    await client.send(post("Content-Length: 2", "Expect: 100-continue", method="PUT"))
    await upstream.request_head()
    upstream.close()
    upstream = await stage.backend.accept()
    assert (await upstream.request_head()).get("Expect") == "100-continue"
    await upstream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert (await client.response()).status == 100
    await client.send(b"hi")
    await upstream.expect(b"hi")
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


async def test_large_body_is_not_kept(stage: Stage) -> None:
    """More than the buffer cannot be sent twice."""
    await stage.serve(limits=spec.RouteLimits(buffer_bytes=1000))
    client = await stage.client()
    upstream = await used(stage, client)
    body = bytes(5000)
    await client.send(post("Content-Length: 5000", method="PUT", body=body[:2500]), body[2500:])
    await upstream.request()
    upstream.close()
    assert (await client.response()).status == 502


async def test_stale_connection_at_the_limit(stage: Stage) -> None:
    """A fresh connection is wanted, and the places are taken: by one at work and one that rests."""
    await stage.serve(pool=spec.Pool(connections=2, idle_timeout=30, wait_timeout=10))
    first, second, third = [await stage.client() for _ in range(3)]
    one = await used(stage, first)
    await first.send(GET)
    await one.request()
    two = await used(stage, second)
    await second.send(GET)
    await two.request()
    await third.send(GET)
    await asyncio.sleep(0.05)
    two.close()
    other = await stage.backend.accept()  # for the third, who waited before
    await other.request()
    await one.send(OK)
    assert (await first.response()).body == b"ok"
    assert await one.end() == b""  # makes room
    fresh = await stage.backend.accept()
    await fresh.request()
    for end, client in ((fresh, second), (other, third)):
        await end.send(OK)
        assert (await client.response()).body == b"ok"


async def test_fresh_exchange_does_not_block_others(stage: Stage) -> None:
    """Whoever waits behind one that takes no used connection gets the used one."""
    await stage.serve(pool=spec.Pool(connections=2, wait_timeout=5, connect_timeout=0.9))
    first, second, third = [await stage.client() for _ in range(3)]
    one = await used(stage, first)
    await first.send(GET)
    await one.request()
    two = await used(stage, second)
    await second.send(GET)
    await two.request()
    with crowded(stage.backend.socket):  # nothing new is opened for now
        one.close()
        await until(lambda: stage.word(ROUTE, Word.RETRIES), "the first to try again")
        await third.send(GET)
        await two.send(OK)
        assert (await second.response()).body == b"ok"
        await two.request()
        await two.send(OK)
        assert (await third.response()).body == b"ok"
        assert (await first.response()).status == 504


# Waiting


async def test_waiting_in_order(stage: Stage) -> None:
    await stage.serve(pool=spec.Pool(connections=1))
    clients = [await stage.client() for _ in range(5)]
    for client in clients:
        await client.send(GET)
        await asyncio.sleep(0.01)
    upstream = await stage.backend.accept()
    for client in clients:
        await upstream.request()
        await upstream.send(OK)
        assert (await client.response()).body == b"ok"
    assert stage.backend.untouched()


async def test_no_room_to_wait(stage: Stage) -> None:
    """Nobody may wait, yet connections are opened as they are needed."""
    await stage.serve(pool=spec.Pool(connections=2, waiting=0))
    clients = [await stage.client() for _ in range(3)]
    for client in clients[:2]:
        await client.send(GET)
    ends = [await stage.backend.accept() for _ in range(2)]
    assert (await clients[2].ask(GET)).status == 503
    for end in ends:
        await end.request()
        await end.send(OK)
    for client in clients[:2]:
        assert (await client.response()).body == b"ok"


async def test_connecting_is_not_waiting(stage: Stage) -> None:
    """The queue counts those for whom there is no connection to come."""
    await stage.serve(pool=spec.Pool(waiting=1))
    clients = [await stage.client() for _ in range(10)]
    for client in clients:
        await client.send(GET)
    ends = [await stage.backend.accept() for _ in clients]
    for end in ends:
        await end.request()
    for end in ends:
        await end.send(OK)
    for client in clients:
        assert (await client.response()).body == b"ok"


async def test_connect_time_is_not_waiting_time(stage: Stage) -> None:
    """Somebody for whom a connection is opened is not put off by the time for waiting."""
    await stage.serve(pool=spec.Pool(wait_timeout=0.2, connect_timeout=0.9))
    with crowded(stage.backend.socket):
        client = await stage.client()
        await client.send(GET)
        assert await client.silent(0.6)
        answer = await client.response()
    assert answer.status == 504
    assert "connection_timeout" in (answer.get("Proxy-Status") or "")


async def test_waiting_too_long(stage: Stage) -> None:
    await stage.serve(pool=spec.Pool(connections=1, wait_timeout=0.3))
    first, second = await stage.client(), await stage.client()
    await first.send(GET)
    upstream = await stage.backend.accept()
    assert (await second.ask(GET)).status == 503
    await upstream.request()
    await upstream.send(OK)
    assert (await first.response()).body == b"ok"


async def test_client_leaves_the_queue(stage: Stage) -> None:
    await stage.serve(pool=spec.Pool(connections=1))
    first, second, third = [await stage.client() for _ in range(3)]
    for client in (first, second, third):
        await client.send(GET)
        await asyncio.sleep(0.02)
    upstream = await stage.backend.accept()
    await upstream.request()
    second.reset()
    await until(lambda: stage.runtime.active == 2, "the second to leave")
    await upstream.send(OK)
    assert (await first.response()).body == b"ok"
    await upstream.request()
    await upstream.send(OK)
    assert (await third.response()).body == b"ok"


# Opening


async def test_refused(stage: Stage) -> None:
    await stage.serve(endpoints=(refused(),))
    client = await stage.client()
    for _ in range(3):
        assert (await client.ask(GET)).status == 502


async def test_everybody_who_waits_learns_of_it(stage: Stage) -> None:
    """With one connection at a time, each failure makes room for the next try."""
    await stage.serve(endpoints=(refused(),), pool=spec.Pool(connections=1, wait_timeout=30))
    clients = [await stage.client() for _ in range(5)]
    for client in clients:
        await client.send(GET)
    for client in clients:
        assert (await client.response()).status == 502


async def test_another_endpoint(stage: Stage) -> None:
    await stage.serve(endpoints=(refused(), stage.backend.address))
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    for number in range(4):
        if number:
            await client.send(GET)
        await upstream.request()
        await upstream.send(OK)
        assert (await client.response()).body == b"ok"


@pytest.mark.parametrize("way", ["close", "reset"])
async def test_backend_that_hangs_up_at_once(stage: Stage, way: str) -> None:
    """Accepted and closed: an error for that exchange, no endless tries, no wrong count."""
    await stage.serve()
    client = await stage.client()
    for _ in range(3):
        await client.send(GET)
        getattr(await stage.backend.accept(), way)()
        assert (await client.response()).status == 502
    await until(lambda: not stage.word(ENDPOINT, Word.OPEN), "connections to be counted")
    assert stage.word(ENDPOINT, Word.OPEN) == 0


async def test_unasked_bytes_on_a_fresh_connection(stage: Stage) -> None:
    """A greeting is no answer: not to this request, not to the next."""
    await stage.serve()
    client = await stage.client()
    upstream = await used(stage, client)
    await upstream.send(OK)
    assert await upstream.end() == b""
    await used(stage, client)


async def test_error_of_another_kind(stage: Stage) -> None:
    """Whatever goes wrong while connecting, the exchange is answered."""
    await stage.serve(endpoints=(spec.Address(host="127.0.0.1", port=70000),))
    client = await stage.client()
    assert (await asyncio.wait_for(client.ask(GET), 1)).status == 502
    stage.forgive()


async def test_unix_socket_that_is_not_there(stage: Stage) -> None:
    await stage.serve(endpoints=(spec.Address(unix="/nowhere/at/all"),))
    client = await stage.client()
    assert (await client.ask(GET)).status == 502


# Keeping


async def test_idle_connections_leave(stage: Stage) -> None:
    await stage.serve(pool=spec.Pool(idle_timeout=0.3))
    client = await stage.client()
    upstream = await used(stage, client)
    assert await upstream.end() == b""
    await used(stage, client)


async def test_age(stage: Stage) -> None:
    await stage.serve(pool=spec.Pool(age=0.3, idle_timeout=30))
    client = await stage.client()
    upstream = await used(stage, client)
    await asyncio.sleep(0.4)
    await used(stage, client)
    assert await upstream.end() == b""


async def test_so_many_idle_connections(stage: Stage) -> None:
    await stage.serve(pool=spec.Pool(idle_connections=1, idle_timeout=30))
    clients = [await stage.client() for _ in range(3)]
    for client in clients:
        await client.send(GET)
    ends = [await stage.backend.accept() for _ in range(3)]
    for end in ends:
        await end.request()
        await end.send(OK)
    for client in clients:
        await client.response()
    await until(lambda: stage.word(ENDPOINT, Word.OPEN) == 1, "two of them to close")


# Reloads


async def test_connections_of_an_endpoint_that_is_gone(stage: Stage) -> None:
    """What is under way ends in its own time; then the connection is closed, not kept."""
    with_old = await stage.client()
    await stage.serve(pool=spec.Pool(idle_timeout=30))
    await with_old.send(GET)
    old = await stage.backend.accept()
    await old.request()
    other = Backend()
    try:
        await stage.serve(endpoints=(other.address,), pool=spec.Pool(idle_timeout=30))
        await old.send(OK)
        assert (await with_old.response()).body == b"ok"
        assert await old.end() == b""
        await with_old.send(GET)
        new = await other.accept()
        await new.request()
        await new.send(OK)
        assert (await with_old.response()).body == b"ok"
    finally:
        other.close()


async def test_waiting_for_an_endpoint_that_is_gone(stage: Stage) -> None:
    """Who waits there is served, or told in time."""
    await stage.serve(pool=spec.Pool(connections=1, wait_timeout=0.5, idle_timeout=30))
    first, second, third = [await stage.client() for _ in range(3)]
    await first.send(GET)
    old = await stage.backend.accept()
    await old.request()
    await second.send(GET)
    await asyncio.sleep(0.05)
    other = Backend()
    try:
        await stage.serve(endpoints=(other.address,), pool=spec.Pool(idle_timeout=30))
        assert (await second.response()).status == 503
        await old.send(OK)
        assert (await first.response()).body == b"ok"
        await third.send(GET)
        new = await other.accept()
        await new.request()
        await new.send(OK)
        assert (await third.response()).body == b"ok"
    finally:
        other.close()


async def test_endpoints_replaced_in_flight(stage: Stage) -> None:
    """Names resolve anew while exchanges run; the same address keeps its connections."""
    await stage.serve(pool=spec.Pool(idle_timeout=30))
    client = await stage.client()
    upstream = await used(stage, client)
    entry = stage.runtime.live.spec.services[0].endpoints[0]
    await client.send(GET)
    await upstream.request()
    for endpoints in ((entry,), (), (entry,)):
        stage.runtime.replace_endpoints("backend", endpoints)
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"
    stage.runtime.replace_endpoints("backend", ())
    assert (await client.ask(GET)).status == 503


async def test_least_requests_after_a_reload(stage: Stage) -> None:
    """What is under way still counts."""
    other = Backend()
    try:
        service = {"balance": spec.Balance("least_requests")}
        addresses = (stage.backend.address, other.address)
        await stage.serve(endpoints=addresses, service=service)
        busy = await stage.client()
        await busy.send(GET)
        await asyncio.sleep(0.05)
        first = stage.backend if not stage.backend.untouched() else other
        rest = other if first is stage.backend else stage.backend
        await stage.serve(endpoints=addresses, service=service)
        client = await stage.client()
        await client.send(GET)
        upstream = await rest.accept()
        await upstream.request()
        await upstream.send(OK)
        assert (await client.response()).body == b"ok"
    finally:
        other.close()


async def test_abort_closes_idle_connections_in_order(stage: Stage) -> None:
    await stage.serve()
    client = await stage.client()
    upstream = await used(stage, client)
    stage.runtime.abort()
    assert await upstream.end() == b""
    assert not upstream.was_reset
