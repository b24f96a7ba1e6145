"""The order in which streams of HTTP/2 are written (RFC 9218)."""

from __future__ import annotations

from collections import Counter
from struct import pack

import pytest

from codec.subjects import response_head
from headgate.core.events import Data
from headgate.core.http2 import Http2Server
from support.frames import DATA, PRIORITY_UPDATE, Field, frame, frames, request, window_update
from unit.core.http2_stage import server

CHUNKED = b"HTTP/1.1 200 OK\r\n%sTransfer-Encoding: chunked\r\n\r\n"
SIZE = 16384


def update(stream: int, value: bytes) -> bytes:
    return frame(PRIORITY_UPDATE, payload=pack(">I", stream) + value)


def waiting(*priorities: bytes | None, frames_each: int = 20, answers: bytes = b"") -> Http2Server:
    """A server with so many frames queued on every stream; the client has given these priorities."""
    codec = server()
    codec.set_room(0)
    codec.receive(window_update(0x7FFF0000 - 65535))
    for number, priority in enumerate(priorities):
        stream = 2 * number + 1
        fields: list[Field] = [] if priority is None else [(b"priority", priority)]
        codec.receive(request(*fields, stream=stream) + window_update(0x7FFF0000 - 65535, stream))
        codec.send(response_head(CHUNKED % answers), stream)
        codec.send(Data(bytes(SIZE * frames_each), stream))
    codec.output()
    return codec


def written(codec: Http2Server, count: int) -> list[int]:
    """The streams of the next frames."""
    codec.go_on(count * SIZE)
    return [f.stream for f in frames(codec.output()) if f.kind == DATA]


def test_streams_without_priorities_share() -> None:
    assert written(waiting(None, None, None), 9) == [1, 3, 5] * 3


def test_urgent_ones_go_first_and_none_starves() -> None:
    codec = waiting(b"u=5", b"u=0", b"u=7")
    order = written(codec, 24)
    counts = Counter(order)
    assert counts[3] >= 20
    assert order[0] == 3
    assert counts[1] >= 1
    assert counts[5] >= 1
    assert Counter(written(waiting(*[b"u=7"] * 10, b"u=0", frames_each=300), 300))[21] in range(255, 275)


def test_those_that_are_not_incremental_go_one_after_the_other() -> None:
    codec = waiting(b"u=3", b"u=3", b"u=3", frames_each=8)
    order = written(codec, 24)
    assert order[0] == 1
    assert order.index(3) < order.index(5)
    last = {stream: len(order) - order[::-1].index(stream) for stream in (1, 3, 5)}
    assert last[1] < last[3] < last[5]
    assert Counter(order[:8])[1] == 7


def test_incremental_ones_take_turns() -> None:
    assert Counter(written(waiting(b"u=2, i", b"u=2, i", b"u=2, i"), 30)) == {1: 10, 3: 10, 5: 10}


def test_those_that_are_not_incremental_go_before() -> None:
    order = written(waiting(b"u=2, i", b"u=2", b"u=2, i", frames_each=8), 24)
    assert Counter(order[:8])[3] == 7
    assert Counter(order[-12:]).keys() == {1, 5}


def test_updates_of_open_streams() -> None:
    codec = waiting(b"u=3", b"u=3")
    assert written(codec, 2) == [1, 1]
    codec.receive(update(3, b"u=1"))
    assert written(codec, 4) == [3, 3, 3, 3]
    codec.receive(update(3, b""))
    assert written(codec, 1) != [3]


def test_updates_before_their_streams() -> None:
    codec = server()
    codec.set_room(0)
    codec.receive(window_update(1 << 20) + update(3, b"u=0") + update(5, b"u=7"))
    for stream in (1, 3):
        codec.receive(request((b"priority", b"u=2"), stream=stream) + window_update(1 << 20, stream))
        codec.send(response_head(CHUNKED % b""), stream)
        codec.send(Data(bytes(SIZE * 4), stream))
    codec.output()
    assert written(codec, 4) == [3] * 4, "the frame goes before the field"


def test_the_answer_may_say_another_priority() -> None:
    codec = waiting(b"u=3", b"u=3", answers=b"Priority: u=1\r\n")
    codec.receive(request((b"priority", b"u=2"), stream=5) + window_update(1 << 20, 5))
    codec.send(response_head(CHUNKED % b""), 5)
    codec.send(Data(bytes(SIZE * 8), 5))
    codec.output()
    assert written(codec, 4) == [1] * 4


@pytest.mark.parametrize(
    ("value", "urgent"),
    [
        (b"u=1", True), (b"u=1, i", True), (b"i, u=1", True), (b"u=1;x=y", True),
        (b'a="u=7, x", u=1', True), (b'a="\\"", u=1', True), (b"u=7,u=1", True), (b"x-y=?1, u=1, i=?0", True),
        (b"u=8", False), (b"u=-1", False), (b"u", False), (b"u=1.0", False), (b"U=1", False),
        (b"u=1,", False), (b"u=1,,i", False),
        (b'u=1, a="', False), (b"", False), (b"uu=1", False), (b"1=u, u=1", False),
    ],
)  # fmt: skip
def test_values(value: bytes, urgent: bool) -> None:
    """What is no dictionary of RFC 8941, or of a wrong type or range, changes nothing."""
    codec = waiting(b"u=2", value)
    assert (written(codec, 2) == [3, 3]) == urgent
