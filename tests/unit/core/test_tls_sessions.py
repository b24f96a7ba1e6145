"""Resumption: across contexts with the same secrets, over rotations, and never across policies."""

from __future__ import annotations

import datetime as dt
import ssl
import time
from typing import Any

import pytest

from headgate.core.tls import TlsContext, TlsSession
from support.certificates import Pair
from support.sealed import (
    AUTHORITY,
    CLIENTS,
    NAME,
    OLDER,
    SECRET,
    Core,
    Python,
    client_context,
    pass_on,
    server_context,
    shake,
)

VERSIONS = ["TLSv1_2", "TLSv1_3"]
PAIR = AUTHORITY.issue(NAME)
OWN = CLIENTS.issue("client", client=True)


def tls_context(version: str = "", *secrets: bytes, policy: bytes = b"", **settings: Any) -> TlsContext:
    made = TlsContext(server_context(PAIR, version=version, **settings), policy)
    made.set_ticket_secrets(list(secrets))
    return made


class Visitor:
    """A client that comes back: with the core's TLS or that of `ssl`."""

    def __init__(self, *, python: bool, own: Pair | None = None) -> None:
        context = client_context(own=own)
        self.python = context if python else None
        self.core = None if python else TlsContext(context)
        self.session: Any = None

    def visit(self, context: TlsContext, *, name: str = NAME) -> Core:
        """The server's side of one more visit, which brings the last visit's session."""
        server = Core(context, server=True)
        client: Core | Python
        if self.python is not None:
            client = Python(self.python, server=False, name=name, session=self.session)
        else:
            assert self.core is not None
            client = Core(self.core, server=False, name=name, session=self.session)
        shake(client, server)
        server.send(b"hello")
        pass_on(client, server)
        self.fault = client.fault
        if not client.fault:
            assert client.plain == b"hello"
            resumed = client.tls.resumed if isinstance(client, Core) else client.tls.session_reused
            assert resumed == server.tls.resumed
            self.session = client.tls.session
        return server


@pytest.fixture(params=[False, True], ids=["core", "ssl"])
def visitor(request: pytest.FixtureRequest) -> Visitor:
    return Visitor(python=request.param)


@pytest.mark.parametrize("version", VERSIONS)
class TestResumption:
    """By TLS version and by who the client is."""

    def test_equal_secrets(self, visitor: Visitor, version: str) -> None:
        """As two workers have them, and one before and after a reload."""
        assert not visitor.visit(tls_context(version, SECRET)).tls.resumed
        for _ in range(5):
            assert visitor.visit(tls_context(version, SECRET)).tls.resumed

    def test_tickets_are_used_once_with_tls_1_3(self, visitor: Visitor, version: str) -> None:
        """Browsers do so; without a new ticket they would resume once only."""
        context = tls_context(version, SECRET)
        visitor.visit(context)
        if visitor.python is not None:
            before = visitor.session.id
            visitor.visit(context)
            assert (visitor.session.id != before) is (version == "TLSv1_3")
        assert visitor.visit(context).tls.resumed

    def test_other_secrets(self, visitor: Visitor, version: str) -> None:
        visitor.visit(tls_context(version, SECRET))
        assert not visitor.visit(tls_context(version, OLDER)).tls.resumed

    def test_a_rotation(self, visitor: Visitor, version: str) -> None:
        """A ticket of the old secret opens, and the client gets one of the new secret."""
        context = tls_context(version, OLDER)
        visitor.visit(context)
        context.set_ticket_secrets([SECRET, OLDER])
        assert visitor.visit(context).tls.resumed
        context.set_ticket_secrets([SECRET])
        assert visitor.visit(context).tls.resumed
        context.set_ticket_secrets([b"z" * 32])
        assert not visitor.visit(context).tls.resumed

    def test_four_secrets_open(self, visitor: Visitor, version: str) -> None:
        context = tls_context(version, SECRET)
        visitor.visit(context)
        first = visitor.session
        others = [bytes([number]) * 32 for number in range(4)]
        context.set_ticket_secrets([*others[:3], SECRET])
        assert visitor.visit(context).tls.resumed
        visitor.session = first
        context.set_ticket_secrets([*others, SECRET])
        assert not visitor.visit(context).tls.resumed

    def test_without_secrets(self, visitor: Visitor, version: str) -> None:
        context = tls_context(version)
        for _ in range(2):
            assert not visitor.visit(context).tls.resumed
            assert visitor.fault == ""
        context.set_ticket_secrets([SECRET])
        visitor.visit(context)
        assert visitor.visit(context).tls.resumed
        context.set_ticket_secrets([])
        for _ in range(2):
            assert not visitor.visit(context).tls.resumed
            assert visitor.fault == ""

    def test_no_policy_takes_the_tickets_of_another(self, visitor: Visitor, version: str) -> None:
        visitor.visit(tls_context(version, SECRET))
        assert not visitor.visit(tls_context(version, SECRET, policy=b"staff")).tls.resumed
        assert visitor.visit(tls_context(version, SECRET, policy=b"staff")).tls.resumed
        assert not visitor.visit(tls_context(version, SECRET, policy=b"admins")).tls.resumed
        assert not visitor.visit(tls_context(version, SECRET)).tls.resumed

    @pytest.mark.parametrize("python", [False, True], ids=["core", "ssl"])
    def test_an_open_site_s_ticket_where_certificates_are_required(self, python: bool, version: str) -> None:
        stranger = Visitor(python=python)
        stranger.visit(tls_context(version, SECRET))
        closed = tls_context(version, SECRET, policy=b"staff", clients=CLIENTS)
        server = stranger.visit(closed)
        assert server.fault == "peer did not return a certificate"
        assert not server.tls.resumed
        assert stranger.fault

    @pytest.mark.parametrize("python", [False, True], ids=["core", "ssl"])
    def test_who_was_let_in_is_known_when_he_resumes(self, python: bool, version: str) -> None:
        closed = tls_context(version, SECRET, policy=b"staff", clients=CLIENTS)
        member = Visitor(python=python, own=OWN)
        chain = member.visit(closed).tls.peer_chain
        again = member.visit(tls_context(version, SECRET, policy=b"staff", clients=CLIENTS))
        assert again.tls.resumed
        assert again.tls.peer_chain == chain[:1]
        assert again.tls.verify_error == ""

    @pytest.mark.parametrize("python", [False, True], ids=["core", "ssl"])
    def test_a_ticket_from_where_certificates_are_requested(self, python: bool, version: str) -> None:
        """One who showed none there is asked again where they are required."""
        stranger = Visitor(python=python)
        stranger.visit(tls_context(version, SECRET, policy=b"ask", clients=CLIENTS, mode=ssl.CERT_OPTIONAL))
        server = stranger.visit(tls_context(version, SECRET, policy=b"staff", clients=CLIENTS))
        assert server.fault == "peer did not return a certificate"


