"""TLS against Python's own `ssl`, and against itself: handshakes, bytes, ends, and what breaks."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from headgate.core.client_hello import ClientHello, HelloOutcome
from headgate.core.output import Output
from headgate.core.tls import Tls, TlsContext, TlsFault, log_keys
from support.certificates import DAY, NOW, Authority, Pair
from support.sealed import (
    AUTHORITY,
    CLIENTS,
    NAME,
    SECRET,
    Core,
    Python,
    Side,
    client_context,
    pass_on,
    server_context,
    shake,
)

VERSIONS = ["TLSv1_2", "TLSv1_3"]
PAIRINGS = ["core and ssl", "ssl and core", "core and core"]  # client and server
ECDSA, RSA = AUTHORITY.issue(NAME), AUTHORITY.issue(NAME, kind="rsa")


def core_server(context: ssl.SSLContext | None = None, policy: bytes = b"", depth: int = 100) -> Core:
    made = TlsContext(context or server_context(ECDSA), policy, depth)
    made.set_ticket_secrets([SECRET])
    return Core(made, server=True)


def core_client(context: ssl.SSLContext | None = None, name: str = NAME) -> Core:
    return Core(TlsContext(context or client_context()), server=False, name=name)


def sides(
    pairing: str, version: str = "", pair: Pair = ECDSA, protocols: tuple[str, ...] = ()
) -> tuple[Side, Side]:
    client, server = client_context(version, protocols=protocols), server_context(pair)
    first, second = pairing.split(" and ")
    return (
        core_client(client) if first == "core" else Python(client, server=False),
        core_server(server) if second == "core" else Python(server, server=True),
    )


def connected(pairing: str, version: str = "", pair: Pair = ECDSA, step: int = 0) -> tuple[Side, Side]:
    client, server = sides(pairing, version, pair)
    shake(client, server, step)
    assert (client.fault, server.fault) == ("", "")
    assert client.done
    assert server.done
    return client, server


def outcome(client: Side, server: Side) -> tuple[str, str]:
    """What each side has to say of a handshake."""
    shake(client, server)
    return client.fault, server.fault


# --- Handshakes and bytes ---


@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("pair", [ECDSA, RSA], ids=["ecdsa", "rsa"])
def test_bytes_go_both_ways(pairing: str, version: str, pair: Pair) -> None:
    client, server = connected(pairing, version, pair)
    for text in (b"x", b"hello", b"a" * 16384, b"b" * 16385, bytes(range(256)) * 4000):
        for source, target in ((client, server), (server, client)):
            target.plain.clear()
            source.send(text)
            pass_on(client, server)
            assert target.plain == text
    assert (client.fault, server.fault) == ("", "")


@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("step", [1, 2, 5, 6, 100])
def test_every_split(pairing: str, version: str, step: int) -> None:
    client, server = connected(pairing, version, step=step)
    client.send(b"ask " * 500)
    server.send(b"answer " * 500)
    pass_on(client, server, step)
    assert server.plain == b"ask " * 500
    assert client.plain == b"answer " * 500


@pytest.mark.parametrize("version", VERSIONS)
def test_bytes_that_come_with_the_end_of_the_handshake(version: str) -> None:
    client, server = Python(client_context(version), server=False), core_server()
    client.take(b"")
    for _ in range(4):
        if client.done:
            break
        server.take(client.output())
        client.take(server.output())
    assert client.done
    client.send(b"early bird")
    server.take(client.output())
    assert server.plain == b"early bird"


def test_large_bytes_make_records_of_16_kib() -> None:
    client, server = connected("core and core", "TLSv1_3")
    assert isinstance(client, Core)
    client.send(bytes(100_000))
    sealed = client.output()
    sizes = []
    at = 0
    while at < len(sealed):
        assert sealed[at : at + 3] == b"\x17\3\3"
        sizes.append(int.from_bytes(sealed[at + 3 : at + 5], "big") - 17)
        at += 5 + sizes[-1] + 17
    assert sizes == [16384] * 6 + [100_000 - 6 * 16384]
    server.take(sealed)
    assert server.plain == bytes(100_000)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_agreed_on(version: str) -> None:
    client, server = sides("core and core", version, RSA, ("http/1.1", "h2"))
    assert isinstance(client, Core)
    assert isinstance(server, Core)
    for side in (client, server):
        assert (side.tls.version, side.tls.cipher, side.tls.alpn) == (None, None, None)
    shake(client, server)
    for side in (client, server):
        assert side.tls.version == version.replace("_", ".")
        assert side.tls.cipher is not None
        assert side.tls.cipher.endswith("AES256-GCM-SHA384") or side.tls.cipher == "TLS_AES_256_GCM_SHA384"
        assert side.tls.alpn == b"h2"  # the server's order
        assert (side.tls.resumed, side.tls.verify_error) == (False, "")
    assert (client.tls.server, server.tls.server) == (False, True)
    assert server.tls.peer_chain == []
    (shown,) = client.tls.peer_chain
    assert x509.load_der_x509_certificate(shown) == RSA.certificate


def test_no_protocol_in_common() -> None:
    client, server = sides("core and core", protocols=("acme-tls/1",))
    assert isinstance(server, Core)
    assert outcome(client, server) == ("", "")
    assert server.tls.alpn is None


def test_versions_that_do_not_meet() -> None:
    client, server = core_client(client_context("TLSv1_2")), core_server(server_context(version="TLSv1_3"))
    assert outcome(client, server) == ("tlsv1 alert protocol version", "unsupported protocol")
    assert client.tls.failed
    assert server.tls.failed


# --- Who the peer is ---


@pytest.mark.parametrize(
    ("pair", "name", "fault"),
    [
        (AUTHORITY.issue("other.example"), NAME, "certificate verify failed: hostname mismatch"),
        (
            AUTHORITY.issue(NAME, after=NOW - timedelta(hours=1)),
            NAME,
            "certificate verify failed: certificate has expired",
        ),
        (
            AUTHORITY.issue(NAME, before=NOW + DAY),
            NAME,
            "certificate verify failed: certificate is not yet valid",
        ),
        (
            Authority("Another CA").issue(NAME),
            NAME,
            "certificate verify failed: unable to get local issuer certificate",
        ),
        (AUTHORITY.issue("*.a.example"), "b.a.example", ""),
        (AUTHORITY.issue("*.a.example"), "c.b.a.example", "certificate verify failed: hostname mismatch"),
        (AUTHORITY.issue("a*.a.example"), "ab.a.example", "certificate verify failed: hostname mismatch"),
        (AUTHORITY.issue(subject=NAME), NAME, "certificate verify failed: hostname mismatch"),
        (AUTHORITY.issue("127.0.0.1", "::1"), "127.0.0.1", ""),
        (AUTHORITY.issue("127.0.0.1", "::1"), "::1", ""),
        (AUTHORITY.issue("127.0.0.1"), "127.0.0.2", "certificate verify failed: IP address mismatch"),
        (AUTHORITY.issue("127.0.0.1"), NAME, "certificate verify failed: hostname mismatch"),
        (AUTHORITY.issue("xn--bcher-kva.example"), "bücher.example", ""),
        (
            AUTHORITY.issue(NAME, client=True),
            NAME,
            "certificate verify failed: unsuitable certificate purpose",
        ),
    ],
)
def test_a_client_verifies_the_server(pair: Pair, name: str, fault: str) -> None:
    client, server = core_client(name=name), Python(server_context(pair), server=True)
    assert outcome(client, server)[0].lower() == fault.lower()
    assert client.tls.failed is bool(fault)
    assert (server.fault != "") is bool(fault)  # the alert came over


@pytest.mark.parametrize(("name", "sent"), [(NAME, NAME), ("127.0.0.1", None), ("::1", None), ("", None)])
def test_the_name_that_is_sent(name: str, sent: str | None) -> None:
    """Never an address (RFC 6066 section 3)."""
    client, hello = core_client(name=name), ClientHello()
    client.take(b"")
    assert hello.receive(client.output()) == HelloOutcome.HELLO_READ
    assert hello.server_name == sent


def test_without_verification() -> None:
    context = client_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client = core_client(context, "b.example")
    assert outcome(client, core_server(server_context(Authority("Another CA").issue(NAME)))) == ("", "")
    assert client.tls.verify_error == "unable to get local issuer certificate"


@pytest.mark.parametrize("name", ["a\0b", "a" * 300, "bücher." + "ü" * 80])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(TlsFault, match="is no name of a server"):
        core_client(name=name)


# --- Client certificates ---

GOOD = CLIENTS.issue("client", client=True)
STRANGER = Authority("Another CA").issue("client", client=True)
EXPIRED = CLIENTS.issue("client", client=True, after=NOW - timedelta(hours=1))
DEEP = Authority("Clients 3", Authority("Clients 2", CLIENTS)).issue("client", client=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("python", [False, True], ids=["core", "ssl"])
@pytest.mark.parametrize("mode", [ssl.CERT_REQUIRED, ssl.CERT_OPTIONAL], ids=["required", "requested"])
@pytest.mark.parametrize(
    ("own", "fault"),
    [
        (GOOD, ""),
        (DEEP, ""),
        (STRANGER, "certificate verify failed: unable to get local issuer certificate"),
        (EXPIRED, "certificate verify failed: certificate has expired"),
        (CLIENTS.issue("client"), "certificate verify failed: unsuitable certificate purpose"),
        (None, "peer did not return a certificate"),
    ],
    ids=["good", "deep", "stranger", "expired", "another use", "none"],
)
def test_client_certificates(
    version: str, python: bool, mode: ssl.VerifyMode, own: Pair | None, fault: str
) -> None:
    server = core_server(server_context(ECDSA, version=version, clients=CLIENTS, mode=mode))
    context = client_context(own=own)
    client: Side = Python(context, server=False) if python else core_client(context)
    if own is None and mode == ssl.CERT_OPTIONAL:
        fault = ""
    assert outcome(client, server)[1] == fault
    assert (client.fault != "") is bool(fault)
    if not fault:
        chain = [x509.load_der_x509_certificate(each) for each in server.tls.peer_chain]
        assert chain == ([own.certificate, *own.above] if own else [])
        assert server.tls.verify_error == ""


@pytest.mark.parametrize(("depth", "good"), [(0, False), (1, False), (2, True), (3, True)])
def test_depth(depth: int, good: bool) -> None:
    server = core_server(server_context(clients=CLIENTS), depth=depth)
    fault = outcome(core_client(client_context(own=DEEP)), server)[1]
    assert fault == ("" if good else "certificate verify failed: certificate chain too long")


# --- Ends ---


@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_end_of_one_side_leaves_the_other_open(pairing: str, version: str) -> None:
    client, server = connected(pairing, version)
    client.send(b"last")
    client.end()
    pass_on(client, server)
    assert server.ended
    assert server.plain == b"last"
    if isinstance(server, Core) and isinstance(client, Core):
        server.send(b"still open")
        pass_on(client, server)
        assert client.plain == b"still open"
        server.end()
        pass_on(client, server)
        assert (client.ended, client.fault) == (True, "")
        client.send(b"too late")
        assert client.output() == b""


def test_what_follows_the_end_is_ignored() -> None:
    client, server = connected("core and core", "TLSv1_3")
    client.end()
    server.take(client.output() + b"\x17\3\3\0\5abcde")
    assert server.ended
    assert (bytes(server.plain), server.fault) == (b"", "")
    server.take(b"more")
    assert (bytes(server.plain), server.fault) == (b"", "")


def test_without_an_end_none_is_seen() -> None:
    client, server = connected("core and core")
    client.send(b"x" * 1000)
    server.take(client.output()[:-1])
    assert (bytes(server.plain), server.ended, server.fault) == (b"", False, "")


def test_ending_within_the_handshake_says_nothing() -> None:
    client = core_client()
    client.take(b"")
    client.output()
    client.end()
    client.send(b"x")
    assert client.output() == b""


# --- What breaks ---


@pytest.mark.parametrize("version", VERSIONS)
def test_a_record_that_was_changed(version: str) -> None:
    client, server = connected("ssl and core", version)
    client.send(b"x" * 1000)
    sealed = bytearray(client.output())
    sealed[100] ^= 1
    server.take(bytes(sealed))
    assert server.plain == b""
    assert server.fault == "decryption failed or bad record mac"
    client.take(server.output())
    assert "BAD_RECORD_MAC" in client.fault
    server.take(b"more")  # says the same again, and nothing else
    assert server.fault == "decryption failed or bad record mac"
    server.send(b"x")
    server.end()
    assert server.output() == b""


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "http request"),
        (b"\x16\3\1\0\5abcde", "unexpected message"),
        (b"\x16\3\1\xff\xff" + bytes(9), "packet length too long"),
        (b"\x15\3\1\0\2\2\x28", "unexpected message"),
        (b"\xff" * 100, "wrong version number"),
    ],
)
def test_no_hello(data: bytes, fault: str) -> None:
    server = core_server()
    server.take(data)
    assert server.fault == fault
    assert server.tls.failed
    assert not server.done


def test_a_failure_poisons_no_other_connection() -> None:
    """OpenSSL keeps errors for a thread: one that is left behind would be taken for the next one's."""
    client, server = connected("core and core")
    broken = core_server()
    for _ in range(3):
        broken.take(b"GET / HTTP/1.1\r\n\r\n")
        client.send(b"fine ")
        pass_on(client, server)
        broken = core_server()
    assert server.plain == b"fine " * 3
    assert (client.fault, server.fault) == ("", "")
    # Nor does an error of `ssl`.
    theirs = Python(server_context(), server=True)
    theirs.take(b"GET / HTTP/1.1\r\n\r\n")
    assert theirs.fault
    client.send(b"again")
    pass_on(client, server)
    assert server.plain.endswith(b"again")


