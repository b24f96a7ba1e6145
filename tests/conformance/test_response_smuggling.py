"""No bytes of a backend become another exchange's answer, and none that is cut short looks complete.

RFC 9112 sections 6.3, 7.1, 8, 9.2. The corpus is in response_corpus.py.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from conformance.response_corpus import CASES, Case
from support import Backend, MalformedError, RawClient, Wire
from support.messages import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from support import Message

NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext"
BROKEN = re.compile(r'error="?(http_\w+|connection_\w+|\w+_error)')


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("split", [False, True], ids=["whole", "split"])
def test_response(
    case: Case, split: bool, backend: Backend, client: RawClient, connect: Callable[[], RawClient]
) -> None:
    if split and len(case.data) > 2000:
        split = False
    client.send(f"{case.method} /first HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    upstream = backend.accept()
    assert upstream.request().target == "/first"
    answer(upstream, case, split)
    response = read(client, case)
    if case.outcome == "bad":
        assert response is not None
        assert response.status == 502
    if response is not None and response.status == 502:
        assert BROKEN.search(response.get("Proxy-Status") or ""), response.fields
    was_passed = case.outcome in {"passed", "either"} and response is not None and response.status != 502
    if was_passed:
        assert response is not None
        assert (response.status, response.body) == (case.status, case.body)
    follow(client if was_passed else connect(), backend, upstream, reused=was_passed and case.reused)


def answer(upstream: Wire, case: Case, split: bool) -> None:
    if split:
        upstream.send_bytewise(case.data, pace=0)
    else:
        upstream.send(case.data)
    if case.end == "close":
        upstream.half_close()
    elif case.end == "reset":
        upstream.reset()


def read(client: RawClient, case: Case) -> Message | None:
    """The final response, or None when what came is visibly incomplete."""
    if case.outcome != "short":
        return client.final(case.method)
    client.wait(lambda: client.ended or b" 502 " in client.rest[:16], "end or 502")
    if b" 502 " in client.rest[:16]:
        return client.final()
    with pytest.raises(MalformedError):
        parse(client.rest, "response", eof=True)
    return None


def follow(client: RawClient, backend: Backend, upstream: Wire, *, reused: bool) -> None:
    """Another exchange gets its own answer, on the same upstream connection only where that is clean."""
    if not reused and upstream.socket.fileno() >= 0:
        upstream.expect_end()
    client.send(NEXT)
    following = upstream if reused else backend.accept()
    assert following.request().target == "/next"
    following.send(ANSWER)
    assert client.final().body == b"next"


def test_unsolicited_bytes_on_an_idle_connection(
    backend: Backend, client: RawClient, connect: Callable[[], RawClient]
) -> None:
    """RFC 9112 9.2: what comes unasked on an idle connection is no answer to the next request."""
    client.send(b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
    upstream = backend.accept()
    upstream.request()
    upstream.send(ANSWER)
    assert client.final().body == b"next"
    upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    follow(connect(), backend, upstream, reused=False)


def test_timeout_answer_on_an_idle_connection(
    backend: Backend, client: RawClient, connect: Callable[[], RawClient]
) -> None:
    """Servers say 408 when they give up an idle connection; nobody asked for it."""
    client.send(b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
    upstream = backend.accept()
    upstream.request()
    upstream.send(ANSWER)
    assert client.final().body == b"next"
    upstream.send(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    upstream.half_close()
    follow(connect(), backend, upstream, reused=False)


def test_answer_before_the_request(backend: Backend, client: RawClient) -> None:
    """What a backend says before it was asked is no answer: a greeting of another protocol, say."""
    client.send(b"POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
    upstream = backend.accept()
    upstream.send(b"220 mail.example ESMTP\r\n")
    assert client.final().status == 502
    upstream.read_to_end()


def test_each_client_gets_its_own(backend: Backend, connect: Callable[[], RawClient]) -> None:
    """Twenty exchanges at once, answered in reverse order with an extra response behind each."""
    clients = [connect() for _ in range(20)]
    for number, each in enumerate(clients):
        each.send(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
    upstreams = [backend.accept() for _ in clients]
    for upstream in reversed(upstreams):
        name = upstream.request().target.encode()
        upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(name), name) + ANSWER)
    for number, each in enumerate(clients):
        assert each.final().body == b"/%d" % number
