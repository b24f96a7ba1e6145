"""Bodies of HTTP/2: DATA, windows of both directions, queues, trailers (RFC 9113 sections 5.2 and 6.9)."""

from __future__ import annotations

from struct import iter_unpack, pack

import pytest

from codec.playbook import trailers
from codec.subjects import request_head, response_head
from headgate.core.events import Credit, Data, Reset
from headgate.core.http2 import Http2Client, Http2ProtocolError, Http2Server
from support.frames import (
    ACK,
    BEGIN,
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    POST,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    answer,
    data,
    frame,
    frames,
    headers,
    request,
    reset,
    settings,
    window_update,
)
from unit.core.http2_stage import OK, body, client, code_of, describe, of_kind, respond, server

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
POST_CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
OPEN = request(pseudo=POST, last=False)
FLOW = 3  # FLOW_CONTROL_ERROR


def answering(*, window: int = 65535, streams: int = 1, head: bytes = CHUNKED) -> Http2Server:
    """A server that has begun to answer requests, to a client with such windows of streams."""
    codec = server()
    codec.receive(settings((4, window)))
    for stream in range(1, 2 * streams, 2):
        codec.receive(request(stream=stream))
        codec.send(response_head(head), stream)
    codec.output()
    return codec


def sizes(output: bytes) -> list[tuple[int, int, bool]]:
    return [(f.stream, len(f.payload), bool(f.flags & END_STREAM)) for f in frames(output) if f.kind == DATA]


# --- Receiving ----------------------------------------------------------------------------------


def test_data_is_handed_on_as_it_comes() -> None:
    codec = server()
    codec.receive(OPEN)
    said = data(b"hello") + data(b" world", last=True)
    events = [event for at in range(len(said)) for event in codec.receive(said[at : at + 1])]
    assert body(events) == b"hello world"
    assert [event.last for event in events] == [False] * 10 + [True]


def test_padding_is_left_out_and_credited() -> None:
    codec = server(window_bytes=65535, budget_bytes=65535)
    codec.receive(OPEN)
    said = frame(DATA, PADDED, 1, b"\xff" + b"abc" + bytes(255))
    for _ in range(200):
        assert body(codec.receive(said)) == b"abc"
    updates = of_kind(codec.output(), WINDOW_UPDATE)
    assert {update.stream for update in updates} == {0, 1}
    assert sum(update.number for update in updates if update.stream == 0) in range(32768, 256 * 200 + 1)
    (event,) = codec.receive(frame(DATA, PADDED | END_STREAM, 1, b"\x02ab"))
    assert event.describe() == ("Data", 1, b"", True)


@pytest.mark.parametrize(
    ("length", "pieces"),
    [(b"3", [b"ab"]), (b"3", [b"abcd"]), (b"3", [b"ab", b"cd"]), (b"0", [b"a"]), (b"3", [b""])],
)
def test_a_body_fits_its_length(length: bytes, pieces: list[bytes]) -> None:
    codec = server()
    codec.receive(request((b"content-length", length), pseudo=POST, last=False))
    said = b"".join(data(piece) for piece in pieces[:-1]) + data(pieces[-1], last=True)
    (event,) = codec.receive(said)[1 if len(pieces) > 1 else 0 :]
    assert isinstance(event, Reset), "nothing of the frame that does not fit is handed on"
    assert code_of(codec) == (1, 1)


def test_trailers_may_not_come_too_early() -> None:
    codec = server()
    codec.receive(request((b"content-length", b"3"), pseudo=POST, last=False) + data(b"ab"))
    (event,) = codec.receive(headers([(b"x", b"y")]))
    assert isinstance(event, Reset)


def test_a_body_of_the_right_length() -> None:
    codec = server()
    said = request((b"content-length", b"3"), pseudo=POST, last=False) + data(b"ab") + data(b"c", last=True)
    assert body(codec.receive(said)) == b"abc"
    assert codec.output() == b""


