"""The backends that all proxies share: a lean one for small answers, nginx for bodies."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.processes import BenchError, Process, fetch, find_program, pinned

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

SMALL = "/small"
FIELDS = "/fields"
BODIES = {"/64k": 64 * 1024, "/10m": 10 * 1024 * 1024}
LEAN_SOURCE = Path(__file__).with_name("lean.c")

# What every proxy is asked to add to a request.
FORWARDING = (
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Real-IP",
    "X-Request-Id",
    "Via",
)

NGINX = """\
daemon off; pid backend.pid; error_log stderr; worker_processes 1;
events {{ worker_connections 12000; }}
http {{
  access_log off;
  sendfile off;  # as application servers, which send from their own memory
  keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_buffer_size 128k; client_max_body_size 0;
  server {{
    listen 127.0.0.1:{port} backlog=4096; root {root};
    location = /small {{ return 200 "small\\n"; }}
    location = /upload {{ return 200 "thanks\\n"; }}
  }}
  server {{
    listen 127.0.0.1:{grpc_port} http2 backlog=4096; default_type application/grpc;
    location / {{ add_header grpc-status 0; return 200 "the bytes of a message"; }}
  }}
}}
"""


class Backend:
    """A process on the backend's core that answers what the proxies forward."""

    def __init__(self, name: str, command: Sequence[str], port: int, core: int, folder: Path) -> None:
        self.name = name
        self.port = port
        self.command = pinned(core, command)
        self._folder = folder
        self._process: Process | None = None

    @classmethod
    def lean(cls, port: int, core: int, folder: Path) -> Self:
        """12 header fields and 62 bytes to every request: lean.c. Raises BenchError without a compiler."""
        program = folder / "lean"
        compiler = find_program("cc")
        if compiler is None:
            raise BenchError("a C compiler is needed for the backend: apt-get install gcc")
        command = [compiler, "-O2", "-D_GNU_SOURCE", "-o", str(program), str(LEAN_SOURCE)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise BenchError(f"lean.c does not compile:\n{done.stderr}")
        return cls("lean", [str(program), str(port)], port, core, folder)

    @classmethod
    def nginx(cls, port: int, grpc_port: int, core: int, folder: Path) -> Self:
        """Bodies of 64 KiB and 10 MiB, uploads; gRPC on a second port. Raises BenchError without nginx."""
        program = find_program("nginx")
        if program is None:
            raise BenchError("nginx is not installed; it is a backend: apt-get install nginx")
        root = folder / "bodies"
        root.mkdir()
        for path, size in BODIES.items():
            (root / path.lstrip("/")).write_bytes(b"0123456789abcdef" * (size // 16))
        configuration = folder / "backend.conf"
        configuration.write_text(NGINX.format(port=port, grpc_port=grpc_port, root=root))
        return cls(
            "backend-nginx", [program, "-p", str(folder), "-c", str(configuration)], port, core, folder
        )

    def __enter__(self) -> Self:
        self._process = Process(self.name, self.command, self._folder)
        try:
            self._process.wait_ready(self.port, SMALL)
        except BaseException:
            self._process.stop()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process is not None:
            self._process.stop()


def forwarding_fields(port: int) -> list[str]:
    """Which of FORWARDING the proxy on `port` sends to the lean backend."""
    _, head = fetch(port, FIELDS)
    names = {line.partition(":")[0].lower() for line in head.decode("latin-1").split("\r\n")}
    return [name for name in FORWARDING if name.lower() in names]
