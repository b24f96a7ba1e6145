import asyncio
import os

from headgate.ipc import Channel, encode
from headgate.ipc.asynchronous import LoopChannel


async def test_messages_both_ways_and_the_end() -> None:
    ours, theirs = Channel.pair()
    channel = LoopChannel(asyncio.get_running_loop(), ours, "worker")
    peer = Channel(theirs, "supervisor")
    peer.send("first")
    peer.send("start", {"slot": 3})
    message = await channel.expect("start")
    assert message is not None
    assert message.body == {"slot": 3}
    text = "x" * 3_000_000  # does not fit at once: the loop writes the rest
    channel.send("much", {"text": text})
    got: list[str] = []
    async with asyncio.timeout(10):
        while not got:
            await asyncio.sleep(0)
            got = [each.body["text"] for each in peer.receive() if each.kind == "much"]
    assert got == [text]
    peer.close()
    assert await channel.receive() is None
    channel.send("late")
    channel.close()


async def test_nonsense_ends_the_channel() -> None:
    ours, theirs = Channel.pair()
    channel = LoopChannel(asyncio.get_running_loop(), ours, "worker")
    with theirs:
        theirs.send(encode("hello", {"format": 99})[0][0])
        assert await channel.receive() is None


async def test_expect_closes_what_it_skips() -> None:
    ours, theirs = Channel.pair()
    channel = LoopChannel(asyncio.get_running_loop(), ours, "worker")
    peer = Channel(theirs, "supervisor")
    read, write = os.pipe()
    peer.send("unwanted", {}, [write])
    os.close(write)
    peer.send("wanted")
    message = await channel.expect("wanted")
    assert message is not None
    assert os.read(read, 1) == b""
    os.close(read)
    peer.close()
    channel.close()
