"""Probes: what is asked, which answers are healthy, and what results make of an endpoint."""

from __future__ import annotations

import asyncio
import logging
import mmap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from headgate.controller.probes.asking import Target, ask
from headgate.controller.probes.probes import Probe
from headgate.controller.rotation import LiveEndpoint, Orders
from headgate.core.rotation import HealthWord, Mode, ProbeState, Verdict
from headgate.core.shared import SharedTable
from headgate.spec import Address, HealthCheck, ServiceTls
from support.peers import grpc_service

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def target(port: int, scheme: str = "http", **check: Any) -> Target:
    return Target(
        "app",
        f"127.0.0.1:{port}",
        Address(host="127.0.0.1", port=port),
        scheme,
        f"127.0.0.1:{port}",
        "127.0.0.1",
        ServiceTls(),
        HealthCheck(**({"timeout": 5.0} | check)),
    )


@asynccontextmanager
async def answering(answer: bytes, asked: list[bytes] | None = None) -> AsyncIterator[int]:
    """A server that reads once, says this, and closes; gives its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read(65536)
        if asked is not None:
            asked.append(data)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_what_is_asked() -> None:
    asked: list[bytes] = []
    async with answering(OK, asked) as port:
        check: dict[str, Any] = {
            "method": "OPTIONS",
            "path": "/h?x=1",
            "host": "a.example",
            "headers": (("X-A", "b"),),
        }
        assert await ask(target(port, **check)) == ""
    lines = asked[0].split(b"\r\n")
    assert lines[0] == b"OPTIONS /h?x=1 HTTP/1.1"
    assert {b"Host: a.example", b"X-A: b"} <= set(lines)


@pytest.mark.parametrize(
    ("answer", "check", "fault"),
    [
        (OK, {}, ""),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", {}, "status 302"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", {"statuses": ((302, 302),)}, ""),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", {}, "status 503"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, {}, ""),
        (OK, {"body": "k"}, ""),
        (OK, {"body": "up"}, "the body does not contain what it should"),
        (OK, {"body_regex": "^o.$"}, ""),
        (OK, {"body_regex": "^k"}, "the body does not match"),
        (b"", {}, "the connection ended without an answer"),
        (b"SSH-2.0-x\r\n", {}, "no answer: "),
        (b"+PONG\r\n", {"kind": "tcp", "send": "PING\r\n", "expect": "+PONG"}, ""),
        (b"-ERR\r\n", {"kind": "tcp", "send": "PING\r\n", "expect": "+PONG"}, "it sent '-ERR"),
        (b"", {"kind": "tcp"}, ""),
    ],
)
async def test_answers(answer: bytes, check: dict[str, Any], fault: str) -> None:
    async with answering(answer) as port:
        found = await ask(target(port, **check))
    assert found.startswith(fault)
    assert bool(found) == bool(fault)


async def test_nobody_and_nothing_in_time() -> None:
    assert "refused" in (await ask(target(1))).lower() or "connect" in (await ask(target(1))).lower()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await ask(target(port, timeout=0.05)) == "no answer within 0.05 s"


async def test_grpc(tmp_path: Path) -> None:
    with grpc_service(tmp_path) as address:
        port = int(address.rpartition(":")[2])
        assert await ask(target(port, kind="grpc")) == ""
        assert await ask(target(port, kind="grpc", grpc_service="broken")) == "NOT_SERVING"


def stage(**check: Any) -> tuple[Probe, LiveEndpoint]:
    table = SharedTable(memoryview(mmap.mmap(-1, 64 * 256)))
    wanted = target(9, **check)
    live = LiveEndpoint(table, wanted.service, wanted.endpoint, wanted.address)
    return Probe(logging.getLogger("headgate.test"), wanted, live), live


def state_of(live: LiveEndpoint) -> ProbeState:
    return live.probe_state


def test_the_first_probe_decides_and_thresholds_do_after_it() -> None:
    probe, live = stage(healthy=2, unhealthy=3)
    probe.take("")
    assert state_of(live) is ProbeState.PROBE_HEALTHY
    for fault in ("a", "b", "", "c", "d"):
        probe.take(fault)
        assert state_of(live) is ProbeState.PROBE_HEALTHY
    assert probe.pause <= 1.1, "faster while it changes"
    probe.take("e")
    assert state_of(live) is ProbeState.PROBE_UNHEALTHY
    assert probe.pause >= 4.5
    assert live.cell.read(HealthWord.STARTED) == 0
    probe.take("")
    assert state_of(live) is ProbeState.PROBE_UNHEALTHY
    probe.take("")
    assert state_of(live) is ProbeState.PROBE_HEALTHY
    assert live.cell.read(HealthWord.STARTED) > 0, "it starts slowly"
    assert (live.cell.read(HealthWord.PROBES_PASSED), live.cell.read(HealthWord.PROBES_FAILED)) == (4, 5)


def test_orders_are_kept_in_a_word() -> None:
    _, live = stage()
    for orders in (Orders(), Orders(Mode.DRAINING, Verdict.UNHEALTHY, 0), Orders(weight=1_000_000)):
        live.order(orders)
        assert live.orders == orders
