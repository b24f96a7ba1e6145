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
from fuzz import greetings
from headgate.config import compile as compile_configuration
from headgate.config import load
from headgate.core.events import Tunnel
from headgate.core.http1 import Http1, Http1Client, Http1Server, ProtocolError
from headgate.core.paths import PathRefused, normalise_path
from headgate.core.routing import RoutingTable
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

TARGETS = (
    *(Target(subject.name, _rules(subject), _with_plan(subject.samples), MORSELS) for subject in SUBJECTS),
    Target("operations", operate, [_as_plan(stream) for stream in _BOTH], MORSELS),
    Target("requests", lambda stream: void(compare_requests(stream)), _REQUEST_BYTES, MORSELS),
    Target("responses", _compare_responses, _RESPONSE_BYTES, MORSELS),
    Target("relay", lambda stream: void(relay_all(stream)), _REQUEST_BYTES, MORSELS),
    Target("paths", normalise, _PATHS, _PATH_MORSELS, limit=256),
    Target("routing", route, _ROUTES, _ROUTE_MORSELS, limit=512),
    Target("hellos", greetings.read_hello, greetings.SEEDS, greetings.MORSELS),
    Target("handshakes", greetings.shake, greetings.SEEDS, greetings.MORSELS),
    Target("configuration", configure, [_CONFIGURATION], _YAML_MORSELS, watches="headgate/config"),
)


def void(_: object) -> None:
    """Say that a result does not matter."""
