"""Certificates and keys as files: what is read, what is refused, what is warned about."""

from __future__ import annotations

import datetime as dt
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, rsa

from headgate.controller.certificates.findings import Broken
from headgate.controller.certificates.pairs import BrokenPair, names_of, read_pair
from support.certificates import DAY, NOW, Authority, Kind, Pair, pem

AUTHORITY = Authority()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everything is called by its short name."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(pair: Pair, cert: str | None = None, key: str | None = None) -> None:
    Path("site.crt").write_text(pair.chain if cert is None else cert)
    Path("site.key").write_text(pair.key_pem if key is None else key)
    Path("site.key").chmod(0o600)


def warnings(now: dt.datetime = NOW, *, server: bool = True) -> list[tuple[str, str]]:
    return read_pair("site.crt", "site.key", now, server=server)[1]


def refusal() -> tuple[str, str]:
    with pytest.raises(Broken) as raised:
        read_pair("site.crt", "site.key", NOW)
    return raised.value.reason, raised.value.hint


@pytest.mark.parametrize("kind", ["ecdsa", "rsa", "ed25519"])
def test_a_good_pair(kind: Kind) -> None:
    pair = Authority("Intermediate", AUTHORITY).issue(
        "A.example", "*.b.example", "192.0.2.1", "::1", kind=kind
    )
    write(pair)
    read, found = read_pair("site.crt", "site.key", NOW)
    assert found == []
    assert (read.chain, read.key.text, read.kind) == (pair.chain, pair.key_pem, kind)
    assert read.names == ("a.example", "*.b.example", "192.0.2.1", "::1")
    assert read.not_after == int(pair.certificate.not_valid_after_utc.timestamp())
    assert (read.cert_file, read.key_file, read.broken) == ("site.crt", "site.key", "")


def test_both_in_one_file_with_comments() -> None:
    pair = AUTHORITY.issue("a.example")
    Path("both.pem").write_bytes(
        "Bag Attributes\n  Zertifikat für a.example\n".encode()
        + pair.key_pem.encode()
        + b"subject=/CN=a.example\r\n"
        + pair.chain.replace("\n", "\r\n").encode()
    )
    Path("both.pem").chmod(0o600)
    read, found = read_pair("both.pem", "both.pem", NOW)
    assert found == []
    assert (read.chain, read.key.text) == (pair.chain, pair.key_pem)


def test_older_forms_of_keys() -> None:
    pair = AUTHORITY.issue("a.example")
    text = pair.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    write(pair, key=parameters + text)
    assert read_pair("site.crt", "site.key", NOW)[0].key.text == text


def traditional(pair: Pair) -> str:
    return pair.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(b"secret"),
    ).decode()


PAIR = AUTHORITY.issue("a.example")
OTHER = AUTHORITY.issue("b.example")
UPPER = Authority("Intermediate", AUTHORITY).issue("a.example")
SMALL = AUTHORITY.issue("a.example", key=rsa.generate_private_key(65537, 1024))
DSA = dsa.generate_private_key(2048).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
ENCRYPTED = (
    "site.key is encrypted, and there is nobody to ask for its password",
    "openssl pkey -in site.key -out FILE, and let only Headgate's user read FILE",
)

REFUSALS: dict[str, tuple[Callable[[], None], tuple[str, str]]] = {
    "another key": (
        lambda: write(PAIR, key=OTHER.key_pem),
        ("site.key does not belong to site.crt", ""),
    ),
    "the wrong order": (
        lambda: write(UPPER, cert=pem(UPPER.above[0]) + pem(UPPER.certificate)),
        (
            "site.key belongs to certificate 2 of site.crt, not to the first",
            "put that one first in site.crt, and those above it behind it",
        ),
    ),
    "an encrypted key": (lambda: write(PAIR, key=PAIR.encrypted("secret")), ENCRYPTED),
    "an encrypted key in the older form": (lambda: write(PAIR, key=traditional(PAIR)), ENCRYPTED),
    "no certificate": (
        lambda: write(PAIR, cert="hello\n"),
        ("site.crt has no certificate", "it must have PEM text, -----BEGIN CERTIFICATE-----"),
    ),
    "an empty file": (
        lambda: write(PAIR, cert=""),
        ("site.crt has no certificate", "it must have PEM text, -----BEGIN CERTIFICATE-----"),
    ),
    "no key": (
        lambda: write(PAIR, key=PAIR.chain),
        ("site.key has no private key", "it must have PEM text, -----BEGIN PRIVATE KEY-----"),
    ),
    "two keys": (
        lambda: write(PAIR, key=PAIR.key_pem + OTHER.key_pem),
        ("site.key has 2 private keys", "leave the one that belongs to the certificate"),
    ),
    "a damaged certificate": (
        lambda: write(PAIR, cert=PAIR.chain + PAIR.chain[:60] + PAIR.chain[90:]),
        ("certificate 2 of site.crt cannot be read: it is damaged", ""),
    ),
    "a damaged key": (
        lambda: write(PAIR, key=PAIR.key_pem[:60] + PAIR.key_pem[90:]),
        ("the key in site.key cannot be read: it is damaged", ""),
    ),
    "half a file": (
        lambda: write(PAIR, cert=PAIR.chain[:200]),
        ("site.crt has no certificate", "it must have PEM text, -----BEGIN CERTIFICATE-----"),
    ),
    "DER": (
        lambda: write_der(PAIR),
        ("site.crt is in DER, not in PEM", "openssl x509 -inform der -in site.crt -out FILE"),
    ),
    "a key that is too short": (
        lambda: write(SMALL),
        ("site.crt is refused by OpenSSL: its key too small", ""),
    ),
    "a key of another kind": (
        lambda: write(PAIR, key=DSA.decode()),
        ("site.key does not belong to site.crt", ""),
    ),
    "a missing certificate": (
        lambda: write_one("site.key", PAIR.key_pem),
        ("cannot read site.crt: no such file or directory", ""),
    ),
    "a missing key": (
        lambda: write_one("site.crt", PAIR.chain),
        ("cannot read site.key: no such file or directory", ""),
    ),
    "a folder": (
        lambda: Path("site.crt").mkdir(),
        ("cannot read site.crt: is a directory", ""),
    ),
}


