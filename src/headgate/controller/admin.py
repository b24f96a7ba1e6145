"""The admin address: /metrics, /healthz, /readyz and the API over HTTP, for this machine, or with a token."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from headgate.controller.api.access import fits, unknown
from headgate.controller.status import Status
from headgate.observe.metrics import OPENMETRICS_TYPE, PROMETHEUS_TYPE, accepts_openmetrics
from headgate.spec import Process

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Receive, Scope, Send

BACKLOG = 128


def application(status: Status, metrics: Callable[[bool], bytes], api: Sequence[BaseRoute] = ()) -> ASGIApp:
    """The ASGI application. `metrics(openmetrics)` renders them; `api` is answered beside them."""

    async def show_metrics(request: Request) -> Response:
        openmetrics = accepts_openmetrics(request.headers.get("accept", ""))
        return Response(metrics(openmetrics), media_type=OPENMETRICS_TYPE if openmetrics else PROMETHEUS_TYPE)

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def readyz(_: Request) -> Response:
        return PlainTextResponse(status.text(), 200 if status.ready else 503)

    routes = [
        Route("/metrics", show_metrics),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        *api,
    ]
    return Starlette(routes=routes)


def names_this_machine(authority: str) -> bool:
    """Whether a Host field is one that a page from elsewhere cannot have: localhost or numbers."""
    host = authority.lower()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class LocalOnly:
    """Refuses what a browser was tricked into: names that were bound to our address, and other origins.

    A page from elsewhere can reach a loopback address when its own name resolves to it (DNS rebinding);
    its requests then carry that name in Host.
    """

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (reason := _refusal(scope)):
            await PlainTextResponse(f"{reason}\n", 403)(scope, receive, send)
            return
        await self._application(scope, receive, send)


# Paths of what `admin.public` names.
_PUBLIC = {"metrics": {"/metrics"}, "health": {"/healthz", "/readyz"}}


class TokenOnly:
    """Asks for the token, for addresses that other machines reach. A page from elsewhere does not know it."""

    def __init__(self, application: ASGIApp, process: Callable[[], Process]) -> None:
        self._application = application
        self._process = process

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._admits(scope):
            await unknown()(scope, receive, send)
            return
        await self._application(scope, receive, send)

    def _admits(self, scope: Scope) -> bool:
        process = self._process()
        if any(scope["path"] in _PUBLIC[name] for name in process.admin_public):
            return True
        authorization: bytes = dict(scope["headers"]).get(b"authorization", b"")
        return fits(authorization.decode("latin-1"), process.admin_token.text)


def is_exposed(sock: socket.socket) -> bool:
    """Whether other machines may reach a socket that listens."""
    address = sock.getsockname()
    return sock.family != socket.AF_UNIX and not ipaddress.ip_address(address[0]).is_loopback


def _refusal(scope: Scope) -> str:
    fields: Mapping[bytes, bytes] = dict(scope["headers"])
    host = fields.get(b"host", b"").decode("latin-1")
    if not scope.get("server") or scope["server"][1] is None:
        return ""  # a unix socket: no browser comes this way
    if not names_this_machine(host):
        return "the admin address is called by its number or localhost only"
    origin = fields.get(b"origin")
    if origin is not None and origin.decode("latin-1").partition("://")[2] != host:
        return "the admin address does not answer pages of other origins"
    return ""


class _Server(uvicorn.Server):
    """A server that leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Admin:
    """Serves an application on the sockets it was last given, by their address."""

    def __init__(self, log: logging.Logger, app: ASGIApp, process: Callable[[], Process] = Process) -> None:
        """`process` gives the token, and what needs none, as it is now."""
        self._log = log
        self._local = LocalOnly(app)
        self._exposed = TokenOnly(app, process)
        self._serving: dict[str, _Server] = {}
        self._tasks: set[asyncio.Task[Any]] = set()  # of servers that end, too

    def serve(self, descriptors: Mapping[str, int]) -> None:
        """Serve on these descriptors, which are taken over, and on no others any more."""
        for address in self._serving.keys() - descriptors.keys():
            self._serving.pop(address).should_exit = True
        for address, fd in descriptors.items():
            sock = socket.socket(fileno=fd)
            if address in self._serving:
                sock.close()
                continue
            config = uvicorn.Config(
                self._exposed if is_exposed(sock) else self._local,
                log_config=None,
                access_log=False,
                lifespan="off",
                loop="none",
                http="h11",
                ws="none",
                backlog=BACKLOG,
                server_header=False,
                timeout_graceful_shutdown=2,
                proxy_headers=False,
            )
            config.load()
            server = _Server(config)
            task = asyncio.ensure_future(server.serve(sockets=[sock]))
            task.add_done_callback(self._ended)
            self._tasks.add(task)
            self._serving[address] = server

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._log.error("the admin address failed: %r", error)

    async def close(self) -> None:
        """Stop serving; answers under way are finished."""
        self.serve({})
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=3.0)
