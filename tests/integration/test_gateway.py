"""`headgate.Gateway`: embedded in a running event loop, with the file's configuration in Python."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Self

import aiohttp
import msgspec
import pytest
import uvloop
import yaml
from aiohttp import web

import headgate
from headgate import spec

SECTIONS: dict[str, Any] = {
    "listeners": {"web": {"bind": "127.0.0.1:0"}},
    "access_log": "off",
    "routes": [{"name": "all", "service": "app"}],
}


class App:
    """An aiohttp server: /slow waits until /go was asked for, /socket is a WebSocket echo."""

    def __init__(self) -> None:
        self.slow_asked = asyncio.Event()
        self.go_asked = asyncio.Event()
        self.runner = web.AppRunner(self.application())
        self.address = ""

    def application(self) -> web.Application:
        application = web.Application()
        application.add_routes(
            [web.get("/slow", self.slow), web.get("/go", self.go), web.get("/socket", self.socket)]
        )
        return application

    async def slow(self, _: web.Request) -> web.Response:
        self.slow_asked.set()
        await self.go_asked.wait()
        return web.Response(text="slow")

    async def go(self, _: web.Request) -> web.Response:
        self.go_asked.set()
        return web.Response(text="go")

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    async def __aenter__(self) -> Self:
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        host, port = self.runner.addresses[0]
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.runner.cleanup()


def gateway(address: str, **changes: Any) -> headgate.Gateway:
    return headgate.Gateway(SECTIONS | {"services": {"app": {"endpoints": [address]}}} | changes)


async def text(session: aiohttp.ClientSession, url: str) -> str:
    async with session.get(url) as response:
        return await response.text()


async def embedded() -> None:
    async with (
        App() as app,
        gateway(app.address, admin={"bind": "127.0.0.1:0"}).run() as running,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as session,
    ):
        slow = asyncio.create_task(text(session, f"{running.url}/slow"))
        async with session.ws_connect(f"{running.url}/socket") as socket:
            await socket.send_str("before")
            assert await socket.receive_str() == "before"
            changed = gateway(
                app.address,
                routes=[
                    {"name": "new", "match": {"path": "/new"}, "respond": {"body": "new"}},
                    *SECTIONS["routes"],
                ],
            )
            await running.reload(changed)
            assert await text(session, f"{running.url}/new") == "new"
            await socket.send_str("after")
            assert await socket.receive_str() == "after"
        assert await text(session, f"{running.url}/go") == "go"
        assert await slow == "slow"


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_it_serves_in_either_loop(loop: Any) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(embedded())


async def test_admin_address() -> None:
    configured = headgate.Gateway(
        SECTIONS | {"admin": {"bind": "127.0.0.1:0"}, "routes": [{"name": "all", "respond": {"body": "hi"}}]}
    )
    async with configured.run() as running, aiohttp.ClientSession() as session:
        assert await text(session, running.url) == "hi"
        async with session.get(f"{running.admin_url}/readyz") as response:
            assert response.status == 200
        assert 'route="all"' in await text(session, f"{running.admin_url}/metrics")


async def test_a_refused_reload_changes_nothing() -> None:
    async with App() as app, gateway(app.address).run() as running, gateway(app.address).run() as other:
        taken = {"web": {"bind": other.url.removeprefix("http://")}}
        before = running.addresses
        with pytest.raises(headgate.PublishError, match="in use"):
            await running.reload(gateway(app.address, listeners=taken))
        assert running.addresses == before
        async with aiohttp.ClientSession() as session:
            assert await text(session, f"{running.url}/go") == "go"


async def test_leaving_the_block_drains() -> None:
    async with App() as app, aiohttp.ClientSession() as session:
        async with gateway(app.address).run() as running:
            slow = asyncio.create_task(text(session, f"{running.url}/slow"))
            await app.slow_asked.wait()
            asyncio.get_running_loop().call_later(0.1, app.go_asked.set)
            url = running.url
        assert await slow == "slow"
        with pytest.raises(aiohttp.ClientConnectorError):
            await text(session, f"{url}/go")
        with pytest.raises(LookupError, match="serves no more"):
            _ = running.url


def test_yaml_and_python_give_the_same_snapshot(tmp_path: Path) -> None:
    sections = SECTIONS | {"services": {"app": {"endpoints": ["127.0.0.1:9001", "[::1]:9002"]}}}
    file = tmp_path / "headgate.yaml"
    file.write_text(yaml.safe_dump(sections))
    from_file, from_python = headgate.Gateway.load(file).snapshot(), headgate.Gateway(**sections).snapshot()
    places = {"where": ""}
    assert [strip(route, places) for route in from_file.routes] == list(from_python.routes)
    assert spec.encode(strip(from_file, {"routes": ()})) == spec.encode(strip(from_python, {"routes": ()}))


def strip(data: Any, changes: dict[str, Any]) -> Any:
    return msgspec.structs.replace(data, **changes)


def test_problems_of_python_data() -> None:
    with pytest.raises(headgate.ConfigError) as caught:
        headgate.Gateway(SECTIONS | {"listener": {}, "routes": [{"name": "all", "service": "ap"}]})
    assert len(caught.value.problems) >= 2
    assert 'did you mean "listeners"' in str(caught.value)


def test_both_ways_at_once() -> None:
    with pytest.raises(TypeError, match="not both"):
        headgate.Gateway({}, listeners={})


def test_an_unknown_name_of_the_package() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Gatway'"):
        headgate.Gatway  # noqa: B018 - the access is the test