def write_one(name: str, text: str) -> None:
    Path(name).write_text(text)


def write_der(pair: Pair) -> None:
    write(pair)
    Path("site.crt").write_bytes(pair.certificate.public_bytes(serialization.Encoding.DER))


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(case: str) -> None:
    prepare, expected = REFUSALS[case]
    prepare()
    assert refusal() == expected


def test_a_file_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    write(PAIR)
    opened = Path.open

    def refuse(path: Path, *arguments: Any) -> Any:
        if path.name == "site.key":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(path, *arguments)

    monkeypatch.setattr(Path, "open", refuse)
    assert refusal() == (
        "cannot read site.key: permission denied",
        "let the user that Headgate runs as read it",
    )


@pytest.mark.parametrize("case", [case for case in REFUSALS if "key" in case])
def test_nothing_of_a_key_is_repeated(case: str) -> None:
    REFUSALS[case][0]()
    lines = {line for pair in (PAIR, OTHER, SMALL) for line in pair.key_pem.splitlines()[1:-1]}
    assert not any(line in "".join(refusal()) for line in lines)


def test_a_broken_pair_says_which_names_it_is_for() -> None:
    write(PAIR, key=OTHER.key_pem)
    with pytest.raises(BrokenPair) as raised:
        read_pair("site.crt", "site.key", NOW)
    assert raised.value.pair.names == ("a.example",)
    assert (raised.value.pair.chain, raised.value.pair.key.text) == ("", "")


# --- Warnings ---


def test_expired() -> None:
    write(AUTHORITY.issue("a.example", before=NOW - 20 * DAY, after=NOW - 10 * DAY))
    assert warnings() == [(f"site.crt expired on {NOW - 10 * DAY:%Y-%m-%d}; clients refuse it", "renew it")]


def test_not_valid_yet() -> None:
    begin = NOW + DAY
    write(AUTHORITY.issue("a.example", before=begin, after=begin + 90 * DAY))
    assert warnings() == [(f"site.crt is valid from {begin:%Y-%m-%d %H:%M} UTC only; clients refuse it", "")]


@pytest.mark.parametrize(
    ("life", "left", "warned"), [(90, 15, False), (90, 13, True), (6, 3, False), (6, 1, True)]
)
def test_about_to_expire(life: int, left: int, *, warned: bool) -> None:
    end = NOW + left * DAY
    write(AUTHORITY.issue("a.example", before=end - life * DAY, after=end))
    days = "1 day" if left == 1 else f"{left} days"
    expected = [(f"site.crt expires on {end:%Y-%m-%d}, in {days}", "renew it")]
    assert warnings() == (expected if warned else [])


def test_a_chain_out_of_order() -> None:
    pair = Authority("Lower", Authority("Upper", AUTHORITY)).issue("a.example")
    write(pair, cert="".join(map(pem, (pair.certificate, *reversed(pair.above)))))
    assert warnings() == [
        (
            "certificate 2 of site.crt (CN=Upper) has not signed the one before it, which names CN=Lower",
            "put the certificate of the site first, and each one's issuer behind it",
        )
    ]


def test_no_alternative_names() -> None:
    write(AUTHORITY.issue(subject="Old.example"))
    assert read_pair("site.crt", "site.key", NOW)[0].names == ("old.example",)
    expected = ("site.crt has no alternative names; browsers refuse it", "have it issued with subjectAltName")
    assert warnings() == [expected]
    assert warnings(server=False) == []


def test_not_for_servers() -> None:
    write(AUTHORITY.issue("a.example", client=True))
    assert warnings() == [("site.crt is not made for servers; clients refuse it", "")]
    assert warnings(server=False) == []


def test_a_key_that_everybody_can_read() -> None:
    write(PAIR)
    Path("site.key").chmod(0o644)
    assert warnings() == [("site.key can be read by everybody on this machine", "chmod o-r site.key")]


def test_names_are_in_lower_case_and_once() -> None:
    certificate = AUTHORITY.issue("A.example", "a.example", "a.example.").certificate
    assert names_of(certificate) == ("a.example",)
    assert isinstance(certificate, x509.Certificate)
