"""One exchange after the other: what goes through, and what is left behind."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from headgate import spec
from headgate.core.cells import Word, WorkerWord
from unit.proxy.stage import ENDPOINT, GET, LISTENER, OK, ROUTE, SERVICE, End, Stage, crowded, post, until

EARLY = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"


async def test_one_after_the_other(stage: Stage) -> None:
    await stage.serve()
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    for number in range(5):
        if number:
            await client.send(GET)
        assert (await upstream.request()).method == "GET"
        await upstream.send(OK)
        assert (await client.response()).body == b"ok"
    await stage.quiet()
    for block in (LISTENER, ROUTE, SERVICE, ENDPOINT):
        assert stage.word(block, Word.RESPONSES_2XX) == 5


async def test_many_pipelined(stage: Stage) -> None:
    await stage.serve(route={"respond": spec.Respond(body="hello")})
    client = await stage.client()
    await client.send(GET * 500)
    for _ in range(500):
        assert (await client.response()).body == b"hello"


async def test_pipelined_behind_an_upstream(stage: Stage) -> None:
    await stage.serve()
    client = await stage.client()
    await client.send(GET * 3)
    upstream = await stage.backend.accept()
    for _ in range(3):
        await upstream.request()
        await upstream.send(OK)
        assert (await client.response()).body == b"ok"


@pytest.mark.parametrize("method", ["HEAD", "GET", "POST"])
@pytest.mark.parametrize("status", [200, 204, 304, 404, 500])
async def test_own_answers_without_a_body(stage: Stage, method: str, status: int) -> None:
    """Whatever the configuration says, what has no body gets none, and the connection goes on."""
    await stage.serve(route={"respond": spec.Respond(status=status, body="hello")})
    client = await stage.client()
    for _ in range(3):
        answer = await client.ask(post(method=method), to=method)
        assert answer.status == status
        assert answer.body == (b"hello" if method != "HEAD" and status not in (204, 304) else b"")


async def test_violation_behind_an_answer(stage: Stage) -> None:
    """The body of a request that was answered already turns out to be broken."""
    await stage.serve(route={"respond": spec.Respond(body="hello")})
    client = await stage.client()
    await client.send(post("Transfer-Encoding: chunked", body=b"zz\r\n"))
    assert (await client.response()).body == b"hello"
    assert await client.end() == b""


async def test_slow_head_behind_a_head_request(stage: Stage) -> None:
    """The error answers the request that did not come, not the HEAD before it."""
    await stage.serve(
        route={"respond": spec.Respond(body="hello")}, listener=spec.ListenerLimits(head_timeout=0.3)
    )
    client = await stage.client()
    assert (await client.ask(post(method="HEAD"), to="HEAD")).status == 200
    await client.send(b"GET / HT")
    answer = await client.response()
    assert answer.status == 408
    assert answer.body
    assert await client.end() == b""


async def test_violation_behind_a_head_request(stage: Stage) -> None:
    await stage.serve(route={"respond": spec.Respond(body="hello")})
    client = await stage.client()
    assert (await client.ask(post(method="HEAD"), to="HEAD")).status == 200
    answer = await client.ask(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n")
    assert answer.status == 400
    assert answer.body


async def test_early_refusal(stage: Stage) -> None:
    """The upstream answers before the request was read: the client is told that the connection ends."""
    await stage.serve()
    client = await stage.client()
    await client.send(post("Content-Length: 100000", body=b"x" * 10))
    upstream = await stage.backend.accept()
    await upstream.request_head()
    await upstream.send(EARLY)
    answer = await client.response()
    assert (answer.status, answer.get("Connection")) == (403, "close")
    await upstream.end()
    await client.send(b"x" * 1000)
    assert await client.end() == b""


async def test_early_answer_and_the_rest_of_the_request(stage: Stage) -> None:
    """Response first, then the end of the request: nothing is taken for another request."""
    await stage.serve()
    client = await stage.client()
    await client.send(post("Content-Length: 40", body=b"x" * 10))
    upstream = await stage.backend.accept()
    await upstream.request_head()
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"
    await client.send(GET[:30], GET)
    assert await client.end() == b""
    assert stage.backend.untouched()


async def test_client_leaves_while_connecting(stage: Stage) -> None:
    """Nobody accepts: the queue of the backend is full."""
    await stage.serve()
    client = await stage.client()
    with crowded(stage.backend.socket):
        await client.send(GET)
        await until(lambda: stage.runtime.active, "the exchange to start")
        client.reset()
        await stage.quiet()


@pytest.mark.parametrize("way", ["reset", "half_close", "close"])
async def test_client_leaves_while_waiting_for_the_answer(stage: Stage, way: str) -> None:
    await stage.serve()
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    getattr(client, way)()
    assert await upstream.end() == b""
    await stage.quiet()
    assert stage.word(ROUTE, Word.ABORTED) == 1


async def test_half_close_that_does_not_cancel(stage: Stage) -> None:
    await stage.serve(process=spec.Process(cancel_on_half_close=False))
    client = await stage.client()
    await client.send(GET)
    client.half_close()
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"
    assert await client.end() == b""


async def test_reset_while_nothing_is_read(stage: Stage) -> None:
    """Also where half-closes do not cancel, a reset does: noticed although reading is paused."""
    await stage.serve(process=spec.Process(cancel_on_half_close=False))
    client = await stage.client()
    await client.send(GET + GET * 2000)
    upstream = await stage.backend.accept()
    await upstream.request()
    await asyncio.sleep(0.05)
    client.reset()
    assert await upstream.end() == b""
    await stage.quiet()


async def test_interim_answers(stage: Stage) -> None:
    await stage.serve()
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    await upstream.send(hints + hints, hints + OK[:20], OK[20:])
    for _ in range(3):
        assert (await client.response()).status == 103
    assert (await client.response()).body == b"ok"


async def test_trailers_both_ways(stage: Stage) -> None:
    await stage.serve()
    client = await stage.client()
    body = b"3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"
    await client.send(post("Transfer-Encoding: chunked", "TE: trailers", "Connection: TE", body=body))
    upstream = await stage.backend.accept()
    assert (await upstream.request()).trailers == [("X-Sum", "1")]
    await upstream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    assert (await client.response()).trailers == [("X-Sum", "1")]


async def test_answer_that_violates(stage: Stage) -> None:
    await stage.serve()
    client = await stage.client()
    for broken in (b"HTTP/1.1 200 OK\r\nA B: c\r\n\r\n", b"garbage\r\n\r\n", b"\0"):
        await client.send(GET)
        upstream = await stage.backend.accept()
        await upstream.request()
        await upstream.send(broken)
        assert (await client.response()).status == 502
        await upstream.end()


@pytest.mark.parametrize("way", ["reset", "close", "half_close"])
async def test_answer_cut_short(stage: Stage, way: str) -> None:
    await stage.serve()
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    await client.read(lambda rest: rest.endswith(b"hello"))
    getattr(upstream, way)()
    assert (await client.end()).endswith(b"hello")
    await stage.quiet()
    assert not stage.gauges.keys() & {"in flight 4"}


async def test_violations_are_no_errors_of_ours(stage: Stage) -> None:
    await stage.serve()
    client = await stage.client()
    assert (await client.ask(b"BAD\r\n\r\n")).status == 400
    assert await client.end() == b""
    await stage.quiet()
    assert stage.word(0, WorkerWord.WORKER_VIOLATIONS) == 1
    assert stage.word(0, WorkerWord.WORKER_ERRORS) == 0


# Draining and ending


async def test_drain_while_idle(stage: Stage) -> None:
    await stage.serve(route={"respond": spec.Respond(body="x")})
    client = await stage.client()
    await client.ask(GET)
    stage.runtime.drain()
    answer = await client.ask(GET)
    assert (answer.body, answer.get("Connection")) == (b"x", "close")
    assert await client.end() == b""


async def test_the_last_answer_survives_what_the_client_had_sent_already(stage: Stage) -> None:
    """Who pipelines may have sent more before the word of the end comes (RFC 9112 section 9.6)."""
    await stage.serve()
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    stage.runtime.drain()
    await upstream.send(OK)
    await asyncio.sleep(0.05)  # the answer is out, and nothing of the next request was there yet
    for _ in range(3):
        client.socket.send(GET)  # the first on a closed connection resets it, and the others raise
        await asyncio.sleep(0.01)
    answer = await client.response()
    assert (answer.body, answer.get("Connection")) == (b"ok", "close")
    assert await client.end() == b""


async def test_drain_ends_idle_connections(stage: Stage) -> None:
    await stage.serve(route={"respond": spec.Respond(body="x")})
    clients = [await stage.client() for _ in range(3)]
    await clients[0].ask(GET)
    stage.runtime.drain()
    for client in clients:
        assert await client.end() == b""


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nHost:", post("Content-Length: 5", body=b"he")])
async def test_drain_within_a_request(stage: Stage, sent: bytes) -> None:
    await stage.serve()
    client = await stage.client()
    await client.send(sent)
    await asyncio.sleep(0.05)
    stage.runtime.drain()
    await client.send(b" a\r\n\r\n" if b"GET" in sent else b"llo")
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(OK)
    answer = await client.response()
    assert (answer.body, answer.get("Connection")) == (b"ok", "close")
    assert await client.end() == b""


async def test_drain_within_a_response(stage: Stage) -> None:
    await stage.serve()
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    await client.read(lambda rest: rest.endswith(b"hello"))
    stage.runtime.drain()
    await upstream.send(b"world")
    assert (await client.response()).body == b"helloworld"
    assert await client.end() == b""


async def test_drain_while_waiting_for_a_connection(stage: Stage) -> None:
    await stage.serve(pool=spec.Pool(connections=1))
    first, second = await stage.client(), await stage.client()
    await first.send(GET)
    upstream = await stage.backend.accept()
    await second.send(GET)
    await asyncio.sleep(0.05)
    stage.runtime.drain()
    for client in (first, second):
        await upstream.request()
        await upstream.send(OK)
        answer = await client.response()
        assert (answer.body, answer.get("Connection")) == (b"ok", "close")


async def test_abort_in_every_state(stage: Stage) -> None:
    """Idle, in a head, in a body, waiting for a connection, for an answer, within an answer, lingering."""
    await stage.serve(pool=spec.Pool(connections=4, wait_timeout=30))
    parts = (b"", b"GET /", post("Content-Length: 5", body=b"he"), GET, GET, GET, GET, b"BAD\r\n\r\n")
    clients = [await stage.client() for _ in parts]
    for client, part in zip(clients, parts, strict=True):
        await client.send(part)
        await asyncio.sleep(0.02)
    ends = [await stage.backend.accept() for _ in range(4)]
    await ends[1].request()
    await ends[1].send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    await ends[2].request()
    await ends[2].send(OK)
    await asyncio.sleep(0.05)
    stage.runtime.abort()
    for end in (*clients, *ends):
        await end.end()
    assert not stage.gauges


# Limits of listeners


async def test_so_many_connections(stage: Stage) -> None:
    """More wait in the queue until there is room again."""
    await stage.serve(listener=spec.ListenerLimits(connections=3), route={"respond": spec.Respond(body="x")})
    clients = [await stage.client() for _ in range(5)]
    for client in clients[:3]:
        await client.ask(GET)
    await clients[3].send(GET)
    assert await clients[3].silent(0.3)
    assert stage.runtime.connections == 3
    for client in clients[:2]:
        client.close()
    assert (await clients[3].response()).body == b"x"
    assert (await clients[4].ask(GET)).body == b"x"
    assert stage.word(0, WorkerWord.WORKER_ACCEPT_PAUSES) >= 1
    await stage.serve(route={"respond": spec.Respond(body="x")})
    for _ in range(5):
        assert (await (await stage.client()).ask(GET)).body == b"x"


async def test_so_many_connections_of_one_client(stage: Stage) -> None:
    await stage.serve(
        listener=spec.ListenerLimits(connections_per_client=2), route={"respond": spec.Respond(body="x")}
    )
    clients = [await stage.client() for _ in range(3)]
    for client in clients[:2]:
        assert (await client.ask(GET)).body == b"x"
    assert (await clients[2].response()).status == 429
    assert await clients[2].end() == b""
    clients[2].close()
    clients[0].close()
    await until(lambda: stage.runtime.connections == 1, "room")
    assert (await (await stage.client()).ask(GET)).body == b"x"


async def test_options_of_sockets(stage: Stage) -> None:
    """What the configuration says is set on both sides."""
    await stage.serve(service={"nodelay": False, "keepalive": False})
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    assert options_of_peer(upstream) == (0, 0)
    assert options_of_peer(client) == (1, 1)
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


def options_of_peer(end: End) -> tuple[int, int]:
    """TCP_NODELAY and SO_KEEPALIVE of the other end, which this process has too."""
    for link in Path("/proc/self/fd").iterdir():
        if link.is_socket() and str(link.readlink()).startswith("socket:"):
            with suppress(OSError), socket.socket(fileno=os.dup(int(link.name))) as sock:
                if sock.getpeername() == end.socket.getsockname():
                    nodelay = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                    return nodelay, sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    raise AssertionError("no such socket")


# Hosts and files


async def test_no_host_and_a_unix_socket(stage: Stage, tmp_path: Path) -> None:
    """A path is no host (RFC 9112 section 3.2): then it stays empty."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "app.sock"))
        listening.listen()
        listening.setblocking(False)
        await stage.serve(endpoints=(spec.Address(unix=str(tmp_path / "app.sock")), stage.backend.address))
        client = await stage.client()
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        sock, _ = await stage.loop.sock_accept(listening)
        upstream = End(sock)
        assert (await upstream.request()).all("Host") == [""]
        await upstream.send(OK)
        assert (await client.response()).body == b"ok"
        assert await client.end() == b""
        upstream.close()