def test_renegotiation_is_refused(tmp_path: Path) -> None:
    """With TLS 1.2 a client may ask for it. The alert that refuses is a warning; OpenSSL's client leaves."""
    server = core_server()
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        command = ["openssl", "s_client", "-unix", path, "-tls1_2", "-servername", NAME]
        pipe = subprocess.PIPE
        with (
            subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT) as client,
            listener.accept()[0] as connection,
        ):
            assert client.stdin is not None
            assert client.stdout is not None
            asked = False
            while data := connection.recv(65536):
                server.take(data)
                connection.sendall(server.output())
                if server.done and not asked:
                    client.stdin.write(b"R\n")
                    client.stdin.flush()
                    asked = True
            said = client.stdout.read()
    assert b"RENEGOTIATING" in said
    assert b"no renegotiation" in said
    assert server.fault == "sslv3 alert handshake failure"  # what the client says


def test_python_s_callbacks_are_refused(tmp_path: Path) -> None:
    """They look for an object of `ssl` behind a connection, and would crash."""
    context = server_context()
    context.sni_callback = lambda *_: None
    with pytest.raises(ValueError, match="callbacks"):
        TlsContext(context)
    logging = server_context()
    logging.keylog_filename = str(tmp_path / "keys")
    assert outcome(core_client(), core_server(logging)) == ("", "")
    assert (tmp_path / "keys").read_text().startswith("# TLS secrets log file")
    assert "TRAFFIC_SECRET" not in (tmp_path / "keys").read_text()


