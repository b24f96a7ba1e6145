"""The side that clients are connected to: reads requests, sends responses (RFC 9112)."""

from __future__ import annotations

import pytest

from codec.corpus import get, head, post
from codec.playbook import END, Playbook, data, ok, request, response, server_asked, trailers
from headgate.core.events import Event, Reset, Tunnel
from headgate.core.http1 import Http1Server, ProtocolError, Reading
from headgate.core.output import Output

CHUNKED = b"Transfer-Encoding: chunked"


def server() -> Playbook:
    return Playbook(Http1Server())


# Reading bodies: RFC 9112 sections 6 and 7.


def test_a_request_without_a_body_is_one_event() -> None:
    server().receive(get(), "GET / last")


def test_a_body_with_a_length_comes_as_it_comes() -> None:
    play = server().receive(post(b"Content-Length: 5"), "POST / length=5")
    play.receive(b"he", "data 'he'")
    play.receive(b"llo", "data 'llo' last")


def test_a_head_and_its_body_in_one_read() -> None:
    server().receive(post(b"Content-Length: 2", body=b"hi"), "POST / length=2", "data 'hi' last")


def test_a_chunked_body_loses_its_chunks() -> None:
    play = server().receive(post(CHUNKED), "POST / chunked")
    play.receive(b"3;ext\r\nabc\r\n2\r\nd", "data 'abc'", "data 'd'")
    play.receive(b"e\r\n0\r\n", "data 'e'")
    play.receive(b"\r\n", "data '' last")


def test_trailers_end_a_body() -> None:
    play = server().receive(post(CHUNKED), "POST / chunked")
    play.receive(b"0\r\nX-Sum: 1\r\nY: 2\r\n\r\n", "trailers X-Sum: 1, Y: 2")
    assert play.codec.reading == Reading.READ_HELD


def test_trailers_that_frame_or_route_are_not_sent_on() -> None:
    play = server().receive(post(CHUNKED), "POST / chunked")
    play.receive(b"0\r\nContent-Length: 3\r\nX: y\r\nHost: b\r\nAuthorization: c\r\n\r\n", "trailers X: y")


def test_extensions_of_a_message_are_bounded_together() -> None:
    play = server().receive(post(CHUNKED), "POST / chunked")
    chunk = b"1;" + b"x" * 4000 + b"\r\na\r\n"
    for _ in range(4):
        play.receive(chunk, "data 'a'")
    play.receive(chunk, "violation 400 chunk extensions too large")


@pytest.mark.parametrize(
    ("begun", "reason"),
    [
        (b"", None),
        (b"\r\n", None),
        (b"GET", "connection closed within a head"),
        (get()[:-2], "connection closed within a head"),
        (post(b"Content-Length: 1"), "connection closed within a body"),
        (post(CHUNKED), "connection closed within a body"),
        (post(CHUNKED, body=b"1"), "connection closed within a body"),
        (post(CHUNKED, body=b"1;x"), "connection closed within a body"),
        (post(CHUNKED, body=b"1\r"), "connection closed within a body"),
        (post(CHUNKED, body=b"2\r\na"), "connection closed within a body"),
        (post(CHUNKED, body=b"1\r\na"), "connection closed within a body"),
        (post(CHUNKED, body=b"1\r\na\r"), "connection closed within a body"),
        (post(CHUNKED, body=b"0\r\n"), "connection closed within a body"),
        (post(CHUNKED, body=b"0\r\nX: y\r\n"), "connection closed within a body"),
        (get(), None),
    ],
)
def test_the_end_in_every_state(begun: bytes, reason: str | None) -> None:
    """A message that was cut short is reset; between messages the client opens no new one."""
    play = server()
    if begun:
        play.codec.receive(begun)
    play.end(f"reset {reason}" if reason else "closing")
    play.end()


# Writing: RFC 9112 sections 6, 7 and 9.


