"""TLS towards endpoints: who is believed, what is resumed, and where an end is none."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.base.files import secret_file
from support import Backend, MalformedError, Message, Product, RawClient, Wire, proxying
from support.backend import OK
from support.certificates import Authority, Pair
from support.wire import readable

AUTHORITY, CLIENTS = Authority(), Authority("Clients CA")
GOOD = AUTHORITY.issue("127.0.0.1", "backend.example")
OWN = CLIENTS.issue("headgate", client=True)
GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class SecureBackend(Backend):
    """A backend that speaks TLS."""

    def __init__(self, pair: Pair = GOOD, clients: Authority | None = None, version: str = "") -> None:
        super().__init__()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with secret_file(pair.chain) as chain, secret_file(pair.key_pem) as key:
            self.context.load_cert_chain(chain, key)
        if version:
            self.context.minimum_version = self.context.maximum_version = ssl.TLSVersion[version]
        if clients is not None:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(cadata=clients.pem)

    def accept(self, patience: float = 5.0) -> Wire:
        """The next connection, its handshake done. Raises ssl.SSLError when the other side leaves."""
        assert readable(self.socket, patience), "nothing connected"
        connection = self.socket.accept()[0]
        connection.settimeout(patience)
        try:
            wire = Wire(self.context.wrap_socket(connection, server_side=True))
        except BaseException:
            connection.close()
            raise
        self.wires.append(wire)
        return wire

    @property
    def tls(self) -> ssl.SSLSocket:
        """The last connection's."""
        last = self.wires[-1].socket
        assert isinstance(last, ssl.SSLSocket)
        return last


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("upstream")
    (folder / "ca.crt").write_text(AUTHORITY.pem)
    OWN.write(folder, "own")
    (folder / "own.key").chmod(0o600)
    return folder


@pytest.fixture(scope="module", params=["TLSv1_2", "TLSv1_3"])
def backend(request: pytest.FixtureRequest) -> Iterator[SecureBackend]:
    with SecureBackend(version=request.param) as backend:
        yield backend


def through(backend: Backend, folder: Path, host: str = "127.0.0.1", **tls: Any) -> dict[str, Any]:
    settings = {"ca": str(folder / "ca.crt"), **tls}
    settings = {name: value for name, value in settings.items() if value is not None}
    return proxying(
        services={"backend": {"endpoints": [f"https://{host}:{backend.port}"], "tls": settings}},
    )


@pytest.fixture(scope="module")
def product(backend: SecureBackend, folder: Path) -> Iterator[Product]:
    with Product(through(backend, folder)) as product:
        yield product


def answer(product: Product, backend: SecureBackend, said: bytes = OK) -> tuple[Message, Wire]:
    """One exchange; the backend's connection stays open."""
    with RawClient(product.port) as wire:
        wire.send(GET)
        upstream = backend.accept()
        upstream.request()
        upstream.send(said)
        return wire.response(), upstream


def test_sessions_are_resumed(product: Product, backend: SecureBackend) -> None:
    first, upstream = answer(product, backend)
    assert first.status == 200
    reused = []
    for _ in range(5):
        upstream.close()
        upstream = answer(product, backend)[1]
        reused.append(backend.tls.session_reused)
    upstream.close()
    assert reused == [True] * 5


def test_a_connection_is_kept(product: Product, backend: SecureBackend) -> None:
    _, upstream = answer(product, backend)
    for _ in range(3):
        with RawClient(product.port) as wire:
            wire.send(GET)
            upstream.request()
            upstream.send(OK)
            assert wire.response().body == b"ok"
    assert backend.untouched()
    backend.tls.unwrap()  # says that it ends
    upstream.close()
    _, upstream = answer(product, backend)
    upstream.close()


def test_large_bodies(product: Product, backend: SecureBackend) -> None:
    body = bytes(range(256)) * 4000
    with RawClient(product.port) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        upstream = backend.accept()
        assert upstream.request().body == body
        upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert wire.response().body == body
    upstream.close()


