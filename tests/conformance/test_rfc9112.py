"""HTTP/1.1 messages and connections that a gateway owes both sides: RFC 9112, by section.

What must be refused is in test_smuggling.py and test_response_smuggling.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.plays import GET, OK, again, answer_or_forward, chunked, request, response, run
from support import Backend, Product, RawClient, RecordingBackend, proxying

if TYPE_CHECKING:
    from collections.abc import Callable

BIG = bytes(range(256)) * 4096  # 1 MiB


# 2 Messages


def test_2_2_an_empty_line_before_a_request_is_ignored(backend: Backend, client: RawClient) -> None:
    assert run(client, backend, b"\r\n" + GET).response.body == b"ok"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_2_5_each_hop_has_its_own_version(backend: Backend, client: RawClient, version: str) -> None:
    """A gateway sends its own version on both sides."""
    seen = run(
        client, backend, request(start=f"GET / HTTP/{version}"), response(start="HTTP/1.0 200 OK", body=b"ok")
    )
    assert seen.request.version == "1.1"
    assert seen.response.version == "1.1"


# 3 Request line


@pytest.mark.parametrize(
    "target",
    ["/", "/a/b?c=d&e", "/?", "//", "/a;b=c", "/%41%2f%C3%A9", "/a:b@c!$&'()*+,=~", "/a?/../%2e%2e/?"],
)
def test_3_2_1_origin_form(backend: Backend, client: RawClient, target: str) -> None:
    """What servers read alike is passed on, percent-encoding in its normal form (RFC 3986 6.2.2)."""
    seen = run(client, backend, request(start=f"GET {target} HTTP/1.1")).request.target
    assert seen in {target, target.replace("%41", "A").replace("%2f", "%2F")}


@pytest.mark.parametrize(
    ("target", "host", "path"),
    [
        ("http://b.example/x?y", "b.example", "/x?y"),
        ("http://b.example:8080", "b.example:8080", "/"),
        ("HTTP://b.example/", "b.example", "/"),
        ("http://b.example?y", "b.example", "/?y"),
    ],
)
def test_3_2_2_absolute_form(backend: Backend, client: RawClient, target: str, host: str, path: str) -> None:
    """The authority of the target replaces the Host field, and goes upstream as one."""
    seen = run(client, backend, request(start=f"GET {target} HTTP/1.1", host="other.example")).request
    assert (seen.target, seen.get("Host")) == (path, host)


def test_3_2_4_absolute_options_without_path(backend: Backend, client: RawClient) -> None:
    """It means what "*" means, not what "/" means."""
    asked = request(start="OPTIONS http://b.example HTTP/1.1", host="b.example")
    answer, seen = answer_or_forward(client, backend, asked)
    assert answer.status in {200, 204}
    assert seen is None or (seen.target, seen.get("Host")) == ("*", "b.example")


def test_3_2_4_absolute_options_with_a_path(backend: Backend, client: RawClient) -> None:
    asked = request(start="OPTIONS http://b.example/ HTTP/1.1", host="b.example")
    assert run(client, backend, asked).request.target == "/"


def test_3_2_host_is_kept(backend: Backend, client: RawClient) -> None:
    seen = run(client, backend, request(host="A.Example:8080")).request
    assert (seen.get("Host") or "").lower() == "a.example:8080"


def test_3_2_http_1_0_without_host_gets_one_upstream(backend: Backend, client: RawClient) -> None:
    """A client MUST send Host in every HTTP/1.1 request, and the gateway is one."""
    assert len(run(client, backend, request(start="GET / HTTP/1.0", host=None)).request.all("Host")) == 1


# 6 Bodies


@pytest.mark.parametrize("method", ["POST", "PUT", "GET", "DELETE", "OPTIONS", "BREW"])
@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_6_2_request_body_by_length(backend: Backend, client: RawClient, method: str, size: int) -> None:
    body = BIG[:size]
    seen = run(
        client, backend, request(f"Content-Length: {size}", start=f"{method} / HTTP/1.1", body=body)
    ).request
    assert (seen.method, seen.framing, seen.body) == (method, "length", body)


@pytest.mark.parametrize("method", ["POST", "PUT", "GET", "DELETE", "BREW"])
def test_6_1_request_body_in_chunks(backend: Backend, client: RawClient, method: str) -> None:
    body = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    seen = run(
        client, backend, request("Transfer-Encoding: chunked", start=f"{method} / HTTP/1.1", body=body)
    ).request
    assert (seen.framing, seen.body) == ("chunked", b"hello world")


def test_6_3_no_body_without_framing(backend: Backend, client: RawClient) -> None:
    seen = run(client, backend, request(start="POST / HTTP/1.1"))
    assert seen.request.body == b""
    assert again(client, seen.upstream).response.body == b"ok"


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 1 << 20])
def test_6_2_response_body_by_length(backend: Backend, client: RawClient, size: int) -> None:
    seen = run(client, backend, GET, response(body=BIG[:size]))
    assert (seen.response.framing, seen.response.body) == ("length", BIG[:size])


@pytest.mark.parametrize("size", [1, 4096, 65535, 65536, 65537, 1 << 20])
def test_7_1_chunks_of_any_size(backend: Backend, client: RawClient, size: int) -> None:
    body = b"%X\r\n%b\r\n0\r\n\r\n" % (size, BIG[:size])
    asked = request("Transfer-Encoding: chunked", start="POST / HTTP/1.1", body=body)
    seen = run(client, backend, asked, chunked(body=body))
    assert seen.request.body == BIG[:size]
    assert seen.response.body == BIG[:size]


def test_7_1_many_chunks(backend: Backend, client: RawClient) -> None:
    body = b"".join(b"%x\r\n%b\r\n" % (size, BIG[:size]) for size in range(1, 400)) + b"0\r\n\r\n"
    whole = b"".join(BIG[:size] for size in range(1, 400))
    asked = request("Transfer-Encoding: chunked", start="POST / HTTP/1.1", body=body)
    seen = run(client, backend, asked, chunked(body=body))
    assert seen.request.body == whole
    assert seen.response.body == whole


def test_7_1_1_chunk_extensions_are_dropped(backend: Backend, client: RawClient) -> None:
    body = b'5;a=b;c="d e"\r\nhello\r\n0;x\r\n\r\n'
    asked = request("Transfer-Encoding: chunked", start="POST / HTTP/1.1", body=body)
    client.send(asked)
    upstream = backend.accept()
    assert upstream.request().body == b"hello"
    assert b";" not in bytes(upstream.received).partition(b"\r\n\r\n")[2]
    upstream.send(chunked(body=body))
    assert client.final().body == b"hello"
    assert b";" not in bytes(client.received).partition(b"\r\n\r\n")[2]


def test_6_1_close_delimited_response_becomes_chunked(backend: Backend, client: RawClient) -> None:
    client.send(GET)
    upstream = backend.accept()
    upstream.request()
    upstream.send(response() + b"hello")
    upstream.half_close()
    seen = client.final()
    assert (seen.framing, seen.body) == ("chunked", b"hello")
    assert run(client, backend).response.body == b"ok"


def test_6_1_no_transfer_coding_to_http_1_0(backend: Backend, client: RawClient) -> None:
    """A server MUST NOT send Transfer-Encoding to a client of HTTP/1.0: the end is the close."""
    seen = run(
        client, backend, request(start="GET / HTTP/1.0"), chunked(body=b"5\r\nhello\r\n0\r\n\r\n")
    ).response
    assert (seen.framing, seen.body) == ("close", b"hello")
    assert seen.get("Transfer-Encoding") is None


def test_6_1_close_delimited_response_to_http_1_0(backend: Backend, client: RawClient) -> None:
    client.send(request("Connection: keep-alive", start="GET / HTTP/1.0"))
    upstream = backend.accept()
    upstream.request()
    upstream.send(response() + b"hello")
    upstream.half_close()
    seen = client.final()
    assert (seen.framing, seen.body) == ("close", b"hello")


def test_6_3_length_to_http_1_0(backend: Backend, client: RawClient) -> None:
    seen = run(client, backend, request(start="GET / HTTP/1.0")).response
    assert (seen.framing, seen.body) == ("length", b"ok")


# 8 Incomplete messages


@pytest.mark.parametrize("part", ["POST / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Le"])
def test_8_incomplete_head_reaches_nobody(backend: Backend, client: RawClient, part: str) -> None:
    client.send(part.encode())
    client.half_close()
    assert client.read_to_end()[:12] in {b"", b"HTTP/1.1 400"}
    assert backend.untouched()


@pytest.mark.parametrize("how", ["half_close", "reset"])
@pytest.mark.parametrize("framing", ["Content-Length: 10", "Transfer-Encoding: chunked"])
def test_8_incomplete_body_is_incomplete_upstream(
    backend: Backend, client: RawClient, how: str, framing: str
) -> None:
    body = b"hello" if "Length" in framing else b"5\r\nhello\r\n"
    client.send(request(framing, start="POST / HTTP/1.1", body=body))
    upstream = backend.accept()
    upstream.request_head()
    upstream.wait(lambda: b"hello" in upstream.rest, "the beginning of the body")
    client.half_close() if how == "half_close" else client.reset()
    assert not upstream.read_to_end().endswith(b"0\r\n\r\n")


# 9 Connections


def test_9_3_connections_persist(backend: Backend, client: RawClient) -> None:
    upstream = run(client, backend).upstream
    for _ in range(20):
        assert again(client, upstream).response.body == b"ok"
    assert backend.untouched()


def test_9_3_the_client_closes(backend: Backend, client: RawClient) -> None:
    """Connection: close is of one hop: the client's ends, the upstream one stays."""
    seen = run(client, backend, request("Connection: close"))
    assert seen.response.get("Connection") == "close"
    client.expect_end()
    assert "close" not in (seen.request.get("Connection") or "")
    assert seen.upstream.silent(0.1)