def test_what_comes_behind_a_reset_of_ours_is_credited() -> None:
    codec = server(window_bytes=65535, budget_bytes=65535)
    codec.receive(OPEN + data(b"x" * 100)[:50])
    codec.reset(1, 8)
    codec.output()
    assert codec.receive(data(b"x" * 100)[50:] + data(bytes(16384)) * 2) == []
    codec.take(1, 41)
    (update,) = frames(codec.output())
    assert (update.kind, update.stream) == (WINDOW_UPDATE, 0)
    assert update.number >= 32768


def test_windows_are_credited_by_halves() -> None:
    codec = server(window_bytes=65536, budget_bytes=1 << 20)
    codec.receive(OPEN + data(bytes(16384)) * 3)
    codec.take(1, 32767)
    assert of_kind(codec.output(), WINDOW_UPDATE) == []
    codec.take(1, 1)
    (update,) = of_kind(codec.output(), WINDOW_UPDATE)
    assert (update.stream, update.number) == (1, 32768)


def test_a_window_smaller_than_the_usual_one() -> None:
    """It holds from the peer's acknowledgement on, and streams that began before are brought to it (RFC 9113
    section 6.9.2), below nothing too.
    """
    codec = Http2Server(window_bytes=20_000, budget_bytes=1 << 20)
    codec.begin()
    codec.receive(PREFACE + settings() + OPEN)
    said = frames(codec.output())
    assert dict(iter_unpack(">HI", said[0].payload))[4] == 20_000
    assert body(codec.receive(data(bytes(16384)) * 3 + data(bytes(16383)))) == bytes(65535)
    assert codec.receive(frame(SETTINGS, ACK) + data(b"")) == []
    codec.take(1, 65535)
    (update,) = of_kind(codec.output(), WINDOW_UPDATE)
    assert update.number == 65535
    assert body(codec.receive(data(bytes(16384)) + data(bytes(20_000 - 16384)))) == bytes(20_000)
    codec.receive(request(stream=3, pseudo=POST, last=False) + data(bytes(16384), 3))
    for stream, more in ((1, 1), (3, 20_000 - 16384 + 1)):
        codec.receive(data(bytes(more), stream))
        assert code_of(codec) == (stream, FLOW)


def test_a_stream_that_nobody_reads_stops_only_itself() -> None:
    codec = server()
    codec.receive(OPEN + data(bytes(16384)) * 4)
    assert codec.output() == b""
    (event,) = codec.receive(request(stream=3, pseudo=POST, last=False))[:1]
    for _ in range(2000):
        assert body(codec.receive(data(bytes(16384), 3))) == bytes(16384)
        codec.take(3, 16384)
    updates = of_kind(codec.output(), WINDOW_UPDATE)
    assert sum(update.number for update in updates if update.stream == 0) > 16 << 20
    assert event.stream == 3


def window_of(codec: Http2Server, stream: int, *, in_flight: int = 1 << 30) -> int:
    """Upload as fast as the window allows, on a path that holds `in_flight` bytes; how large it becomes.
    Each turn is a round trip: what the server says is heard in the next one.
    """
    left = largest = 65536
    pings: list[bytes] = []
    for _ in range(200):
        for opaque in pings:  # they overtake data, and what was said with them is used behind them
            codec.receive(frame(PING, ACK, payload=opaque))
        sent = min(left, in_flight)
        left -= sent
        for at in range(0, sent, 16384):
            part = min(16384, sent - at)
            assert body(codec.receive(data(bytes(part), stream))) == bytes(part)
        codec.take(stream, sent)
        said = frames(codec.output())
        pings = [each.payload for each in said if each.kind == PING and not each.flags]
        left += sum(each.number for each in said if each.kind == WINDOW_UPDATE and each.stream == stream)
        largest = max(largest, left)
    return largest


