from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from headgate.core.websocket import Closer, FrameScanner, WebSocketWatch

TEXT, BINARY, CLOSE, PING, PONG = Opcode.TEXT, Opcode.BINARY, Opcode.CLOSE, Opcode.PING, Opcode.PONG


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bool = False) -> bytes:
    """A frame as an independent implementation writes it."""
    return bytes(Frame(Opcode(opcode), payload, fin).serialize(mask=mask))


def scan(*pieces: bytes) -> FrameScanner:
    scanner = FrameScanner()
    for piece in pieces:
        scanner.scan(piece)
    return scanner


def compressed(payload: bytes) -> bytes:
    """A message of permessage-deflate (RFC 7692): RSV1 is set."""
    deflate = zlib.compressobj(wbits=-15)
    data = deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH)
    plain = frame(TEXT, data[:-4], mask=True)
    return bytes([plain[0] | 0x40]) + plain[1:]


def test_nothing_yet() -> None:
    assert scan().describe() == (0, 0, 0, -1, False)


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 1 << 20])
def test_messages_of_every_kind_of_length(size: int, mask: bool) -> None:
    message = frame(BINARY, bytes(size), mask=mask)
    assert scan(message, message).messages == 2
    assert scan(message[:-1]).messages == 0 or size == 0


def test_fragments_are_one_message() -> None:
    scanner = scan(frame(TEXT, b"a", fin=False), frame(PING, b"x"), frame(0, b"b", fin=False))
    assert (scanner.messages, scanner.pings) == (0, 1)
    scanner.scan(frame(0, b"c"))
    assert scanner.describe() == (1, 1, 0, -1, False)


def test_pings_and_pongs() -> None:
    assert scan(frame(PING), frame(PONG, b"x"), frame(PING, b"y", mask=True)).describe() == (
        0,
        2,
        1,
        -1,
        False,
    )


def test_compressed_messages_are_messages() -> None:
    assert scan(compressed(b"hello" * 1000), compressed(b"")).describe() == (2, 0, 0, -1, False)


def test_opcodes_of_extensions_pass() -> None:
    assert scan(b"\x83\x01x", b"\x8b\x01x", frame(TEXT)).describe() == (1, 0, 0, -1, False)


class TestClose:
    @pytest.mark.parametrize("mask", [False, True])
    @pytest.mark.parametrize("code", [1000, 1001, 1011, 4999, 0, 65535])
    def test_its_code(self, code: int, mask: bool) -> None:
        close = frame(CLOSE, struct.pack(">H", code) + b"bye", mask=mask)
        assert scan(close).close_code == code
        assert scan(*(close[at : at + 1] for at in range(len(close)))).close_code == code
        assert scan(close[:-1]).close_code == -1

    @pytest.mark.parametrize("mask", [False, True])
    def test_without_a_code(self, mask: bool) -> None:
        assert scan(frame(CLOSE, mask=mask)).close_code == 1005

    def test_what_follows_is_not_looked_at(self) -> None:
        assert scan(frame(CLOSE), frame(TEXT), b"\xff" * 100).describe() == (0, 0, 0, 1005, False)


@pytest.mark.parametrize(
    "data",
    [
        b"\x09\x00",  # a control frame in fragments
        b"\x89\x7e\x00\x7e" + bytes(126),  # a long control frame
        b"\x88\x01x",  # half a close code
        b"\x80\x00",  # goes on with nothing
        frame(TEXT, fin=False) + frame(TEXT),  # a message within another
        b"\x82\x7f" + b"\xff" * 8,  # a length of more than 63 bits
    ],
)
def test_broken(data: bytes) -> None:
    scanner = scan(data)
    assert scanner.broken
    before = scanner.describe()
    scanner.scan(frame(TEXT) + frame(CLOSE))
    assert scanner.describe() == before


class TestWatch:
    def test_the_first_close_counts(self) -> None:
        watch = WebSocketWatch()
        assert (watch.closed_by, watch.close_code) == (Closer.NOBODY, -1)
        watch.watch(True, frame(TEXT, b"x", mask=True))
        watch.watch(False, frame(CLOSE, struct.pack(">H", 1012)))
        watch.watch(True, frame(CLOSE, struct.pack(">H", 1000), mask=True))
        assert (watch.closed_by, watch.close_code) == (Closer.SERVER, 1012)
        assert watch.client.describe() == (1, 0, 0, 1000, False)

    def test_closed_by_the_client(self) -> None:
        watch = WebSocketWatch()
        watch.watch(True, frame(CLOSE, mask=True))
        watch.watch(False, frame(CLOSE))
        assert (watch.closed_by, watch.close_code) == (Closer.CLIENT, 1005)


frames = st.one_of(
    st.builds(
        frame,
        st.sampled_from([TEXT, BINARY, PING, PONG]),
        st.binary(max_size=125),
        mask=st.booleans(),
    ),
    st.binary(max_size=300).map(lambda payload: frame(BINARY, payload, mask=True)),
    st.builds(
        lambda code, mask: frame(CLOSE, struct.pack(">H", code), mask=mask),
        st.integers(0, 65535),
        st.booleans(),
    ),
    st.binary(max_size=20),
)


@given(st.lists(frames, max_size=8).map(b"".join), st.data())
def test_the_same_for_every_split(stream: bytes, data: st.DataObject) -> None:
    whole = scan(stream).describe()
    assert scan(*(stream[at : at + 1] for at in range(len(stream)))).describe() == whole
    cut = data.draw(st.integers(0, len(stream)))
    assert scan(stream[:cut], stream[cut:]).describe() == whole
