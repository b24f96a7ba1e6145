"""TLS in the running product: resumption over workers and reloads, who is let in, and what is no TLS."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.base.files import secret_file
from support import Backend, Message, Product, RawClient, Wire, free_port, proxying, until
from support.backend import OK
from support.certificates import Authority, Pair
from support.load import PathBackend
from support.sealed import Python

AUTHORITY, STAFF = Authority(), Authority("Staff CA")
PAIR = AUTHORITY.issue("open.example", "also.example", "*.wild.example")
ADMIN = AUTHORITY.issue("admin.example")
OWN = STAFF.issue("somebody", subject="somebody", client=True)
GET = b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n"
VERSIONS = ["TLSv1_2", "TLSv1_3"]
REFUSED = re.compile("certificate required|handshake failure|unknown ca")


def client(version: str = "", own: Pair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=AUTHORITY.pem)
    if version:
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    if own is not None:
        with secret_file(own.chain) as chain, secret_file(own.key_pem) as key:
            context.load_cert_chain(chain, key)
    return context


class Secured(Wire):
    """A client's connection with TLS; `before` goes out before it begins."""

    def __init__(
        self, port: int, name: str, context: ssl.SSLContext, session: Any = None, before: bytes = b""
    ) -> None:
        plain = socket.create_connection(("127.0.0.1", port), 5)
        try:
            plain.sendall(before)
            self.tls = context.wrap_socket(plain, server_hostname=name, session=session)
        except BaseException:
            plain.close()
            raise
        super().__init__(self.tls)

    def get(self, host: str) -> Message:
        return self.exchange(GET % host.encode())


def visit(port: int, name: str, context: ssl.SSLContext, session: Any = None) -> tuple[bool, Any]:
    """Ask once on a new connection: whether it resumed the session, and one for the next visit."""
    with Secured(port, name, context, session) as wire:
        assert wire.get(name).status == 200
        return bool(wire.tls.session_reused), wire.tls.session


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    for name, pair in (("open", PAIR), ("admin", ADMIN)):
        pair.write(folder, name)
    (folder / "staff.crt").write_text(STAFF.pem)
    return folder


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    with Backend() as backend:
        yield backend


@pytest.fixture(scope="module")
def paths() -> Iterator[PathBackend]:
    with PathBackend() as backend:
        yield backend


def secured(folder: Path, address: str, port: int, *, tickets: bool = True, **more: Any) -> dict[str, Any]:
    pairs = [
        {"cert": str(folder / f"{name}.crt"), "key": str(folder / f"{name}.key")}
        for name in ("open", "admin")
    ]
    staff = {"ca": str(folder / "staff.crt"), "mode": "require", "forward": ["subject"]}
    asked = {**staff, "mode": "request", "headers": {"X-Client": "subject"}}
    options = {"session_tickets": "off"} if not tickets else {}
    sites = {"admin.example": {"client_certificates": staff}, "also.example": {"client_certificates": asked}}
    listener = {"bind": f"127.0.0.1:{port}", "tls": {"certificates": pairs, "sites": sites, **options}}
    listeners = {"web": {"bind": f"127.0.0.1:{free_port()}"}, "secure": listener}
    return proxying(address, listeners=listeners, **more)


class Running:
    """The product with its TLS listener, and the backend that the test plays."""

    def __init__(self, product: Product, port: int, backend: Backend) -> None:
        self.product = product
        self.port = port
        self.backend = backend

    def ask(self, wire: Wire, host: str, *fields: bytes) -> Message:
        """What the backend hears of a request."""
        lines = b"".join(field + b"\r\n" for field in fields)
        wire.send(
            b"GET / HTTP/1.1\r\nHost: " + host.encode() + b"\r\nConnection: close\r\n" + lines + b"\r\n"
        )
        upstream = self.backend.accept()
        request = upstream.request()
        upstream.send(OK)
        assert wire.response().status == 200
        upstream.close()
        return request


