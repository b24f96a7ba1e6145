"""Clients that never retry and remember every failure, and a backend that answers them."""

from __future__ import annotations

import http.client
import http.server
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from support.ports import free_port
from support.product import Product, until

PATIENCE = 30.0


@contextmanager
def surviving(
    config: Mapping[str, Any], *arguments: str, env: Mapping[str, str] | None = None
) -> Iterator[Product]:
    """A product whose processes the test kills or replaces: at the end it must only stop cleanly."""
    product = Product(config, *arguments, env=env)
    try:
        yield product
        assert "Traceback" not in product.log, product.log
        product.stop(check=False)
    finally:
        product.kill()


class _Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE

    def do_GET(self) -> None:
        """Answer with the path, after the seconds that the query names."""
        target = urlsplit(self.path)
        time.sleep(float(parse_qs(target.query).get("seconds", ["0"])[0]))
        body = target.path.encode()
        self.server.answered += 1  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name that http.server has
        """Say nothing."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    answered = 0

    def handle_error(self, request: object, client_address: object) -> None:
        """A proxy that was killed closes connections in any state."""


class PathBackend:
    """Answers `/path` with `/path`, and `/path?seconds=0.5` later."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._host = host
        self._server = _Server((host, port or free_port()), _Answer)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def address(self) -> str:
        return f"{self._host}:{self.port}"

    @property
    def answered(self) -> int:
        """Exchanges so far."""
        return self._server.answered

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass(frozen=True)
class Failure:
    """An exchange that did not end well, and the client's port of its connection."""

    port: int
    what: str
    when: float


class Load:
    """Threads that send one request after the other until the `with` block ends."""

    def __init__(self, port: int, clients: int = 8, per_connection: int = 10, path: str = "/load") -> None:
        self.failures: list[Failure] = []
        self.done = 0
        self._port = port
        self._per_connection = per_connection
        self._path = path
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def _run(self) -> None:
        while not self._stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
            port = 0
            try:
                connection.connect()
                port = connection.sock.getsockname()[1]
                for _ in range(self._per_connection):
                    self._exchange(connection)
                    if connection.sock is None or self._stop.is_set():  # the answer said close
                        break
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.failures.append(Failure(port, repr(error), time.monotonic()))
            finally:
                connection.close()

    def _exchange(self, connection: http.client.HTTPConnection) -> None:
        connection.request("GET", self._path)
        response = connection.getresponse()
        body = response.read()
        assert (response.status, body) == (200, self._path.partition("?")[0].encode()), (
            response.status,
            body,
        )
        self.done += 1

    def go_on(self, exchanges: int = 50) -> None:
        """Return when so many more exchanges ended well."""
        goal = self.done + exchanges
        until(lambda: self.done >= goal, f"{exchanges} more exchanges", PATIENCE)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
