"""The PROXY protocol to endpoints: each connection begins with its client's address, and is its alone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from headgate.core.proxy_protocol import read_proxy_header
from support import Product, RawClient, proxying

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def recording() -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers one request of each connection; gives its address, and what they said."""
    seen: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            data = b""
            while b"\r\n\r\n" not in data[16:]:
                data += connection.recv(65536)
            seen.append(data)
            connection.sendall(ANSWER)
            connection.recv(1)

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()

    threads: list[threading.Thread] = []
    server = socket.create_server(("127.0.0.1", 0))
    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}", seen
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        for thread in (accepting, *threads):
            thread.join(10)


@pytest.mark.parametrize("version", [1, 2])
def test_each_connection_is_introduced(version: int) -> None:
    with recording() as (address, seen):
        with Product(proxying(address, services={"backend": {"proxy_protocol": f"v{version}"}})) as product:
            ports = []
            for _ in range(2):
                with RawClient(product.port) as client:
                    ports.append(client.socket.getsockname()[1])
                    for _ in range(2):
                        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                        assert client.final().body == b"ok"
        headers = [read_proxy_header(data) for data in seen]
        assert [(header.version, header.source.text, header.source.port) for header in headers] == [
            (version, b"127.0.0.1", port) for port in (ports[0], ports[0], ports[1], ports[1])
        ]
        assert {header.destination.port for header in headers} == {product.port}
        assert all(
            data[header.size :].startswith(b"GET / ") for data, header in zip(seen, headers, strict=True)
        )
