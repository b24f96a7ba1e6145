"""What stands on the demo's stage: three backends and the proxy in front of them, all real processes."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from types import TracebackType

START_SECONDS = 15.0
STOP_SECONDS = 10.0

CONFIGURATION = """\
# The demo's configuration. Change it while it runs, then:  kill -HUP {pid}
process: {{ workers: {workers}, drain_timeout: 2s }}
admin: {{ bind: 127.0.0.1:{admin} }}
access_log: {{ format: combined, path: stdout }}

listeners:
  web: {{ bind: 127.0.0.1:{web} }}

routes:
  - name: hello
    match: {{ path: /hello }}
    service: swift
  - name: headers
    match: {{ path: /headers }}
    service: swift
  - name: all
    match: {{ path: /all/* }}
    service: everyone
  - name: moody
    match: {{ path: /moody/*, method: [GET, HEAD] }}
    service: moody
  - name: old
    match: {{ path: /old }}
    redirect: {{ path: /hello, status: 301 }}
  - name: teapot
    match: {{ path: /teapot }}
    respond: {{ status: 418, body: "short and stout\\n" }}

services:
  swift: {{ endpoints: [127.0.0.1:{swift}] }}
  moody: {{ endpoints: [127.0.0.1:{moody}] }}
  everyone:
    balance: round_robin
    endpoints:
      - {{ address: 127.0.0.1:{swift}, weight: 2 }}
      - 127.0.0.1:{steady}
      - 127.0.0.1:{moody}
"""


class StageError(Exception):
    """A process of the demo did not start; the text is for the person who called it."""


class Part(NamedTuple):
    """One backend: its name, how slow it is, and which of its requests fail."""

    name: str
    delay_seconds: float
    fail_every: int


BACKENDS = (Part("swift", 0.0, 0), Part("steady", 0.03, 0), Part("moody", 0.15, 7))


def free_port(preferred: int) -> int:
    """`preferred` when nobody uses it on 127.0.0.1, else any free port."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise StageError("no free port on 127.0.0.1")


class Stage:
    """The running demo, from `with` to the end of its block. Raises StageError when it does not come up."""

    def __init__(self, workers: int = 2) -> None:
        self.workers = workers
        self.web = free_port(8080)
        self.admin = free_port(9080)
        self.ports: dict[str, int] = {}
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as started:
            folder = started.enter_context(tempfile.TemporaryDirectory(prefix="headgate-demo-"))
            self.file = Path(folder) / "headgate.yaml"
            for part in BACKENDS:
                self.ports[part.name] = self._start_backend(part, started)
            self.proxy = self._start_proxy(started)
            self._wait_ready()
            self._exit = started.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.__exit__(kind, error, trace)

    def wait(self) -> int:
        """Wait until the proxy ends; returns its exit code."""
        return self.proxy.wait()

    @staticmethod
    def _start_backend(part: Part, started: ExitStack) -> int:
        program = Path(__file__).with_name("backend.py")
        options = ["--delay", str(part.delay_seconds), "--fail-every", str(part.fail_every)]
        process = subprocess.Popen(
            [sys.executable, str(program), part.name, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C reaches the demo alone, which stops the proxy first
        )
        started.callback(_end_backend, process)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.strip().isdigit():
            raise StageError(f"backend {part.name} did not start")
        return int(line)

    def _start_proxy(self, started: ExitStack) -> subprocess.Popen[bytes]:
        self._write("PID")
        process = subprocess.Popen(
            [sys.executable, "-m", "headgate", "run", "-c", str(self.file)],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        started.callback(_end_proxy, process)
        self._write(process.pid)
        return process

    def _write(self, pid: int | str) -> None:
        """Write the configuration; by rename, since the proxy may be reading it."""
        text = CONFIGURATION.format(
            pid=pid, workers=self.workers, web=self.web, admin=self.admin, **self.ports
        )
        draft = self.file.with_suffix(".new")
        draft.write_text(text)
        draft.replace(self.file)

    def _wait_ready(self) -> None:
        limit = time.monotonic() + START_SECONDS
        while not self._ready():
            if self.proxy.poll() is not None:
                raise StageError(f"the proxy ended with code {self.proxy.returncode}; it says why above")
            if time.monotonic() > limit:
                raise StageError(f"the proxy was not ready within {START_SECONDS:.0f} s")
            time.sleep(0.02)

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=1)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


def _end_backend(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()
    process.wait(STOP_SECONDS)


def _end_proxy(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
