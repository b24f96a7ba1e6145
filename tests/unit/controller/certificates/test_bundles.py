"""Authorities of clients and their revocation lists as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.controller.certificates.bundles import read_authorities, read_revocations
from headgate.controller.certificates.findings import Broken
from support.certificates import DAY, NOW, Authority

ONE, TWO = Authority("One"), Authority("Two")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_several_authorities() -> None:
    Path("ca.crt").write_text(f"# the first\n{ONE.pem}# the second: \xfc\n{TWO.pem}", encoding="utf-8")
    assert read_authorities("ca.crt", NOW) == (ONE.pem + TWO.pem, [])


def test_an_expired_authority() -> None:
    Path("ca.crt").write_text(ONE.pem)
    later = NOW + 400 * DAY
    end = f"{NOW + 365 * DAY:%Y-%m-%d}"
    assert read_authorities("ca.crt", later)[1] == [
        (f"CN=One in ca.crt expired on {end}; what it signed is refused", "")
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "ca.crt has no certificate"), (None, "cannot read ca.crt: no such file or directory")],
)
def test_no_authorities(text: str | None, reason: str) -> None:
    if text is not None:
        Path("ca.crt").write_text(text)
    with pytest.raises(Broken) as raised:
        read_authorities("ca.crt", NOW)
    assert raised.value.reason == reason


def test_a_revocation_list() -> None:
    crl = ONE.revoke(ONE.issue("somebody"))
    Path("a.crl").write_text(crl)
    assert read_revocations("a.crl", ONE.pem, NOW) == (crl, [])


def test_an_authority_without_a_list() -> None:
    Path("a.crl").write_text(ONE.revoke())
    assert read_revocations("a.crl", ONE.pem + TWO.pem, NOW)[1] == [
        (
            "a.crl has no list of CN=Two; its clients are refused",
            "add the list of each authority, an empty one too",
        )
    ]


def test_a_stale_list() -> None:
    Path("a.crl").write_text(ONE.revoke(next_update=NOW - DAY / 2))
    day = f"{NOW - DAY / 2:%Y-%m-%d}"
    assert read_revocations("a.crl", ONE.pem, NOW)[1] == [
        (
            f"the list of CN=One in a.crl was to be renewed on {day}; clients are refused",
            "put the new list there; it is read when it changes",
        )
    ]


def test_no_list() -> None:
    Path("a.crl").write_text(ONE.pem)
    with pytest.raises(Broken) as raised:
        read_revocations("a.crl", ONE.pem, NOW)
    assert (raised.value.reason, raised.value.hint) == (
        "a.crl has no revocation list",
        "it must have PEM text, -----BEGIN X509 CRL-----",
    )