def test_what_is_no_context() -> None:
    with pytest.raises(TypeError, match="SSLContext"):
        TlsContext(object())  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        TlsContext(server_context(), None)  # type: ignore[arg-type]
    for make in (lambda: Tls(None), lambda: Tls.__new__(Tls), lambda: TlsContext.__new__(TlsContext)):  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            make()


def test_none_is_nothing_to_take_or_send() -> None:
    tls = core_server().tls
    calls: list[Callable[[Any], object]] = [
        lambda none: tls.shake(none, Output()),
        lambda none: tls.receive(none, Output()),
        lambda none: tls.send(none, Output()),
        lambda none: tls.send(b"", none),
        lambda none: tls.shake(b"", none),
        lambda none: tls.receive(b"", none),
        tls.end,
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call(None)


# --- Keys ---


def test_keys_are_logged_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    log_keys(str(path))
    try:
        client, server = core_client(), core_server()
        shake(client, server)
        old = core_server(server_context(version="TLSv1_2"))
        shake(core_client(), old)
    finally:
        log_keys(None)
    lines = path.read_text().splitlines()
    labels = [line.split()[0] for line in lines]
    for label in ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0", "CLIENT_RANDOM"):
        assert labels.count(label) == 2  # of both sides
    assert all(len(line.split()) == 3 for line in lines)
    assert path.stat().st_mode & 0o777 == 0o600
    size = path.stat().st_size
    shake(core_client(), core_server())
    assert path.stat().st_size == size


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        log_keys(str(tmp_path / "missing" / "keys"))