@pytest.mark.parametrize("version", VERSIONS)
def test_nobody_resumes_with_a_certificate_that_expired(version: str) -> None:
    end = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(seconds=2)
    member = Visitor(python=False, own=CLIENTS.issue("client", client=True, after=end))
    closed = tls_context(version, SECRET, policy=b"staff", clients=CLIENTS)
    assert member.visit(closed).fault == ""
    while dt.datetime.now(dt.UTC) <= end:
        if dt.datetime.now(dt.UTC) < end - dt.timedelta(seconds=1):
            assert member.visit(closed).tls.resumed
        time.sleep(0.05)
    server = member.visit(closed)
    while not server.fault:  # OpenSSL counts whole seconds
        server = member.visit(closed)
    assert not server.tls.resumed
    assert server.fault == "certificate verify failed: certificate has expired"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_ticket_that_was_changed_means_a_full_handshake(version: str) -> None:
    """Its name is not a known one, or its seal is broken: the handshake goes on without it."""
    visitor = Visitor(python=True)
    visitor.visit(tls_context(version, SECRET))
    context = tls_context(version, SECRET, policy=b"other")
    server = visitor.visit(context)
    assert (server.fault, server.tls.resumed) == ("", False)


def test_a_session_counts_only_where_it_was_made() -> None:
    """Nothing is verified again when a session is resumed: not with another context, nor another name."""
    server = tls_context("TLSv1_3", SECRET)
    first, second = TlsContext(client_context()), TlsContext(client_context())

    def visit(context: TlsContext, name: str, session: TlsSession | None) -> Core:
        client = Core(context, server=False, name=name, session=session)
        shake(client, Core(server, server=True))
        return client

    session = visit(first, NAME, None).tls.session
    assert session is not None
    assert visit(first, NAME, session).tls.resumed
    other = visit(second, NAME, session)
    assert (other.fault, other.tls.resumed) == ("", False)
    wrong = visit(first, "b.example", session)
    assert wrong.fault == "certificate verify failed: hostname mismatch"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_outlives_its_connection(version: str) -> None:
    server = tls_context(version, SECRET)
    context = TlsContext(client_context())
    client = Core(context, server=False)
    assert client.tls.session is None
    shake(client, Core(server, server=True))
    session = client.tls.session
    del client
    again = Core(context, server=False, session=session)
    shake(again, Core(server, server=True))
    assert again.tls.resumed


@pytest.mark.parametrize("secrets", [[b""], [b"x" * 31], [b"x" * 33], [SECRET, b"short"]])
def test_secrets_have_32_bytes(secrets: list[bytes]) -> None:
    context = tls_context("TLSv1_3", SECRET)
    visitor = Visitor(python=False)
    visitor.visit(context)
    with pytest.raises(ValueError, match="32 bytes"):
        context.set_ticket_secrets(secrets)
    assert visitor.visit(context).tls.resumed  # what was set before stays


def test_secrets_are_bytes() -> None:
    with pytest.raises(TypeError):
        tls_context().set_ticket_secrets(["x" * 32])  # type: ignore[list-item]
