"""Servers whose answers are functions."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from headgate.base.files import secret_file
from support.certificates import Pair

Handler = BaseHTTPRequestHandler


class Server:
    """An HTTP server of threads; with `pair` it speaks TLS. `answer` gets each request and its body, whole
    and as it came.
    """

    def __init__(self, answer: Callable[[Handler, bytes], None], pair: Pair | None = None) -> None:
        class Answering(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                answer(self, _body_of(self))

            do_GET = do_HEAD = do_POST = do_PUT = handle_one  # noqa: N815 - the names that http.server looks for

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Serving(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Clients that leave are no news."""

        self._server = Serving(("127.0.0.1", 0), Answering)
        if pair is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            with secret_file(pair.chain) as chain, secret_file(pair.key_pem) as key:
                context.load_cert_chain(chain, key)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Take nothing more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _body_of(request: Handler) -> bytes:
    if request.headers.get("transfer-encoding") != "chunked":
        return request.rfile.read(int(request.headers.get("content-length", 0)))
    body = b""
    while size := int(request.rfile.readline(), 16):
        body += request.rfile.read(size)
        request.rfile.readline()
    while request.rfile.readline().strip():
        pass
    return body


def send(request: Handler, status: int, body: bytes = b"", fields: Mapping[str, str] | None = None) -> None:
    """Answer with a body of known length."""
    request.send_response(status)
    for name, value in (fields or {}).items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)