def test_a_response_with_a_length() -> None:
    play = server_asked().send(ok(b"Content-Length: 2", b"X: y"), data(b"hi", last=True))
    play.writes(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\r\nhi")


def test_a_response_without_a_length_is_chunked() -> None:
    play = server_asked().send(ok(b"X: y"), data(b"hello"), data(), data(b"x" * 17), END)
    play.writes(
        b"HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n11\r\nxxxxxxxxxxxxxxxxx\r\n0\r\n\r\n"
    )


def test_the_last_data_may_end_the_chunks() -> None:
    play = server_asked().send(ok(), data(b"hi", last=True))
    play.writes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")


def test_chunk_framing_of_the_upstream_ends_here() -> None:
    play = server_asked().send(ok(CHUNKED), data(b"hi", last=True))
    play.writes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")


def test_trailers_go_behind_the_last_chunk() -> None:
    play = server_asked().send(ok(), data(b"hi"), trailers(b"X: y", b"Host: b"))
    play.writes(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n",
    )
    play.next()


def test_trailers_are_dropped_where_they_cannot_go() -> None:
    play = server_asked().send(ok(b"Content-Length: 2"), data(b"hi"), trailers(b"X: y"))
    play.writes(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").next()


def test_large_bodies_are_borrowed_until_they_are_written() -> None:
    play = server_asked().send(ok(b"Content-Length: 9000"))
    play.send(data(b"a" * 4000), data(b"b" * 10), data(b"c" * 4990, last=True))
    play.writes(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + b"a" * 4000 + b"b" * 10 + b"c" * 4990)
    play.writes(b"")


def test_http10_without_a_length_ends_with_the_connection() -> None:
    play = server().receive(b"GET / HTTP/1.0\r\n\r\n", "GET / 1.0 close last")
    play.send(ok(b"X: y"), data(b"hi"), END)
    play.writes(b"HTTP/1.1 200 OK\r\nX: y\r\nConnection: close\r\n\r\nhi")
    play.next("closing")


def test_http10_keep_alive_is_confirmed() -> None:
    play = server().receive(head(b"GET / HTTP/1.0", b"Host: a", b"Connection: keep-alive"), "GET / 1.0 last")
    play.send(ok(b"Content-Length: 2"), data(b"hi", last=True))
    play.writes(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nhi")
    play.next()


def test_http10_keep_alive_ends_when_only_the_end_can_frame() -> None:
    play = server().receive(head(b"GET / HTTP/1.0", b"Host: a", b"Connection: keep-alive"), "GET / 1.0 last")
    play.send(ok(CHUNKED), data(b"hi", last=True))
    play.writes(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhi")
    play.next("closing")


@pytest.mark.parametrize(
    ("head_of_response", "written"),
    [
        (response(b"HTTP/1.1 204 No Content"), b"HTTP/1.1 204 No Content\r\n\r\n"),
        (response(b"HTTP/1.1 204 No Content", b"Content-Length: 0"), b"HTTP/1.1 204 No Content\r\n\r\n"),
        (
            response(b"HTTP/1.1 304 Not Modified", b"Content-Length: 5"),
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        ),
        (response(b"HTTP/1.1 304 Not Modified", CHUNKED), b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    ],
    ids=["204", "204 with a length", "304 with a length", "304 chunked"],
)
def test_responses_without_a_body(head_of_response: Event, written: bytes) -> None:
    play = server_asked().send(head_of_response).writes(written)
    play.refuses(data(b"x"), "no body").next()
    server_asked().send(head_of_response, END).writes(written).next()


def test_head_is_answered_without_a_body() -> None:
    for fields, written in (
        ([b"Content-Length: 5"], b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ([CHUNKED], b"HTTP/1.1 200 OK\r\n\r\n"),
    ):
        play = server_asked(b"HEAD / HTTP/1.1").send(
            response(b"HTTP/1.1 200 OK", *fields, asked=b"HEAD"), END
        )
        play.writes(written).next()


def test_205_is_framed_as_any_other() -> None:
    play = server_asked().send(response(b"HTTP/1.1 205 Reset Content"), END)
    play.writes(b"HTTP/1.1 205 Reset Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")


def test_interim_responses_come_before_the_final_one() -> None:
    play = server_asked(b"POST / HTTP/1.1", b"Content-Length: 2", b"Expect: 100-continue")
    play.send(response(b"HTTP/1.1 100 Continue"))
    play.writes(b"HTTP/1.1 100 Continue\r\n\r\n")
    play.receive(b"hi", "data 'hi' last")
    play.send(response(b"HTTP/1.1 103 Early Hints", b"Link: </a>"))
    play.send(ok(b"Content-Length: 0"), END)
    play.writes(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def test_close_is_said_when_the_connection_ends() -> None:
    play = server_asked(b"GET / HTTP/1.1", b"Connection: close")
    play.send(ok(b"Content-Length: 0"), END)
    play.writes(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    play = server_asked()
    assert isinstance(play.codec, Http1Server)
    play.codec.closing = True
    play.send(ok(b"Content-Length: 0"), END)
    play.writes(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def test_hop_by_hop_fields_of_the_upstream_are_dropped() -> None:
    play = server_asked().send(
        ok(
            b"Connection: X-Hop, keep-alive", b"X-Hop: 1", b"Keep-Alive: timeout=5",
            b"Proxy-Connection: close", b"X: y", b"Content-Length: 0",
        ),
        END,
    )  # fmt: skip
    play.writes(b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 0\r\n\r\n")


# Pipelining: RFC 9112 section 9.3.2.


def test_the_next_request_waits_for_the_response() -> None:
    play = server().receive(get(target=b"/1") + get(target=b"/2")[:7], "GET /1 last")
    assert play.codec.held_bytes == 7
    play.receive(get(target=b"/2")[7:])
    play.send(ok(b"Content-Length: 0"), END)
    play.next("#1 GET /2 last")
    assert play.codec.held_bytes == 0
    play.send(ok(b"Content-Length: 0"), END).next()
    play.receive(get(), "#2 GET / last")


def test_a_held_body_comes_with_its_head() -> None:
    play = server().receive(get() + post(b"Content-Length: 3", body=b"abc") + get(), "GET / last")
    play.send(ok(b"Content-Length: 0"), END)
    play.next("#1 POST / length=3", "#1 data 'abc' last")
    play.send(ok(b"Content-Length: 0"), END)
    play.next("#2 GET / last")


def test_the_end_behind_held_requests_comes_behind_them() -> None:
    play = server().receive(get() + get(target=b"/2"), "GET / last").end()
    play.send(ok(b"Content-Length: 0"), END).next("#1 GET /2 last", "closing")
    play.send(ok(b"Content-Length: 0"), END).next("closing")


def test_the_end_within_a_held_message_resets_it() -> None:
    play = server().receive(get() + post(b"Content-Length: 3", body=b"a"), "GET / last").end()
    play.send(ok(b"Content-Length: 0"), END)
    play.next("#1 POST / length=3", "#1 data 'a'", "#1 reset connection closed within a body")
    play = server().receive(get() + b"GET /", "GET / last").end()
    play.send(ok(b"Content-Length: 0"), END).next("#1 reset connection closed within a head")


def test_a_violation_behind_a_request_waits_its_turn() -> None:
    play = server().receive(get() + b"\0", "GET / last")
    play.send(ok(b"Content-Length: 0"), END)
    play.next("#1 violation 400 malformed method")


def test_what_follows_a_last_request_is_not_read() -> None:
    play = server().receive(get(b"Connection: close") + get(), "GET / close last")
    play.send(ok(b"Content-Length: 0"), END).next("closing").receive(get()).end()


def test_nothing_is_next_while_a_request_is_being_read() -> None:
    server().receive(post(b"Content-Length: 3"), "POST / length=3").next()


# Tunnels: RFC 9110 section 7.8.

UPGRADE = (b"Connection: Upgrade", b"Upgrade: websocket")


def switching() -> Event:
    return response(b"HTTP/1.1 101 Switching Protocols", *UPGRADE, b"X: y", asked=b"UPGRADE")


def test_an_upgrade_becomes_a_tunnel() -> None:
    play = server_asked(b"GET / HTTP/1.1", *UPGRADE)
    assert play.head is not None
    assert play.head.upgrade_text == "websocket"
    play.send(switching())
    play.writes(
        b"HTTP/1.1 101 Switching Protocols\r\nX: y\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    play.receive(b"\r\n\0GET / HTTP/1.1\r\n\r\n", "data '\\r\\n\\x00GET / HTTP/1.1\\r\\n\\r\\n'")
    play.send(data(b"\0\1"), data(b"x" * 5000, last=True)).writes(b"\0\1" + b"x" * 5000)
    play.refuses(data(b"x"), "no body")
    play.end("data '' last").end()


def test_what_came_before_the_switch_belongs_to_the_tunnel() -> None:
    play = server_asked(b"GET / HTTP/1.1", *UPGRADE).receive(b"early")
    play.send(switching()).next("data 'early'").next()
    play.receive(b"late", "data 'late'")


def test_an_end_before_the_switch_ends_the_tunnel() -> None:
    play = server_asked(b"GET / HTTP/1.1", *UPGRADE).receive(b"early").end()
    play.send(switching()).next("data 'early'", "data '' last").next()


def test_a_tunnel_can_begin_without_a_head() -> None:
    server_asked().send(Tunnel()).receive(b"\0", "data '\\x00'").send(data(b"x")).writes(b"x")


def test_an_upgrade_that_is_declined() -> None:
    play = server_asked(b"GET / HTTP/1.1", *UPGRADE).send(ok(b"Content-Length: 0"), END)
    play.writes(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").next()


@pytest.mark.parametrize(
    "lines",
    [
        (b"Upgrade: websocket",),
        (b"Connection: Upgrade",),
        (b"Connection: Upgrade", b"Upgrade: h2c"),
        (b"Connection: Upgrade", b"Upgrade: websocket, h2c"),
        (b"Connection: Upgrade", b"Upgrade: a", b"Upgrade: b"),
        (*UPGRADE, b"Content-Length: 3"),
        (*UPGRADE, CHUNKED),
    ],
)
def test_upgrades_that_end_here(lines: tuple[bytes, ...]) -> None:
    play = server_asked(b"GET / HTTP/1.1", *lines)
    assert play.head is not None
    assert play.head.upgrade_text is None
    assert not any(name.lower() in {b"upgrade", b"connection"} for name, _ in play.fields)


def test_http10_never_upgrades() -> None:
    play = server_asked(b"GET / HTTP/1.0", *UPGRADE)
    assert play.head is not None
    assert play.head.upgrade_text is None


# Violations: the answer of the proxy still goes out.


def test_a_violation_can_be_answered() -> None:
    play = server().receive(b"\0", "violation 400 malformed method")
    play.send(response(b"HTTP/1.1 400 Bad Request", b"Content-Length: 2"), data(b"no", last=True))
    play.writes(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
    play.receive(get()).end().next()


def test_the_answer_to_a_violation_is_not_that_to_the_request_before() -> None:
    play = server_asked(b"HEAD / HTTP/1.1").send(
        response(b"HTTP/1.1 200 OK", b"Content-Length: 2", asked=b"HEAD"), END
    )
    play.next().receive(b"\0", "#1 violation 400 malformed method")
    play.codec.output()
    play.send(response(b"HTTP/1.1 400 No", b"Content-Length: 2"), data(b"no", last=True))
    play.writes(b"HTTP/1.1 400 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")


# Our own mistakes.


def test_one_response_for_one_request() -> None:
    play = server_asked().send(ok(b"Content-Length: 2")).refuses(ok(), "under way or complete")
    play.send(data(b"hi", last=True)).refuses(ok(), "under way or complete")


@pytest.mark.parametrize("body", [data(b"abc"), data(b"a", last=True), END, trailers(b"X: y")])
def test_a_body_fits_its_length(body: Event) -> None:
    server_asked().send(ok(b"Content-Length: 2")).refuses(body, "does not fit")


def test_nothing_follows_the_last_data() -> None:
    play = server_asked().send(ok(), END)
    play.refuses(data(b"x"), "no body").refuses(trailers(b"X: y"), "no body")


def test_a_response_is_complete_before_the_next_request() -> None:
    for events in ([], [ok(b"Content-Length: 2")], [ok()], [ok(), data(b"x")]):
        play = server_asked().send(*events)
        with pytest.raises(ProtocolError, match="not complete"):
            play.codec.next()


def test_only_what_a_server_sends() -> None:
    server_asked().refuses(request(b"GET / HTTP/1.1"), "sends responses")
    with pytest.raises(TypeError):
        server().codec.send(Reset("no"))
    server().refuses(data(b"x"), "no body")


# Settings.


def test_limits_are_settings() -> None:
    long = get(b"X: " + b"a" * 200)
    Playbook(Http1Server(head_bytes=len(long))).receive(long, "GET / last")
    Playbook(Http1Server(head_bytes=len(long) - 1)).receive(long, "violation 431 head too large")
    Playbook(Http1Server(head_fields=1)).receive(get(), "GET / last")
    Playbook(Http1Server(head_fields=1)).receive(get(b"X: y"), "violation 431 too many fields")


def test_the_path_policy_is_a_setting() -> None:
    Playbook(Http1Server(path_policy=1)).receive(get(target=b"/a%2Fb"), "violation 400 path refused")
    play = Playbook(Http1Server(path_policy=2)).receive(get(target=b"/a%2Fb"), "GET /a%2Fb last")
    assert play.head is not None
    assert play.head.path_text == "/a/b"


def test_codecs_can_share_an_output() -> None:
    output = Output()
    play = Playbook(Http1Server(output)).receive(get(), "GET / last").send(ok(b"Content-Length: 0"), END)
    assert output.take() == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    play.writes(b"")


def test_there_is_no_deadline() -> None:
    assert server().codec.deadline() is None
