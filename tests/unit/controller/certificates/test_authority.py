"""The local authority."""

from __future__ import annotations

import datetime as dt
import os
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509

from headgate import spec
from headgate.base.files import secret_file
from headgate.controller.certificates.authority import (
    AUTHORITY_LIFE,
    LEAF_LIFE,
    Authority,
    state_folder,
)
from headgate.controller.certificates.findings import Broken
from support.handshake import shake

NOW = dt.datetime.now(dt.UTC)


def served(certificate: spec.Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with secret_file(certificate.chain) as chain, secret_file(certificate.key.text) as key:
        context.load_cert_chain(chain, key)
    return context


@pytest.mark.parametrize(
    "name", ["a.example", "www.b.example", "localhost", "127.0.0.1", "::1", "192.0.2.1", socket.gethostname()]
)
def test_clients_that_believe_the_root_believe_the_certificate(tmp_path: Path, name: str) -> None:
    authority = Authority.open(tmp_path / "state")
    certificate = authority.issue(["a.example", "*.b.example", "192.0.2.1", "[2001:db8::1]"], NOW)
    client = ssl.create_default_context(cafile=str(authority.root_file))
    if hasattr(ssl, "VERIFY_X509_STRICT"):
        client.verify_flags |= ssl.VERIFY_X509_STRICT
    assert shake(served(certificate), client, name).failure == ""


def test_another_client_does_not(tmp_path: Path) -> None:
    certificate = Authority.open(tmp_path / "state").issue([], NOW)
    failure = shake(served(certificate), ssl.create_default_context(), "localhost").failure
    assert failure == "CERTIFICATE_VERIFY_FAILED"


def test_it_is_made_once_and_for_its_user_only(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "state"
    first, second = Authority.open(folder), Authority.open(folder)
    assert first.root == second.root == first.root_file.read_text()
    assert folder.stat().st_mode & 0o777 == 0o700
    files = sorted(folder.iterdir())
    assert [(file.name, file.stat().st_mode & 0o777) for file in files] == [
        ("authority.crt", 0o600),
        ("authority.pem", 0o600),
    ]


def test_all_who_start_together_have_the_same_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        roots = set(pool.map(lambda _: Authority.open(tmp_path / "state").root, range(8)))
    assert len(roots) == 1
    assert len(list((tmp_path / "state").iterdir())) == 2


def test_it_lives_for_years_and_is_replaced_before_the_end(tmp_path: Path) -> None:
    first = Authority.open(tmp_path, NOW)
    life = first.certificate.not_valid_after_utc - first.certificate.not_valid_before_utc
    assert life >= AUTHORITY_LIFE
    assert Authority.open(tmp_path, NOW + AUTHORITY_LIFE - 2 * LEAF_LIFE).root == first.root
    second = Authority.open(tmp_path, NOW + AUTHORITY_LIFE - LEAF_LIFE / 2)
    assert second.root != first.root
    assert second.root_file.read_text() == second.root


def test_what_is_good_is_not_issued_again(tmp_path: Path) -> None:
    authority = Authority.open(tmp_path / "one")
    certificate = authority.issue(["a.example"], NOW)
    assert authority.has_issued(certificate, ["a.example"], NOW)
    assert authority.has_issued(certificate, certificate.names, NOW)
    assert authority.has_issued(certificate, ["a.example"], NOW + LEAF_LIFE * 0.6)
    assert not authority.has_issued(certificate, ["a.example"], NOW + LEAF_LIFE * 0.7)
    assert not authority.has_issued(certificate, ["a.example", "b.example"], NOW)
    assert not Authority.open(tmp_path / "other").has_issued(certificate, ["a.example"], NOW)
    assert not authority.has_issued(spec.Certificate(names=certificate.names), ["a.example"], NOW)


def test_the_certificate(tmp_path: Path) -> None:
    authority = Authority.open(tmp_path)
    certificate = authority.issue(["a.example"], NOW)
    assert (certificate.cert_file, certificate.key_file, certificate.kind) == ("", "", "ecdsa")
    assert {"a.example", "localhost", "127.0.0.1", "::1"} <= set(certificate.names)
    leaf = x509.load_pem_x509_certificate(certificate.chain.encode())
    leaf.verify_directly_issued_by(authority.certificate)
    assert certificate.not_after == int(leaf.not_valid_after_utc.timestamp())
    assert leaf.not_valid_before_utc < NOW  # clocks of clients may be behind


def test_names_that_no_certificate_can_have_are_left_out(tmp_path: Path) -> None:
    certificate = Authority.open(tmp_path).issue(["a b", "", "x" * 300, "good.example"], NOW)
    assert "good.example" in certificate.names
    assert not {"a b", "", "x" * 300} & set(certificate.names)


def test_a_damaged_file(tmp_path: Path) -> None:
    Authority.open(tmp_path)
    (tmp_path / "authority.pem").write_text("gone")
    with pytest.raises(Broken) as raised:
        Authority.open(tmp_path)
    assert raised.value.reason == f"{tmp_path}/authority.pem is damaged"
    assert raised.value.hint == "remove it, and a new authority is made"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Broken) as raised:
        Authority.open(tmp_path / "file" / "state")
    assert (
        raised.value.reason == f"the local authority cannot be kept in {tmp_path}/file/state: not a directory"
    )
    assert raised.value.hint == "name another folder as process.state, or in HEADGATE_STATE"


@pytest.mark.parametrize(
    ("setting", "environ", "folder"),
    [
        ("", {"HEADGATE_STATE": "/a"}, "/a"),
        ("/b", {"HEADGATE_STATE": "/a"}, "/a"),
        ("/b", {}, "/b"),
    ],
)
def test_where_it_is_kept(setting: str, environ: dict[str, str], folder: str) -> None:
    assert state_folder(setting, environ) == Path(folder)


def test_where_it_is_kept_without_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert state_folder("", {}) == Path("/var/lib/headgate")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert state_folder("", {"XDG_STATE_HOME": "/x"}) == Path("/x/headgate")
    assert state_folder("", {}) == Path.home() / ".local/state/headgate"
    assert state_folder("", {"XDG_STATE_HOME": "relative"}) == Path.home() / ".local/state/headgate"