@pytest.fixture(scope="module")
def running(folder: Path, backend: Backend) -> Iterator[Running]:
    port = free_port()
    with Product(secured(folder, backend.address, port, process={"workers": 1})) as product:
        yield Running(product, port, backend)


# --- Resumption ---


@pytest.mark.parametrize("version", VERSIONS)
def test_without_tickets_nobody_resumes(folder: Path, paths: PathBackend, version: str) -> None:
    port = free_port()
    context = client(version)
    with Product(secured(folder, paths.address, port, tickets=False)) as product:
        session = visit(port, "open.example", context)[1]
        assert not visit(port, "open.example", context, session)[0]
        assert product.metric("headgate_worker_handshakes_resumed_total") == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_returning_clients_resume_over_workers_and_reloads(
    folder: Path, paths: PathBackend, version: str
) -> None:
    """At least 95 % of them; here none is let down."""
    port = free_port()
    context = client(version)
    with Product(secured(folder, paths.address, port, process={"workers": 2})) as product:
        session = visit(port, "open.example", context)[1]
        resumed = []
        for number in range(60):
            if number == 30:
                product.signal(signal.SIGHUP)
                until(lambda: product.metric("headgate_reloads_total") == 2, "the reload")
            reused, session = visit(port, "open.example", context, session)
            resumed.append(reused)
        assert sum(resumed) >= 57, resumed
        until(lambda: product.metric("headgate_worker_handshakes_total") == 61, "the count")
        assert product.shows("headgate_worker_handshakes_resumed_total", sum(resumed))


@pytest.mark.parametrize("version", VERSIONS)
def test_an_open_site_s_session_opens_no_other(running: Running, version: str) -> None:
    """Where a certificate is required, it is asked for, whatever ticket comes."""
    context = client(version)
    with Secured(running.port, "open.example", context) as wire:
        running.ask(wire, "open.example")
        session = wire.tls.session
    with Secured(running.port, "open.example", context, session) as wire:
        assert wire.tls.session_reused
    with (
        pytest.raises(ssl.SSLError, match=REFUSED),
        Secured(running.port, "admin.example", context, session) as wire,
    ):
        wire.get("admin.example")
    assert running.backend.untouched()


# --- Clients' certificates ---


@pytest.mark.parametrize("version", VERSIONS)
def test_a_required_certificate(running: Running, version: str) -> None:
    with Secured(running.port, "admin.example", client(version, OWN)) as wire:
        request = running.ask(wire, "admin.example", b"X-Forwarded-Client-Cert: Subject=forged")
    assert request.get("X-Forwarded-Client-Cert") == 'Subject="CN=somebody"'
    stranger = Authority("Another CA").issue("somebody", client=True)
    for own in (None, stranger):
        with (
            pytest.raises(ssl.SSLError, match=REFUSED),
            Secured(running.port, "admin.example", client(version, own)) as wire,
        ):
            wire.get("admin.example")


def test_a_requested_certificate(running: Running) -> None:
    with Secured(running.port, "also.example", client(own=OWN)) as wire:
        request = running.ask(wire, "also.example", b"X-Client: forged")
    assert request.get("X-Client") == "CN=somebody"
    with Secured(running.port, "also.example", client()) as wire:
        request = running.ask(wire, "also.example", b"X-Client: forged", b"X-Forwarded-Client-Cert: forged")
    assert request.get("X-Client") is None
    assert request.get("X-Forwarded-Client-Cert") is None


def test_identity_from_outside_is_dropped_everywhere(running: Running) -> None:
    web = int(running.product.config["listeners"]["web"]["bind"].rpartition(":")[2])
    with RawClient(web) as wire:
        request = running.ask(wire, "open.example", b"X-Client: forged", b"X-Forwarded-Client-Cert: forged")
    assert request.get("X-Client") is None
    assert request.get("X-Forwarded-Client-Cert") is None


# --- Misdirected requests ---


