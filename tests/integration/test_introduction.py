"""The PROXY protocol to endpoints: each connection begins with its client's address, and is its alone."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headgate.core.proxy_protocol import read_proxy_header
from support import Product, RawClient, free_port, proxying
from support.edge import Certificates
from support.product import merge

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


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_connection_with_tls_is_introduced_before_hands_are_shaken(version: str, tmp_path: Path) -> None:
    """To a listener of the product itself that wants a header and TLS, which tells its own endpoint."""
    certificates = Certificates(tmp_path)
    cert, key = map(str, certificates.pair)
    inner = free_port()
    with recording() as (address, seen):
        config = {
            "listeners": {
                "inner": {
                    "bind": f"127.0.0.1:{inner}",
                    "tls": {"certificates": [{"cert": cert, "key": key}]},
                    "proxy_protocol": {"from": ["127.0.0.1"]},
                }
            },
            "routes": [
                {"name": "outer", "listeners": ["web"], "service": "secured"},
                {"name": "inner", "listeners": ["inner"], "service": "told"},
            ],
            "services": {
                "secured": {
                    "endpoints": [f"https://localhost:{inner}"],
                    "tls": {"ca": str(certificates.authority)},
                    "proxy_protocol": version,
                },
                "told": {"endpoints": [address], "proxy_protocol": "v1"},
            },
        }
        with Product(merge({"listeners": {"web": {}}}, config)) as product:
            clients = [RawClient(product.port) for _ in range(5)]
            ports = [client.socket.getsockname()[1] for client in clients]
            for _ in range(2):
                for client in clients:
                    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                for client in clients:
                    assert client.final().body == b"ok"
            for client in clients:
                client.close()
            assert product.shows("headgate_endpoint_connections_total", 10, service="secured")
    told = Counter(read_proxy_header(data).source.port for data in seen)
    assert told == dict.fromkeys(ports, 2)
