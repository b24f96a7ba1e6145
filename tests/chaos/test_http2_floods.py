"""Floods over HTTP/2 from clients that come again at once when they are cut off: others hardly notice.

One worker serves, as it is the worst case: flooders and well-behaved clients have nobody else. The flooder
gets only what nobody else wants of the processors, since it stands for machines of its own. What it sends is
carried by the kernel all the same, hundreds of megabytes a second, and the worker waits for a processor some
milliseconds now and then: hence the allowance.
"""

from __future__ import annotations

import json
import os
import select
import selectors
import socket
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import pytest

from support import Product, free_port
from support.certificates import Authority
from support.peers import TESTS
from support.processes import pid_of, pss

pytestmark = pytest.mark.alone

AUTHORITY = Authority()
NAME = "open.example"
CLIENTS = 8
FLOODERS = 4
BEFORE, DURING = 1.5, 3.0  # seconds of steady traffic
PATIENCE = 30.0
ALLOWANCE = 15.0  # milliseconds on top of twice the latency before: a slow machine is not a failure
MEMORY = 32 << 20  # bytes that the worker may grow by

KINDS = {
    "rapid_resets": "rapid_resets",
    "continuations": "continuations",
    "pings": "pings",
    "settings_changes": "settings_changes",
    "empty_frames": "empty_frames",
    "window_updates": "window_updates",
    "bombs": "large_heads",
    "long_heads": "large_heads",
    "tiny_windows": "tiny_windows",
    "endless_streams": "refused_streams",
}


def config(folder: Path, texts: str, endless: str, clear: int, secure: int) -> dict[str, Any]:
    """The same routes in clear and with TLS."""
    AUTHORITY.issue(NAME).write(folder, "open")
    pair = {"cert": str(folder / "open.crt"), "key": str(folder / "open.key")}
    return {
        "process": {"workers": 1, "drain_timeout": "1s"},
        "access_log": "off",
        "listeners": {
            "web": {"bind": f"127.0.0.1:{clear}"},
            "secure": {"bind": f"127.0.0.1:{secure}", "tls": {"certificates": [pair]}},
        },
        "routes": [
            {"name": "large", "match": {"path": "/large"}, "respond": {"body": "x" * 20_000}},
            {"name": "endless", "match": {"path": "/endless"}, "service": "endless"},
            {"name": "texts", "match": {"path": "/*"}, "service": "texts"},
        ],
        "services": {"texts": {"endpoints": [texts]}, "endless": {"endpoints": [endless]}},
    }


@contextmanager
def silent() -> Iterator[str]:
    """The address of an endpoint that reads and never answers, at little cost: it shares the processors."""
    stopping, waker = socket.socketpair()
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server, stopping, waker:
        thread = threading.Thread(target=_listen, args=(server, stopping))
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        waker.send(b"x")
        thread.join()


def _listen(server: socket.socket, stopping: socket.socket) -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)  # it stands for a machine of its own, too
    with selectors.DefaultSelector() as ready, ExitStack() as stack:
        ready.register(server, selectors.EVENT_READ)
        ready.register(stopping, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fileobj is stopping:
                    return
                if key.fileobj is server:
                    connection, _ = server.accept()
                    ready.register(stack.enter_context(connection), selectors.EVENT_READ)
                elif isinstance(key.fileobj, socket.socket) and not _heard(key.fileobj):
                    ready.unregister(key.fileobj)
                    key.fileobj.close()


def _heard(connection: socket.socket) -> bool:
    try:
        return bool(connection.recv(65536))
    except OSError:
        return False


def command(program: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", f"support.programs.{program}", *map(str, arguments)]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(TESTS)}


@dataclass
class Steady:
    """What well-behaved clients measured."""

    latencies: list[float]
    failures: list[str]

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.latencies, n=100)[98]


def steady(port: int, seconds: float, *options: str) -> Steady:
    done = subprocess.run(
        command("steady", port, CLIENTS, seconds, *options),
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        timeout=seconds + 30,
        check=True,
    )
    return Steady(**json.loads(done.stdout))


@dataclass
class Flood:
    """How the flooders' connections ended, and what the worker took meanwhile."""

    ends: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    growth: int = 0


@contextmanager
def flooding(product: Product, port: int, kind: str, *options: str) -> Iterator[Flood]:
    """Flood until the block ends; what came of it is known then."""
    flood = Flood()
    worker = pid_of(product, "w0")
    over = threading.Event()
    before = pss(worker)

    def watch() -> None:
        while not over.wait(0.25):
            flood.growth = max(flood.growth, pss(worker) - before)

    watching = threading.Thread(target=watch)
    process = subprocess.Popen(
        command("flood", port, kind, FLOODERS, *options),
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    watching.start()
    try:
        assert process.stdout is not None
        assert readable(process.stdout, PATIENCE), "no connection was cut off"
        assert process.stdout.readline() == b"begun\n"
        yield flood
        said, _ = process.communicate(timeout=30)
        flood.ends, flood.sent = (json.loads(said)[name] for name in ("ends", "sent"))
    finally:
        over.set()
        watching.join()
        process.kill()
        process.communicate()


class Running(NamedTuple):
    product: Product
    clear: int
    secure: int
    p99s: dict[bool, float]
    """Milliseconds while nobody floods, in clear and with TLS."""


def readable(file: IO[bytes], seconds: float) -> bool:
    return bool(select.select([file], [], [], seconds)[0])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, texts: str) -> Iterator[Running]:
    clear, secure = free_port(), free_port()
    folder = tmp_path_factory.mktemp("floods")
    with silent() as endless, Product(config(folder, texts, endless, clear, secure)) as product:
        steady(clear, 0.5)  # for what the worker keeps
        before = {False: steady(clear, BEFORE), True: steady(secure, BEFORE, "--tls", NAME)}
        assert not before[False].failures + before[True].failures
        yield Running(product, clear, secure, {tls: found.p99 for tls, found in before.items()})


CASES = [(kind, False) for kind in KINDS] + [("rapid_resets", True), ("endless_streams", True)]


@pytest.mark.parametrize(("kind", "secure"), CASES)
def test_others_hardly_notice(running: Running, kind: str, secure: bool) -> None:
    port, options = (running.secure, ["--tls", NAME]) if secure else (running.clear, [])
    counted = running.product.metric("headgate_worker_floods_total", kind=KINDS[kind])
    before = running.p99s[secure]
    with flooding(running.product, port, kind, *options) as flood:
        during = steady(port, DURING, *options)
    print(
        f"\n{kind}: p99 {before:.1f} ms before, {during.p99:.1f} ms during, {len(during.latencies)} "
        f"exchanges; {flood.sent >> 20} MiB sent, ends {flood.ends}, {flood.growth >> 10} KiB more"
    )
    assert during.failures == []
    assert flood.ends.get("ENHANCE_YOUR_CALM", 0) > 0
    assert set(flood.ends) <= {"ENHANCE_YOUR_CALM", "reset"}
    assert running.product.metric("headgate_worker_floods_total", kind=KINDS[kind]) > counted
    assert during.p99 <= 2 * before + ALLOWANCE
    assert flood.growth < MEMORY
