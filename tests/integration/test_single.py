"""All roles in one process, inside the event loop of somebody else."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from headgate.controller.controller import PublishError
from headgate.controller.loading import LoadError, Provider, load_snapshot
from headgate.single import SingleGateway

TEXT = """
process: {{ drain_timeout: 5s }}
access_log: off
listeners: {{ web: {{ bind: "127.0.0.1:0" }}, more: {{ bind: "unix:{folder}/x.sock" }} }}
admin: {{ bind: "127.0.0.1:0" }}
routes: [{{ name: all, respond: {{ body: "{body}" }} }}]
"""


def provider(folder: Path, body: str) -> Provider:
    return Provider(None, TEXT.format(folder=folder, body=body).encode())


def gateway(folder: Path, body: str = "one") -> SingleGateway:
    return SingleGateway(partial(load_snapshot, provider(folder, body)), "the test")


async def get(address: str, path: str = "/") -> tuple[int, str]:
    if address.startswith("unix:"):
        reader, writer = await asyncio.open_unix_connection(address[5:])
    else:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(10):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), body.decode()


async def test_it_serves_in_the_running_loop(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        assert set(running.addresses) == {"web", "more"}
        assert await get(running.addresses["web"]) == await get(running.addresses["more"]) == (200, "one")
        (admin,) = running.admin_addresses
        status, body = await get(admin, "/readyz")
        assert (status, body.splitlines()[:2]) == (200, ["ready", "1 of 1 workers serve snapshot 1"])
        assert (await get(admin, "/metrics"))[0] == 200
    assert running.addresses == {}
    assert not (tmp_path / "x.sock").exists()


async def test_reload_good_and_bad(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        web = running.addresses["web"]
        await running.reload(partial(load_snapshot, provider(tmp_path, "two")))
        assert running.addresses["web"] == web
        assert await get(web) == (200, "two")
        with pytest.raises(LoadError):
            await running.reload(partial(load_snapshot, Provider(None, b"listeners: 3")))
        assert await get(web) == (200, "two")
        await running.reload()
        assert (running.snapshot.version, await get(web)) == (3, (200, "two"))
        (admin,) = running.admin_addresses
        assert "refused" not in (await get(admin, "/readyz"))[1]


async def test_two_side_by_side_and_an_address_in_use(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with gateway(tmp_path / "a") as one, gateway(tmp_path / "b", "two") as two:
        assert await get(one.addresses["web"]) == (200, "one")
        assert await get(two.addresses["web"]) == (200, "two")
        third = gateway(tmp_path / "a")
        with pytest.raises(PublishError, match="in use") as raised:
            await third.start()
        assert raised.value.code == 2
        assert await get(one.addresses["more"]) == (200, "one")


async def test_idle_connections_do_not_hold_the_end_up(tmp_path: Path) -> None:
    running = gateway(tmp_path)
    await running.start()
    host, _, port = running.addresses["web"].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    async with asyncio.timeout(3):
        await running.stop(None)
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