@pytest.mark.parametrize(
    "host", ["admin.example", "also.example", "unknown.example", "127.0.0.1", "open.example"]
)
def test_only_hosts_that_belong_to_the_connection(running: Running, host: str) -> None:
    before = running.product.metric("headgate_worker_misdirected_total")
    with Secured(running.port, "x.wild.example", client()) as wire:
        if host == "open.example":  # in the same certificate, and nothing is asked of its clients
            running.ask(wire, host)
            return
        assert wire.get(host).status == 421
        running.ask(wire, "x.wild.example")  # the connection goes on
    until(lambda: running.product.metric("headgate_worker_misdirected_total") == before + 1, "the count")


# --- What is no TLS ---


def test_plain_http_on_a_port_that_speaks_tls(running: Running) -> None:
    with RawClient(running.port) as wire:
        answer = wire.exchange(GET % b"open.example")
        assert answer.status == 400
        assert b"Plain HTTP came to a port that speaks TLS: ask with https." in answer.body
        wire.expect_end()


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\3\1\0\5\1\0\0\1x",
        b"\x16\3\1\0\5\1\0\xff\xffx",
        b"\x16\3\1\0\4\2\0\0\0",
        b"\x16\3\3\0\1\1\x15\3\3\0\2\1\0",
        b"\x16\3\1\x00\x00",
    ],
)
def test_garbage_costs_one_connection(running: Running, data: bytes) -> None:
    before = running.product.metric("headgate_worker_handshakes_failed_total")
    with RawClient(running.port) as wire:
        wire.send(data)
        wire.read_to_end()
    until(
        lambda: running.product.metric("headgate_worker_handshakes_failed_total") == before + 1, "the count"
    )
    with Secured(running.port, "open.example", client()) as secure:
        running.ask(secure, "open.example")


def test_a_connection_byte_by_byte(running: Running) -> None:
    tls = Python(client(), server=False, name="open.example")
    with RawClient(running.port) as wire:

        def talk() -> None:
            wire.send_bytewise(tls.output(), pace=0)
            wire.wait(lambda: wire.rest, "an answer")
            tls.take(wire.take(len(wire.rest)))

        tls.take(b"")
        while not tls.done:
            talk()
        tls.send(GET % b"open.example")
        wire.send_bytewise(tls.output(), pace=0)
        upstream = running.backend.accept()
        upstream.request()
        upstream.send(OK)
        while not tls.plain.endswith(b"\r\n\r\nok"):
            talk()
        upstream.close()


# --- The PROXY protocol ---

V1 = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n"
V2 = (
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
    + socket.inet_aton("192.0.2.7")
    + socket.inet_aton("192.0.2.1")
    + struct.pack(">HH", 4711, 443)
)


@pytest.fixture(scope="module")
def introduced(folder: Path, backend: Backend) -> Iterator[Running]:
    port = free_port()
    config = secured(folder, backend.address, port)
    config["listeners"]["secure"]["proxy_protocol"] = {"from": ["127.0.0.0/8"]}
    config["listeners"]["web"]["proxy_protocol"] = {"from": ["127.0.0.0/8"]}
    with Product(config) as product:
        yield Running(product, port, backend)


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_a_client_is_whom_the_proxy_protocol_names(introduced: Running, header: bytes) -> None:
    with Secured(introduced.port, "open.example", client(), before=header) as wire:
        assert introduced.ask(wire, "open.example").get("X-Forwarded-For") == "192.0.2.7"
    web = int(introduced.product.config["listeners"]["web"]["bind"].rpartition(":")[2])
    with RawClient(web) as plain:
        plain.send_bytewise(header)
        assert introduced.ask(plain, "open.example").get("X-Forwarded-For") == "192.0.2.7"


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY TCP4 192.0.2.7 192.0.2.1 4711\r\n",
        b"PROXY TCP9 1 2 3 4\r\n",
        b"PROXY " + b"x" * 200,
        V2[:12] + b"\x31\x11\0\x0c" + bytes(12),
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\3\1\0\5hello",
    ],
)
def test_what_is_no_introduction(introduced: Running, data: bytes) -> None:
    with RawClient(introduced.port) as wire:
        wire.send(data)
        assert not wire.read_to_end().startswith(b"HTTP/1.1 2")
    assert introduced.backend.untouched()


