"""A gateway that serves in a thread with an event loop of its own, for tests that are not asynchronous."""

from __future__ import annotations

import asyncio
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from headgate.gateway import Gateway

if TYPE_CHECKING:
    from headgate.gateway import Running

START_SECONDS = 10.0
LISTENERS = {"web": {"bind": "127.0.0.1:0"}}


class GatewayThread:
    """Runs the gateway inside a `with` block, whose ends raise what starting and stopping it raised."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, name="headgate", daemon=True)
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._running: Running | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise TimeoutError(f"the gateway did not start within {START_SECONDS:.0f} s")
        if self._error is not None:
            raise self._error
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - raised again where the thread was started
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with self._gateway.run() as self._running:
            self._ready.set()
            await self._stop.wait()

    @property
    def running(self) -> Running:
        """The gateway that serves. Its coroutines belong to the thread; use `reload` here."""
        assert self._running is not None, "it serves inside the `with` block only"
        return self._running

    @property
    def url(self) -> str:
        """How to reach the first TCP listener: `http://127.0.0.1:41033`."""
        return self.running.url

    @property
    def urls(self) -> dict[str, str]:
        """How to reach each TCP listener, by name."""
        return self.running.urls

    def reload(self, gateway: Gateway) -> None:
        """Serve another configuration. Raises PublishError when it cannot be; then nothing has changed."""
        asyncio.run_coroutine_threadsafe(self.running.reload(gateway), self._loop).result(START_SECONDS)


class GatewayStarter:
    """What the fixture `headgate_gateway` gives: a call starts a gateway that lives as long as the test."""

    def __init__(self, started: ExitStack) -> None:
        self._started = started

    def __call__(self, *, app: str | None = None, **sections: Any) -> GatewayThread:
        """Start one. `app` ("127.0.0.1:9001") is short for a service of that name that takes every request.

        Without `listeners` there is one, named web, on a free port of 127.0.0.1; without `access_log`
        there is none. Raises ConfigError and PublishError.
        """
        if app is not None:
            sections["services"] = {"app": {"endpoints": [app]}, **sections.get("services", {})}
            sections["routes"] = [*sections.get("routes", []), {"name": "app", "service": "app"}]
        defaults = {"listeners": LISTENERS, "access_log": "off"}
        return self._started.enter_context(GatewayThread(Gateway(defaults | sections)))
