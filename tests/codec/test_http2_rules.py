"""The codec rules for HTTP/2 (docs/guarantees.md): no exception for any input, the same events and the
same output whatever the split of the bytes, bounded memory, deterministic, silent after a violation.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.http2_corpus import REQUESTS, RESPONSES, Said
from codec.subjects import merge, request_head
from headgate.core.events import Event, Violation
from headgate.core.head import Head
from headgate.core.http2 import Http2, Http2Client, Http2Server
from support.frames import (
    BEGIN,
    HELLO,
    POST,
    PREFACE,
    answer,
    data,
    frame,
    headers,
    request,
    reset,
    settings,
    window_update,
)

ASKED = (
    request_head(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    request_head(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"),
)


def server() -> Http2:
    codec = Http2Server()
    codec.begin()
    return codec


def tunnel() -> Head:
    codec = Http2Server()
    fields = ((b":method", b"CONNECT"), *POST[1:], (b":protocol", b"websocket"))
    (head,) = codec.receive(HELLO + headers(fields, last=False))
    assert isinstance(head, Head)
    return head


def client() -> Http2:
    """One that asked on three streams."""
    codec = Http2Client()
    codec.begin()
    for head in (*ASKED, tunnel()):
        codec.send(head, codec.open())
    codec.output()
    return codec


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a connection, what its peer says first, and what it may say then."""

    name: str
    begin: Callable[[], Http2]
    hello: bytes
    samples: Sequence[Said]

    def __str__(self) -> str:
        return self.name


SIDES = (Side("server", server, HELLO, REQUESTS), Side("client", client, BEGIN, RESPONSES))
PAIRS = [(side, said) for side in SIDES for said in side.samples]
every_side = pytest.mark.parametrize("side", SIDES, ids=str)
every_sample = pytest.mark.parametrize(
    ("side", "said"), PAIRS, ids=[f"{side}: {said}" for side, said in PAIRS]
)
Outcome = tuple[list[tuple[object, ...]], bytes]

# What mutations are made of.
MORSELS = (
    b"\0", b"\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80", b"\x82\x86\x84", b"\r\n", b"\0\0\x04",
    frame(1, 4, 1), frame(9, 4, 1), data(b"x"), data(b"", last=True), request(stream=7), answer(),
    reset(1), window_update(1), window_update(0, 1), settings((4, 0)), settings((1, 0)), PREFACE,
)  # fmt: skip


def hear(side: Side, pieces: Sequence[bytes], *, ended: bool = True) -> Outcome:
    """All events of the pieces, and all output. Nobody answers, so that only the input decides."""
    codec = side.begin()
    events = [event for piece in pieces if piece for event in codec.receive(piece)]
    if ended:
        events += codec.receive(b"")
    return merge_streams(events), codec.output()


def merge_streams(events: list[Event]) -> list[tuple[object, ...]]:
    return merge(events)


def cuts(stream: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


def places(size: int) -> list[int]:
    """Where to cut: everywhere, but for what is long, where it matters."""
    if size < 2048:
        return list(range(1, size))
    return [*range(1, 300), *range(300, size, 997), size - 1]


@every_sample
def test_a_sample_breaks_the_connection_or_not(side: Side, said: Said) -> None:
    events, _ = hear(side, [side.hello + said.data], ended=False)
    broken = any(event[:2] == ("Violation", 0) for event in events)
    assert broken == said.breaks, events


@every_sample
def test_every_split_in_two_gives_the_same(side: Side, said: Said) -> None:
    stream = side.hello + said.data
    whole = hear(side, [stream])
    for place in places(len(stream)):
        assert hear(side, [stream[:place], stream[place:]]) == whole, place


@every_sample
def test_single_bytes_give_the_same(side: Side, said: Said) -> None:
    stream = side.hello + said.data
    size = 1 if len(stream) < 4096 else 61
    assert hear(side, [stream[at : at + size] for at in range(0, len(stream), size)]) == hear(side, [stream])


@st.composite
def mutated(draw: st.DrawFn, samples: Sequence[Said]) -> bytes:
    """A sample with a few bytes changed, put in, left out; or two samples together."""
    stream = draw(st.sampled_from(samples)).data[:3000]
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(stream)))
        match draw(st.sampled_from(("insert", "remove", "flip", "double", "splice"))):
            case "insert":
                stream = stream[:place] + draw(st.sampled_from(MORSELS)) + stream[place:]
            case "remove":
                stream = stream[:place] + stream[place + draw(st.integers(1, 16)) :]
            case "flip":
                stream = stream[:place] + draw(st.binary(min_size=1, max_size=2)) + stream[place + 1 :]
            case "double":
                stream = stream[:place] + stream[place : place + 30] + stream[place:]
            case _:
                stream += draw(st.sampled_from(samples)).data[:3000]
    return stream