def test_windows_grow_while_they_are_what_limits() -> None:
    """64 KiB to more than the 6.25 MB that a path of 1 Gbit/s and 50 ms holds, within the budget."""
    codec = server()
    codec.receive(OPEN)
    assert 7 << 20 < window_of(codec, 1) <= 17 << 20
    codec.receive(request(stream=3, pseudo=POST, last=False))
    assert window_of(codec, 3) <= 128 << 10, "the budget is shared"
    codec.reset(1, 8)
    codec.receive(request(stream=5, pseudo=POST, last=False))
    assert window_of(codec, 5) >= 7 << 20, "and given back"


def test_windows_do_not_grow_on_a_short_path() -> None:
    codec = server()
    codec.receive(OPEN)
    assert window_of(codec, 1, in_flight=16384) <= 65536


def test_a_reset_in_the_middle_of_a_frame() -> None:
    """An early answer and a reset, while the end of the body is on its way (RFC 9113 section 8.1)."""
    codec = server()
    said = data(b"hello", last=True)
    codec.receive(OPEN + said[:11])
    respond(codec)
    codec.reset(1, 0)
    codec.output()
    assert codec.receive(said[11:]) == []
    assert codec.receive(request(stream=3)) != []


# --- Sending ------------------------------------------------------------------------------------


def test_data_goes_straight_out() -> None:
    codec = answering()
    codec.send(Data(b"hello", 1))
    codec.send(Data(b"x" * 40000, 1))
    codec.send(Data(b"", 1, last=True))
    output = codec.output()
    assert sizes(output) == [
        (1, 5, False),
        (1, 16384, False),
        (1, 16384, False),
        (1, 7232, False),
        (1, 0, True),
    ]
    assert b"".join(f.payload for f in frames(output)) == b"hello" + b"x" * 40000
    assert codec.open_streams == 0


def test_the_window_of_a_stream_stops_it() -> None:
    codec = answering(window=10, streams=2)
    codec.send(Data(b"abcdefghijklmno", 1, last=True))
    assert sizes(codec.output()) == [(1, 10, False)]
    assert codec.waits(1) == 5
    codec.send(Data(b"ok", 3, last=True))
    assert sizes(codec.output()) == [(3, 2, True)]
    assert codec.receive(window_update(3, 1)) == []
    assert codec.go_on() == []
    assert sizes(codec.output()) == [(1, 3, False)]
    codec.receive(settings((4, 12)))
    (credit,) = codec.go_on()
    assert isinstance(credit, Credit)
    assert credit.stream == 1
    assert sizes(codec.output()) == [(1, 2, True)]
    assert codec.open_streams == 0


def test_a_window_may_become_negative() -> None:
    codec = answering(window=10)
    codec.send(Data(b"abcdefghijklmno", 1, last=True))
    codec.receive(settings((4, 0)) + window_update(10, 1))
    codec.go_on()
    assert sizes(codec.output()) == [(1, 10, False)]
    codec.receive(window_update(3, 1))
    codec.go_on()
    assert sizes(codec.output()) == [(1, 3, False)]


def test_the_window_of_the_connection_stops_all() -> None:
    codec = answering(window=1 << 20, streams=2)
    codec.send(Data(bytes(65530), 1))
    codec.send(Data(b"abcdefgh", 3, last=True))
    codec.send(Data(b"x", 1, last=True))
    assert sum(size for _, size, _ in sizes(codec.output())) == 65535
    assert (codec.waits(1), codec.waits(3)) == (1, 3)
    codec.receive(window_update(100))
    assert {event.stream for event in codec.go_on()} == {1, 3}
    assert {stream: last for stream, _, last in sizes(codec.output())} == {1: True, 3: True}


