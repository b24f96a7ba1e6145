"""What is fuzzed: each target takes bytes and raises when a promise is broken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from codec.corpus import REQUESTS, RESPONSES, Sample
from codec.mutations import MORSELS
from codec.playbook import END, data, ok, response, trailers
from codec.subjects import SUBJECTS, Subject, converse, request_head
from codec.test_differential import compare_requests, compare_responses, relay_all
from codec.test_http2_rules import MORSELS as HTTP2_MORSELS
from codec.test_http2_rules import SIDES as HTTP2_SIDES
from codec.test_http2_rules import Side
from fuzz import greetings, header_blocks, http2_targets
from headgate.config import compile as compile_configuration
from headgate.config import load
from headgate.core.events import Tunnel
from headgate.core.grpc import is_grpc_type, read_status, read_timeout, write_timeout
from headgate.core.grpc_health import (
    MalformedMessageError,
    ServingStatus,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    unwrap,
    wrap,
)
from headgate.core.grpc_web import WebKind, WebRequest, WebResponse
from headgate.core.http1 import Http1, Http1Client, Http1Server, ProtocolError
from headgate.core.paths import PathRefused, normalise_path
from headgate.core.proxy_protocol import (
    Limit,
    Outcome,
    TlsFacts,
    read_proxy_header,
    write_local,
    write_v1,
    write_v2,
)
from headgate.core.routing import RoutingTable
from headgate.core.websocket import FrameScanner
from headgate.spec import Match, PathMatch, Route
from headgate.spec import decode as decode_snapshot
from headgate.spec import encode as encode_snapshot


@dataclass(frozen=True)
class Target:
    """A name, what is run, and what inputs begin with and are changed with."""

    name: str
    run: Callable[[bytes], None]
    seeds: Sequence[bytes]
    morsels: Sequence[bytes]
    limit: int = 4096
    watches: str = ""  # part of the file names of Python modules whose lines count as coverage

    def __str__(self) -> str:
        return self.name


# The codec rules: the same events for every split.


def _split(data: bytes) -> list[bytes]:
    """The pieces of the bytes behind the first four, which say where to cut."""
    plan, stream = data[:4], data[4:]
    pieces = []
    for size in plan:
        pieces.append(stream[: size + 1])
        stream = stream[size + 1 :]
    return [*pieces, *(stream[at : at + 7] for at in range(0, len(stream), 7))]


def _rules(subject: Subject) -> Callable[[bytes], None]:
    def run(stream: bytes) -> None:
        sample = subject.samples[stream[0] % len(subject.samples)] if stream else subject.samples[0]
        whole = converse(subject, sample, [stream[4:]], ended=True)
        assert converse(subject, sample, _split(stream), ended=True) == whole

    return run


def _with_plan(samples: Sequence[Sample]) -> list[bytes]:
    return [bytes([i % 256, 3, 200, 1]) + sample.data[:4096] for i, sample in enumerate(samples)]


# Operations in any order: only ProtocolError may come of them.

_HEADS = (
    response(b"HTTP/1.1 100 Continue"),
    response(b"HTTP/1.1 204 No Content"),
    response(b"HTTP/1.1 304 Not Modified", b"Content-Length: 5"),
    response(b"HTTP/1.1 101 S", b"Connection: Upgrade", b"Upgrade: websocket", asked=b"UPGRADE"),
    ok(b"Content-Length: 5"),
    ok(b"Transfer-Encoding: chunked"),
    ok(b"Connection: close"),
    request_head(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    request_head(b"HEAD / HTTP/1.0\r\n\r\n"),
    request_head(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"),
    request_head(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
    request_head(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
)
_EVENTS = (
    *_HEADS,
    data(b"hello"),
    data(b"x" * 3000),
    data(b"hello", last=True),
    END,
    trailers(b"X: y"),
    Tunnel(),
)


def operate(plan: bytes) -> None:
    """Each byte is an operation on one of two codecs; below 128 it feeds so many bytes that follow."""
    codecs: tuple[Http1, Http1] = (Http1Server(), Http1Client())
    at = 0
    while at < len(plan):
        code = plan[at]
        codec = codecs[code & 1]
        at += 1
        try:
            if code < 128:
                for event in codec.receive(plan[at : at + code // 2]):
                    event.describe()
                at += code // 2
            elif code < 144:
                codec.next()
            elif code < 152:
                codec.output()
            else:
                codec.send(_EVENTS[(code - 152) // 2 % len(_EVENTS)])
        except ProtocolError:
            continue
    for codec in codecs:
        codec.output()
        assert codec.output() == b""


def _as_plan(stream: bytes) -> bytes:
    return b"".join(
        bytes([len(piece) * 2]) + piece for piece in (stream[at : at + 60] for at in range(0, 600, 60))
    )


# What stands in front of a connection's first byte.


def introduce(stream: bytes) -> None:
    """An outcome of a part is that of the whole; what is complete can be written and read again."""
    whole = read_proxy_header(stream)
    assert whole.size <= Limit.V2_LIMIT
    assert bool(whole.reason) == (whole.outcome == Outcome.BROKEN)
    for size in range(min(len(stream), 300)):
        part = read_proxy_header(stream[:size])
        assert part.outcome == Outcome.INCOMPLETE or part.describe() == whole.describe()
    source, destination = whole.source, whole.destination
    if whole.outcome != Outcome.COMPLETE or not source.has_address:
        return
    again = read_proxy_header(write_v1(source.packed, source.port, destination.packed, destination.port))
    assert (again.source.describe(), again.destination.describe()) == (
        source.describe(),
        destination.describe(),
    )


_INTRODUCTIONS = (
    b"PROXY TCP4 192.0.2.1 198.51.100.2 51234 443\r\nGET /",
    b"PROXY TCP6 2001:db8::1 ::ffff:1.2.3.4 51234 443\r\nGET /",
    b"PROXY UNKNOWN whatever\r\n",
    write_local(),
    write_v2(
        bytes(16),
        1,
        bytes(16),
        2,
        alpn=b"h2",
        authority=b"a.b",
        unique_id=b"id",
        tls=TlsFacts(7, 0, cipher=b"AES"),
    ),
    write_v2(b"", 0, b"", 0, alpn=b"h2"),
    b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8" + bytes(216),
)
_INTRODUCTION_MORSELS = (
    b"PROXY ", b"TCP4 ", b"UNKNOWN", b"\r\n", b"\r", b" ", b"::1", b"1.2.3.4", b"65535",
    b"\r\n\r\n\0\r\nQUIT\n", b"\x21\x11", b"\x21\x21", b"\x20\0", b"\0\0", b"\0\4", b"\3\0\4",
    b"\x20\0\5", b"\xff\xff",
)  # fmt: skip

# What is only looked at.


def look(stream: bytes) -> None:
    """The same counts for every split, and a stream once broken, or closed, stays so."""
    whole = FrameScanner()
    whole.scan(stream[4:])
    pieces = FrameScanner()
    for piece in _split(stream):
        over = pieces.describe() if pieces.broken or pieces.close_code >= 0 else None
        pieces.scan(piece)
        assert over in {None, pieces.describe()}
    assert pieces.describe() == whole.describe()


_FRAMES = (
    b"\0\3\5\1\x81\x05hello\x89\0\x8a\x01x\x88\x02\x03\xe8",
    b"\0\3\5\1\x01\x85abcdhello\x89\x80abcd\x80\x80abcd\x88\x82abcd\x03\xe8",
    b"\0\3\5\1\x82\x7e\0\x80" + bytes(128) + b"\x82\x7f\0\0\0\0\0\0\0\x01x\x88\0",
)
_FRAME_MORSELS = (
    b"\x81\0", b"\x01\0", b"\x80\0", b"\0\0", b"\x82\x80abcd", b"\x82\x7e\0\x0a",
    b"\x82\x7f" + bytes(7) + b"\x09", b"\x89\x01x", b"\x8a\0", b"\x88\0", b"\x88\x02\x03\xe8",
    b"\xc1\x01x", b"\x7f\xff", b"\xff" * 8,
)  # fmt: skip

# gRPC.


def measure(text: bytes) -> None:
    """A timeout that can be read is written so that it is read as hardly shorter, and never as longer."""
    read_status(text)
    is_grpc_type(text)
    nanoseconds = read_timeout(text)
    if nanoseconds:
        again = read_timeout(write_timeout(nanoseconds))
        assert again is not None
        assert nanoseconds - nanoseconds // 100_000 <= again <= nanoseconds


_TIMEOUTS = (b"1n", b"5S", b"99999999H", b"00000001M", b"application/grpc+proto", b"16")
_TIMEOUT_MORSELS = (b"0", b"9", b"H", b"M", b"S", b"m", b"u", b"n", b"-", b" ", b"application/grpc", b";")


_AGAIN: tuple[Callable[[bytes], bytes], ...] = (
    lambda message: encode_request(decode_request(message)),
    lambda message: encode_response(decode_response(message)),
)


def ask(body: bytes) -> None:
    """What is read of a message of grpc.health.v1 is written and read again; else it is malformed."""
    for again in _AGAIN:
        try:
            written = again(unwrap(body))
        except MalformedMessageError:
            continue
        assert again(unwrap(wrap(written))) == written


_QUESTIONS = (
    wrap(b""),
    wrap(encode_request("a.B")),
    wrap(encode_response(ServingStatus.SERVING)),
    wrap(b"\x10\xac\x02\x19" + bytes(8) + b"\x22\x02hi\x2d" + bytes(4) + b"\x0a\x01x"),
)
_QUESTION_MORSELS = (
    b"\0\0\0\0",
    b"\x0a",
    b"\x08\x01",
    b"\x0a\x01x",
    b"\x19",
    b"\x2d",
    b"\x80",
    b"\xff" * 9 + b"\1",
)


def translate(stream: bytes) -> None:
    """The same for every split; a request body that is whole is what its base64 says, and what was
    written as a response is read as a request.
    """
    request, pieces = WebRequest(WebKind.WEB_TEXT), WebRequest(WebKind.WEB_TEXT)
    whole = request.translate(stream[4:])
    assert b"".join(map(pieces.translate, _split(stream))) == whole
    assert pieces.end() == request.end()
    response, again = WebResponse(WebKind.WEB_TEXT), WebResponse(WebKind.WEB_TEXT)
    text = response.translate(stream[4:]) + response.end([])
    assert b"".join(map(again.translate, _split(stream))) + again.end([]) == text
    back = WebRequest(WebKind.WEB_TEXT)
    assert back.translate(text) == stream[4:] + b"\x80\0\0\0\0"
    assert back.end()


_WEB_BODIES = tuple(
    b"\0\3\5\1" + body
    for body in (
        b"AAAAAAVoZWxsbw==AAAAAAA=",
        wrap(b"hello") + wrap(b"") + wrap(b"world"),
        b"YWJjYR==",
    )
)
_WEB_MORSELS = (
    b"=",
    b"==",
    b"AAAA",
    b"YQ==",
    b"YWI=",
    b"+/",
    b"-_",
    b"\n",
    b"\0\0\0\0",
    b"\1a",
    b"\xff\xff\xff\xff",
)

# Paths.


def normalise(path: bytes) -> None:
    """Normalised twice is normalised once; no dot segments are left."""
    for policy in range(16):
        if policy & 3 == 3:
            continue
        try:
            normal = normalise_path(path, policy)
        except PathRefused:
            continue
        assert normal.startswith(b"/")
        assert not {b".", b".."} & set(normal.split(b"/"))
        if not policy & 2:
            assert normalise_path(normal, policy) == normal


_PATHS = rb"/ /a/b /a/../b/./c /%2e%2e/a /a%2fb /a%2f..%2fb /%5c /%00 //a// /%7Ea%C3%A4".split()
_PATH_MORSELS = rb"/ . .. %2e %2E %2f %5C %25 %00 %7e \ ? % a %c3".split()

# Routing: what serves traffic and what explains it decide the same.

_ROUTES = (
    b"a.b /\nb /x\n*.b /x/*\n* /x/y\n* ~ ^/x\na.b GET /x\n",
    b"a.b /x/*\na.b /x\na.b /xy\n* /*\n",
    b"*.a.b /\n*.b /\nc.a.b /\n* POST /\n",
)
_ROUTE_MORSELS = (b" ", b"\n", b"~ ^/", b"GET ", *b"a.b *. * / /* /x %20 .b x".split())


def route(text: bytes) -> None:
    """Every line is a route, "HOST [METHOD] PATH"; the last is a request."""
    lines = [line.split(" ", 2) for line in text.decode("latin-1").split("\n") if line.count(" ")]
    if len(lines) < 2:
        return
    try:
        table = RoutingTable(
            [_route(number, line) for number, line in enumerate(lines[:-1])], listeners=("web",)
        )
    except ValueError:
        return
    for method, host, path in _questions(lines):
        try:
            explained = table.explain(method, host, path, listener="web")
        except ValueError:
            continue
        assert explained.winner == table.winner(method, host, path, listener="web")
        assert {step.index for step in (*explained.steps, *explained.others)} == set(range(len(lines) - 1))
    for shadowed, by in table.shadowed():
        assert by != shadowed


def _route(number: int, line: list[str]) -> Route:
    host, *methods, path = line if line[-2] != "~" else [*line[:-2], "~ " + line[-1]]
    match = Match(hosts=() if host == "*" else (host.lower(),), methods=tuple(methods), path=(_path(path),))
    return Route(name=str(number), match=match)


def _path(text: str) -> PathMatch:
    if text.startswith("~ "):
        return PathMatch(kind="regex", value=text[2:])
    if text.endswith("/*"):
        return PathMatch(kind="prefix", value=text[:-2])
    return PathMatch(kind="exact", value=text)


def _questions(lines: list[list[str]]) -> list[tuple[str, str, str]]:
    """A request for each line, as if its patterns were values."""
    return [("GET", line[0].replace("*", "z"), line[-1].replace("*", "z")) for line in lines]


# Configuration.

_CONFIGURATION = b"""\
process: { workers: 2, drain_timeout: 30s }
admin: { bind: 127.0.0.1:9080 }
trusted_proxies: [10.0.0.0/8]
access_log: { format: json, path: stdout }
listeners:
  web: { bind: 0.0.0.0:8080 }
