"""Answers of a broken or hostile backend: what the client gets, and whether the connection lives on.

Three outcomes. `bad`: the client gets 502. `short`: it gets 502 or, when the answer had begun, a
message that every client can see is incomplete. `passed`: it gets exactly this. Only after a
`passed` that ended clean may the upstream connection carry another exchange.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One row of the corpus: what the backend sends, and how it goes on."""

    name: str
    data: bytes
    end: str = "open"  # what the backend does behind it: open, close or reset
    method: str = "GET"
    outcome: str = "bad"  # bad, short, passed or either (bad or passed)
    status: int = 200
    body: bytes = b""
    reused: bool = False

    def __str__(self) -> str:
        return self.name


CASES: list[Case] = []


def bad(name: str, data: bytes, end: str = "open", method: str = "GET") -> None:
    CASES.append(Case(name, data, end, method))


def short(name: str, data: bytes, end: str = "open") -> None:
    CASES.append(Case(name, data, end, outcome="short"))


def passed(
    name: str,
    data: bytes,
    body: bytes = b"",
    *,
    end: str = "open",
    method: str = "GET",
    status: int = 200,
    reused: bool = True,
    outcome: str = "passed",
) -> None:
    CASES.append(Case(name, data, end, method, outcome, status, body, reused))


def ok(*lines: bytes, body: bytes = b"", start: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([start, *lines]) + b"\r\n\r\n" + body


def chunked(body: bytes, *lines: bytes) -> bytes:
    return ok(b"Transfer-Encoding: chunked", *lines, body=body)


def printable(data: bytes) -> str:
    return data.decode("latin-1").encode("unicode_escape").decode()


EVIL = ok(b"Content-Length: 4", body=b"evil")

# Framing

bad("both framings", ok(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"))
bad("both framings, other order", ok(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n"))
bad("CL twice, unequal", ok(b"Content-Length: 5", b"Content-Length: 2", body=b"hello"))
bad("CL twice, zero first", ok(b"Content-Length: 0", b"Content-Length: 5", body=b"hello"))
passed(
    "CL twice, equal",
    ok(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"),
    b"hello",
    outcome="either",
)
for _value in (
    b"",
    b"+5",
    b"-5",
    b"5, 5",
    b"5,6",
    b"0x5",
    b"5x",
    b"5 5",
    b"five",
    b'"5"',
    b"5.0",
    b"\x0b5",
    b"5\0",
    b"9223372036854775808",
    b"18446744073709551621",
    b"9" * 400,
):
    bad(f"CL {printable(_value)[:24]!r}", ok(b"Content-Length: " + _value, body=b"hello"))
for _value in (
    b"",
    b"xchunked",
    b"chunkedx",
    b"identity",
    b"chunked, identity",
    b"chunked, chunked",
    b"chunked, gzip",
    b"gzip, chunked",
    b"gzip",
    b"chunked,",
    b", chunked",
    b"chunked;q=1",
    b'"chunked"',
    b"\x0bchunked",
    b"chunked\x0c",
    b"chunked\0",
    b"\xa0chunked",
    b"\r\n chunked",
):
    bad(f"TE {printable(_value)!r}", ok(b"Transfer-Encoding: " + _value, body=b"5\r\nhello\r\n0\r\n\r\n"))
bad("TE two lines", ok(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"))
bad("TE in HTTP/1.0", ok(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n", start=b"HTTP/1.0 200 OK"))
bad(
    "TE space before the colon, and CL",
    ok(b"Transfer-Encoding : chunked", b"Content-Length: 5", body=b"0\r\n\r\n"),
)
bad(
    "TE behind a bare LF, and CL",
    ok(b"X-A: b\nTransfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n"),
)
bad(
    "TE behind a bare CR, and CL",
    ok(b"X-A: b\rTransfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n"),
)
passed("CL", ok(b"Content-Length: 5", body=b"hello"), b"hello")
passed("CL 0", ok(b"Content-Length: 0"))
passed("TE", chunked(b"5\r\nhello\r\n0\r\n\r\n"), b"hello")
passed("TE in other case", ok(b"TRANSFER-encoding:CHUNKED", body=b"5\r\nhello\r\n0\r\n\r\n"), b"hello")
passed("until close", ok(body=b"hello"), b"hello", end="close", reused=False)
passed("until close, empty", ok(), end="close", reused=False)
passed(
    "HTTP/1.0 until close", ok(body=b"hello", start=b"HTTP/1.0 200 OK"), b"hello", end="close", reused=False
)
passed(
    "HTTP/1.0 with CL",
    ok(b"Content-Length: 5", body=b"hello", start=b"HTTP/1.0 200 OK"),
    b"hello",
    reused=False,
)
passed(
    "HTTP/1.0 kept alive",
    ok(b"Content-Length: 5", b"Connection: keep-alive", body=b"hello", start=b"HTTP/1.0 200 OK"),
    b"hello",
)
passed(
    "Connection: close", ok(b"Content-Length: 5", b"Connection: close", body=b"hello"), b"hello", reused=False
)
passed(
    "Connection: Content-Length",
    ok(b"Connection: Content-Length", b"Content-Length: 5", body=b"hello"),
    b"hello",
    outcome="either",
)

# Start line

for _start in (
    b"HTTP/1.1 20 OK",
    b"HTTP/1.1 2000 OK",
    b"HTTP/1.1 099 OK",
    b"HTTP/1.1 000 OK",
    b"HTTP/1.1 2x0 OK",
    b"HTTP/1.1 -20 OK",
    b"HTTP/1.1 +20 OK",
    b"HTTP/1.1 OK",
    b"HTTP/1.1  200 OK",
    b"HTTP/1.1\t200 OK",
    b"HTTP/1.1200 OK",
    b"HTTP/1.1 200\tOK",
    b"HTTP/1.1 200OK",
    b" HTTP/1.1 200 OK",
    b"HTTP/2.0 200 OK",
    b"HTTP/2 200 OK",
    b"HTTP/0.9 200 OK",
    b"HTTP/1.10 200 OK",
    b"HTTP/1 200 OK",
    b"HTTP/11.1 200 OK",
    b"http/1.1 200 OK",
    b"HTTPS/1.1 200 OK",
    b"ICY 200 OK",
    b"200 OK",
    b"GET / HTTP/1.1",
    b"HTTP/1.1 200 O\0K",
    b"HTTP/1.1 200 O\x01K",
    b"HTTP/1.1 200 O\x7fK",
    b"HTTP/1.1 200 O\rK",
    b"HTTP/1.1 200 OK\r",
    b"",
):
    bad(f"start {printable(_start)!r}", ok(b"Content-Length: 5", body=b"hello", start=_start))
bad("start line, bare LF", b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n")
bad("LF before", b"\n" + ok(b"Content-Length: 0"))
passed("reason empty", ok(b"Content-Length: 0", start=b"HTTP/1.1 200 "))
passed("reason of high bytes", ok(b"Content-Length: 0", start=b"HTTP/1.1 200 \xc3\xa9\t!"))
passed("no space behind the status", ok(b"Content-Length: 0", start=b"HTTP/1.1 200"), outcome="either")
passed("status 299", ok(b"Content-Length: 0", start=b"HTTP/1.1 299 Hm"), status=299)
passed("status 599", ok(b"Content-Length: 0", start=b"HTTP/1.1 599 Hm"), status=599)

# Fields

bad("fields, bare LF", b"HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n")
bad("head in bare LF", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n")
bad("last line, bare LF", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n")
bad("fold", ok(b"Content-Length: 0", b"X-A: b", b" c"))
bad("fold of the first line", ok(b" X-A: b", b"Content-Length: 0"))
bad("no colon", ok(b"X-A", b"Content-Length: 0"))
bad("empty name", ok(b": b", b"Content-Length: 0"))
bad("space in a name", ok(b"X A: b", b"Content-Length: 0"))
for _byte in b"\x00\x01\x0b\x0c\x0d\x1f\x7f":
    bad(
        f"value with {printable(bytes([_byte]))}", ok(b"X-A: b" + bytes([_byte]) + b"c", b"Content-Length: 0")
    )
for _byte in b'\x00\x01"(/@[\x7f\x80':
    bad(f"name with {printable(bytes([_byte]))}", ok(b"X" + bytes([_byte]) + b"A: b", b"Content-Length: 0"))
# RFC 9112 5.1 lets a proxy remove the space; refusing is stricter.
passed(
    "space before the colon", ok(b"X-A : b", b"Content-Length: 5", body=b"hello"), b"hello", outcome="either"
)
passed("value with tab and high bytes", ok(b"X-A: b\tc\x80\xff", b"Content-Length: 0"))
bad("head of 1 MiB", ok(b"X-A: " + b"a" * (1 << 20), b"Content-Length: 0"))
bad("head of 5000 fields", ok(*(b"X-%d: a" % number for number in range(5000)), b"Content-Length: 0"))
bad("head without an end", b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 100000)

# Not HTTP

bad("HTTP/0.9", b"hello", end="close")
bad("garbage", bytes(range(256)) * 4)
bad("TLS alert", b"\x15\x03\x03\x00\x02\x02\x28", end="close")
bad("SSH banner", b"SSH-2.0-OpenSSH_9.2\r\n")
bad("nothing", b"", end="close")
bad("nothing and reset", b"", end="reset")
bad("half a head", b"HTTP/1.1 200 OK\r\nContent-Le", end="close")
bad("half a head and reset", b"HTTP/1.1 200 OK\r\nContent-Le", end="reset")
bad("half a start line", b"HTTP/1.", end="close")
bad("head without its empty line", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", end="close")

# Interim responses

bad(
    "101 unasked",
    ok(b"Upgrade: websocket", b"Connection: Upgrade", start=b"HTTP/1.1 101 Switching Protocols"),
)
bad("100 with a body", ok(b"Content-Length: 5", body=b"hello", start=b"HTTP/1.1 100 Continue") + EVIL)
bad("100 and close", ok(start=b"HTTP/1.1 100 Continue"), end="close")
bad("malformed behind 100", ok(start=b"HTTP/1.1 100 Continue") + b"HTTP/1.1 2\r\n\r\n")
passed("100", ok(start=b"HTTP/1.1 100 Continue") + ok(b"Content-Length: 5", body=b"hello"), b"hello")
passed(
    "103",
    ok(b"Link: </a>", start=b"HTTP/1.1 103 Early Hints") + ok(b"Content-Length: 5", body=b"hello"),
    b"hello",
)
passed("199", ok(start=b"HTTP/1.1 199 Hm") + ok(b"Content-Length: 5", body=b"hello"), b"hello")
# A few are right; without end they would hold an exchange for ever, so a limit may answer 502.
passed(
    "1000 times 102",
    ok(start=b"HTTP/1.1 102 Processing") * 1000 + ok(b"Content-Length: 5", body=b"hello"),
    b"hello",
    outcome="either",
)

# Bodies where there are none

passed("204", ok(start=b"HTTP/1.1 204 No Content"), status=204)
passed(
    "204 with CL", ok(b"Content-Length: 5", start=b"HTTP/1.1 204 No Content"), status=204, outcome="either"
)
passed(
    "204 with a body",
    ok(b"Content-Length: 5", body=b"hello", start=b"HTTP/1.1 204 No Content"),
    status=204,
    reused=False,
    outcome="either",
)
passed(
    "204 with chunks",
    ok(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n", start=b"HTTP/1.1 204 No Content"),
    status=204,
    reused=False,
    outcome="either",
)
passed("204 with another response", ok(start=b"HTTP/1.1 204 No Content") + EVIL, status=204, reused=False)
passed("304", ok(start=b"HTTP/1.1 304 Not Modified"), status=304)
passed("304 with CL", ok(b"Content-Length: 5", start=b"HTTP/1.1 304 Not Modified"), status=304)
passed("304 with TE", ok(b"Transfer-Encoding: chunked", start=b"HTTP/1.1 304 Not Modified"), status=304)
passed(
    "304 with a body",
    ok(b"Content-Length: 5", body=b"hello", start=b"HTTP/1.1 304 Not Modified"),
    status=304,
    reused=False,
)
passed("HEAD", ok(b"Content-Length: 5"), method="HEAD")
passed("HEAD chunked", ok(b"Transfer-Encoding: chunked"), method="HEAD")
passed("HEAD without framing", ok(), method="HEAD")
passed("HEAD with a body", ok(b"Content-Length: 4", body=b"evil"), method="HEAD", reused=False)
passed(
    "HEAD with another response as body",
    ok(b"Content-Length: %d" % len(EVIL), body=EVIL),
    method="HEAD",
    reused=False,
)
passed("205 with CL 0", ok(b"Content-Length: 0", start=b"HTTP/1.1 205 Reset Content"), status=205)
passed(
    "205 with a body",
    ok(b"Content-Length: 5", body=b"hello", start=b"HTTP/1.1 205 Reset Content"),
    b"hello",
    status=205,
)

# More than was asked for: never another exchange's answer

passed("another response behind CL", ok(b"Content-Length: 5", body=b"hello") + EVIL, b"hello", reused=False)
passed("another response behind chunks", chunked(b"5\r\nhello\r\n0\r\n\r\n") + EVIL, b"hello", reused=False)
passed("another response behind 304", ok(start=b"HTTP/1.1 304 Not Modified") + EVIL, status=304, reused=False)
passed("another response behind HEAD", ok(b"Content-Length: 5") + EVIL, method="HEAD", reused=False)
passed("bytes behind CL", ok(b"Content-Length: 5", body=b"hello world"), b"hello", reused=False)
passed("a byte behind chunks", chunked(b"5\r\nhello\r\n0\r\n\r\n\0"), b"hello", reused=False)
passed("CRLF behind CL", ok(b"Content-Length: 5", body=b"hello\r\n"), b"hello", reused=False)
passed(
    "half a response behind CL",
    ok(b"Content-Length: 5", body=b"hello") + b"HTTP/1.1 200 OK\r\nX-",
    b"hello",
    reused=False,
)
passed(
    "a response and close",
    ok(b"Content-Length: 5", body=b"hello") + EVIL,
    b"hello",
    end="close",
    reused=False,
)
passed("a response and reset", ok(b"Content-Length: 5", body=b"hello"), b"hello", end="close", reused=False)

# Cut short

for _end in ("close", "reset"):
    short(f"CL, nothing, {_end}", ok(b"Content-Length: 10"), _end)
    short(f"CL, half, {_end}", ok(b"Content-Length: 10", body=b"hello"), _end)
    short(f"CL, all but one of 1 MiB, {_end}", ok(b"Content-Length: 1048576", body=b"a" * 1048575), _end)
    for _part in (
        b"",
        b"5",
        b"5\r\n",
        b"5\r\nhel",
        b"5\r\nhello",
        b"5\r\nhello\r\n",
        b"5\r\nhello\r\n0",
        b"5\r\nhello\r\n0\r\n",
        b"5\r\nhello\r\n0\r\n\r",
        b"5\r\nhello\r\n0\r\nX-A: b\r\n",
    ):
        short(f"chunks {printable(_part)!r}, {_end}", chunked(_part), _end)
short("until close, reset", ok(body=b"hello"), "reset")
short("HTTP/1.0 until close, reset", ok(body=b"hello", start=b"HTTP/1.0 200 OK"), "reset")

# Chunks

for _size in (
    b"",
    b"+5",
    b"-5",
    b"0x5",
    b" 5",
    b"g",
    b"5g",
    b"5 5",
    b"5\0",
    b";a",
    b"FFFFFFFFFFFFFFFF",
    b"8000000000000005",
    b"10000000000000005",
    b"FFFFFFFF00000005",
    b"5;a\rb",
    b"5;a\nb",
    b"5;a=\x01",
    b"5;" + b"a" * 100000,
    b"5" * 4000,
):
    short(f"chunk size {printable(_size)[:24]!r}", chunked(_size + b"\r\nhello\r\n0\r\n\r\n"))
short("chunk size, bare LF", chunked(b"5\nhello\r\n0\r\n\r\n"))
short("chunk data, no CRLF behind", chunked(b"5\r\nhello0\r\n\r\n"))
short("chunk data, bare LF behind", chunked(b"5\r\nhello\n0\r\n\r\n"))
short("chunk data, too long", chunked(b"5\r\nhello world\r\n0\r\n\r\n"))
short("last chunk, bare LF", chunked(b"5\r\nhello\r\n0\n\r\n"))
short("last chunk, both bare LF", chunked(b"5\r\nhello\r\n0\n\n"))
short("last chunk, junk behind", chunked(b"5\r\nhello\r\n0\r\nX\r\n\r\n"))
short("trailer, bare LF", chunked(b"5\r\nhello\r\n0\r\nX-A: b\n\r\n"))
short("trailer, space before the colon", chunked(b"5\r\nhello\r\n0\r\nX-A : b\r\n\r\n"))
short("trailer, fold", chunked(b"5\r\nhello\r\n0\r\nX-A: b\r\n c\r\n\r\n"))
short("trailer Transfer-Encoding", chunked(b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"))
short("trailer, control", chunked(b"5\r\nhello\r\n0\r\nX-A: \x01\r\n\r\n"))
short("trailers of 1 MiB", chunked(b"5\r\nhello\r\n0\r\n" + b"X-A: b\r\n" * 131072 + b"\r\n"))
passed("chunk extension", chunked(b"5;a=b\r\nhello\r\n0;c\r\n\r\n"), b"hello")
passed("trailer", chunked(b"5\r\nhello\r\n0\r\nX-A: b\r\n\r\n"), b"hello")
passed(
    "trailer Content-Length",
    chunked(b"5\r\nhello\r\n0\r\nContent-Length: 1\r\n\r\n"),
    b"hello",
    outcome="either",
)
passed("trailer Set-Cookie", chunked(b"5\r\nhello\r\n0\r\nSet-Cookie: a=b\r\n\r\n"), b"hello")
passed("chunk data that looks like an end", chunked(b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"), b"\r\n0\r\n\r\n")

assert len({case.name for case in CASES}) == len(CASES), "names of cases are unique"
