"""The process around the controller: signals, event loop, and its first message."""

from __future__ import annotations

import asyncio
import socket

import uvloop

from headgate.base.logs import open_log
from headgate.base.process import raise_open_files, set_title
from headgate.controller.conversation import Conversation
from headgate.ipc.asynchronous import LoopChannel, ignore_signals


def main(descriptor: int) -> int:
    """Work for the supervisor at the other end of `descriptor`; returns the exit code."""
    ignore_signals()
    set_title("headgate: ctl")
    raise_open_files()
    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(_run(loop, socket.socket(fileno=descriptor)))
    finally:
        loop.close()
    return 0


async def _run(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    channel = LoopChannel(loop, sock, "controller")
    try:
        start = await channel.expect("start")
        if start is not None:
            log = open_log("controller", start.body["level"])
            await Conversation(log, channel, start).run()
    finally:
        channel.close()
