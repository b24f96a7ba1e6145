"""SIGTERM, SIGINT, SIGUSR1, and the end of everything when the supervisor is gone."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pytest

from support import Product, merge, proxying, until
from support.load import PathBackend, surviving
from support.processes import pid_of

MODES = pytest.mark.parametrize("arguments", [(), ("--single",)], ids=["roles", "single"])


@pytest.fixture(scope="module")
def backend() -> Iterator[PathBackend]:
    with PathBackend() as backend:
        yield backend


class Slow:
    """One slow exchange in a thread."""

    def __init__(self, port: int, seconds: float) -> None:
        self.outcome: object = None
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._connection.request("GET", f"/slow?seconds={seconds}")
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            response = self._connection.getresponse()
            self.outcome = (response.status, response.read(), response.getheader("connection"))
        except (OSError, http.client.HTTPException) as error:
            self.outcome = error
        finally:
            self._connection.close()

    def end(self) -> object:
        self._thread.join()
        return self.outcome


class Waiting(Slow):
    """One whose end is waited for at the end of a block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.end() in ((200, b"/slow", None), (200, b"/slow", "close"))


def config(backend: PathBackend, **process: Any) -> dict[str, Any]:
    return proxying(backend.address, process={"workers": 2, "drain_timeout": "10s", **process})


def begun(product: Product) -> None:
    """Wait until an exchange is under way."""
    until(lambda: product.metric("headgate_service_in_flight") == 1, "an exchange")


def refused(product: Product) -> bool:
    """Whether nobody listens."""
    try:
        with socket.create_connection(("127.0.0.1", product.port), timeout=5):
            return False
    except OSError:
        return True


@MODES
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_runs_is_finished(
    backend: PathBackend, arguments: tuple[str, ...], number: signal.Signals
) -> None:
    with surviving(config(backend), *arguments) as product:
        slow = Slow(product.port, 1.5)
        begun(product)
        product.signal(number)
        until(lambda: refused(product), "listening has stopped")
        assert slow.outcome is None
        assert slow.end() == (200, b"/slow", "close")
        assert product.process.wait(10) == 0
        assert product.pids() == []


@MODES
def test_a_second_signal_stops_at_once(backend: PathBackend, arguments: tuple[str, ...]) -> None:
    with surviving(config(backend), *arguments) as product:
        slow = Slow(product.port, 8)
        begun(product)
        product.signal(signal.SIGTERM)
        until(lambda: refused(product), "listening has stopped")
        began = time.monotonic()
        product.signal(signal.SIGTERM)
        assert product.process.wait(10) == 0
        assert time.monotonic() - began < 5
        assert isinstance(slow.end(), Exception)


@MODES
def test_the_drain_limit_cuts_what_takes_longer(backend: PathBackend, arguments: tuple[str, ...]) -> None:
    with surviving(config(backend, drain_timeout="500ms"), *arguments) as product:
        slow = Slow(product.port, 8)
        begun(product)
        product.signal(signal.SIGTERM)
        assert product.process.wait(10) == 0
        assert isinstance(slow.end(), Exception)
        assert "drain limit" in product.log


@MODES
def test_readiness_fails_first(backend: PathBackend, arguments: tuple[str, ...]) -> None:
    with surviving(config(backend, pre_stop_delay="1500ms"), *arguments) as product:
        product.signal(signal.SIGTERM)
        until(lambda: product.admin("/readyz")[0] == 503, "not ready")
        assert product.admin("/readyz")[1].startswith("stopping\n")
        assert product.admin("/healthz")[0] == 200
        slow = Slow(product.port, 0)  # still served: nobody has noticed yet
        assert slow.end() == (200, b"/slow", None)
        assert product.process.poll() is None
        assert product.process.wait(10) == 0


@MODES
def test_logs_are_reopened(backend: PathBackend, arguments: tuple[str, ...], tmp_path: Path) -> None:
    log, moved = tmp_path / "access.log", tmp_path / "access.log.1"
    with surviving(merge(config(backend), {"access_log": {"path": str(log)}}), *arguments) as product:
        assert Slow(product.port, 0).end() == (200, b"/slow", None)
        until(log.read_text, "a record")
        log.rename(moved)
        product.signal(signal.SIGUSR1)
        until(log.exists, "a new file")
        assert Slow(product.port, 0).end() == (200, b"/slow", None)
        until(log.read_text, "a record in the new file")
        assert len(moved.read_text().splitlines()) == 1


def test_a_dead_supervisor_leaves_no_orphans(backend: PathBackend) -> None:
    product = Product(config(backend))
    try:
        children = product.pids()
        slow = Slow(product.port, 1)
        begun(product)
        product.signal(signal.SIGKILL)
        product.process.wait(5)
        assert slow.end() == (200, b"/slow", "close")
        until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in children), "all children gone")
        assert refused(product)
        assert "Traceback" not in product.log
    finally:
        for pid in children:
            if Path(f"/proc/{pid}/exe").exists():
                os.kill(pid, signal.SIGKILL)
        product.kill()


def test_a_worker_told_to_end_drains_and_is_replaced(backend: PathBackend) -> None:
    with surviving(config(backend, workers=1)) as product:
        worker = pid_of(product, "w0")
        slow = Slow(product.port, 1)
        begun(product)
        os.kill(worker, signal.SIGTERM)
        assert slow.end() == (200, b"/slow", "close")
        until(lambda: worker not in product.pids() and len(product.pids()) == 2, "a new worker")
        assert Slow(product.port, 0).end() == (200, b"/slow", None)


def test_a_neighbour_listens_while_a_worker_drains(backend: PathBackend) -> None:
    with surviving(config(backend)) as product, ExitStack() as stack:
        slow = [stack.enter_context(Waiting(product.port, 3)) for _ in range(12)]
        until(lambda: product.metric("headgate_service_in_flight") == len(slow), "exchanges")
        worker = pid_of(product, "w0")
        os.kill(worker, signal.SIGTERM)
        for _ in range(30):
            assert Slow(product.port, 0).end() in ((200, b"/slow", None), (200, b"/slow", "close"))
        assert worker in product.pids()


def test_what_a_terminal_sends_to_all_is_left_to_the_supervisor(backend: PathBackend) -> None:
    with Product(config(backend)) as product:
        for pid in product.pids():
            for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
                os.kill(pid, number)
        assert Slow(product.port, 0.2).end() == (200, b"/slow", None)


@MODES
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9, 1.2])
def test_a_signal_while_it_starts(arguments: tuple[str, ...], part: float, tmp_path: Path) -> None:
    """Whatever it was doing: it ends, at once, with all its processes, and says nothing unseemly."""
    file = tmp_path / "a.yaml"
    file.write_text("listeners: { web: { bind: '127.0.0.1:0' } }\nroutes: [{ name: all, respond: {} }]\n")
    command = [sys.executable, "-m", "headgate.cli", "run", "-c", str(file), *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        time.sleep(part * 0.5)  # the moment is the parameter, not something to wait for
        process.send_signal(signal.SIGTERM)
        _, output = process.communicate(timeout=20)
        assert process.returncode in (0, -signal.SIGTERM), output  # the latter: before it could know better
        assert "Traceback" not in output
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
