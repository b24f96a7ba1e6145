"""TLS without a socket: handshakes, and requests and answers of common sizes."""

from libc.string cimport memset

from headgate.core.output cimport Output
from headgate.core.tls cimport Tls, TlsContext

import ssl

import tempfile
from pathlib import Path

from benchmarks.certificates import certificate

cdef enum:
    ROOM_BYTES = 16384
    REQUEST_BYTES = 600
    RESPONSE_BYTES = 800

cdef char[ROOM_BYTES] room
cdef char[ROOM_BYTES] plain
memset(plain, c"x", ROOM_BYTES)


cdef TlsContext server_context(str kind):
    cdef TlsContext made
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        context.load_cert_chain(certificate(kind, Path(folder)))
    made = TlsContext(context)
    made.set_ticket_secrets([bytes(32)])
    return made


cdef TlsContext client_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return TlsContext(context)


cdef TlsContext ECDSA = server_context("ecdsa")
cdef TlsContext RSA = server_context("rsa")
cdef TlsContext CLIENT = client_context()


cdef int carry(Tls source, Tls target, Output out, Output back, Py_ssize_t size) except -1:
    """Send so many plain bytes to the other side."""
    cdef Py_ssize_t got
    source.write(out, plain, size)
    target.feed(out.buffer, out.size)
    while True:
        got = target.read(room, ROOM_BYTES, back)
        if got < 0:
            raise RuntimeError(target.reason)
        if got == 0:
            break
        size -= got
    if size:
        raise RuntimeError("bytes are missing")
    out.clear()
    return 0


cdef int shake(Tls client, Tls server, Output up, Output down) except -1:
    """Let both come together; what is left in `down` are tickets."""
    while not (client.established and server.established):
        client.feed(down.buffer, down.size)
        if client.handshake(up) < 0:
            raise RuntimeError(client.reason)
        down.clear()
        server.feed(up.buffer, up.size)
        if server.handshake(down) < 0:
            raise RuntimeError(server.reason)
        up.clear()
    client.feed(down.buffer, down.size)
    client.read(room, ROOM_BYTES, up)
    down.clear()
    return 0


cdef int handshakes(TlsContext context, bint resume, Py_ssize_t rounds) except -1:
    cdef Output up = Output()
    cdef Output down = Output()
    cdef Tls client
    cdef Tls server
    cdef Py_ssize_t i
    session = None
    for i in range(rounds):
        client = Tls(CLIENT, server=False, server_name="a.example", session=session)
        server = Tls(context)
        shake(client, server, up, down)
        if resume:
            session = client.session
            if i and not server.resumed:
                raise RuntimeError("nothing was resumed")
    return 0


def case_ecdsa_handshake(Py_ssize_t rounds) -> None:
    handshakes(ECDSA, False, rounds)


def case_rsa_handshake(Py_ssize_t rounds) -> None:
    handshakes(RSA, False, rounds)


def case_resumed_handshake(Py_ssize_t rounds) -> None:
    handshakes(ECDSA, True, rounds)


def case_exchange(Py_ssize_t rounds) -> None:
    cdef Output up = Output()
    cdef Output down = Output()
    cdef Tls client = Tls(CLIENT, server=False, server_name="a.example")
    cdef Tls server = Tls(ECDSA)
    cdef Py_ssize_t i
    shake(client, server, up, down)
    for i in range(rounds):
        carry(client, server, up, down, REQUEST_BYTES)
        carry(server, client, down, up, RESPONSE_BYTES)


def case_body(Py_ssize_t rounds) -> None:
    cdef Output up = Output()
    cdef Output down = Output(32768)
    cdef Tls client = Tls(CLIENT, server=False, server_name="a.example")
    cdef Tls server = Tls(ECDSA)
    cdef Py_ssize_t i
    shake(client, server, up, down)
    for i in range(rounds):
        carry(server, client, down, up, ROOM_BYTES)


CASES = {
    "TLS 1.3 handshake, both sides, P-256": case_ecdsa_handshake,
    "TLS 1.3 handshake, both sides, RSA-2048": case_rsa_handshake,
    "TLS 1.3 handshake, both sides, resumed": case_resumed_handshake,
    "600 bytes up and 800 down through TLS, both sides": case_exchange,
    "16 KiB down through TLS, both sides": case_body,
}
