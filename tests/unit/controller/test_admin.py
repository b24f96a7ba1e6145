import asyncio
import contextlib
import logging
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from headgate.controller.admin import Admin, application, names_this_machine
from headgate.controller.status import Status


def metrics(openmetrics: bool) -> bytes:
    return b"open\n" if openmetrics else b"plain\n"


async def ask(
    sock: socket.socket, path: str, fields: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Status, media type and body."""
    address = sock.getsockname()
    if isinstance(address, str):
        reader, writer = await asyncio.open_unix_connection(address)
    else:
        reader, writer = await asyncio.open_connection(*address)
    lines = {"Host": "localhost", "Connection": "close", **(fields or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
    async with asyncio.timeout(10):
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    kind = next(
        (line.partition(": ")[2] for line in head.splitlines() if line.startswith("content-type")), ""
    )
    return int(head.split()[1]), kind, body


@pytest.fixture
def status() -> Status:
    return Status(version=3, wanted=2, serving=2, slots=2)


@contextlib.asynccontextmanager
async def serving(status: Status, *socks: socket.socket):  # type: ignore[no-untyped-def]
    admin = Admin(logging.getLogger("test"), application(status, metrics))
    admin.serve({str(sock.getsockname()): sock.dup().detach() for sock in socks})
    try:
        yield admin
    finally:
        await admin.close()


@pytest.fixture
def bound():  # type: ignore[no-untyped-def]
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setblocking(False)
        yield sock


async def test_alive_ready_and_metrics(status: Status, bound: socket.socket) -> None:
    async with serving(status, bound):
        assert await ask(bound, "/healthz") == (200, "text/plain; charset=utf-8", "alive\n")
        code, _, body = await ask(bound, "/readyz")
        assert (code, body.splitlines()[:2]) == (200, ["ready", "2 of 2 workers serve snapshot 3"])
        assert await ask(bound, "/metrics") == (200, "text/plain; version=0.0.4; charset=utf-8", "plain\n")
        _, kind, body = await ask(bound, "/metrics", {"Accept": "application/openmetrics-text;version=1.0.0"})
        assert (kind, body) == ("application/openmetrics-text; version=1.0.0; charset=utf-8", "open\n")
        assert (await ask(bound, "/other"))[0] == 404


async def test_readiness_follows_the_status(status: Status, bound: socket.socket) -> None:
    async with serving(status, bound):
        status.serving = 1
        code, _, body = await ask(bound, "/readyz")
        assert (code, body.splitlines()[:2]) == (503, ["not ready", "1 of 2 workers serve snapshot 3"])
        status.serving = 2
        status.refused(["a.yaml:1:2: error: no\n    write yes"])
        code, _, body = await ask(bound, "/readyz")
        assert code == 200
        assert body.splitlines()[-3:] == [
            "the last reload was refused:",
            "  a.yaml:1:2: error: no",
            "      write yes",
        ]
        status.stopping = True
        code, _, body = await ask(bound, "/readyz")
        assert (code, body.splitlines()[0]) == (503, "stopping")
        assert (await ask(bound, "/healthz"))[0] == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:9080"},
        {"Host": ""},
        {"Host": "localhost", "Origin": "http://evil.example"},
        {"Host": "localhost", "Origin": "null"},
    ],
)
async def test_a_page_from_elsewhere_is_refused(
    status: Status, bound: socket.socket, fields: dict[str, str]
) -> None:
    async with serving(status, bound):
        assert (await ask(bound, "/metrics", fields))[0] == 403


async def test_a_page_of_its_own_is_not(status: Status, bound: socket.socket) -> None:
    async with serving(status, bound):
        fields = {"Host": "127.0.0.1:9080", "Origin": "http://127.0.0.1:9080"}
        assert (await ask(bound, "/metrics", fields))[0] == 200


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST:80", True),
        ("a.localhost:1", True),
        ("127.0.0.1", True),
        ("[::1]:80", True),
        ("::1", True),
        ("localhost.evil", False),
        ("127.0.0.1.nip.io", False),
        ("", False),
        ("[", False),
    ],
)
def test_names_this_machine(authority: str, expected: bool) -> None:
    assert names_this_machine(authority) is expected


async def test_sockets_come_and_go(status: Status, bound: socket.socket, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "admin.sock"))
        other.listen()
        other.setblocking(False)
        async with serving(status, bound) as admin:
            assert (await ask(bound, "/healthz"))[0] == 200
            admin.serve({str(sock.getsockname()): sock.dup().detach() for sock in (bound, other)})
            assert (await ask(other, "/healthz", {"Host": "whatever"}))[0] == 200
            assert (await ask(bound, "/healthz"))[0] == 200
