"""The side that is connected to an endpoint: sends requests, reads responses (RFC 9112)."""

from __future__ import annotations

import pytest

from codec.corpus import head, ok
from codec.playbook import END, Playbook, client_asking, data, request, response, trailers
from headgate.core.events import Event, Tunnel
from headgate.core.http1 import Http1Client, Reading

CHUNKED = b"Transfer-Encoding: chunked"
UPGRADE = (b"Connection: Upgrade", b"Upgrade: websocket")


def client(*events: Event) -> Playbook:
    return Playbook(Http1Client()).send(*events)


def persistent(play: Playbook) -> bool:
    assert isinstance(play.codec, Http1Client)
    return play.codec.persistent


# Sending.


def test_a_request_goes_out_as_it_came() -> None:
    play = client(request(b"GET /a?b=c HTTP/1.1", b"X-one: 1", b"x-TWO:2", b"Cookie: a=b"))
    play.writes(b"GET /a?b=c HTTP/1.1\r\nHost: a\r\nX-one: 1\r\nx-TWO:2\r\nCookie: a=b\r\n\r\n")


def test_the_path_that_was_matched_is_the_path_that_is_sent() -> None:
    client(request(b"GET /a/../b/%7ec?d=../e HTTP/1.1")).writes(
        b"GET /b/~c?d=../e HTTP/1.1\r\nHost: a\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("start", "written"),
    [
        (b"GET /?", b"GET /?"),
        (b"GET http://b:80/x?y", b"GET /x?y"),
        (b"GET http://b", b"GET /"),
        (b"GET http://b?y", b"GET /?y"),
        (b"OPTIONS *", b"OPTIONS *"),
        (b"OPTIONS http://b", b"OPTIONS *"),
        (b"OPTIONS http://b/", b"OPTIONS /"),
        (b"M-SEARCH /", b"M-SEARCH /"),
    ],
)
def test_targets_go_out_in_origin_form_or_as_an_asterisk(start: bytes, written: bytes) -> None:
    host = b"b:80" if b"b:80" in start else b"b" if b"http" in start else b"a"
    client(request(start + b" HTTP/1.1")).writes(written + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")


def test_an_http10_request_goes_out_as_http11() -> None:
    client(request(b"GET / HTTP/1.0")).writes(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")


def test_a_body_with_a_length() -> None:
    play = client(request(b"POST / HTTP/1.1", b"Content-Length: 5"), data(b"he"), data(b"llo", last=True))
    play.writes(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")


def test_a_body_of_length_zero() -> None:
    play = client(request(b"POST / HTTP/1.1", b"Content-Length: 0"))
    play.writes(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    play.receive(ok(b"Content-Length: 0"), "200 OK length=0 last").next()
    assert persistent(play)


def test_a_chunked_body_is_chunked_anew() -> None:
    play = client(request(b"POST / HTTP/1.1", CHUNKED), data(b"a" * 16), data(b"b", last=True))
    play.writes(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n"
        + b"a" * 16
        + b"\r\n1\r\nb\r\n0\r\n\r\n"
    )


def test_request_trailers() -> None:
    play = client(request(b"POST / HTTP/1.1", CHUNKED), data(b"a"), trailers(b"X: y"))
    play.writes(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n"
    )


def test_hop_by_hop_fields_end_here() -> None:
    play = client(
        request(
            b"GET / HTTP/1.1", b"Connection: close, X-Hop", b"X-Hop: 1", b"Keep-Alive: 5", b"X: y",
            b"Proxy-Connection: close", b"TE: gzip", b"Upgrade: websocket", b"HTTP2-Settings: AAA",
        )
    )  # fmt: skip
    play.writes(b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n")


def test_that_trailers_are_welcome_is_said_again() -> None:
    play = client(request(b"GET / HTTP/1.1", b"TE: gzip;q=0.5, trailers", b"Connection: TE"))
    play.writes(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: TE\r\nTE: trailers\r\n\r\n")


def test_an_upgrade_is_asked_for_again() -> None:
    client(request(b"GET / HTTP/1.1", *UPGRADE, b"X: y")).writes(
        b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )


def test_expect_goes_through() -> None:
    play = client(request(b"POST / HTTP/1.1", b"Expect: 100-continue", b"Content-Length: 2"))
    play.writes(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    play.receive(ok(start=b"HTTP/1.1 100 Continue"), "100 Continue")
    play.send(data(b"hi", last=True)).writes(b"hi")
    play.receive(ok(b"Content-Length: 0"), "200 OK length=0 last").next()
    assert persistent(play)


# Receiving: RFC 9112 section 6.3.


def test_a_response_with_a_length() -> None:
    play = client_asking().receive(ok(b"Content-Length: 5", body=b"he"), "200 OK length=5", "data 'he'")
    play.receive(b"llo", "data 'llo' last").next()
    assert persistent(play)


def test_a_chunked_response_with_trailers() -> None:
    play = client_asking().receive(ok(CHUNKED, body=b"2\r\nhi\r\n"), "200 OK chunked", "data 'hi'")
    play.receive(b"0\r\nX: y\r\n\r\n", "trailers X: y").next()
    assert persistent(play)


def test_a_response_up_to_the_end() -> None:
    play = client_asking().receive(ok(body=b"he"), "200 OK", "data 'he'").receive(b"llo", "data 'llo'")
    play.end("data '' last").next()
    assert not persistent(play)


@pytest.mark.parametrize("start", [b"HTTP/1.1 204 No Content", b"HTTP/1.1 304 Not Modified"])
@pytest.mark.parametrize("lines", [(), (b"Content-Length: 5",), (CHUNKED,)])
def test_statuses_without_a_body(start: bytes, lines: tuple[bytes, ...]) -> None:
    play = client_asking()
    play.codec.receive(ok(*lines, start=start))
    assert play.codec.reading == Reading.READ_HELD
    play.next()
    assert persistent(play)


@pytest.mark.parametrize("lines", [(), (b"Content-Length: 5",), (CHUNKED,)])
def test_a_response_to_head_has_no_body(lines: tuple[bytes, ...]) -> None:
    play = client_asking(b"HEAD / HTTP/1.1")
    play.codec.receive(ok(*lines))
    assert play.codec.reading == Reading.READ_HELD
    play.next().send(request(b"GET / HTTP/1.1"))
    play.receive(ok(b"Content-Length: 2", body=b"hi"), "#1 200 OK length=2", "#1 data 'hi' last")


def test_interim_responses_come_before_the_final_one() -> None:
    play = client_asking()
    play.receive(ok(start=b"HTTP/1.1 100 Continue") + ok(b"Link: </a>", start=b"HTTP/1.1 103 Hints"),
                 "100 Continue", "103 Hints")  # fmt: skip
    play.receive(ok(b"Content-Length: 0"), "200 OK length=0 last")


def test_http10_does_not_persist_unless_it_says_so() -> None:
    play = client_asking().receive(
        ok(b"Content-Length: 0", start=b"HTTP/1.0 200 OK"), "200 OK 1.0 length=0 close last"
    )
    assert not persistent(play.next())
    play = client_asking().receive(
        ok(b"Content-Length: 0", b"Connection: keep-alive", start=b"HTTP/1.0 200 OK"),
        "200 OK 1.0 length=0 last",
    )
    assert persistent(play.next())


# A connection carries another exchange only when both sides of the last ended clean.


def test_an_exchange_after_the_other() -> None:
    play = client_asking().receive(ok(b"Content-Length: 0"), "200 OK length=0 last").next()
    play.send(request(b"GET / HTTP/1.1"))
    play.receive(ok(b"Content-Length: 1", body=b"a"), "#1 200 OK length=1", "#1 data 'a' last").next()
    play.send(request(b"POST / HTTP/1.1", CHUNKED), END)
    play.receive(ok(CHUNKED, body=b"0\r\n\r\n"), "#2 200 OK chunked", "#2 data '' last").next()
    assert persistent(play)


def test_bytes_behind_a_response_are_nobodys() -> None:
    play = client_asking().receive(
        ok(b"Content-Length: 2", body=b"hi") + ok(), "200 OK length=2", "data 'hi' last"
    )
    assert play.codec.held_bytes == 0
    play.next().refuses(request(b"GET / HTTP/1.1"), "no further request")


def test_bytes_on_an_idle_connection_are_nobodys() -> None:
    play = client().receive(ok(b"Content-Length: 0"))
    play.refuses(request(b"GET / HTTP/1.1"), "no further request")


def test_a_response_before_the_request_is_complete() -> None:
    play = client_asking(b"POST / HTTP/1.1", b"Content-Length: 5")
    play.receive(ok(b"Content-Length: 0", start=b"HTTP/1.1 413 Too Large"), "413 Too Large length=0 last")
    assert not persistent(play.next())
    play.refuses(request(b"GET / HTTP/1.1"), "no further request")


def test_a_response_that_was_not_read_to_its_end() -> None:
    play = client_asking().receive(ok(b"Content-Length: 5"), "200 OK length=5").next()
    play.refuses(request(b"GET / HTTP/1.1"), "under way")
    assert not persistent(play)


def test_a_close_is_remembered() -> None:
    play = client_asking().receive(
        ok(b"Connection: close", b"Content-Length: 0"), "200 OK length=0 close last"
    )
    play.next().refuses(request(b"GET / HTTP/1.1"), "no further request")


@pytest.mark.parametrize(
    ("begun", "event"),
    [
        (b"", "closing"),
        (ok(start=b"HTTP/1.1 100 Continue"), "closing"),
        (b"HTTP/1.1 2", "reset connection closed within a head"),
        (ok(b"Content-Length: 5", body=b"a"), "reset connection closed within a body"),
        (ok(CHUNKED, body=b"1\r\na\r\n"), "reset connection closed within a body"),
        (ok(CHUNKED, body=b"0\r\n"), "reset connection closed within a body"),
        (ok(b"Content-Length: 0"), "closing"),
        (ok(), "data '' last"),
    ],
)
def test_the_end_in_every_state(begun: bytes, event: str) -> None:
    play = client_asking()
    if begun:
        play.codec.receive(begun)
    play.end(event).end()
    assert not persistent(play)
    play.next().receive(b"HTTP/1.1 200 OK\r\n\r\n")


def test_a_violation_ends_the_connection() -> None:
    play = client_asking().receive(b"SSH-2.0\r\n", "violation 400 malformed start line")
    assert not persistent(play)
    play.receive(ok()).next().refuses(request(b"GET / HTTP/1.1"), "under way")


# Tunnels.


def test_a_switch_begins_a_tunnel() -> None:
    play = client_asking(b"GET / HTTP/1.1", *UPGRADE)
    play.receive(
        ok(*UPGRADE, start=b"HTTP/1.1 101 Switch") + b"\0\1", "101 Switch", "tunnel", "data '\\x00\\x01'"
    )
    play.receive(b"\r\n", "data '\\r\\n'").send(data(b"up"), END).writes(b"up")
    play.end("data '' last")
    assert not persistent(play)


def test_a_switch_nobody_asked_for() -> None:
    client_asking().receive(
        ok(*UPGRADE, start=b"HTTP/1.1 101 Switch"), "violation 400 switched protocols unasked"
    )


def test_a_declined_upgrade_keeps_the_connection() -> None:
    play = client_asking(b"GET / HTTP/1.1", *UPGRADE)
    play.receive(ok(b"Content-Length: 0"), "200 OK length=0 last").next()
    assert persistent(play)


# Our own mistakes.


def test_one_request_at_a_time() -> None:
    client_asking().refuses(request(b"GET / HTTP/1.1"), "under way")
    play = client_asking(b"POST / HTTP/1.1", b"Content-Length: 2")
    play.refuses(request(b"GET / HTTP/1.1"), "under way")


def test_a_body_fits_its_length() -> None:
    play = client_asking(b"POST / HTTP/1.1", b"Content-Length: 2")
    play.refuses(data(b"abc"), "does not fit").refuses(END, "does not fit")
    play.send(data(b"hi", last=True)).refuses(data(b"x"), "no body")


def test_no_body_without_framing() -> None:
    client_asking().refuses(data(b"x"), "no body")


def test_only_what_a_client_sends() -> None:
    client().refuses(response(b"HTTP/1.1 200 OK"), "sends requests").refuses(data(b"x"), "no body")
    client().refuses(trailers(b"X: y"), "sends requests|no body")
    play = client_asking()
    play.send(Tunnel(), data(b"x")).writes(b"x")


def test_limits_are_settings() -> None:
    long = head(b"HTTP/1.1 200 OK", b"Content-Length: 0", b"X: " + b"a" * 200)
    for size, line in ((len(long), "200 OK length=0 last"), (len(long) - 1, "violation 431 head too large")):
        play = Playbook(Http1Client(head_bytes=size)).send(request(b"GET / HTTP/1.1"))
        play.receive(long, line)
