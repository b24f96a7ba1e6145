"""Real servers, started for a test: nginx, uvicorn, Node.js, and one of our own that can be broken."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.commands import program
from support.ports import free_port
from support.product import until

PROGRAMS = Path(__file__).parent / "programs"
TESTS = Path(__file__).parent.parent
START_SECONDS = 20.0

NGINX = """\
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    types {{ text/css css; image/svg+xml svg; text/html html; }}
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port}{tls};
        root {folder}/www;
        location /text/ {{ return 200 $request_uri; }}
    }}
}}
"""


@contextmanager
def running(command: Sequence[str | Path], port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command until the block ends; gives the process once the port answers."""
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=env
        )
    try:
        until(lambda: answers(port) or process.poll() is not None, f"{command[0]} to listen", START_SECONDS)
        assert process.poll() is None, f"{command[0]} ended: {log.read_text()}"
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def peer(command: Sequence[str | Path], port: int, log: Path) -> Iterator[str]:
    """Run the command until the block ends; gives "127.0.0.1:PORT" once the port answers."""
    with running(command, port, log):
        yield f"127.0.0.1:{port}"


def answers(port: int) -> bool:
    """Whether somebody accepts connections on the port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def nginx(folder: Path, files: dict[str, str], pair: tuple[Path, Path] | None = None) -> Iterator[str]:
    """nginx serving `files` (path to text) out of `folder`, with TLS when certificate and key are given."""
    port = free_port()
    user = "user root;" if os.getuid() == 0 else ""  # only root can read the folders of pytest
    for name, text in files.items():
        file = folder / "www" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    configuration = folder / "nginx.conf"
    tls = f" ssl; ssl_certificate {pair[0]}; ssl_certificate_key {pair[1]}" if pair else ""
    configuration.write_text(NGINX.format(folder=folder, port=port, user=user, tls=tls))
    command = [program("nginx"), "-c", str(configuration), "-e", str(folder / "start.log")]
    with peer(command, port, folder / "log") as address:
        yield address


@contextmanager
def uvicorn(folder: Path) -> Iterator[str]:
    """uvicorn serving the application of programs/asgi.py."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "--app-dir",
        PROGRAMS,
        "--port",
        str(port),
        "asgi:application",
    ]
    with peer([*map(str, command)], port, folder / "uvicorn.log") as address:
        yield address


@contextmanager
def node(folder: Path) -> Iterator[str]:
    """Node.js running programs/node.mjs."""
    port = free_port()
    with peer(["node", PROGRAMS / "node.mjs", str(port)], port, folder / "node.log") as address:
        yield address


def origin_command(port: int) -> list[str]:
    """How programs/origin.py is started: bodies of all kinds, tunnels, broken answers."""
    return [sys.executable, "-m", "support.programs.origin", str(port)]


@contextmanager
def origin(folder: Path) -> Iterator[str]:
    """programs/origin.py."""
    port = free_port()
    with peer(origin_command(port), port, folder / "origin.log") as address:
        yield address


@contextmanager
def origin_h2(folder: Path, pair: tuple[Path, Path] | None = None) -> Iterator[str]:
    """programs/origin_h2.py, with TLS when certificate and key are given."""
    port = free_port()
    command = [sys.executable, "-m", "support.programs.origin_h2", str(port), *map(str, pair or ())]
    with peer(command, port, folder / "origin_h2.log") as address:
        yield address


@contextmanager
def grpc_service(folder: Path, pair: tuple[Path, Path] | None = None) -> Iterator[str]:
    """programs/grpc_service.py, with TLS when certificate and key are given."""
    port = free_port()
    command = [sys.executable, "-m", "support.programs.grpc_service", str(port), *map(str, pair or ())]
    with peer(command, port, folder / "grpc_service.log") as address:
        yield address


@contextmanager
def websocket_echo(folder: Path) -> Iterator[str]:
    """programs/websocket_echo.py."""
    port = free_port()
    command = [sys.executable, "-m", "support.programs.websocket_echo", str(port)]
    with peer(command, port, folder / "websocket_echo.log") as address:
        yield address


@contextmanager
def wrk(port: int, path: str, connections: int) -> Iterator[None]:
    """Load that nobody asks how it went, until the block ends."""
    url = f"http://127.0.0.1:{port}{path}"
    command = ["wrk", "-t1", f"-c{connections}", "-d3600s", "--timeout", "30s", url]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()
