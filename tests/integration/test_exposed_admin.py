"""An admin address that other machines reach: nothing without the token, and the token is nowhere."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from headgate.cli.check import command as check
from support import Product, free_port, proxying
from support.orders import TOKEN, call, headgate
from support.product import until

PAGE = "http://evil.example"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exposed")
    (folder / "token").write_text(TOKEN + "\n")
    (folder / "token").chmod(0o600)
    return folder


class Exposed(Product):
    """The product whose admin address is everybody's; tests reach it by a loopback address all the same."""

    def write(self, config: object) -> None:
        assert isinstance(config, dict)
        admin = config["admin"] | {"bind": [f"0.0.0.0:{self.admin_port}", f"127.0.0.1:{self.local_port}"]}
        super().write(config | {"admin": admin})

    local_port = 0


@pytest.fixture(scope="module")
def product(folder: Path) -> Iterator[Exposed]:
    Exposed.local_port = free_port()
    admin = {"token_file": str(folder / "token"), "public": "health"}
    with Exposed(proxying(f"127.0.0.1:{free_port()}", admin=admin)) as product:
        yield product


def ask(port: int, path: str, method: str = "GET", **fields: str) -> tuple[int, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, path, headers=fields)
        response = connection.getresponse()
        return response.status, response.read().decode()


@pytest.mark.parametrize("path", ["/metrics", "/api/v1/state", "/api/v1/services", "/", "/nothing"])
def test_nothing_is_read_without_the_token(product: Exposed, path: str) -> None:
    for authorization in ("", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}"):
        status, body = ask(product.admin_port, path, Authorization=authorization)
        assert status == 401
        assert json.loads(body)["error"] == "the token is missing or wrong"
    status, _ = ask(product.admin_port, path, Authorization=f"bearer {TOKEN}", Host="admin.example")
    assert status == (404 if path in ("/", "/nothing") else 200)


def test_what_is_public_needs_none(product: Exposed) -> None:
    assert ask(product.admin_port, "/healthz") == (200, "alive\n")
    assert ask(product.admin_port, "/readyz")[0] == 200
    product.write(product.config | {"admin": product.config["admin"] | {"public": ["metrics"]}})
    version = 1
    product.signal(signal.SIGHUP)
    until(lambda: f"snapshot {version + 1} is served" in product.log, "the reload")
    assert ask(product.admin_port, "/metrics")[0] == 200
    assert ask(product.admin_port, "/healthz")[0] == 401
    product.write(product.config | {"admin": product.config["admin"] | {"public": ["health"]}})
    product.signal(signal.SIGHUP)
    until(lambda: ask(product.admin_port, "/metrics")[0] == 401, "the next reload")


def test_loopback_reads_without_it_and_writes_with_it(product: Exposed) -> None:
    order = (
        f"/api/v1/services/backend/endpoints/{product.config['services']['backend']['endpoints'][0]}/drain"
    )
    assert ask(product.local_port, "/api/v1/state")[0] == 200
    assert ask(product.local_port, order, "POST")[0] == 401
    assert ask(product.local_port, order, "POST", Authorization=f"Bearer {TOKEN}")[0] == 200
    assert ask(product.local_port, "/api/v1/state", Origin=PAGE)[0] == 403
    assert ask(product.local_port, "/api/v1/state", Host="evil.example")[0] == 403
    with_token = {"Authorization": f"Bearer {TOKEN}"}
    assert ask(product.local_port, order, "POST", Origin=PAGE, **with_token)[0] == 403


def test_commands_take_it_from_a_file(product: Exposed, folder: Path) -> None:
    def command(*words: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "headgate.cli", *words]
        return subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)

    address = ("--admin", f"127.0.0.1:{product.admin_port}")
    known = command("services", *address, "--token-file", str(folder / "token"))
    assert known.stdout.startswith("backend  (round_robin"), known.stderr
    assert "the token is missing or wrong" in command("services", *address).stderr
    missing = command("services", *address, "--token-file", str(folder / "none"))
    assert (missing.returncode, "cannot be read: No such file" in missing.stderr) == (2, True)
    assert headgate(product, "services").stdout == known.stdout


def test_the_token_is_nowhere(product: Exposed) -> None:
    call(product, "POST", "services/backend/endpoints/nobody/drain")
    call(product, "GET", "state", token="")
    seen = [product.log, product.file.read_text(), CliRunner().invoke(check, [str(product.file)]).output]
    paths = ("/metrics", "/readyz", *(f"/api/v1/{part}" for part in ("state", "services", "routes")))
    seen += [ask(product.admin_port, path, Authorization=f"Bearer {TOKEN}")[1] for path in paths]
    assert all(TOKEN not in text for text in seen)
    assert "snapshot" in seen[0]
    for pid in [product.pid, *product.pids()]:
        assert TOKEN.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_garbage_before_the_token(product: Exposed) -> None:
    for fields in (b"Authorization: Bearer \xff\xfe", b"Authorization: " + b"x" * 9000):
        with socket.create_connection(("127.0.0.1", product.admin_port), timeout=10) as client:
            client.sendall(
                b"GET /metrics HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\nConnection: close\r\n\r\n"
            )
            assert client.recv(99).startswith(b"HTTP/1.1 401")
    product.check()


@pytest.mark.parametrize(
    ("text", "mode", "code", "said"),
    [
        ("short", 0o600, 1, "has fewer than 16 characters"),
        (TOKEN + "\nsecond line", 0o600, 1, "has more in it than one line"),
        (None, 0o600, 1, "cannot be read: No such file"),
        (TOKEN, 0o644, 0, "can be read by everybody on this machine"),
        (TOKEN, 0o600, 0, ": valid (1 listener, 1 route, 1 service)\n"),
    ],
)
def test_files_are_checked(tmp_path: Path, text: str | None, mode: int, code: int, said: str) -> None:
    config = proxying("127.0.0.1:9", listeners={"web": {"bind": "127.0.0.1:80"}})
    config["admin"] = {"bind": "0.0.0.0:9080", "token_file": "token"}
    (tmp_path / "h.yaml").write_text(yaml.safe_dump(config))
    if text is not None:
        (tmp_path / "token").write_text(text)
        (tmp_path / "token").chmod(mode)
    done = CliRunner().invoke(check, [str(tmp_path / "h.yaml")])
    assert (done.exit_code, said in done.output) == (code, True), done.output
    assert TOKEN not in done.output