routes:
  - name: api
    listeners: [web]
    match: { host: "*.example.com", path: /v1/*, method: [GET], headers: { x-a: "~ ^b$" }, query: { d: "1" } }
    service: api
    timeouts: { request: 30s, idle: 60s }
  - { name: old, match: { path: "~ ^/(?P<id>\\\\d+)$" }, redirect: { path: "/new/{id}", status: 301 } }
  - { name: rest, respond: { status: 404, body: "${NAME:-none}" } }
services:
  api:
    balance: round_robin
    endpoints: [127.0.0.1:9001, { address: localhost:9002, weight: 3 }, unix:/run/app.sock]
"""
_YAML_MORSELS = (
    b": ", b"- ", b"\n", b"  ", b"&a ", b"<<: ", b"\t", b"\0", b"\xc3\xa4", b"\xff",
    b"name: api", b"service: api",
    *b"""{ } [ ] *a !! | > ' " # ? ~ null true on 0x10 1e9 .inf 5s 1MiB 100/s ${A} ${A:- --- routes: services:
    99999999999999999999 -1""".split(),
)  # fmt: skip


def configure(text: bytes) -> None:
    """Loading never raises, and says what is wrong; what is right can be compiled and carried."""
    loaded = load(text=text.decode("latin-1"), environ={"NAME": "value"})
    assert (loaded.model is None) == bool(loaded.errors)
    for problem in loaded.problems:
        assert str(problem)
        assert "Traceback" not in str(problem)
        _check_dictionary(problem.as_dict())
    if loaded.model is not None:
        snapshot = compile_configuration(loaded.model)
        assert decode_snapshot(encode_snapshot(snapshot)) == snapshot


def _check_dictionary(problem: dict[str, Any]) -> None:
    assert problem["severity"] in {"error", "warning"}
    assert problem["message"]


def _compare_responses(stream: bytes) -> None:
    asked = (b"GET", b"HEAD", b"UPGRADE")[stream[0] % 3] if stream else b"GET"
    compare_responses(stream[1:], asked, ended=bool(stream[:1].isupper()))


_REQUEST_BYTES = [sample.data[:4096] for sample in REQUESTS]
_RESPONSE_BYTES = [b"aA"[i % 2 : i % 2 + 1] + sample.data[:4096] for i, sample in enumerate(RESPONSES)]
_BOTH = [*_REQUEST_BYTES, *_RESPONSE_BYTES]
_HTTP2_PLANS = [
    http2_targets.as_plan(stream) for stream in (*http2_targets.REQUEST_SEEDS, *http2_targets.RESPONSE_SEEDS)
]


def _with_cuts(side: Side) -> list[bytes]:
    return [bytes([i % 256, 3, 200, 1]) + said.data[:4096] for i, said in enumerate(side.samples)]


TARGETS = (
    *(Target(subject.name, _rules(subject), _with_plan(subject.samples), MORSELS) for subject in SUBJECTS),
    Target("operations", operate, [_as_plan(stream) for stream in _BOTH], MORSELS),
    Target("requests", lambda stream: void(compare_requests(stream)), _REQUEST_BYTES, MORSELS),
    Target("responses", _compare_responses, _RESPONSE_BYTES, MORSELS),
    Target("relay", lambda stream: void(relay_all(stream)), _REQUEST_BYTES, MORSELS),
    *(
        Target(f"http2-{side}", http2_targets.rules(side), _with_cuts(side), HTTP2_MORSELS)
        for side in HTTP2_SIDES
    ),
    Target("http2-operations", http2_targets.operate, _HTTP2_PLANS, HTTP2_MORSELS),
    Target("http2-between", http2_targets.between, _HTTP2_PLANS, HTTP2_MORSELS, limit=512),
    Target("introductions", introduce, _INTRODUCTIONS, _INTRODUCTION_MORSELS, limit=512),
    Target("frames", look, _FRAMES, _FRAME_MORSELS, limit=1024),
    Target("timeouts", measure, _TIMEOUTS, _TIMEOUT_MORSELS, limit=32),
    Target("health", ask, _QUESTIONS, _QUESTION_MORSELS, limit=64, watches="headgate/core/grpc_health"),
    Target("translation", translate, _WEB_BODIES, _WEB_MORSELS, limit=512),
    Target("hpack", header_blocks.read, header_blocks.SEEDS, header_blocks.MORSELS),
    Target("paths", normalise, _PATHS, _PATH_MORSELS, limit=256),
    Target("routing", route, _ROUTES, _ROUTE_MORSELS, limit=512),
    Target("hellos", greetings.read_hello, greetings.SEEDS, greetings.MORSELS),
    Target("handshakes", greetings.shake, greetings.SEEDS, greetings.MORSELS),
    Target("configuration", configure, [_CONFIGURATION], _YAML_MORSELS, watches="headgate/config"),
)


def void(_: object) -> None:
    """Say that a result does not matter."""