async def test_no_host(stage: Stage) -> None:
    await stage.serve()
    client = await stage.client()
    await client.send(b"GET / HTTP/1.0\r\n\r\n")
    upstream = await stage.backend.accept()
    assert (await upstream.request()).all("Host") == [f"127.0.0.1:{stage.backend.port}"]
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


async def test_no_file_to_accept_with(stage: Stage) -> None:
    """The connection waits in the queue; nothing spins, and accepting goes on by itself."""
    await stage.serve(route={"respond": spec.Respond(body="x")})
    client, other = await stage.client(), await stage.client()
    assert (await client.ask(GET)).body == b"x"
    assert (await other.ask(GET)).body == b"x"
    sock = socket.socket()
    sock.setblocking(False)
    with no_more_files():
        await stage.loop.sock_connect(sock, ("127.0.0.1", stage.port))
        late = End(sock)
        stage.clients.append(late)
        await until(lambda: stage.word(0, WorkerWord.WORKER_ACCEPT_PAUSES), "accepting to rest")
        assert (await client.ask(GET)).body == b"x"
        assert stage.word(0, WorkerWord.WORKER_ACCEPT_PAUSES) < 10
    assert (await late.ask(GET)).body == b"x"


async def test_no_file_to_connect_with(stage: Stage) -> None:
    await stage.serve()
    client = await stage.client()
    await client.send(b"GET /")
    await until(lambda: stage.runtime.connections, "the connection to be accepted")
    with no_more_files():
        answer = await client.ask(GET[5:])
    assert answer.status == 503
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


@contextmanager
def no_more_files() -> Iterator[None]:
    """Nothing can be opened meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(link.name) for link in Path("/proc/self/fd").iterdir())
    fillers = [os.open("/dev/null", os.O_RDONLY) for _ in range(highest)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(fillers) + 1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for filler in fillers:
            os.close(filler)
