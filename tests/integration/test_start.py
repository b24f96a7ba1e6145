"""Starting: what it says, what it refuses, and with which exit code."""

from __future__ import annotations

import os
import pwd
import re
import resource
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from support import Product, free_port, until
from support.load import surviving
from support.processes import client_ports, pid_of

CONFIG = {
    "process": {"workers": 2, "drain_timeout": "1s"},
    "access_log": "off",
    "routes": [{"name": "all", "respond": {"body": "hello"}}],
}


def run(path: Path, config: object, *arguments: str, **more: object) -> tuple[int, str]:
    """Exit code and output of a start that must fail."""
    path.write_text(yaml.safe_dump(config) if isinstance(config, dict) else str(config))
    command = [sys.executable, "-m", "headgate.cli", "run", "-c", str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, **more)  # type: ignore[call-overload]
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(params=["roles", "single"])
def arguments(request: pytest.FixtureRequest) -> list[str]:
    return ["--single"] if request.param == "single" else []


def test_one_block_says_what_listens_where(tmp_path: Path) -> None:
    extra = f"unix:{tmp_path}/x.sock"
    port = free_port()
    listeners = {"web": {"bind": f"127.0.0.1:{port}"}, "local": {"bind": extra}}
    with Product({**CONFIG, "listeners": listeners}) as product:
        lines = product.log.splitlines()
        assert re.fullmatch(
            rf"headgate \S+ serves {product.file} with 2 workers, pid {product.pid}", lines[0]
        )
        assert lines[1:] == [
            f"  web    http://127.0.0.1:{port}",
            f"  local  {extra}",
            f"  admin  http://127.0.0.1:{product.admin_port}",
        ]


def test_processes_have_names_and_all_the_files_they_can(tmp_path: Path) -> None:
    with Product(CONFIG) as product:
        names = sorted(Path(f"/proc/{pid}/comm").read_text().strip() for pid in product.pids())
        assert names == ["headgate: ctl", "headgate: w0", "headgate: w1"]
        for pid in [product.pid, *product.pids()]:
            soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            assert soft == hard


def test_every_worker_takes_its_share() -> None:
    with Product(CONFIG) as product, ExitStack() as stack:
        address = ("127.0.0.1", product.port)
        for _ in range(60):
            stack.enter_context(socket.create_connection(address))
        workers = [pid_of(product, "w0"), pid_of(product, "w1")]
        until(lambda: sum(len(client_ports(pid, product.port)) for pid in workers) == 60, "all accepted")
        assert min(len(client_ports(pid, product.port)) for pid in workers) > 10


@pytest.mark.parametrize("address", ["tcp", "admin", "unix"])
def test_an_address_in_use(tmp_path: Path, arguments: list[str], address: str) -> None:
    with socket.socket(socket.AF_UNIX) as unix, socket.create_server(("127.0.0.1", 0)) as tcp:
        unix.bind(str(tmp_path / "x.sock"))
        unix.listen()
        used = f"127.0.0.1:{tcp.getsockname()[1]}"
        config = CONFIG | {"listeners": {"web": {"bind": f"127.0.0.1:{free_port()}"}}}
        if address == "tcp":
            config["listeners"] = {"web": {"bind": used}}
        elif address == "unix":
            used = f"unix:{tmp_path}/x.sock"
            config["listeners"] = {"web": {"bind": used}}
        else:
            config["admin"] = {"bind": used}
        code, output = run(tmp_path / "a.yaml", config, *arguments)
    name = "admin" if address == "admin" else "web"
    assert code == 2
    assert output.startswith(f"{name}: cannot listen on {used}: it is in use by another process")
    assert len(output.splitlines()) == 1


def test_a_second_instance_is_refused(tmp_path: Path) -> None:
    with Product(CONFIG) as product:
        code, output = run(tmp_path / "b.yaml", product.config)
        assert code == 2
        assert output.count("it is in use by another process") == 2
        assert "is headgate running already?" in output


def test_all_errors_of_a_file(tmp_path: Path, arguments: list[str]) -> None:
    code, output = run(
        tmp_path / "a.yaml", "listeners: {web: {bind: nowhere}}\nroutes: [{name: a, servce: b}]\n", *arguments
    )
    assert code == 1
    assert output.count(f"{tmp_path}/a.yaml:") >= 2
    assert "service" in output


def test_an_unreadable_file(tmp_path: Path, arguments: list[str]) -> None:
    command = [sys.executable, "-m", "headgate.cli", "run", "-c", str(tmp_path / "missing.yaml"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "missing.yaml: error: the file cannot be read: No such file or directory" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_configuration_at_all() -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE")}
    command = [sys.executable, "-m", "headgate.cli", "run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=environ)
    assert done.returncode == 2
    assert "HEADGATE_CONFIG" in done.stderr


def test_a_user_that_does_not_exist(tmp_path: Path, arguments: list[str]) -> None:
    config = CONFIG | {
        "listeners": {"web": {"bind": f"127.0.0.1:{free_port()}"}},
        "process": {"user": "no-such-user", "workers": 1},
    }
    code, output = run(tmp_path / "a.yaml", config, *arguments)
    assert code == 2
    assert "there is no user 'no-such-user'" in output


def test_privileges_are_dropped_after_binding(tmp_path: Path) -> None:
    config = CONFIG | {"process": {"user": "nobody", "workers": 2, "drain_timeout": "1s"}}
    if os.geteuid() != 0:
        code, output = run(tmp_path / "a.yaml", config | {"listeners": {"web": {"bind": f":{free_port()}"}}})
        assert (code, "only root can change to another user" in output) == (2, True)
        return
    with surviving(config) as product:
        Path(product.folder.name).chmod(0o755)
        nobody = pwd.getpwnam("nobody").pw_uid
        for pid in product.pids():
            uids = re.search(
                r"^Uid:\t(\d+)\t(\d+)\t(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE
            )
            assert uids is not None
            assert {int(uid) for uid in uids.groups()} == {nobody}
        product.signal(signal.SIGHUP)
        until(lambda: product.metric("headgate_reloads_total") == 2, "a reload without rights")
        os.kill(product.pids()[-1], signal.SIGKILL)
        until(
            lambda: (
                product.metric("headgate_worker_restarts_total") == 1 and product.admin("/readyz")[0] == 200
            ),
            "a new worker",
        )


def test_the_first_request_is_served_within_a_second() -> None:
    """The benchmarks hold the figure; this only notices another order of magnitude."""
    with Product(CONFIG) as product:
        started = product.metric("headgate_started_timestamp_seconds")
        loaded = product.metric("headgate_reload_last_success_timestamp_seconds")
        assert 0 < loaded - started < 10
