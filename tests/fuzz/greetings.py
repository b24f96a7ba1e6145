"""What clients begin TLS with: the reader of ClientHellos, fingerprints, and a server's handshake."""

from __future__ import annotations

from headgate.core.client_hello import ClientHello, HelloOutcome
from headgate.core.fingerprints import ja3, ja4
from headgate.core.output import Output
from headgate.core.tls import Tls, TlsContext, TlsFault
from support.hellos import (
    alpn,
    extension,
    hello,
    message,
    numbers,
    openssl_hello,
    records,
    server_name,
    sized,
)
from support.sealed import SECRET, server_context

_CONTEXT = TlsContext(server_context())
_CONTEXT.set_ticket_secrets([SECRET])

_MADE = message(
    [
        server_name(b"www.example.com"),
        alpn(b"h2", b"http/1.1"),
        extension(10, sized(numbers([0x1A1A, 29, 23]))),
        extension(11, sized(b"\0", 1)),
        extension(13, sized(numbers([0x0403, 0x0804]))),
        extension(43, sized(numbers([0x2A2A, 0x0304, 0x0303]), 1)),
    ],
    [0x0A0A, 0x1301, 0xC02B],
)
SEEDS = [
    openssl_hello(),
    openssl_hello(None, []),
    records(_MADE),
    records(_MADE, 7),
    hello(None),
    b"GET / HTTP/1.1\r\n",
]
MORSELS = [
    server_name(b"a.example"),
    alpn(b"h2"),
    extension(0x0A0A),
    b"\x16\3\1",
    b"\x16\3\3\0\1",
    b"\x15\3\3\0\2\2\x28",
    b"\x14\3\3\0\1\1",
    b"\0\0",
    b"\xff\xff",
    b"\0",
]


def read_hello(data: bytes) -> None:
    """What a hello says is settled once, wherever it is cut, and has fingerprints."""
    whole = ClientHello()
    outcome = whole.receive(data)
    for end in range(0, len(data), 1 + len(data) // 16):
        early = ClientHello().receive(data[:end])
        assert early in (HelloOutcome.HELLO_INCOMPLETE, outcome)
    if outcome == HelloOutcome.HELLO_READ:
        name = whole.server_name
        assert name is None or (name.isascii() and name.isprintable() and name == name.lower())
        assert len(ja3(whole.body)) == 32
        first, second, third = ja4(whole.body).split("_")
        assert (len(first), len(second), len(third)) == (10, 12, 12)


def shake(data: bytes) -> None:
    """A server takes anything as a hello or says why not, the same whatever the split."""
    assert _shaken([data]) == _shaken([data[at : at + 11] for at in range(0, len(data), 11)])


def _shaken(parts: list[bytes]) -> tuple[set[str], int]:
    tls, out = Tls(_CONTEXT), Output()
    reasons = set()
    for part in parts:
        try:
            assert not tls.shake(part, out), "nobody knows the keys"
        except TlsFault as error:
            reasons.add(str(error))
    assert len(reasons) == tls.failed
    return reasons, min(out.total, 8)  # an alert has 7 bytes; signatures differ in size
