import os
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.ipc.frames import DESCRIPTORS_PER_CHUNK, HEADER, PAYLOAD_BYTES, ChannelError, Decoder, encode


def joined(pieces: list[tuple[bytes, list[int]]]) -> bytes:
    return b"".join(data for data, _ in pieces)


@given(st.text(), st.dictionaries(st.text(), st.integers() | st.text() | st.none()), st.data())
def test_whatever_the_pieces(kind: str, body: dict[str, object], data: st.DataObject) -> None:
    stream = joined(encode(kind, body)) * 2
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    decoder = Decoder()
    messages = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        messages += decoder.receive(stream[start:end])
    assert [(message.kind, message.body) for message in messages] == [(kind, body)] * 2


@pytest.mark.parametrize(
    "count", [0, 1, DESCRIPTORS_PER_CHUNK, DESCRIPTORS_PER_CHUNK + 1, 30 * DESCRIPTORS_PER_CHUNK]
)
def test_descriptors_come_before_the_end_of_their_message(count: int) -> None:
    pieces = encode("k", {}, range(count))
    assert all(len(fds) <= DESCRIPTORS_PER_CHUNK for _, fds in pieces)
    assert all(data for data, _ in pieces)  # descriptors travel on at least one byte
    decoder = Decoder()
    messages = [message for data, fds in pieces for message in decoder.receive(data, fds)]
    assert [message.take() for message in messages] == [list(range(count))]
    assert messages[0].take() == []


def test_descriptors_of_several_messages_stay_with_theirs() -> None:
    decoder = Decoder()
    stream = joined(encode("a", {}, [7])) + joined(encode("b", {})) + joined(encode("c", {}, [8, 9]))
    assert [message.fds for message in decoder.receive(stream, [7, 8, 9])] == [[7], [], [8, 9]]


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (HEADER.pack(PAYLOAD_BYTES + 1, 0), "at most"),
        (HEADER.pack(2, 0) + b"{]", "not JSON"),
        (HEADER.pack(2, 0) + b"[]", "a kind and a body"),
        (HEADER.pack(7, 0) + b"[1, {}]", "a kind and a body"),
        (HEADER.pack(8, 1) + b'["k",{}]', "of which 0 came"),
    ],
)
def test_what_is_no_message(stream: bytes, reason: str) -> None:
    with pytest.raises(ChannelError, match=reason):
        Decoder().receive(stream)


def test_too_long_is_refused_by_the_sender() -> None:
    with pytest.raises(ChannelError, match="at most"):
        encode("k", {"text": "x" * PAYLOAD_BYTES})


def test_what_nobody_took_is_closed() -> None:
    read, write = os.pipe()
    decoder = Decoder()
    decoder.receive(b"\0", [read])
    decoder.close()
    (message,) = Decoder().receive(joined(encode("k", {}, [write])), [write])
    message.close()
    for fd in (read, write):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
        with suppress(OSError):
            os.close(fd)
