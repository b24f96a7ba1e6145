"""Every way in which our HTTP/1 codec and two others, h11 and llhttp, read bytes differently.

docs/differences.md says the same for people; a test keeps the two in step, and another holds that
each difference has an example that shows it and that nothing else differs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from codec.corpus import CHUNKED, chunked, chunked_ok, get, head, ok
from codec.readers import Reading

BOTH = ("h11", "llhttp")
BODY_BEHIND_UPGRADE = "a body behind an Upgrade"
SWITCHES = "may switch protocols here"
STOPS = "without a word"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that we read and another parser does not: it refuses, stops or hands over."""

    name: str
    peers: tuple[str, ...]
    example: bytes
    says: str  # what the peer says, as a regular expression; SWITCHES or STOPS when it says nothing
    sides: tuple[bool, ...] = (False,)  # of requests (False), responses (True); the example is of the first


# What we read and another does not. None of them reads more or other messages than we do.
WE_READ = (
    Difference("empty lines before a request", ("h11",), b"\r\n" + get(), r"no request line received"),
    Difference(
        "a method of its own", ("llhttp",), head(b"FROB / HTTP/1.1", b"Host: a"),
        r"Invalid method|Expected space after method|Expected HTTP",
    ),
    Difference(
        "HTTP/1.0 that lives on", ("h11",),
        head(b"GET / HTTP/1.0", b"Host: a", b"Connection: keep-alive") * 2, STOPS,
    ),
    Difference(
        "requests behind Proxy-Connection: close", ("llhttp",), get(b"Proxy-Connection: close") * 2,
        r"Data after `Connection: close`",
    ),
    Difference(
        "a final response behind an interim one that closes", ("llhttp",),
        ok(b"Connection: close", start=b"HTTP/1.1 100 Continue") + ok(b"Content-Length: 0"),
        r"Data after `Connection: close`", (True,),
    ),
    Difference("an Upgrade that is not taken up", ("h11",), get(b"Upgrade: websocket") * 2, SWITCHES),
    Difference(
        "an Upgrade that is not taken up", ("llhttp",),
        get(b"Connection: upgrade", b"Upgrade: h2c") * 2, SWITCHES,
    ),
    Difference(
        BODY_BEHIND_UPGRADE, ("llhttp",),
        get(b"Connection: Upgrade", b"Upgrade: x", b"Content-Length: 1") + b"a", SWITCHES,
    ),
    Difference(
        "Content-Length in trailers", BOTH, chunked(b"0\r\nContent-Length: x\r\n\r\n"),
        r"Content-Length", (False, True),
    ),
    Difference(
        "chunk extensions that are none", ("llhttp",),
        chunked(b'1;a="\r\nb\r\n0\r\n\r\n'), r"chunk extension", (False, True),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why we refuse what another parser reads. The reason is the one that the codec gives."""

    reason: str
    peers: tuple[str, ...]
    example: bytes
    asked: bytes = b""  # when the example is a response: the request that it answers


ZERO = b"Content-Length: 0"
LAST = b"0\r\n\r\n"

# What we refuse and another reads.
WE_REFUSE = (
    Refusal("malformed request target", BOTH, get(target=b"/a#b")),
    Refusal("malformed method", ("llhttp",), b"\n" + get()),
    Refusal("malformed protocol version", ("llhttp",), get(version=b" HTTP/1.1")),
    Refusal("protocol version not supported", ("h11",), get(version=b"HTTP/1.2")),
    Refusal("protocol version not supported", ("llhttp",), ok(ZERO, start=b"HTTP/2.0 200"), asked=b"GET"),
    Refusal("request target too long", BOTH, get(target=b"/" + b"a" * 40_000)),
    Refusal("head too large", BOTH, get(b"X: " + b"a" * 40_000)),
    Refusal("too many fields", BOTH, get(*[b"X: y"] * 100)),
    Refusal("too many empty lines", ("llhttp",), b"\r\n" * 9 + get()),
    Refusal("path refused", BOTH, get(target=b"/%00")),
    Refusal("malformed field name", BOTH, get(b"Content_Length: 5")),
    Refusal("folded field line", ("h11",), get(b"X: a", b" b")),
    Refusal("line feed without carriage return", ("h11",), b"GET / HTTP/1.1\nHost: a\n\n"),
    Refusal("line feed without carriage return", ("llhttp",), b"GET /\n\r\n"),
    Refusal("carriage return without line feed", ("llhttp",), b"\r" + get()),
    Refusal("control byte in a field value", ("h11",), get(b"X: a\x1bb")),
    Refusal("control byte in a field value", ("llhttp",), ok(ZERO, start=b"HTTP/1.1 200 \x1b"), asked=b"GET"),
    Refusal("no Host", ("llhttp",), head(b"GET / HTTP/1.1")),
    Refusal("more than one Host", ("llhttp",), get(b"Host: a")),
    Refusal("malformed Host", BOTH, head(b"GET / HTTP/1.1", b"Host: a/b")),
    Refusal("malformed Content-Length", ("h11",), get(b"Content-Length: 1, 1") + b"a"),
    Refusal("more than one Content-Length", ("h11",), get(*[b"Content-Length: 1"] * 2) + b"a"),
    Refusal("both Content-Length and Transfer-Encoding", ("h11",), get(CHUNKED, b"Content-Length: 5") + LAST),
    Refusal("malformed Transfer-Encoding", ("llhttp",), get(b"Transfer-Encoding: x, chunked") + LAST),
    Refusal("transfer coding not supported", ("llhttp",), get(b"Transfer-Encoding: gzip, chunked") + LAST),
    Refusal("Transfer-Encoding in an HTTP/1.0 message", BOTH, head(b"GET / HTTP/1.0", CHUNKED) + LAST),
    Refusal("Connection names a field that is not hop-by-hop", BOTH, get(b"Connection: Host")),
    Refusal("expectation not supported", BOTH, get(b"Expect: 200-ok")),
    Refusal("TRACE with a body", BOTH, head(b"TRACE / HTTP/1.1", b"Host: a", b"Content-Length: 1") + b"a"),
    Refusal("Transfer-Encoding in a trailer", ("h11",), chunked(b"0\r\nTransfer-Encoding: chunked\r\n\r\n")),
    Refusal(
        "Transfer-Encoding in a trailer", ("llhttp",),
        chunked_ok(b"0\r\nTransfer-Encoding: chunked\r\n\r\n"), asked=b"GET",
    ),
    Refusal("malformed chunk size", ("h11",), chunked(b"1 \r\na\r\n0\r\n\r\n")),
    Refusal("chunk size too large", BOTH, chunked(b"0000000000000001\r\na\r\n0\r\n\r\n")),
    Refusal("control byte in a chunk extension", ("h11",), chunked(b"1;\x01\r\na\r\n0\r\n\r\n")),
    Refusal("carriage return without line feed in a chunk", ("h11",), chunked(b"1;\r\r\na\r\n0\r\n\r\n")),
    Refusal("chunk extensions too large", BOTH, chunked(b"1;" + b"a" * 20_000 + b"\r\na\r\n0\r\n\r\n")),
    Refusal("malformed start line", ("llhttp",), b"\r\n" + ok(b"Content-Length: 0"), asked=b"GET"),
    Refusal("malformed status", BOTH, ok(ZERO, start=b"HTTP/1.1 600 No"), asked=b"GET"),
    Refusal("interim response with a body", BOTH, ok(CHUNKED, start=b"HTTP/1.1 100 C"), asked=b"GET"),
    Refusal("too many interim responses", BOTH, ok(start=b"HTTP/1.1 100 C") * 33, asked=b"GET"),
    Refusal("switched protocols unasked", BOTH, ok(start=b"HTTP/1.1 101 Switch"), asked=b"UPGRADE"),
)  # fmt: skip


def differing(ours: Reading, peer: Reading, name: str) -> str:
    """How two readings differ, as the name of a difference; "" when they do not.

    Raises AssertionError when they differ in a way that nothing explains.
    """
    if _hands_over(ours, peer, name):
        return BODY_BEHIND_UPGRADE
    for one, other in zip(ours.messages, peer.messages, strict=False):
        assert one == other, f"{name} reads {other}, we read {one}"
    if len(peer.messages) < len(ours.messages):
        return explain(peer, name, response=len(ours.messages[0].start) == 1)
    if len(peer.messages) > len(ours.messages) and not ours.switched:
        assert ours.refused, f"{name} reads more than we do: {peer.messages[len(ours.messages)]}"
        known = {refusal.reason for refusal in WE_REFUSE if name in refusal.peers}
        assert ours.refused in known, f"{name} reads what we refuse: {ours.refused}"
        return ours.refused
    return ""


def _hands_over(ours: Reading, peer: Reading, name: str) -> bool:
    """Whether llhttp ends a request with an Upgrade behind its head, where we read a body, or wait for it."""
    if name != "llhttp" or not peer.switched or not peer.messages or peer.messages[-1].body:
        return False
    before = peer.messages[:-1]
    if ours.messages[: len(before)] != before:
        return False
    mine = ours.messages[len(before) : len(before) + 1]
    return bool(mine[0].body) if mine else ours.begun


def explain(peer: Reading, name: str, *, response: bool) -> str:
    """The difference by which a peer stopped before we did."""
    said = peer.refused or (SWITCHES if peer.switched else STOPS)
    for difference in WE_READ:
        if name in difference.peers and response in difference.sides and re.search(difference.says, said):
            return difference.name
    raise AssertionError(f"{name} stops where we go on: {said}")
