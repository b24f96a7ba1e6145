"""The product as its users run it: a process with a configuration file."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml

from support.ports import free_port

T = TypeVar("T")

START_SECONDS = 20.0
STOP_SECONDS = 20.0


def until(condition: Callable[[], T], what: str, seconds: float = 10.0) -> T:
    """Call `condition` until it gives something true, and return that. Raises AssertionError."""
    limit = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < limit, f"{what}: not within {seconds} s"
        time.sleep(0.01)
    return result


def merge(base: Mapping[str, Any], *others: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `others` laid over it, mappings merged and everything else replaced."""
    merged = dict(base)
    for other in others:
        for key, value in other.items():
            old = merged.get(key)
            merged[key] = (
                merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
            )
    return merged


def proxying(*endpoints: str, **more: Any) -> dict[str, Any]:
    """A configuration that sends everything to `endpoints` ("host:port"), with `more` laid over it."""
    base = {
        "process": {"workers": 1, "drain_timeout": "1s"},
        "access_log": "off",
        "routes": [{"name": "all", "match": {"path": "/*"}, "service": "backend"}],
        "services": {"backend": {"endpoints": list(endpoints)}},
    }
    return merge(base, more)


class Product:
    """A running `headgate run -c FILE`, started and ready when the constructor returns.

    `config` is the configuration as a dict. The listener "web" (added when there are no others) is
    bound to the free port `port`, and there is always an admin address at `admin_port`. Each process
    may have `open_files` open, or as many as this one. `stop` (or
    leaving the `with` block) ends it and fails the test when a worker died in the meantime, a
    traceback was logged, or the exit code was not 0.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        *arguments: str,
        env: Mapping[str, str] | None = None,
        open_files: int = 0,
    ) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="headgate-test-")
        self.port = free_port()
        self.admin_port = free_port()
        here = {"listeners": {"web": {"bind": f"127.0.0.1:{self.port}"}}}
        if "web" not in config.get("listeners", here["listeners"]):
            here = {}
        admin = {"admin": {"bind": f"127.0.0.1:{self.admin_port}"}}
        self.config = merge(here, config, admin)
        self.file = Path(self.folder.name) / "headgate.yaml"
        self.write(self.config)
        self.log_file = Path(self.folder.name) / "log"
        limit = ["prlimit", f"--nofile={open_files}"] if open_files else []
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [*limit, sys.executable, "-m", "headgate.cli", "run", "-c", str(self.file), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
            )
        self.pid = self.process.pid
        try:
            self._wait_ready()
        except BaseException:
            self.kill()
            raise
        self.first_pids = self.pids()

    def write(self, config: Mapping[str, Any]) -> None:
        """Replace the configuration file; takes effect at `signal(SIGHUP)`."""
        self.config = dict(config)
        aside = self.file.with_suffix(".new")  # so that nobody reads half of it
        aside.write_text(yaml.safe_dump(self.config, sort_keys=False))
        aside.replace(self.file)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor."""
        self.process.send_signal(number)

    @property
    def log(self) -> str:
        """Everything that it wrote to stdout and stderr."""
        return self.log_file.read_text(errors="replace")

    def pids(self) -> list[int]:
        """The processes below the supervisor, workers and controller."""
        return sorted(_descendants(self.pid))

    def memory(self) -> int:
        """Proportional set size of all its processes, in bytes."""
        return sum(_pss(pid) for pid in [self.pid, *self.pids()])

    def admin(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Status and body of a request to the admin address."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=10)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of a metric whose labels agree; 0.0 when there is none."""
        total = 0.0
        for line in self.admin("/metrics")[1].splitlines():
            matched = re.match(r"([\w:]+)(?:\{(.*)\})? (\S+)", line)
            if matched and matched[1] == name:
                found = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', matched[2] or ""))
                if labels.items() <= found.items():
                    total += float(matched[3])
        return total

    def shows(self, name: str, value: float, **labels: str) -> bool:
        """Whether a metric comes to be `value`: an exchange is counted after its client has the answer."""
        return until(lambda: self.metric(name, **labels) == value, f"{value} as {name} {labels}")

    def check(self) -> None:
        """Fail when it is not whole: a process was replaced, or a traceback was logged."""
        assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.log}"
        assert self.pids() == self.first_pids, f"processes changed:\n{self.log}"
        assert "Traceback" not in self.log, self.log

    def stop(self, *, check: bool = True) -> None:
        """End it with SIGTERM. `check=False` when the test killed parts of it itself."""
        try:
            if check:
                self.check()
            self.signal(signal.SIGTERM)
            code = self.process.wait(STOP_SECONDS)
            assert code == 0, f"exit code {code}:\n{self.log}"
            assert not check or "Traceback" not in self.log, self.log
        finally:
            self.kill()

    def kill(self) -> None:
        """End it at once with everything that it started, and remove its folder."""
        for pid in [*self.pids(), self.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(STOP_SECONDS)
        self.folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.stop()
        else:
            self.kill()

    def _wait_ready(self) -> None:
        def ready() -> bool:
            code = self.process.poll()
            assert code is None, f"ended with {code} at start:\n{self.log}"
            try:
                return self.admin("/readyz")[0] == 200
            except OSError:
                return False

        try:
            until(ready, "readiness", START_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log}\n{self.file.read_text()}") from None


def _descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            children = (task / "children").read_text().split()
        except OSError:
            continue
        for child in map(int, children):
            found += [child, *_descendants(child)]
    return found


def _pss(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    matched = re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE)
    return int(matched[1]) * 1024 if matched else 0
