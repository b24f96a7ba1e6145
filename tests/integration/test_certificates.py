"""Certificates in the running product: served, renewed, broken, made here; never shown."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate import Gateway
from support import Product, free_port, proxying, until
from support.certificates import Authority, Pair
from support.load import PathBackend

AUTHORITY = Authority()


@pytest.fixture(scope="module")
def backend() -> Iterator[PathBackend]:
    with PathBackend() as backend:
        yield backend


def put(pair: Pair, folder: Path, name: str, key: str = "") -> None:
    """Put a pair in place, each file as a whole."""
    for suffix, text in ((".crt", pair.chain), (".key", key or pair.key_pem)):
        draft = folder / f"{name}{suffix}.new"
        draft.write_text(text)
        draft.chmod(0o600)
        draft.replace(folder / f"{name}{suffix}")


def client(root: str = "") -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=root or AUTHORITY.pem)
    context.set_alpn_protocols(["http/1.1"])
    return context


def ask(port: int, name: str, context: ssl.SSLContext | None = None) -> tuple[bytes, bytes]:
    """The status line of an answer, and the certificate that came with it."""
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        (context or client()).wrap_socket(plain, server_hostname=name) as connection,
    ):
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        seen = connection.getpeercert(binary_form=True)
        assert seen is not None
        return connection.recv(65536).partition(b"\r\n")[0], seen


def der(pair: Pair) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pair.chain)


def secured(folder: Path, backend: PathBackend, port: int, *names: str, **more: Any) -> dict[str, Any]:
    pairs = [{"cert": str(folder / f"{name}.crt"), "key": str(folder / f"{name}.key")} for name in names]
    listeners = {
        "web": {"bind": f"127.0.0.1:{free_port()}"},
        "secure": {"bind": f"127.0.0.1:{port}", "tls": {"certificates": pairs}},
    }
    return proxying(backend.address, listeners=listeners, **more)


A, B = AUTHORITY.issue("a.example"), AUTHORITY.issue("b.example")


def test_a_renewed_certificate_is_served_by_all_workers(tmp_path: Path, backend: PathBackend) -> None:
    """Without a reload, and without an end of connections."""
    put(A, tmp_path, "a")
    port = free_port()
    with (
        Product(secured(tmp_path, backend, port, "a", process={"workers": 2})) as product,
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        client().wrap_socket(plain, server_hostname="a.example") as old,
    ):
        renewed = AUTHORITY.issue("a.example")
        put(renewed, tmp_path, "a")
        until(lambda: "certificates changed: snapshot 2" in product.log, "the renewal", 20)
        assert {ask(port, "a.example") for _ in range(20)} == {(b"HTTP/1.1 200 OK", der(renewed))}
        old.sendall(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        assert old.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        assert old.getpeercert(binary_form=True) == der(A)


def test_a_pair_that_becomes_broken_is_served_on(tmp_path: Path, backend: PathBackend) -> None:
    put(A, tmp_path, "a")
    port = free_port()
    with Product(secured(tmp_path, backend, port, "a")) as product:
        put(AUTHORITY.issue("a.example"), tmp_path, "a", key=B.key_pem)
        until(lambda: "a.key does not belong to" in product.log, "the complaint", 20)
        assert ask(port, "a.example") == (b"HTTP/1.1 200 OK", der(A))
        product.signal(signal.SIGHUP)
        until(lambda: product.metric("headgate_reloads_total") == 2, "the reload")
        assert ask(port, "a.example") == (b"HTTP/1.1 200 OK", der(A))


def test_a_pair_that_is_broken_at_start_costs_its_names_only(tmp_path: Path, backend: PathBackend) -> None:
    put(A, tmp_path, "a")
    put(B, tmp_path, "b", key=A.key_pem)
    port = free_port()
    with Product(secured(tmp_path, backend, port, "a", "b")) as product:
        assert f"{tmp_path}/b.key does not belong to {tmp_path}/b.crt" in product.log
        assert ask(port, "a.example") == (b"HTTP/1.1 200 OK", der(A))
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(port, "b.example")
        put(B, tmp_path, "b")
        until(lambda: "certificates changed: snapshot 2" in product.log, "the mending", 20)
        assert ask(port, "b.example") == (b"HTTP/1.1 200 OK", der(B))


def test_a_replaced_worker_needs_no_files(tmp_path: Path, backend: PathBackend) -> None:
    """Neither files nor controller: what it serves is in the snapshot."""
    put(A, tmp_path, "a")
    port = free_port()
    product = Product(secured(tmp_path, backend, port, "a"))
    try:
        for name in ("a.crt", "a.key"):
            (tmp_path / name).unlink()
        for pid in product.first_pids:
            os.kill(pid, signal.SIGKILL)

        def served() -> bool:
            try:
                return ask(port, "a.example") == (b"HTTP/1.1 200 OK", der(A))
            except OSError:
                return False

        until(served, "the replacement", 20)
    finally:
        product.stop(check=False)


def test_internal_certificates_and_their_root(tmp_path: Path, backend: PathBackend) -> None:
    port = free_port()
    environment = {"HEADGATE_STATE": str(tmp_path / "state")}
    config = secured(tmp_path, backend, port)
    config["listeners"]["secure"]["tls"] = "internal"
    config["routes"][0]["match"]["host"] = ["shop.example", "localhost"]
    with Product(config, env=environment):
        root = subprocess.run(
            [sys.executable, "-m", "headgate.cli", "ca"],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **environment},
        ).stdout
        for name in ("shop.example", "localhost"):
            assert ask(port, name, client(root))[0] == b"HTTP/1.1 200 OK"


def test_no_answer_and_no_log_has_a_key(tmp_path: Path, backend: PathBackend) -> None:
    put(A, tmp_path, "a")
    config = secured(tmp_path, backend, free_port(), "a", process={"log_level": "debug"})
    with Product(config) as product:
        put(A, tmp_path, "a", key=B.key_pem)
        until(lambda: "a.key does not belong to" in product.log, "the complaint", 20)
        texts = [product.log, *(product.admin(path)[1] for path in ("/metrics", "/readyz", "/healthz", "/"))]
        explain = [sys.executable, "-m", "headgate.cli", "explain", "--json", "GET", "/", "-c"]
        texts.append(subprocess.check_output([*explain, str(product.file)], text=True))
        for line in (*A.key_pem.splitlines(), *B.key_pem.splitlines()):
            assert not any(line in text for text in texts)


async def test_a_gateway_in_a_program(tmp_path: Path) -> None:
    put(A, tmp_path, "a")
    pair = {"cert": str(tmp_path / "a.crt"), "key": str(tmp_path / "a.key")}
    gateway = Gateway(
        listeners={"web": {"bind": "127.0.0.1:0", "tls": {"certificates": [pair]}}},
        routes=[{"name": "ping", "respond": {"body": "pong"}}],
    )
    async with gateway.run() as running:
        assert running.url.startswith("https://127.0.0.1:")
        port = int(running.url.rpartition(":")[2])
        assert await asyncio.to_thread(ask, port, "a.example") == (b"HTTP/1.1 200 OK", der(A))


async def test_a_gateway_with_a_broken_pair_serves_its_other_listeners(tmp_path: Path) -> None:
    pair = {"cert": str(tmp_path / "a.crt"), "key": str(tmp_path / "a.key")}
    listeners = {
        "web": {"bind": "127.0.0.1:0"},
        "secure": {"bind": "127.0.0.1:0", "tls": {"certificates": [pair]}},
    }
    gateway = Gateway(listeners=listeners, routes=[{"name": "ping", "respond": {"body": "pong"}}])
    async with gateway.run() as running:
        web, secure = (int(url.rpartition(":")[2]) for url in running.urls.values())
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.to_thread(ask, secure, "a.example")
        reader, writer = await asyncio.open_connection("127.0.0.1", web)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"pong")
        writer.close()
        await writer.wait_closed()
