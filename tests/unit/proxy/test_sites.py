"""Which site answers to a name, what it presents, and which hosts may come on its connections."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from headgate import spec
from headgate.base.files import secret_file
from headgate.proxy.encryption import OPEN, Contexts
from headgate.proxy.sites import Site, Sites, matches, upstream_context
from support.certificates import Authority, Kind, Pair
from support.handshake import Handshake, shake

AUTHORITY = Authority()
CLIENTS = Authority("Clients CA")
KINDS: dict[type, Kind] = {ec.EllipticCurvePublicKey: "ecdsa", rsa.RSAPublicKey: "rsa"}


def certificate(pair: Pair, *names: str) -> spec.Certificate:
    kind = next(kind for known, kind in KINDS.items() if isinstance(pair.certificate.public_key(), known))
    return spec.Certificate(
        cert_file="a.crt",
        key_file="a.key",
        chain=pair.chain,
        key=spec.Secret(pair.key_pem),
        kind=kind,
        names=names,
    )


def made(*names: str, kind: Kind = "ecdsa") -> spec.Certificate:
    return certificate(AUTHORITY.issue(*names, kind=kind), *names)


A, B, C = made("a.example"), made("b.example", "*.b.example"), made("c.example")
BROKEN = spec.Certificate(cert_file="x.crt", key_file="x.key", names=("x.example",), broken="no key")
STAFF = spec.ClientCertificates(ca=CLIENTS.pem)


def sites(*pairs: spec.Certificate, **settings: Any) -> Sites:
    clients = settings.pop("clients", None)
    others = settings.pop("others", ())
    contexts = settings.pop("contexts", None) or Contexts()
    first = spec.TlsSite(certificates=pairs, clients=clients)
    return Sites(spec.ListenerTls(sites=(first, *others), **settings), contexts)


def site(found: Sites, name: str | None) -> Site:
    chosen = found.find(name)
    assert chosen is not None
    return chosen


def browser(*, kind: str = "", versions: str = "", own: Pair | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=AUTHORITY.pem)
    context.set_alpn_protocols(["h2", "http/1.1"])
    if versions:
        context.maximum_version = context.minimum_version = ssl.TLSVersion[versions]
    if kind:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(f"ECDHE-{kind}-AES128-GCM-SHA256")
    if own is not None:
        with secret_file(own.chain) as chain, secret_file(own.key_pem) as key:
            context.load_cert_chain(chain, key)
    return context


def visit(found: Sites, name: str, client: ssl.SSLContext | None = None) -> Handshake:
    return shake(site(found, name).context, client or browser(), name)


def shown(handshake: Handshake) -> str:
    """The common name that the client saw."""
    assert handshake.failure == ""
    subject = x509.load_der_x509_certificate(handshake.certificate).subject
    return str(subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("a.example", 0),
        ("A.Example", 0),
        ("a.example.", 0),
        ("b.example", 1),
        ("www.b.example", 1),
        ("www.deep.b.example", 0),
        ("c.example", 2),
        ("unknown.example", 0),
        ("", 0),
        (None, 0),
    ],
)
def test_names_choose_certificates(name: str | None, index: int) -> None:
    assert site(sites(A, B, C), name).names == (A, B, C)[index].names


def test_a_handshake_shows_the_certificate_of_the_name() -> None:
    found = sites(A, B)
    assert shown(visit(found, "a.example")) == "a.example"
    assert shown(visit(found, "www.b.example")) == "b.example"


@pytest.mark.parametrize(
    ("name", "refused"), [("a.example", False), ("x.b.example", False), ("z", True), (None, True)]
)
def test_strict_sni(name: str | None, refused: bool) -> None:
    assert (sites(A, B, strict_sni=True).find(name) is None) is refused


def test_ecdsa_and_rsa_side_by_side() -> None:
    found = sites(A, made("a.example", kind="rsa"))
    assert site(found, "a.example") is found.default
    for kind, key in (("ECDSA", ec.EllipticCurvePublicKey), ("RSA", rsa.RSAPublicKey)):
        seen = visit(found, "a.example", browser(kind=kind)).certificate
        assert isinstance(x509.load_der_x509_certificate(seen).public_key(), key)


def test_the_chain_is_sent() -> None:
    pair = Authority("Intermediate", AUTHORITY).issue("a.example")
    assert shown(visit(sites(certificate(pair, "a.example")), "a.example")) == "a.example"


def test_a_broken_certificate_refuses_its_names_alone() -> None:
    found = sites(A, BROKEN)
    assert found.find("x.example") is None
    assert shown(visit(found, "a.example")) == "a.example"
    assert shown(visit(found, "unknown.example", unverified())) == "a.example"


def test_a_broken_default_refuses_all_other_names() -> None:
    found = sites(BROKEN, A)
    assert found.find(None) is None
    assert found.find("unknown.example") is None
    assert shown(visit(found, "a.example")) == "a.example"


def test_a_broken_kind_leaves_the_other() -> None:
    found = sites(spec.Certificate(names=("a.example",), kind="rsa", broken="expired key"), A)
    assert shown(visit(found, "a.example")) == "a.example"


def test_everything_broken() -> None:
    found = sites(spec.Certificate(broken="cannot be read"))
    assert found.find("a.example") is None
    assert found.default is None


def unverified() -> ssl.SSLContext:
    context = browser()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


# --- Sites with a policy of their own ---

ADMIN = spec.TlsSite(names=("admin.b.example",), certificates=(A, B), clients=STAFF)
ALL_BELOW = spec.TlsSite(names=("*.b.example",), certificates=(A, B), clients=STAFF)


def test_a_site_takes_the_certificate_that_has_its_name() -> None:
    found = site(sites(A, B, others=[ADMIN]), "admin.b.example")
    assert (found.names, found.clients) == (("b.example", "*.b.example", "admin.b.example"), STAFF)


def test_a_site_with_a_certificate_of_another_name() -> None:
    odd = spec.TlsSite(names=("odd.example",), certificates=(A,))
    found = sites(A, others=[odd])
    assert site(found, "odd.example").covers("odd.example")


def test_a_certificate_for_one_name_is_no_way_around_a_site_for_all() -> None:
    """An exact name in a certificate does not go before a wildcard that asks for client certificates."""
    exact = made("one.b.example")
    found = sites(A, exact, others=[ALL_BELOW])
    assert site(found, "one.b.example").policy == STAFF.policy
    assert site(found, "one.b.example").clients == STAFF


def test_a_broken_policy_is_never_open() -> None:
    broken = spec.ClientCertificates(ca="", broken="cannot read ca.crt")
    found = sites(A, others=[spec.TlsSite(names=("admin.example",), certificates=(A,), clients=broken)])
    assert found.find("admin.example") is None
    assert sites(A, clients=broken).find("a.example") is None


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_client_certificates_are_asked_for(version: str) -> None:
    found = sites(A, B, others=[ADMIN])
    own = CLIENTS.issue("somebody", client=True)
    stranger = AUTHORITY.issue("somebody", client=True)
    assert visit(found, "admin.b.example", browser(versions=version, own=own)).failure == ""
    refusals = [
        visit(found, "admin.b.example", browser(versions=version, own=own)).failure
        for own in (None, stranger)
    ]
    assert refusals[0] in ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "TLSV13_ALERT_CERTIFICATE_REQUIRED")
    assert refusals[1] in ("CERTIFICATE_VERIFY_FAILED", "TLSV1_ALERT_UNKNOWN_CA")
    assert visit(found, "b.example", browser(versions=version)).failure == ""


def test_client_certificates_on_request() -> None:
    found = sites(A, clients=spec.ClientCertificates(ca=CLIENTS.pem, mode="request"))
    assert visit(found, "a.example").server.getpeercert() is None
    own = CLIENTS.issue("somebody", client=True)
    assert visit(found, "a.example", browser(own=own)).server.getpeercert() is not None


def test_a_revoked_client_is_refused() -> None:
    good, bad = (CLIENTS.issue("somebody", client=True) for _ in range(2))
    found = sites(A, clients=spec.ClientCertificates(ca=CLIENTS.pem, crl=CLIENTS.revoke(bad)))
    assert visit(found, "a.example", browser(own=good)).failure == ""
    assert visit(found, "a.example", browser(own=bad)).failure == "CERTIFICATE_VERIFY_FAILED"


def test_an_intermediate_authority_is_enough() -> None:
    team = Authority("Team", CLIENTS)
    found = sites(A, clients=spec.ClientCertificates(ca=team.pem))
    assert visit(found, "a.example", browser(own=team.issue("somebody", client=True))).failure == ""
    assert visit(found, "a.example", browser(own=CLIENTS.issue("other", client=True))).failure != ""


# --- 421 ---


@pytest.mark.parametrize(
    ("name", "host", "covered"),
    [
        ("a.example", "a.example", True),
        ("a.example", "A.EXAMPLE", True),
        ("a.example", "a.example.", True),
        ("a.example", "b.example", False),
        ("a.example", "unknown.example", False),
        ("b.example", "www.b.example", True),
        ("b.example", "deep.www.b.example", False),
        ("b.example", "admin.b.example", False),  # another policy, though the certificate has the name
        ("admin.b.example", "www.b.example", False),
        ("admin.b.example", "admin.b.example", True),
        ("a.example", "192.0.2.1", True),  # the default site is where such a client comes to
        ("a.example", "[2001:db8::1]", True),
        ("b.example", "192.0.2.1", False),
    ],
)
def test_hosts_of_a_connection(name: str, host: str, covered: bool) -> None:
    found = site(sites(A, B, others=[ADMIN]), name)
    assert found.covers(host) is covered
    assert found.covers(host) is covered  # as remembered


def test_an_address_in_a_certificate_is_covered() -> None:
    assert site(sites(A, made("b.example", "192.0.2.1")), "b.example").covers("192.0.2.1")


def test_a_certificate_without_names_covers_all() -> None:
    nameless = certificate(AUTHORITY.issue(subject="old"))
    assert site(sites(nameless), "a.example").covers("anything.example")


def test_what_is_remembered_about_hosts_is_bounded() -> None:
    found = site(sites(A), "a.example")
    for number in range(10_000):
        found.covers(f"{number}.example")
    assert len(found._covered) <= 256


@pytest.mark.parametrize(
    ("host", "name", "same"),
    [
        ("a.example", "a.example", True),
        ("a.example", "*.example", True),
        ("a.b.example", "*.example", False),
        ("example", "*.example", False),
        (".example", "*.example", False),
    ],
)
def test_wildcards_are_one_label(host: str, name: str, same: bool) -> None:
    assert matches(host, name) is same


# --- Contexts ---


def test_equal_contexts_are_found_again() -> None:
    contexts = Contexts()
    first, second = (sites(A, B, contexts=contexts) for _ in range(2))
    assert site(first, "a.example").context is site(second, "a.example").context
    third = sites(A, B, contexts=contexts, min_version="1.3")
    assert site(first, "a.example").context is not site(third, "a.example").context
    fourth = sites(A, B, contexts=contexts, clients=STAFF)
    assert site(first, "a.example").context is not site(fourth, "a.example").context


def test_contexts_leave_with_their_snapshots() -> None:
    import gc

    contexts = Contexts()
    found: Sites | None = sites(A, B, contexts=contexts)
    assert len(contexts._kept) == 2
    del found
    gc.collect()
    assert len(contexts._kept) == 0


def test_what_contexts_are_wrapped_into() -> None:
    seen = []

    def wrap(context: ssl.SSLContext, policy: bytes, depth: int) -> str:
        seen.append((policy, depth))
        return f"wrapped {len(seen)}"

    found = sites(A, contexts=Contexts(wrap), others=[ADMIN])
    assert site(found, "a.example").context == "wrapped 1"
    assert seen == [(OPEN, 100), (STAFF.policy, 1)]


def test_versions_and_protocols() -> None:
    found = sites(A, min_version="1.3")
    assert visit(found, "a.example", browser(versions="TLSv1_2")).failure in (
        "UNSUPPORTED_PROTOCOL",
        "TLSV1_ALERT_PROTOCOL_VERSION",
    )
    assert visit(found, "a.example").client.selected_alpn_protocol() == "h2"
    assert visit(sites(A, alpn=("http/1.1",)), "a.example").client.selected_alpn_protocol() == "http/1.1"


def test_a_key_that_openssl_refuses() -> None:
    other = AUTHORITY.issue("other.example")
    wrong = spec.Certificate(
        chain=A.chain, key=spec.Secret(other.key_pem), kind="ecdsa", names=("a.example",)
    )
    with pytest.raises(ValueError, match="KEY_VALUES_MISMATCH") as error:
        sites(wrong)
    assert "PRIVATE" not in str(error.value)


# --- Upstream ---


def upstream(**settings: Any) -> ssl.SSLContext:
    kept = upstream_context(spec.ServiceTls(**settings), Contexts())
    assert kept is not None
    context = kept.context
    assert isinstance(context, ssl.SSLContext)
    return context


def test_endpoints_are_verified() -> None:
    server = site(sites(A), "a.example").context
    assert shake(server, upstream(ca=AUTHORITY.pem), "a.example").failure == ""
    assert shake(server, upstream(ca=AUTHORITY.pem), "b.example").failure == "CERTIFICATE_VERIFY_FAILED"
    assert shake(server, upstream(ca=CLIENTS.pem), "a.example").failure == "CERTIFICATE_VERIFY_FAILED"
    assert shake(server, upstream(), "a.example").failure == "CERTIFICATE_VERIFY_FAILED"
    assert shake(server, upstream(verify=False), "b.example").failure == ""


def test_the_system_is_believed_by_default() -> None:
    context = upstream()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_addresses_are_verified_too() -> None:
    server = site(sites(made("127.0.0.1", "::1")), None).context
    assert shake(server, upstream(ca=AUTHORITY.pem), "127.0.0.1").failure == ""
    assert shake(server, upstream(ca=AUTHORITY.pem), "127.0.0.2").failure == "CERTIFICATE_VERIFY_FAILED"


def test_a_certificate_of_our_own_for_endpoints() -> None:
    server = site(sites(A, clients=STAFF), "a.example").context
    own = certificate(CLIENTS.issue("headgate", client=True))
    assert shake(server, upstream(ca=AUTHORITY.pem, certificate=own), "a.example").failure == ""
    assert shake(server, upstream(ca=AUTHORITY.pem), "a.example").failure != ""


def test_a_service_with_a_broken_file_has_no_context() -> None:
    assert upstream_context(spec.ServiceTls(broken="cannot read ca.crt"), Contexts()) is None
    assert upstream_context(spec.ServiceTls(certificate=BROKEN), Contexts()) is None