# --- Keys ---


def test_keys_are_logged_when_the_environment_asks(folder: Path, paths: PathBackend, tmp_path: Path) -> None:
    port, keys = free_port(), tmp_path / "keys"
    with Product(secured(folder, paths.address, port), env={"SSLKEYLOGFILE": str(keys)}) as product:
        visit(port, "open.example", client())
        assert f"the secrets of all TLS connections are written to {keys}" in product.log
    labels = {line.split()[0] for line in keys.read_text().splitlines()}
    assert labels >= {"CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"}
    assert keys.stat().st_mode & 0o777 == 0o600


# --- What the handshake said, in routes and records ---


def recorded(product: Product) -> list[dict[str, Any]]:
    """The access records."""
    lines = product.log.splitlines()
    return [json.loads(line) for line in lines if line.startswith('{"time"') and '"ended_by"' in line]


def facts_product(folder: Path, port: int, ja4: str = "-") -> Product:
    def route(name: str, **conditions: object) -> dict[str, Any]:
        match = {
            "tls": {fact: {"present": c} if isinstance(c, bool) else c for fact, c in conditions.items()}
        }
        return {"name": name, "match": match, "respond": {"body": name}}

    return Product(
        secured(
            folder,
            "127.0.0.1:9",
            port,
            access_log={"format": "json", "fingerprints": True},
            routes=[
                route("known", ja4=ja4),
                route("certified", certificate=True, sni="also.example"),
                route("old", version="TLSv1.2"),
                route("wild", sni="~ [.]wild[.]example$", alpn="http/1.1"),
                route("plain", version=False),
                {"name": "other", "respond": {"body": "other"}},
            ],
        )
    )


def test_facts_of_tls_choose_routes_and_are_recorded(folder: Path) -> None:
    port = free_port()
    agreed = client()
    agreed.set_alpn_protocols(["http/1.1"])
    with facts_product(folder, port) as product:

        def route_of(name: str, context: ssl.SSLContext) -> str:
            with Secured(port, name, context) as wire:
                return wire.get(name).body.decode()

        assert route_of("open.example", client("TLSv1_2")) == "old"
        assert route_of("a.wild.example", client()) == "other"
        assert route_of("a.wild.example", agreed) == "wild"
        assert route_of("also.example", client(own=OWN)) == "certified"
        assert route_of("also.example", client()) == "other"
        plain = int(product.config["listeners"]["web"]["bind"].rpartition(":")[2])
        with RawClient(plain) as bare:
            assert bare.exchange(GET % b"open.example").body == b"plain"
        until(lambda: len(recorded(product)) == 6, "all records")
        records = recorded(product)
    assert [record["route"] for record in records] == ["old", "other", "wild", "certified", "other", "plain"]
    old, wild = records[0], records[2]
    assert (old["tls_version"], old["sni"], "alpn" in old) == ("TLSv1.2", "open.example", False)
    assert old["tls_cipher"].startswith("ECDHE-")
    assert (wild["tls_version"], wild["alpn"], wild["sni"]) == ("TLSv1.3", "http/1.1", "a.wild.example")
    assert re.fullmatch("[0-9a-f]{32}", wild["ja3"])
    assert re.fullmatch("t13d[0-9]{4}h1_[0-9a-f]{12}_[0-9a-f]{12}", wild["ja4"])
    assert not {"tls_version", "sni", "ja3", "ja4"} & set(records[5])
    with facts_product(folder, port, wild["ja4"]), Secured(port, "open.example", agreed) as wire:
        assert wire.get("open.example").body == b"known"
