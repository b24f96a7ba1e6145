"""`headgate ca`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509

from headgate.cli import ca
from headgate.cli.ca import Store, command
from headgate.controller.certificates.authority import Authority


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADGATE_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def test_it_prints_the_root(state: Path) -> None:
    shown = invoke()
    assert shown.exit_code == 0
    assert "local authority" in x509.load_pem_x509_certificate(shown.output.encode()).subject.rfc4514_string()
    assert shown.output == Authority.open(state).root == invoke().output
    assert "PRIVATE" not in shown.output


def test_it_prints_the_path(state: Path) -> None:
    assert invoke("path").output == f"{state}/authority.crt\n"
    assert Path(invoke("path").output.strip()).read_text() == invoke().output


@pytest.mark.parametrize("arguments", [["--state", "FOLDER", "path"], ["path", "--state", "FOLDER"]])
def test_another_folder(tmp_path: Path, arguments: list[str]) -> None:
    folder = str(tmp_path / "other")
    shown = invoke(*(folder if each == "FOLDER" else each for each in arguments))
    assert shown.output == f"{folder}/authority.crt\n"


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    shown = invoke("--state", str(tmp_path / "file" / "x"))
    assert shown.exit_code == 2
    assert shown.stderr == (
        f"headgate: the local authority cannot be kept in {tmp_path}/file/x: not a directory\n"
        "    name another folder as process.state, or in HEADGATE_STATE\n"
    )


def program(folder: Path, script: str) -> None:
    folder.mkdir(exist_ok=True)
    file = folder / "update-trust"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system's store in a folder of the test."""
    folder = tmp_path / "store" / "anchors"
    monkeypatch.setattr(ca, "STORES", (Store(folder, ("update-trust",)),))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    program(tmp_path / "bin", f"touch {tmp_path}/updated")
    return folder


def test_it_is_installed(store: Path, tmp_path: Path, state: Path) -> None:
    shown = invoke("install")
    assert shown.exit_code == 0, shown.output
    (file,) = store.iterdir()
    authority = Authority.open(state)
    assert file.read_text() == authority.root
    assert file.name == f"headgate-{authority.fingerprint.replace(':', '')[:16].lower()}.crt"
    assert (tmp_path / "updated").exists()
    assert shown.output == (
        f"The system believes {state}/authority.crt now, as {file}.\n"
        f"SHA-256 {authority.fingerprint}\n"
        "Firefox and Chromium have lists of their own: import the file there, too.\n"
    )
    assert invoke("install").exit_code == 0
    assert len(list(store.iterdir())) == 1


def test_the_store_refuses(store: Path, tmp_path: Path) -> None:
    program(tmp_path / "bin", "echo no room >&2; exit 3")
    shown = invoke("install")
    assert shown.exit_code == 1
    assert shown.stderr == "headgate: update-trust failed: no room\n"
    assert list(store.iterdir()) == []


def test_without_the_right(store: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.parent.write_text("")  # nobody can make a folder in a file, root neither
    monkeypatch.setattr("sys.argv", ["headgate"])
    shown = invoke("install")
    assert shown.exit_code == 1
    target = store / f"headgate-{Authority.open(state).fingerprint.replace(':', '')[:16].lower()}.crt"
    assert shown.stderr == (
        f"headgate: cannot write {target}: not a directory\n    sudo headgate ca install --state {state}\n"
    )


def test_on_another_system(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ca, "STORES", (Store(Path("/nowhere"), ("no-such-program",)),))
    shown = invoke("install")
    assert shown.exit_code == 1
    assert shown.stderr == (
        "headgate: no store of this system is known here (update-ca-certificates, update-ca-trust)\n"
        f"    import {state}/authority.crt where your system keeps its authorities\n"
    )


def test_help_has_examples() -> None:
    assert 'curl --cacert "$(headgate ca path)" https://localhost:8443/' in invoke("--help").output
    assert "sudo headgate ca install" in invoke("install", "--help").output