CLOSED = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it"


def test_a_body_that_ends_with_the_connection(product: Product, backend: SecureBackend) -> None:
    with RawClient(product.port) as wire:
        wire.send(GET)
        upstream = backend.accept()
        upstream.request()
        upstream.send(CLOSED)
        backend.tls.unwrap()
        upstream.close()
        assert wire.response().body == b"all of it"


def test_an_end_without_a_word_is_a_truncation(product: Product, backend: SecureBackend) -> None:
    """Anybody on the way can end a connection; only the endpoint can say that the body is over."""
    with RawClient(product.port) as wire:
        wire.send(GET)
        upstream = backend.accept()
        upstream.request()
        upstream.send(CLOSED)
        wire.wait(lambda: b"all of it" in wire.rest, "the body")
        upstream.close()
        with pytest.raises(MalformedError, match="cut short"):
            wire.response()
    with RawClient(product.port) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        upstream = backend.accept()
        upstream.request()
        upstream.close()
        assert wire.response().status == 502


# --- Who is believed ---


@pytest.mark.parametrize(
    ("pair", "host", "tls", "status"),
    [
        (GOOD, "127.0.0.1", {}, 200),
        (GOOD, "127.0.0.1", {"server_name": "backend.example"}, 200),
        (GOOD, "localhost", {}, 502),
        (GOOD, "127.0.0.1", {"server_name": "other.example"}, 502),
        (GOOD, "127.0.0.1", {"ca": None}, 502),
        (AUTHORITY.issue(subject="127.0.0.1"), "127.0.0.1", {}, 502),
        (Authority("Another CA").issue("127.0.0.1"), "127.0.0.1", {}, 502),
        (Authority("Another CA").issue("other.example"), "127.0.0.1", {"verify": "off", "ca": None}, 200),
    ],
)
def test_who_is_believed(folder: Path, pair: Pair, host: str, tls: dict[str, Any], status: int) -> None:
    with (
        SecureBackend(pair) as backend,
        Product(through(backend, folder, host, **tls)) as product,
        RawClient(product.port) as wire,
    ):
        wire.send(GET)
        if status == 200:
            upstream = backend.accept()
            upstream.request()
            upstream.send(OK)
            assert wire.response().status == 200
            return
        with pytest.raises(ssl.SSLError):
            backend.accept().request()
        refused = wire.response()
        assert refused.status == 502
        assert refused.get("Proxy-Status") == "headgate; error=tls_certificate_error"
        assert backend.wires == [] or not backend.wires[-1].received


def test_an_own_certificate_is_shown(folder: Path) -> None:
    own = {"certificate": str(folder / "own.crt"), "key": str(folder / "own.key")}
    with (
        SecureBackend(clients=CLIENTS) as backend,
        Product(through(backend, folder, **own)) as product,
    ):
        assert answer(product, backend)[0].status == 200
        shown = backend.tls.getpeercert(binary_form=True)
        assert shown == ssl.PEM_cert_to_DER_cert(OWN.chain)


def test_no_certificate_where_one_is_required(folder: Path) -> None:
    with (
        SecureBackend(clients=CLIENTS, version="TLSv1_2") as backend,
        Product(through(backend, folder)) as product,
        RawClient(product.port) as wire,
    ):
        wire.send(GET)
        with pytest.raises(ssl.SSLError):
            backend.accept()
        refused = wire.response()
        assert refused.status == 502
        assert refused.get("Proxy-Status") == "headgate; error=tls_protocol_error"


def test_an_endpoint_that_speaks_no_tls(folder: Path) -> None:
    with (
        Backend() as backend,
        Product(through(backend, folder)) as product,
        RawClient(product.port) as wire,
    ):
        wire.send(GET)
        backend.accept().send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        refused = wire.response()
        assert refused.status == 502
        assert refused.get("Proxy-Status") == "headgate; error=tls_protocol_error"
