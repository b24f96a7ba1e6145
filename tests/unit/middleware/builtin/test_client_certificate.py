"""Rules on certificates of clients."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from headgate.middleware import Reply
from headgate.middleware.builtin.client_certificate import ClientCertificate
from support.certificates import Authority, Pair
from support.hooks import Alone, exchange, made

STAFF = Authority("Staff CA")
ANN = STAFF.issue("ann.example", "10.0.0.1", subject="Ann", uris=["spiffe://a/ann"], client=True)
BARE = STAFF.issue(subject="bare", client=True)


class Shown:
    def __init__(self, certificate: bytes) -> None:
        self.certificate = certificate


def der(pair: Pair) -> bytes:
    return pair.certificate.public_bytes(Encoding.DER)


def seen(certificate: bytes | None) -> Any:
    made: Any = exchange()
    made.tls = None if certificate is None else Shown(certificate)
    return made


PRINT = hashlib.sha256(der(ANN)).hexdigest().upper()


@pytest.mark.parametrize(
    ("rule", "passes"),
    [
        ({"subject": "CN=Ann"}, True),
        ({"subject": "CN=An"}, False),
        ({"subject": "Ann|x"}, False),
        ({"issuer": "CN=Staff CA"}, True),
        ({"issuer": "CN=Other CA"}, False),
        ({"san": r"spiffe://a/.*"}, True),
        ({"san": r"ann\.example"}, True),
        ({"san": r"10\.0\.0\.1"}, True),
        ({"san": "example"}, False),
        ({"fingerprint": ":".join(PRINT[at : at + 2] for at in range(0, 64, 2))}, True),
        ({"fingerprint": "00" * 32}, False),
        ({"subject": "CN=Ann", "san": "nobody"}, False),
    ],
)
def test_rules(rule: dict[str, str], passes: bool) -> None:
    worker = Alone()
    middleware = made(ClientCertificate, {"allow": [rule], "user_header": "X-User"}, worker)
    for _ in range(2):
        asked = seen(der(ANN))
        reply = middleware.on_request(asked)
        assert (reply is None) == passes
        assert asked.user == ("Ann" if passes else None)
        assert reply is None or reply.status == 403
    assert worker.counts["refused"] == (0 if passes else 2)


def test_one_rule_of_several_is_enough() -> None:
    middleware = made(ClientCertificate, {"allow": [{"san": "nobody"}, {"subject": "CN=bare"}]})
    assert middleware.on_request(seen(der(BARE))) is None


@pytest.mark.parametrize("certificate", [None, b""])
def test_without_a_certificate_nobody_passes(certificate: bytes | None) -> None:
    worker = Alone()
    middleware = made(ClientCertificate, {"allow": [{"subject": ".*"}]}, worker)
    reply = middleware.on_request(seen(certificate))
    assert isinstance(reply, Reply)
    assert reply.status == 403
    assert worker.counts == {"missing": 1}


def test_what_is_no_certificate_does_not_pass() -> None:
    middleware = made(ClientCertificate, {"allow": [{"subject": ".*"}]})
    assert middleware.on_request(seen(b"nonsense")).status == 403


def test_rules_that_let_everybody_in_are_refused() -> None:
    for options, said in (
        ({"allow": []}, "nobody can pass"),
        ({"allow": [{}]}, "allow.0 asks for nothing"),
        ({"allow": [{"fingerprint": "abc"}]}, "is no SHA-256"),
    ):
        with pytest.raises(ValueError, match=said):
            made(ClientCertificate, options)