def test_9_3_the_backend_closes(backend: Backend, client: RawClient) -> None:
    seen = run(client, backend, GET, response("Connection: close", body=b"ok"))
    assert seen.response.get("Connection") is None
    seen.upstream.expect_end()
    assert run(client, backend).response.body == b"ok"


def test_9_3_close_among_other_options(backend: Backend, client: RawClient) -> None:
    seen = run(client, backend, request("Connection: x-a, CLOSE ,y"))
    assert seen.response.get("Connection") == "close"
    client.expect_end()


def test_9_3_http_1_0_closes(backend: Backend, client: RawClient) -> None:
    assert run(client, backend, request(start="GET / HTTP/1.0")).response.body == b"ok"
    client.expect_end()


def test_9_3_http_1_0_kept_alive(backend: Backend, client: RawClient) -> None:
    asked = request("Connection: Keep-Alive", start="GET / HTTP/1.0")
    seen = run(client, backend, asked)
    assert (seen.response.get("Connection") or "").lower() == "keep-alive"
    assert again(client, seen.upstream, asked).response.body == b"ok"


def test_9_3_http_1_0_backend_kept_alive_only_when_it_says_so(backend: Backend, client: RawClient) -> None:
    answer = response("Connection: keep-alive", start="HTTP/1.0 200 OK", body=b"ok")
    upstream = run(client, backend, GET, answer).upstream
    assert again(client, upstream, GET, response(start="HTTP/1.0 200 OK", body=b"ok")).response.body == b"ok"
    upstream.expect_end()


