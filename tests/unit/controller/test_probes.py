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

from headgate.controller.probes import asking
from headgate.controller.probes.asking import Contexts, Target
from headgate.controller.probes.probes import Asking, Probe, Probes
from headgate.controller.rotation import Fleet, LiveEndpoint, Orders
from headgate.core.rotation import HealthWord, Mode, ProbeState, Verdict
from headgate.core.shared import SharedTable
from headgate.spec import Address, Endpoint, HealthCheck, Service, ServiceTls, Snapshot
from support.certificates import Authority
from support.peers import grpc_service, nginx, origin_h2

PLAIN = ServiceTls()
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def ask(target: Target) -> str:
    """A probe with nothing made before."""
    return await asking.ask(target, Contexts())


def target(port: int, scheme: str = "http", tls: ServiceTls = PLAIN, **check: Any) -> Target:
    return Target(
        "app",
        f"127.0.0.1:{port}",
        Address(host="127.0.0.1", port=port),
        scheme,
        f"127.0.0.1:{port}",
        "127.0.0.1",
        tls,
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


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def pair(authority: Authority, tmp_path: Path) -> tuple[Path, Path]:
    """Certificate and key of 127.0.0.1, as files."""
    return authority.issue("127.0.0.1").write(tmp_path, "endpoint")


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


async def test_https(tmp_path: Path, authority: Authority, pair: tuple[Path, Path]) -> None:
    with nginx(tmp_path, {"healthz": "fine"}, pair) as address:
        port, known = port_of(address), ServiceTls(ca=authority.pem)
        assert await ask(target(port, "https", known, path="/healthz", body="fine")) == ""
        assert await ask(target(port, "https", known, path="/other")) == "status 404"
        assert await ask(target(port, "https", ServiceTls(verify=False), path="/healthz")) == ""
        assert "certificate verify failed" in await ask(target(port, "https", path="/healthz"))
        other = ServiceTls(ca=authority.pem, server_name="other.example")
        assert "other.example" in await ask(target(port, "https", other, path="/healthz"))
        assert await ask(target(port, "https", ServiceTls(broken="the key is gone"))) == "the key is gone"
        assert await ask(target(port, path="/healthz")) == "status 400"  # plain, where TLS is expected


async def test_h2c(tmp_path: Path) -> None:
    with origin_h2(tmp_path) as address:
        port = port_of(address)
        assert await ask(target(port, "h2c", path="/text/healthz", body="healthz")) == ""
        assert "no answer" in await ask(target(port, "h2c", path="/reset/2"))
        assert "no answer" in await ask(target(port, path="/text/"))  # HTTP/1.1, where HTTP/2 is spoken


async def test_grpc_with_tls(tmp_path: Path, authority: Authority, pair: tuple[Path, Path]) -> None:
    with grpc_service(tmp_path, pair) as address:
        wanted = target(port_of(address), "https", ServiceTls(ca=authority.pem), kind="grpc")
        assert await ask(wanted) == ""


def test_endpoints_of_a_service_share_a_context() -> None:
    contexts = Contexts()
    one, other = target(1, "https"), target(2, "https")
    grpc, own = target(1, "https", kind="grpc"), target(1, "https", ServiceTls(verify=False))
    assert contexts.of(target(1)) is None
    assert contexts.of(one) is contexts.of(other)
    assert len({contexts.of(each) for each in (one, grpc, own)}) == 3
    before = contexts.of(one), contexts.of(own)
    contexts.keep([other])
    assert contexts.of(one) is before[0]
    assert contexts.of(own) is not before[1]


async def test_not_all_are_asked_at_the_same_time() -> None:
    """Each probe is answered when as many are there as may be, or all others were."""
    at_once, count = 8, 40
    answered, here, most = 0, 0, 0
    full = asyncio.Condition()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answered, here, most
        await reader.readuntil(b"\r\n\r\n")
        async with full:
            here += 1
            most = max(most, here)
            full.notify_all()
            await full.wait_for(lambda: here >= at_once or answered + here >= count)
            here, answered = here - 1, answered + 1
            full.notify_all()
        writer.write(OK)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        address = Address(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
        endpoints = tuple(Endpoint(name=str(n), addresses=(address,), metric=n) for n in range(count))
        check = HealthCheck(timeout=30.0, interval=60.0)
        service = Service(name="app", endpoints=endpoints, health_check=check, metric=count)
        snapshot = Snapshot(version=1, services=(service,))
        fleet = Fleet(memoryview(mmap.mmap(-1, 256 * 256)))
        probes = Probes(logging.getLogger("headgate.test"), fleet, Asking(at_once))
        probes.settle(snapshot)
        async with asyncio.timeout(20), full:
            await full.wait_for(lambda: answered == count)
        await probes.close()
    assert (most, answered) == (at_once, count)


def stage(**check: Any) -> tuple[Probe, LiveEndpoint]:
    table = SharedTable(memoryview(mmap.mmap(-1, 64 * 256)))
    wanted = target(9, **check)
    live = LiveEndpoint(table, wanted.service, wanted.endpoint, wanted.address)
    return Probe(logging.getLogger("headgate.test"), wanted, live, ask=Asking().ask), live


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
