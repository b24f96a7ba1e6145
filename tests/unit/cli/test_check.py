"""`headgate check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from headgate.cli.check import command
from support.certificates import Authority

GOOD = """\
listeners: { web: { bind: 127.0.0.1:8080 } }
routes: [{ name: all, service: app }]
services: { app: { endpoints: [127.0.0.1:9001] } }
"""
BAD = GOOD.replace("service: app", "service: apq").replace("endpoints", "endpoint")


def test_a_valid_file(tmp_path: Path) -> None:
    file = tmp_path / "headgate.yaml"
    file.write_text(GOOD)
    shown = CliRunner().invoke(command, [str(file)])
    assert shown.exit_code == 0
    assert shown.output == f"{file}: valid (1 listener, 1 route, 1 service)\n"


def test_all_errors_at_once(tmp_path: Path) -> None:
    file = tmp_path / "headgate.yaml"
    file.write_text(BAD)
    shown = CliRunner().invoke(command, [str(file)])
    assert shown.exit_code == 1
    assert f"{file}:2:" in shown.output
    assert f"{file}:3:" in shown.output
    assert 'did you mean "endpoints"?' in shown.output
    assert shown.output.endswith(" errors\n")
    assert "Traceback" not in shown.output


def test_json(tmp_path: Path) -> None:
    file = tmp_path / "headgate.yaml"
    file.write_text(BAD)
    shown = CliRunner().invoke(command, ["--json", str(file)])
    assert shown.exit_code == 1
    report = json.loads(shown.output)
    assert report["valid"] is False
    assert report["file"] == str(file)
    assert {problem["line"] for problem in report["problems"]} == {2, 3}


def test_standard_input() -> None:
    shown = CliRunner().invoke(command, ["-"], input=GOOD)
    assert shown.exit_code == 0
    assert "valid" in shown.output


@pytest.mark.parametrize("arguments", [["/no/such/file"], ["/"]])
def test_a_file_that_cannot_be_read(arguments: list[str]) -> None:
    shown = CliRunner().invoke(command, arguments)
    assert shown.exit_code == 2
    assert "cannot be read" in shown.stderr
    assert "Traceback" not in shown.output


def test_the_file_of_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "headgate.yaml"
    file.write_text(GOOD)
    assert CliRunner().invoke(command, [], env={"HEADGATE_CONFIG": str(file)}).exit_code == 0


TLS = """\
listeners:
  web: { bind: 127.0.0.1:8080 }
  secure:
    bind: 127.0.0.1:8443
    tls:
      certificates:
        - { cert: good.crt, key: good.key }
        - { cert: bad.crt, key: bad.key }
routes: [{ name: all, service: app }]
services: { app: { endpoints: [127.0.0.1:9001] } }
"""


def write_pairs(folder: Path) -> None:
    authority = Authority()
    for name in ("good", "bad"):
        _, key = authority.issue(f"{name}.example").write(folder, name)
        key.chmod(0o600)


def test_certificates(tmp_path: Path) -> None:
    file = tmp_path / "headgate.yaml"
    file.write_text(TLS)
    write_pairs(tmp_path)
    shown = CliRunner().invoke(command, [str(file)])
    assert shown.exit_code == 0
    assert shown.output == f"{file}: valid (2 listeners, 1 route, 1 service)\n"


def test_broken_certificates(tmp_path: Path) -> None:
    file = tmp_path / "headgate.yaml"
    file.write_text(TLS)
    write_pairs(tmp_path)
    (tmp_path / "bad.key").write_text((tmp_path / "good.key").read_text())
    shown = CliRunner().invoke(command, [str(file)])
    assert shown.exit_code == 1
    assert shown.output == (
        f"{file}:8:11: error: listeners.secure.tls.certificates[1]: "
        f"{tmp_path}/bad.key does not belong to {tmp_path}/bad.crt\n"
        f"{file}: 1 error\n"
    )
    report = json.loads(CliRunner().invoke(command, ["--json", str(file)]).output)
    assert report["valid"] is False
    assert [(each["line"], each["path"]) for each in report["problems"]] == [
        (8, "listeners.secure.tls.certificates[1]")
    ]


def test_warnings_about_certificates(tmp_path: Path) -> None:
    file = tmp_path / "headgate.yaml"
    file.write_text(TLS)
    write_pairs(tmp_path)
    (tmp_path / "bad.key").chmod(0o644)
    shown = CliRunner().invoke(command, [str(file)])
    assert shown.exit_code == 0
    assert f"{tmp_path}/bad.key can be read by everybody on this machine\n" in shown.output
    assert shown.output.endswith(f"{file}: valid (2 listeners, 1 route, 1 service), 1 warning\n")


def test_it_makes_no_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_STATE", str(tmp_path / "state"))
    file = tmp_path / "headgate.yaml"
    file.write_text(GOOD.replace("bind: 127.0.0.1:8080", "bind: 127.0.0.1:8080, tls: internal"))
    assert CliRunner().invoke(command, [str(file)]).exit_code == 0
    assert not (tmp_path / "state").exists()


KEEPERS = {
    "basic_auth": "ann:$2b$12$GhvMmNVjRW29ulnudl.LbuAnUtN/LRfe1JsBm1Xu6LE3059z5Tr8m\n",
    "api_key": f"build sha256:{'0a' * 32}\n",
}


@pytest.mark.parametrize("kind", KEEPERS)
def test_a_list_of_users_that_everybody_may_read(tmp_path: Path, kind: str) -> None:
    file, users = tmp_path / "headgate.yaml", tmp_path / "users"
    users.write_text(KEEPERS[kind])
    file.write_text(
        "listeners: { web: { bind: 127.0.0.1:8080 } }\n"
        f"middlewares: {{ login: {{ type: {kind}, files: [users] }} }}\n"
        "routes: [{ name: all, middlewares: [login], respond: { body: hello } }]\n"
    )
    users.chmod(0o640)
    shown = CliRunner().invoke(command, [str(file)])
    assert shown.output == f"{file}: valid (1 listener, 1 route, 0 services)\n"
    users.chmod(0o644)
    shown = CliRunner().invoke(command, [str(file)])
    assert shown.exit_code == 0
    assert shown.output == (
        f"{file}:2:16: warning: middlewares.login: {users} holds hashes of secrets, and every user of this "
        f"machine may read it\n    chmod 640 {users}\n"
        f"{file}: valid (1 listener, 1 route, 0 services), 1 warning\n"
    )
