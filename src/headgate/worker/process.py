"""The process around a worker: signals, limits, event loop, and its first message."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import uvloop

from headgate.base.logs import open_log
from headgate.base.process import raise_open_files
from headgate.ipc.asynchronous import LoopChannel, ignore_signals
from headgate.shm.region import RegionError
from headgate.worker.worker import Worker


def main(descriptor: int) -> int:
    """Serve what the supervisor at the other end of `descriptor` says; returns the exit code."""
    ignore_signals()
    raise_open_files()
    loop = uvloop.new_event_loop()
    try:
        return loop.run_until_complete(_run(loop, socket.socket(fileno=descriptor)))
    finally:
        loop.close()


async def _run(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> int:
    channel = LoopChannel(loop, sock, "worker")
    try:
        start = await channel.expect("start")
        if start is None:
            return 0
        (region,) = start.take()
        slot: int = start.body["slot"]
        level: str = start.body["level"]
        log = open_log(f"worker {slot}", level)
        try:
            worker = Worker(loop, log, region, slot, level)
        except RegionError as error:
            log.critical("%s", error)
            return 1
        finally:
            os.close(region)
        loop.add_signal_handler(signal.SIGTERM, worker.leave)
        await worker.run(channel)
        return 0
    finally:
        channel.close()
