"""The process around a worker: signals, limits, event loop, and its first message."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

import uvloop

from headgate.base.logs import open_log
from headgate.base.process import raise_open_files
from headgate.ipc import Message
from headgate.ipc.asynchronous import LoopChannel
from headgate.shm.region import Region, RegionError
from headgate.worker.worker import Worker

IGNORED = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)    # meant for the supervisor


def main(descriptor: int) -> int:
    """Serve what the supervisor at the other end of `descriptor` says; returns the exit code."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, IGNORED)
    raise_open_files()
    loop = uvloop.new_event_loop()
    try:
        return loop.run_until_complete(_run(loop, socket.socket(fileno=descriptor)))
    finally:
        loop.close()


async def _run(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> int:
    messages: asyncio.Queue[Message | None] = asyncio.Queue()

    def ended(reason: str) -> None:
        if reason:
            sys.stderr.write(f"headgate: worker: {reason}\n")
        messages.put_nowait(None)

    channel = LoopChannel(loop, sock, "worker", messages.put_nowait, ended)
    try:
        start = await _start(messages)
        if start is None:
            return 0
        (region_fd,) = start.take()
        slot: int = start.body["slot"]
        level: str = start.body["level"]
        log = open_log(f"worker {slot}", level)
        try:
            region = Region(region_fd)
        except RegionError as error:
            log.error("%s", error)
            return 1
        worker = Worker(loop, log, region, region_fd, slot, level)
        os.close(region_fd)
        loop.add_signal_handler(signal.SIGTERM, worker.leave)
        return await worker.run(channel, messages)
    finally:
        channel.close()


async def _start(messages: asyncio.Queue[Message | None]) -> Message | None:
    """The message that says which worker this is; None when the supervisor is gone before."""
    while (message := await messages.get()) is not None:
        if message.kind == "start":
            return message
    return None
