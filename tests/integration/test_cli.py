"""The commands as people call them: exit codes, and one clear line for everything that goes wrong."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support import free_port, until

HEADGATE = [sys.executable, "-m", "headgate"]
FILE = """\
process: {{ workers: 1, drain_timeout: 1s }}
listeners: {{ web: {{ bind: 127.0.0.1:{port} }} }}
routes: [{{ name: all, respond: {{ body: "hello\\n" }} }}]
"""


def call(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HEADGATE, *arguments],
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@contextmanager
def started(log: Path, *arguments: str, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*HEADGATE, *arguments],
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def get(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response:
            text: str = response.read().decode()
            return text
    except OSError:
        return ""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "headgate.yaml"
    path.write_text(FILE.format(port=free_port()))
    return path


def port_of(file: Path) -> int:
    found = re.search(r"127\.0\.0\.1:(\d+)", file.read_text())
    assert found
    return int(found[1])


@pytest.mark.parametrize("single", [[], ["--single"]])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_until_told_to_stop(
    file: Path, tmp_path: Path, number: signal.Signals, single: list[str]
) -> None:
    log = tmp_path / "log"
    with started(log, "run", "-c", str(file), *single) as process:
        until(lambda: get(port_of(file)) == "hello\n", "an answer", 15)
        process.send_signal(number)
        assert process.wait(15) == 0, log.read_text()
    said = log.read_text()
    assert f"web  http://127.0.0.1:{port_of(file)}" in said
    assert "Traceback" not in said


def test_the_file_of_the_environment(file: Path, tmp_path: Path) -> None:
    with started(tmp_path / "log", "run", HEADGATE_CONFIG=str(file)):
        until(lambda: get(port_of(file)) == "hello\n", "an answer", 15)


@pytest.mark.parametrize("single", [[], ["--single"]])
def test_a_refused_file(file: Path, single: list[str]) -> None:
    file.write_text(file.read_text().replace("respond", "respnd").replace("web", "w e b"))
    done = call("run", "-c", str(file), *single)
    assert done.returncode == 1
    assert f"{file}:2:" in done.stderr
    assert 'did you mean "respond"?' in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("single", [[], ["--single"]])
def test_an_unreadable_file(single: list[str]) -> None:
    done = call("run", "-c", "/no/such/file.yaml", *single)
    assert done.returncode == 2
    assert "/no/such/file.yaml" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_no_file_at_all() -> None:
    done = call("run", HEADGATE_CONFIG="")
    assert done.returncode == 2
    assert "HEADGATE_CONFIG" in done.stderr


@pytest.mark.parametrize("single", [[], ["--single"]])
def test_a_port_in_use(file: Path, single: list[str]) -> None:
    with socket.create_server(("127.0.0.1", port_of(file))):
        done = call("run", "-c", str(file), *single)
    assert done.returncode == 2
    assert f"127.0.0.1:{port_of(file)}" in done.stderr
    assert "in use" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_proxy_without_a_file(file: Path, tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "log"
    target = f"127.0.0.1:{port_of(file)}"
    with (
        started(tmp_path / "backend", "run", "-c", str(file)),
        started(log, "proxy", "--listen", f"127.0.0.1:{port}", "--workers", "1", target),
    ):
        until(lambda: get(port) == "hello\n", "an answer", 15)
        until(lambda: '"GET / HTTP/1.1" 200' in log.read_text(), "the access record", 5)


def test_proxy_with_a_bad_target() -> None:
    done = call("proxy", "--listen", f"127.0.0.1:{free_port()}", "http://127.0.0.1:1/api")
    assert done.returncode == 1
    assert "write http://127.0.0.1:1, and change paths in a route" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--workers", "0", "-c", "x"],
        ["proxy"],
        ["explain", "GET"],
        ["run", "--no-such-option"],
        ["nothing"],
    ],
)
def test_bad_usage(arguments: list[str]) -> None:
    done = call(*arguments)
    assert done.returncode == 2
    assert "--help" in done.stderr
    assert "Traceback" not in done.stderr


def test_workers_load_no_code_of_the_controller(file: Path, tmp_path: Path) -> None:
    """The maps of real processes: no pydantic and no YAML outside of the controller."""
    with started(tmp_path / "log", "run", "-c", str(file)) as process:
        until(lambda: get(port_of(file)) == "hello\n", "an answer", 15)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        maps = {pid: Path(f"/proc/{pid}/maps").read_text() for pid in [str(process.pid), *children]}
    heavy = {
        pid for pid, text in maps.items() if "pydantic_core" in text or "/_yaml" in text or "yaml/" in text
    }
    assert len(heavy) == 1
    assert str(process.pid) not in heavy
    assert "uvloop" not in maps[str(process.pid)]