def test_9_3_2_pipelined_requests_are_answered_in_order(backend: Backend, client: RawClient) -> None:
    client.send(b"".join(request(start=f"GET /{number} HTTP/1.1") for number in range(10)))
    upstream = backend.accept()
    for number in range(10):
        assert upstream.request().target == f"/{number}"
        upstream.send(response(body=b"%d" % number))
    assert [client.final().body for _ in range(10)] == [b"%d" % number for number in range(10)]


def test_9_3_2_pipelined_body_and_request(backend: Backend, client: RawClient) -> None:
    """Nothing of the second request goes upstream before the first one is answered."""
    client.send(
        request("Content-Length: 5", start="POST /a HTTP/1.1", body=b"hello")
        + request(start="GET /b HTTP/1.1")
    )
    upstream = backend.accept()
    assert upstream.request().body == b"hello"
    assert upstream.silent(0.1)
    upstream.send(OK)
    assert upstream.request().target == "/b"
    upstream.send(OK)
    assert [client.final().body for _ in range(2)] == [b"ok", b"ok"]


def test_9_3_2_nothing_is_taken_behind_close(backend: Backend, client: RawClient) -> None:
    client.send(request("Connection: close") + request(start="GET /b HTTP/1.1"))
    upstream = backend.accept()
    upstream.request()
    upstream.send(OK)
    assert client.final().body == b"ok"
    client.expect_end()
    assert upstream.silent(0.1)


