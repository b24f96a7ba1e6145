"""The HTTP/2 backend and the raw client, against each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support import http2
from support.certificates import Authority
from support.content import content
from support.http2 import Code, Http2Wire, Kind, Setting
from support.peers import origin_h2


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with origin_h2(tmp_path_factory.mktemp("origin")) as address:
        yield port_of(address)


@pytest.fixture
def wire(port: int) -> Iterator[Http2Wire]:
    with Http2Wire.connected(port) as wire:
        yield wire


def test_over_tls(tmp_path: Path) -> None:
    authority = Authority()
    pair = authority.issue("localhost").write(tmp_path, "leaf")
    with (
        origin_h2(tmp_path, pair) as address,
        Http2Wire.connected(
            port_of(address), tls=http2.client_context(authority.pem), name="localhost"
        ) as wire,
    ):
        assert wire.fetch(path="/text/tls").body == b"/text/tls"


def test_the_path_and_the_fields(wire: Http2Wire) -> None:
    assert wire.fetch(path="/text/a").body == b"/text/a"
    assert b"x-name: value" in wire.fetch(("x-name", "value"), path="/fields").body


def test_many_streams_at_once(wire: Http2Wire) -> None:
    streams = [wire.ask(path=f"/bytes/50000/{seed}") for seed in range(50)]
    for seed, stream in enumerate(streams):
        assert wire.message(stream).body == content(seed, 50000)


@pytest.mark.parametrize("kind", ["bytes", "stream"])
def test_large_bodies(wire: Http2Wire, kind: str) -> None:
    message = wire.fetch(path=f"/{kind}/1000000/3")
    assert message.body == content(3, 1000000)
    assert message.get("content-length") == ("1000000" if kind == "bytes" else None)


def test_it_waits_for_credit(port: int) -> None:
    with Http2Wire.dial(port, polite=False) as wire:
        wire.greet({Setting.INITIAL_WINDOW_SIZE: 1000})
        wire.send(http2.settings(ack=True))
        stream = wire.ask(path="/bytes/1500/0")
        while len(wire.messages.setdefault(stream, http2.Http2Message()).body) < 1000:
            wire.read_frame()
        wire.send(http2.ping())
        while wire.read_frame().kind != Kind.PING:
            pass
        assert not wire.messages[stream].ended
        wire.send(http2.window_update(stream, 500))
        assert wire.message(stream).body == content(0, 1500)


def test_uploads(wire: Http2Wire) -> None:
    assert wire.fetch(path="/sum/5", method="POST", body=content(5, 30000)).body == b"30000"
    assert b"is wrong" in wire.fetch(path="/sum/6", method="POST", body=content(5, 30000)).body
    assert wire.fetch(path="/echo", method="POST", body=content(5, 30000)).body == content(5, 30000)


def test_bodies_that_nobody_reads_cost_no_credit(wire: Http2Wire) -> None:
    for _ in range(20):
        assert wire.fetch(path="/text/", method="POST", body=bytes(16384)).status == 200


def test_trailers(wire: Http2Wire) -> None:
    message = wire.fetch(path="/trailers")
    assert (message.body, message.trailers) == (b"body", [("x-sum", "4"), ("x-end", "yes")])
    stream = wire.ask(path="/echo", method="POST", body=b"x", end=False)
    wire.send(http2.headers(stream, wire.block([("x-mine", "1")]), end=True))
    assert wire.message(stream).trailers == [("x-mine", "1")]


def test_early_hints(wire: Http2Wire) -> None:
    message = wire.fetch(path="/hints")
    assert message.informational[0][0] == (":status", "103")
    assert message.body == b"/hints"


def test_what_goes_wrong(wire: Http2Wire) -> None:
    message = wire.fetch(path="/cut/5000/100")
    assert (message.reset, message.body) == (Code.INTERNAL_ERROR, content(0, 100))
    wire.expect_reset(wire.ask(path="/reset/11"), Code.ENHANCE_YOUR_CALM)
    assert wire.fetch(path="/refuse/1").reset == Code.REFUSED_STREAM
    assert wire.fetch(path="/refuse/1").body == b"/refuse/1"


def test_going_away(wire: Http2Wire) -> None:
    slow = wire.ask(path="/slow/0.05")
    last = wire.ask(path="/goaway")
    assert wire.expect_goaway(Code.NO_ERROR).goaway[0] == last
    late = wire.ask(path="/text/late")
    assert wire.message(last).body == b"/goaway"
    assert wire.message(slow).body == b"/slow/0.05"
    wire.read_to_end()
    assert late not in wire.messages


def test_an_end_without_a_word(wire: Http2Wire) -> None:
    wire.ask(path="/drop")
    wire.wait(lambda: wire.ended, "end")


def test_a_tunnel(wire: Http2Wire) -> None:
    assert wire.frames[0].settings[Setting.ENABLE_CONNECT_PROTOCOL] == 1
    stream = wire.next_stream()
    pseudo = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "a"),
    ]
    wire.send(http2.headers(stream, wire.block(pseudo)), http2.data(stream, b"hello", padding=9))
    wire.send(http2.data(stream, b" world", end=True))
    message = wire.message(stream)
    assert (message.status, message.body) == (200, b"hello world")


def test_the_raw_client_breaks_rules(wire: Http2Wire) -> None:
    wire.send(http2.frame(Kind.PING, 0, 0, b"short"))
    wire.expect_goaway(Code.FRAME_SIZE_ERROR)