def test_the_room_of_the_driver_stops_all() -> None:
    codec = answering(window=1 << 20)
    codec.set_room(100)
    codec.send(Data(b"x" * 150, 1))
    assert sizes(codec.output()) == [(1, 100, False)]
    assert codec.go_on(20) == []
    assert sizes(codec.output()) == [(1, 20, False)]
    assert [event.stream for event in codec.go_on(1000)] == [1]
    assert sizes(codec.output()) == [(1, 30, False)]


def test_pieces_are_queued_behind_one_another() -> None:
    codec = answering(window=0)
    whole = b""
    for number in range(2000):
        piece = b"%d " % number
        whole += piece
        codec.send(Data(piece, 1))
    codec.send(Data(b"", 1, last=True))
    assert codec.waits(1) == len(whole)
    codec.receive(settings((4, 65535)))
    codec.go_on()
    output = codec.output()
    assert b"".join(f.payload for f in frames(output)) == whole
    assert sizes(output)[-1][2]


def test_trailers_follow_what_is_queued() -> None:
    codec = answering(window=3)
    codec.send(Data(b"hello", 1))
    codec.send(trailers(b"X-Sum: 5"), 1)
    assert sizes(codec.output()) == [(1, 3, False)]
    codec.receive(window_update(10, 1))
    assert [event.stream for event in codec.go_on()] == [1]
    *_, body_frame, last = frames(codec.output())
    assert (body_frame.payload, body_frame.flags) == (b"lo", 0)
    assert last.flags & END_STREAM
    assert last.kind == HEADERS
    assert codec.open_streams == 0


def test_trailers_at_once_and_empty_ones() -> None:
    codec = answering(streams=2)
    codec.send(trailers(b"X-Sum: 5"), 1)
    codec.send(trailers(b"Content-Length: 5"), 3)
    first, second = frames(codec.output())
    assert (first.kind, first.flags & END_STREAM) == (HEADERS, END_STREAM)
    assert (second.kind, second.flags, second.payload) == (DATA, END_STREAM, b"")


def test_a_reset_drops_what_is_queued() -> None:
    codec = answering(window=0)
    codec.send(Data(bytes(100_000), 1, last=True))
    codec.reset(1, 2)
    assert codec.output() == reset(1, 2)
    codec.receive(window_update(100_000, 1))
    assert codec.go_on() == []
    assert codec.output() == b""
    assert codec.kept_bytes < 10_000


def test_the_peer_resets_what_is_queued() -> None:
    codec = answering(window=0)
    codec.send(Data(bytes(100_000), 1, last=True))
    assert describe(codec.receive(reset(1))) == [("Reset", 1, "reset by the peer: CANCEL")]
    codec.send(Data(b"x", 1))
    codec.go_on()
    assert codec.output() == b""
    assert codec.kept_bytes < 10_000