def test_9_5_early_response_while_the_body_still_comes(backend: Backend, client: RawClient) -> None:
    client.send(request("Content-Length: 1000000", start="POST / HTTP/1.1", body=b"hello"))
    upstream = backend.accept()
    upstream.request_head()
    upstream.send(response("Connection: close", start="HTTP/1.1 413 Too Large", body=b"no"))
    seen = client.final()
    assert (seen.status, seen.body) == (413, b"no")


def test_9_5_early_response_and_the_body_goes_on(backend: Backend, client: RawClient) -> None:
    """A backend that answers first and reads on, an echo for example, gets the whole body."""
    client.send(request("Transfer-Encoding: chunked", start="POST / HTTP/1.1"))
    upstream = backend.accept()
    upstream.request_head()
    upstream.send(response("Transfer-Encoding: chunked"))
    client.response_head()
    for word in (b"one", b"two", b"three"):
        piece = b"%x\r\n%b\r\n" % (len(word), word)
        client.send(piece)
        assert word in upstream.read_until(word + b"\r\n")
        upstream.send(piece)
        assert word in client.read_until(word + b"\r\n")
    client.send(b"0\r\n\r\n")
    upstream.read_until(b"0\r\n\r\n")
    upstream.send(b"0\r\n\r\n")
    client.read_until(b"0\r\n\r\n")


def test_9_6_the_reason_of_a_close_is_readable(backend: Backend, client: RawClient) -> None:
    """Closing with unread data resets; the gateway reads on for a while, so that the answer arrives."""
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + BIG)
    client.send(BIG)
    assert client.final().status == 400
    assert backend.untouched()


@pytest.mark.parametrize("how", ["half_close", "close", "reset"])
def test_9_6_a_client_that_is_gone_cancels_upstream(backend: Backend, client: RawClient, how: str) -> None:
    client.send(GET)
    upstream = backend.accept()
    upstream.request()
    getattr(client, how)()
    upstream.expect_end()


def test_9_6_a_half_close_may_be_meant(recording: RecordingBackend) -> None:
    """By a setting, a client that has said all it wants to say still gets its answer."""
    patient = proxying(recording.address, process={"cancel_on_half_close": False})
    with Product(patient) as product, RawClient(product.port) as client:
        client.send(request("Content-Length: 5", start="POST / HTTP/1.1", body=b"hello"))
        client.half_close()
        assert client.final().body == b"ok"
        client.expect_end()


def test_9_6_a_client_that_is_gone_in_the_middle_of_a_response(backend: Backend, client: RawClient) -> None:
    client.send(GET)
    upstream = backend.accept()
    upstream.request()
    upstream.send(response("Content-Length: 1000000") + b"hello")
    client.read_until(b"hello")
    client.reset()
    upstream.expect_end()


def test_a_cancelled_exchange_disturbs_no_other(
    backend: Backend, client: RawClient, connect: Callable[[], RawClient]
) -> None:
    other = connect()
    other.send(request(start="GET /other HTTP/1.1"))
    others = backend.accept()
    others.request()
    client.send(GET)
    upstream = backend.accept()
    upstream.request()
    client.reset()
    upstream.expect_end()
    others.send(OK)
    assert other.final().body == b"ok"
