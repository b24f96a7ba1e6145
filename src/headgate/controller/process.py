"""The process around the controller: signals, event loop, and its first message."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

import uvloop

from headgate.base.logs import open_log
from headgate.base.process import raise_open_files, set_title
from headgate.controller.controller import Controller
from headgate.controller.loading import Provider
from headgate.ipc import Message, read
from headgate.ipc.asynchronous import LoopChannel
from headgate.shm.region import Region

IGNORED = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)    # meant for the supervisor


def main(descriptor: int) -> int:
    """Work for the supervisor at the other end of `descriptor`; returns the exit code."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, IGNORED)
    set_title("headgate: ctl")
    raise_open_files()
    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(_run(loop, socket.socket(fileno=descriptor)))
    finally:
        loop.close()
    return 0


async def _run(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    messages: asyncio.Queue[Message | None] = asyncio.Queue()

    def ended(reason: str) -> None:
        if reason:
            sys.stderr.write(f"headgate: controller: {reason}\n")
        messages.put_nowait(None)

    channel = LoopChannel(loop, sock, "controller", messages.put_nowait, ended)
    try:
        start = await _start(messages)
        if start is not None:
            await _controller(loop, channel, start).run(start, messages)
    finally:
        channel.close()


async def _start(messages: asyncio.Queue[Message | None]) -> Message | None:
    """The message that says what to load; None when the supervisor is gone before."""
    while (message := await messages.get()) is not None:
        if message.kind == "start":
            return message
    return None


def _controller(loop: asyncio.AbstractEventLoop, channel: LoopChannel, start: Message) -> Controller:
    """Takes the descriptors for the shared memory and the text; the others stay with the message."""
    body = start.body
    descriptors = dict(zip(body["descriptors"], start.take(), strict=True))
    memory = descriptors.pop("memory")
    region = Region(memory)
    os.close(memory)
    text = None
    if "text" in descriptors:
        fd = descriptors.pop("text")
        text = read(fd)
        os.close(fd)
    start.body["descriptors"], start.fds = list(descriptors), list(descriptors.values())
    provider = Provider(body["config"], text, body["workers"])
    return Controller(loop, open_log("controller", body["level"]), channel, provider, region, body["level"])
