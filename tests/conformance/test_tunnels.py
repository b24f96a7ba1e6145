"""Upgrade and WebSocket as tunnels: RFC 9110 section 7.8, RFC 6455 as far as a gateway sees it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

import pytest

from conformance.plays import OK, again, request, response
from support import Backend, Message, RawClient, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = request("Connection: keep-alive, Upgrade", "Upgrade: websocket", KEY, "Sec-WebSocket-Version: 13")
SWITCHING = response(
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    start="HTTP/1.1 101 Switching Protocols",
)


class Tunnel(NamedTuple):
    """Both ends, behind the handshake."""

    client: RawClient
    upstream: Wire
    request: Message
    response: Message


@pytest.fixture
def tunnel(backend: Backend, client: RawClient) -> Tunnel:
    client.send(UPGRADE)
    upstream = backend.accept()
    asked = upstream.request()
    upstream.send(SWITCHING)
    return Tunnel(client, upstream, asked, client.response())


def test_handshake_passes_both_ways(tunnel: Tunnel) -> None:
    for message in (tunnel.request, tunnel.response):
        assert message.get("Upgrade") == "websocket"
        assert "upgrade" in (message.get("Connection") or "").lower()
    assert tunnel.request.get("Sec-WebSocket-Key") == "dGhlIHNhbXBsZSBub25jZQ=="
    assert tunnel.response.status == 101
    assert tunnel.response.get("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert tunnel.response.get("Content-Length") is None
    assert tunnel.response.get("Transfer-Encoding") is None


def test_bytes_pass_as_they_are(tunnel: Tunnel) -> None:
    for data in (b"\x81\x05hello", b"GET /inner HTTP/1.1\r\n\r\n", b"\0", bytes(range(256))):
        tunnel.client.send(data)
        tunnel.upstream.expect(data)
        tunnel.upstream.send(data)
        tunnel.client.expect(data)


def test_bytes_right_behind_the_answer(backend: Backend, client: RawClient) -> None:
    client.send(UPGRADE)
    upstream = backend.accept()
    upstream.request()
    upstream.send(SWITCHING + b"\x81\x02hi")
    assert client.response().status == 101
    client.expect(b"\x81\x02hi")


def test_bytes_right_behind_the_request(backend: Backend, client: RawClient) -> None:
    """They belong to whatever the answer makes of the connection, so they wait for it."""
    client.send(UPGRADE + b"\x81\x02hi")
    upstream = backend.accept()
    upstream.request()
    assert upstream.silent(0.1)
    upstream.send(SWITCHING)
    assert client.response().status == 101
    upstream.expect(b"\x81\x02hi")


@pytest.mark.parametrize("status", ["200 OK", "426 Upgrade Required", "403 Forbidden", "500 Oops"])
def test_refused_upgrade_is_an_ordinary_exchange(backend: Backend, client: RawClient, status: str) -> None:
    client.send(UPGRADE + request(start="GET /b HTTP/1.1"))
    upstream = backend.accept()
    upstream.request()
    upstream.send(
        response("Upgrade: websocket", "Connection: Upgrade", start=f"HTTP/1.1 {status}", body=b"no")
    )
    assert client.final().body == b"no"
    following = upstream.request()
    assert following.target == "/b"
    assert following.get("Upgrade") is None
    upstream.send(OK)
    assert client.final().body == b"ok"


@pytest.mark.parametrize("protocol", ["h2c", "H2C", "h2c, websocket", "websocket ,h2c"])
def test_protocols_that_would_hide_requests_are_not_asked_for(
    backend: Backend, client: RawClient, protocol: str
) -> None:
    lines = ["Connection: Upgrade, HTTP2-Settings", f"Upgrade: {protocol}", "HTTP2-Settings: AAMAAABk"]
    client.send(request(*lines))
    upstream = backend.accept()
    asked = upstream.request()
    assert "h2c" not in (asked.get("Upgrade") or "").lower()
    assert asked.get("HTTP2-Settings") is None
    assert ("upgrade" in (asked.get("Connection") or "").lower()) == (asked.get("Upgrade") is not None)
    upstream.send(OK)
    assert again(client, upstream).response.body == b"ok"


def test_upgrade_of_http_1_0_is_ignored(backend: Backend, client: RawClient) -> None:
    client.send(request("Connection: Upgrade", "Upgrade: websocket", start="GET / HTTP/1.0"))
    upstream = backend.accept()
    assert upstream.request().get("Upgrade") is None
    upstream.send(OK)
    assert client.final().status == 200


def test_another_protocol_than_asked_for_is_refused(backend: Backend, client: RawClient) -> None:
    client.send(UPGRADE)
    upstream = backend.accept()
    upstream.request()
    upstream.send(response("Upgrade: other", "Connection: Upgrade", start="HTTP/1.1 101 Switching Protocols"))
    assert client.response().status == 502
    upstream.expect_end()


@pytest.mark.parametrize("framing", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_upgrade_with_a_body_is_not_asked_for(backend: Backend, client: RawClient, framing: str) -> None:
    """Servers differ on whether the body or the new protocol begins behind such a head (llhttp and
    h11 do), so the request goes on without its Upgrade.
    """
    body = b"hello" if "Length" in framing else b"5\r\nhello\r\n0\r\n\r\n"
    lines = ["Connection: Upgrade", "Upgrade: websocket", framing]
    client.send(request(*lines, start="POST / HTTP/1.1", body=body))
    upstream = backend.accept()
    asked = upstream.request()
    assert asked.body == b"hello"
    assert asked.get("Upgrade") is None
    upstream.send(SWITCHING)
    assert client.response().status == 502


def test_interim_responses_before_the_switch(backend: Backend, client: RawClient) -> None:
    client.send(UPGRADE)
    upstream = backend.accept()
    upstream.request()
    upstream.send(response(start="HTTP/1.1 103 Early Hints") + SWITCHING)
    assert [client.response().status for _ in range(2)] == [103, 101]


def test_client_half_closes(tunnel: Tunnel) -> None:
    tunnel.client.send(b"last words")
    tunnel.client.half_close()
    assert tunnel.upstream.read_to_end() == b"last words"
    tunnel.upstream.send(b"answer")
    tunnel.client.expect(b"answer")
    tunnel.upstream.close()
    tunnel.client.expect_end()


def test_backend_half_closes(tunnel: Tunnel) -> None:
    tunnel.upstream.send(b"last words")
    tunnel.upstream.half_close()
    assert tunnel.client.read_to_end() == b"last words"
    tunnel.client.send(b"answer")
    tunnel.upstream.expect(b"answer")
    tunnel.client.close()
    tunnel.upstream.expect_end()


def test_client_resets(tunnel: Tunnel) -> None:
    tunnel.client.reset()
    tunnel.upstream.expect_end()


def test_backend_resets(tunnel: Tunnel) -> None:
    tunnel.upstream.reset()
    tunnel.client.expect_end()


def test_large_transfers_both_ways_at_once(tunnel: Tunnel) -> None:
    data = bytes(range(256)) * 16384  # 4 MiB
    senders = [threading.Thread(target=end.send, args=(data,)) for end in (tunnel.client, tunnel.upstream)]
    for sender in senders:
        sender.start()
    readers = [threading.Thread(target=end.expect, args=(data,)) for end in (tunnel.client, tunnel.upstream)]
    for reader in readers:
        reader.start()
    for thread in (*senders, *readers):
        thread.join()
    assert [len(end.received) >= len(data) for end in (tunnel.client, tunnel.upstream)] == [True, True]
    assert tunnel.client.rest == tunnel.upstream.rest == b""


def test_handshake_in_single_bytes(backend: Backend, client: RawClient) -> None:
    client.send_bytewise(UPGRADE, pace=0)
    upstream = backend.accept()
    upstream.request()
    upstream.send_bytewise(SWITCHING + b"hi", pace=0)
    assert client.response().status == 101
    client.expect(b"hi")


def test_a_tunnel_disturbs_no_other(
    tunnel: Tunnel, backend: Backend, connect: Callable[[], RawClient]
) -> None:
    other = connect()
    other.send(request(start="GET /other HTTP/1.1"))
    upstream = backend.accept()
    assert upstream.request().target == "/other"
    upstream.send(OK)
    assert other.final().body == b"ok"
    tunnel.client.send(b"x")
    tunnel.upstream.expect(b"x")
