import os
import socket
from collections.abc import Iterator

import pytest

from headgate.ipc import FORMAT, Channel, ChannelError, encode
from headgate.ipc.channel import WAITING_BYTES


@pytest.fixture
def pair() -> Iterator[tuple[Channel, Channel]]:
    first, second = (Channel(sock, role) for sock, role in zip(Channel.pair(), ("one", "two"), strict=True))
    yield first, second
    first.close()
    second.close()


def take(channel: Channel, kind: str) -> list[object]:
    return [message.body for message in channel.receive() if message.kind == kind]


def test_hello_says_the_format(pair: tuple[Channel, Channel]) -> None:
    (hello,) = pair[1].receive()
    assert (hello.kind, hello.body) == ("hello", {"format": FORMAT, "role": "one", "pid": os.getpid()})


@pytest.mark.parametrize("hello", [("hello", {"format": FORMAT + 1}), ("hi", {}), ("hello", {})])
def test_another_format_is_refused(hello: tuple[str, dict[str, object]]) -> None:
    sock, peer = Channel.pair()
    channel = Channel(sock, "one")
    with peer:
        peer.send(encode(*hello)[0][0])
        with pytest.raises(ChannelError, match=f"this version speaks {FORMAT}"):
            channel.receive()
    channel.close()


def test_descriptors_arrive_as_other_numbers_for_the_same_file(pair: tuple[Channel, Channel]) -> None:
    count = 450  # more than fit into one call
    read, write = os.pipe()
    pair[0].send("files", {}, [write] * count)
    os.close(write)
    received: list[int] = []
    while pair[0].waiting or not received:
        pair[0].flush()
        for message in pair[1].receive():
            received += message.take()
    assert len(received) == len(set(received)) == count
    assert not any(os.get_inheritable(fd) for fd in received)
    os.write(received[-1], b"x")
    assert os.read(read, 2) == b"x"
    for fd in [read, *received]:
        os.close(fd)


def test_a_peer_that_does_not_read_never_blocks(pair: tuple[Channel, Channel]) -> None:
    text = "x" * 1_000_000
    for _ in range(WAITING_BYTES // len(text)):
        pair[0].send("much", {"text": text})
    with pytest.raises(ChannelError, match="does not read"):
        pair[0].send("much", {"text": text})
    got = 0
    while pair[0].waiting:
        got += len(take(pair[1], "much"))
        pair[0].flush()
    got += len(take(pair[1], "much"))
    assert got == WAITING_BYTES // len(text)


def test_what_was_sent_before_the_end_still_comes(pair: tuple[Channel, Channel]) -> None:
    pair[0].send("last", {"n": 1})
    pair[0].close()
    assert take(pair[1], "last") == [{"n": 1}]
    assert pair[1].ended


def test_what_was_sent_before_the_end_is_not_lost_by_sending(pair: tuple[Channel, Channel]) -> None:
    pair[0].send("last", {"n": 1})
    pair[0].close()
    pair[1].send("too late")
    pair[1].send("too late")
    assert take(pair[1], "last") == [{"n": 1}]
    assert pair[1].ended


def test_sending_to_one_that_is_gone_is_no_error(pair: tuple[Channel, Channel]) -> None:
    pair[0].close()
    for _ in range(3):
        pair[1].send("more")
    pair[1].receive()
    assert (pair[1].ended, pair[1].waiting) == (True, False)


def test_descriptors_of_unsent_messages_are_closed() -> None:
    sock, peer = Channel.pair()
    channel = Channel(sock, "one")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    read, write = os.pipe()
    while not channel.waiting:
        channel.send("fill", {"text": "x" * 4096})
    channel.send("file", {}, [write])
    os.close(write)
    channel.close()
    assert os.read(read, 1) == b""  # nobody holds the other end any more
    os.close(read)
    peer.close()