@every_side
@given(chosen=st.data())
def test_any_split_of_any_mutation_gives_the_same(side: Side, chosen: st.DataObject) -> None:
    stream = side.hello + chosen.draw(mutated(side.samples))
    at = chosen.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    whole = hear(side, [stream])
    assert hear(side, cuts(stream, at)) == whole
    assert hear(side, cuts(stream, at)) == whole, "not deterministic"


@every_side
@given(pieces=st.lists(st.binary(max_size=64), max_size=8))
def test_any_bytes_give_the_same(side: Side, pieces: list[bytes]) -> None:
    for first in (b"", side.hello):
        assert hear(side, [first, *pieces]) == hear(side, [first + b"".join(pieces)])


@every_sample
def test_every_beginning_ends(side: Side, said: Said) -> None:
    """The connection ends at any byte: what was cut short is never presented as complete."""
    stream = side.hello + said.data
    complete = [event for event in hear(side, [stream], ended=False)[0] if event[-1] is True]
    for size in range(1, min(len(stream), 400)):
        events, _ = hear(side, [stream[:size]])
        assert events[-1][0] in {"Closing", "Violation"}, size
        assert [event for event in events if event[0] != "Violation" and event[-1] is True] <= complete, size


@every_sample
def test_nothing_comes_in_after_a_violation_and_the_output_drains(side: Side, said: Said) -> None:
    if not said.breaks:
        return
    codec = side.begin()
    events = codec.receive(side.hello + said.data)
    assert isinstance(events[-1], Violation)
    for more in (request(stream=99), b"\0", answer(), b""):
        assert codec.receive(more) == []
    assert codec.go_on() == []
    codec.output()
    assert codec.output() == b""


@every_side
def test_two_conversations_do_not_mix(side: Side) -> None:
    """Heads and streams are used again: what one conversation left in them never shows in another."""
    chance = random.Random(7)
    alone = {said: hear(side, [side.hello + said.data]) for said in side.samples}
    short = [said for said in side.samples if len(said.data) < 4096]
    for _ in range(200):
        pair = chance.choices(short, k=2)
        codecs = [side.begin(), side.begin()]
        events: list[list[Event]] = [[], []]
        for at in range(0, max(len(said.data) for said in pair) + len(side.hello), 37):
            for i, said in enumerate(pair):
                piece = (side.hello + said.data)[at : at + 37]
                if piece:
                    events[i] += codecs[i].receive(piece)
        for i, said in enumerate(pair):
            events[i] += codecs[i].receive(b"")
            assert (merge_streams(events[i]), codecs[i].output()) == alone[said]


@every_sample
def test_events_stay_readable_after_the_codec_is_gone(side: Side, said: Said) -> None:
    codec = side.begin()
    events = codec.receive(side.hello + said.data)
    described = [event.describe() for event in events]
    codec.receive(b"x" * 100)
    del codec
    assert [event.describe() for event in events] == described


@every_side
def test_what_streams_is_not_kept(side: Side) -> None:
    codec = side.begin()
    codec.receive(side.hello)
    if side.name == "server":
        codec.receive(request(pseudo=POST, last=False))
    else:
        codec.receive(answer(last=False))
    for size in (1, 100, 16384):
        for _ in range(100):
            for event in codec.receive(data(b"x" * size)):
                assert not isinstance(event, Violation)
            codec.take(1, size)
            codec.output()
            assert codec.kept_bytes <= 8192