def test_we_break_no_promise() -> None:
    codec = answering(head=OK)
    with pytest.raises(Http2ProtocolError, match="Content-Length"):
        codec.send(Data(b"abc", 1))
    with pytest.raises(Http2ProtocolError, match="Content-Length"):
        codec.send(Data(b"a", 1, last=True))
    with pytest.raises(Http2ProtocolError):
        codec.send(trailers(b"x: y"), 1)
    with pytest.raises(Http2ProtocolError, match="head"):
        codec.send(response_head(OK), 1)
    codec.send(Data(b"ab", 1, last=True))
    codec.send(Data(b"ab", 1, last=True))
    codec = server()
    codec.receive(request())
    with pytest.raises(Http2ProtocolError):
        codec.send(Data(b"x", 1))
    with pytest.raises(Http2ProtocolError):
        codec.send(request_head(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 1)
    with pytest.raises(Http2ProtocolError):
        codec.send(
            response_head(b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", b"UPGRADE"),
            1,
        )


def test_answers_without_a_body() -> None:
    codec = server()
    codec.receive(request(pseudo=((b":method", b"HEAD"), *POST[1:])) + request(stream=3))
    respond(codec, 1, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"", asked=b"HEAD")
    respond(codec, 3, b"HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n", b"")
    assert [f.flags & END_STREAM for f in of_kind(codec.output(), HEADERS)] == [1, 1]
    assert codec.open_streams == 0


# --- Clients ------------------------------------------------------------------------------------


def test_a_request_with_a_body() -> None:
    codec = client(ask=POST_CHUNKED, last=False)
    codec.send(Data(b"abc", 1, last=True))
    assert sizes(codec.output()) == [(1, 3, True)]
    events = codec.receive(answer(last=False) + data(b"x" * 10, last=True))
    assert body(events) == b"x" * 10
    assert codec.open_streams == 0


def test_an_early_answer_and_a_reset() -> None:
    """RFC 9113 section 8.1: the rest of the request is not wanted."""
    codec = client(ask=POST_CHUNKED, last=False)
    events = codec.receive(answer() + reset(1, 0))
    assert [type(event).__name__ for event in events] == ["Head", "Reset"]
    codec.send(Data(b"abc", 1, last=True))
    assert codec.output() == b""


def test_streams_up_to_the_lower_limit() -> None:
    codec = Http2Client(max_streams=3)
    codec.begin()
    codec.receive(settings((3, 2)))
    assert codec.capacity == 2
    assert [codec.open() for _ in range(3)] == [1, 3, -1]
    codec.receive(settings((3, 100)))
    assert [codec.open() for _ in range(2)] == [5, -1]
    codec.reset(3, 8)
    assert codec.capacity == 1
    codec.receive(settings((3, 0)))
    assert codec.capacity == 0


def test_a_stream_that_said_nothing_is_let_go_without_a_word() -> None:
    codec = Http2Client()
    codec.begin()
    codec.receive(BEGIN)
    codec.output()
    assert codec.open() == 1
    codec.reset(1, 8)
    assert codec.output() == b""


def test_streams_that_the_peer_never_looks_at() -> None:
    codec = client()
    codec.open()
    codec.send(request_head(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 3)
    codec.open()
    codec.send(request_head(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 5)
    events = codec.receive(frame(GOAWAY, payload=pack(">II", 1, 0)))
    assert describe(events) == [
        ("Reset", 3, "the endpoint closes the connection"),
        ("Reset", 5, "the endpoint closes the connection"),
        ("Closing", 0, 1, 0),
    ]
    assert all(event.unprocessed for event in events if isinstance(event, Reset))
    assert codec.capacity == 0
    assert [type(event).__name__ for event in codec.receive(answer())] == ["Head"]
    (refused,) = client().receive(reset(1, 7))
    assert isinstance(refused, Reset)
    assert refused.unprocessed


def test_a_tunnel() -> None:
    (head,) = server().receive(
        headers(((b":method", b"CONNECT"), *POST[1:], (b":protocol", b"websocket")), last=False)
    )
    codec = Http2Client()
    codec.receive(settings((8, 1)))
    assert codec.connect_protocol
    codec.open()
    codec.send(head, 1)
    codec.output()
    assert [
        type(event).__name__ for event in codec.receive(answer((b"content-length", b"1"), last=False))
    ] == ["Head"]
    assert body(codec.receive(data(b"hello"))) == b"hello"
    codec.send(Data(b"x" * 10, 1))
    codec.send(Data(b"", 1, last=True))
    assert sizes(codec.output()) == [(1, 10, False), (1, 0, True)]
    (end,) = codec.receive(data(b"", last=True))
    assert end.last
    assert codec.open_streams == 0


def test_resets_of_one_stream_leave_others() -> None:
    codec = answering(window=0, streams=3)
    for stream in (1, 3, 5):
        codec.send(Data(b"hello", stream, last=True))
    codec.receive(reset(3) + settings((4, 100)))
    assert [event.stream for event in codec.go_on()] == [1, 5]
    assert [f.stream for f in of_kind(codec.output(), RST_STREAM)] == []
