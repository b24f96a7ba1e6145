"""The backend that all proxies share: nginx with small, large and telling answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.processes import BenchError, Process, fetch, find_program, pinned

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

SMALL = "/small"
FIELDS = "/fields"
UPLOAD = "/upload"
BODIES = {"/64k": 64 * 1024, "/10m": 10 * 1024 * 1024}

# What every proxy is asked to add to a request, by the name the backend's nginx has for it.
FORWARDING = (
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Real-IP",
    "X-Request-Id",
    "Via",
)

CONFIGURATION = """\
daemon off; pid backend.pid; error_log stderr; worker_processes 1;
events {{ worker_connections 20000; }}
http {{
  access_log off;
  sendfile off;  # as application servers, which send from their own memory
  keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_buffer_size 128k; client_max_body_size 0;
  server {{
    listen 127.0.0.1:{port} backlog=4096; root {root};
    location / {{
      add_header Cache-Control "private, max-age=0, no-store";
      add_header Set-Cookie "sid=1234567890abcdef; Path=/; HttpOnly; Secure; SameSite=Lax";
      add_header Strict-Transport-Security "max-age=31536000; includeSubDomains";
      add_header X-Content-Type-Options nosniff;
      add_header Vary "Accept-Encoding, Cookie";
      add_header ETag '"abcdef0123456789"';
      add_header X-Trace "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
      return 200 "hello world, this is a small body from the backend 0123456789\\n";
    }}
    location = /upload {{ return 200 "thanks\\n"; }}
    location = /fields {{ return 200 "{fields}"; }}
    location = /64k {{ }}
    location = /10m {{ }}
  }}
}}
"""


class Backend:
    """nginx on the load generator's core; `/` answers 12 header fields and 62 bytes."""

    def __init__(self, port: int, core: int, folder: Path) -> None:
        program = find_program("nginx")
        if program is None:
            raise BenchError("nginx is not installed; it is the backend: apt-get install nginx")
        root = folder / "bodies"
        root.mkdir()
        for path, size in BODIES.items():
            (root / path.lstrip("/")).write_bytes(b"0123456789abcdef" * (size // 16))
        variables = ((name, "$http_" + name.lower().replace("-", "_")) for name in FORWARDING)
        fields = "".join(f"{name}: {variable}\\n" for name, variable in variables)
        configuration = folder / "backend.conf"
        configuration.write_text(CONFIGURATION.format(port=port, root=root, fields=fields))
        self.port = port
        self.command = pinned(core, [program, "-p", str(folder), "-c", str(configuration)])
        self._folder = folder
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self._process = Process("backend", self.command, self._folder)
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
    """Which of FORWARDING the proxy on `port` sends to the backend."""
    _, body = fetch(port, FIELDS)
    lines = (line.partition(":") for line in body.decode("latin-1").splitlines())
    present = {name for name, _, value in lines if value.strip()}
    return [name for name in FORWARDING if name in present]
