"""compress, decompress and buffer through the running product."""

from __future__ import annotations

import gzip
import http.client
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import brotli  # type: ignore[import-untyped]  # it has no types
import pytest
import zstandard

from support import Product
from support.asking import Answer, Client
from support.browsing import chromium
from support.http2 import Http2Wire, window_update
from support.serving import Handler, Server, send

TEXT = b"".join(b"line %d of a text that is compressed well\n" % number for number in range(20_000))
LONG = random.Random(2).randbytes(24 << 20)  # more than sockets hold
BLOCK = random.Random(1).randbytes(16384)
ALL = "gzip, deflate, br, zstd"


class Content(Server):
    """Answers as the path says; keeps the fields and bodies of requests."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, str], bytes]] = []
        self.go_on = threading.Event()
        self.sent = threading.Event()  # a long response was taken whole
        super().__init__(self._answer)

    def _answer(self, request: Handler, body: bytes) -> None:
        self.asked.append(({name.lower(): value for name, value in request.headers.items()}, body))
        what = request.path.rpartition("/")[2].partition("?")[0]
        plain = {"Content-Type": "text/plain; charset=utf-8"}
        if what == "stream":
            request.send_response(200)
            request.send_header("Content-Type", "text/event-stream")
            request.end_headers()
            request.wfile.write(b"data: first\n\n")
            request.wfile.flush()
            assert self.go_on.wait(10)
            request.wfile.write(b"data: second\n\n")
            request.close_connection = True
        elif what == "tagged":
            fields = {"ETag": '"a"', "Accept-Ranges": "bytes", "Content-MD5": "x", "Vary": "Origin"}
            send(request, 200, TEXT, plain | fields)
        elif what == "unchanged":
            request.send_response(304)
            request.send_header("ETag", '"a"')
            request.end_headers()
        elif what == "long":
            self.sent.clear()
            send(request, 200, LONG, plain)
            self.sent.set()
        elif what == "page":
            send(request, 200, b"<title>found</title><p>" + TEXT, {"Content-Type": "text/html"})
        else:
            more = {
                "small": (200, b"small", plain),
                "picture": (200, TEXT, {"Content-Type": "image/png"}),
                "encoded": (200, gzip.compress(TEXT), plain | {"Content-Encoding": "gzip"}),
                "fixed": (200, TEXT, plain | {"Cache-Control": "public, no-transform"}),
                "part": (206, TEXT, plain | {"Content-Range": "bytes 0-1/9"}),
                "empty": (200, b"", plain),
                "none": (204, b"", plain),
            }
            send(request, *more.get(what, (200, TEXT, plain)))


@pytest.fixture(scope="module")
def backend() -> Iterator[Content]:
    with Content() as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where bodies wait."""
    return tmp_path_factory.mktemp("bodies")


@pytest.fixture(scope="module")
def product(backend: Content, folder: Path) -> Iterator[Product]:
    lost = folder / "lost"
    lost.mkdir()
    middlewares: dict[str, Any] = {
        "compress": {"type": "compress"},
        "one": {"type": "compress", "encodings": ["br"], "types": ["image/*"], "min_size": "4B"},
        "decompress": {"type": "decompress", "max_size": "2MiB", "max_ratio": 10000},
        "careful": {"type": "decompress"},
        "both": {"type": "decompress", "requests": False, "responses": True},
        "gzip": {"type": "decompress", "encodings": ["gzip"]},
        "request": {"type": "buffer", "request": {"memory": "64KiB", "disk": "2MiB"}, "folder": str(folder)},
        "response": {
            "type": "buffer",
            "response": {"memory": "64KiB", "disk": "64MiB"},
            "folder": str(folder),
        },
        "narrow": {"type": "buffer", "response": {"memory": "64KiB", "disk": "1MiB"}},
        "lost": {"type": "buffer", "request": {"memory": "64KiB"}, "folder": str(lost)},
        "hard": {"type": "compress", "levels": {"gzip": 9, "br": 6}, "encodings": ["gzip", "br"]},
    }
    config = {
        "process": {"workers": 1, "drain_timeout": "1s"},
        "access_log": "off",
        "routes": [
            {"name": name, "match": {"path": f"/{name}/*"}, "middlewares": [name], "service": "content"}
            for name in middlewares
        ]
        + [
            {"name": "own", "match": {"path": "/own"}, "middlewares": ["compress"]}
            | {"respond": {"body": TEXT.decode(), "headers": {"Content-Type": "text/plain"}}},
        ],
        "middlewares": middlewares,
        "services": {"content": {"endpoints": [backend.address]}},
    }
    with Product(config) as made:
        lost.rmdir()
        yield made


@pytest.fixture(params=[False, True], ids=["HTTP/1.1", "HTTP/2"])
def client(product: Product, backend: Content, request: pytest.FixtureRequest) -> Iterator[Client]:
    backend.asked.clear()
    with Client(product.port, http2=request.param) as made:
        yield made


def decoded(answer: Answer) -> bytes:
    [coding] = answer.all("content-encoding")
    if coding == "gzip":
        return gzip.decompress(answer.body)
    if coding == "br":
        return bytes(brotli.decompress(answer.body))
    assert coding == "zstd"
    return zstandard.ZstdDecompressor().decompressobj().decompress(answer.body)


# --- compress ---


@pytest.mark.parametrize(
    ("accepted", "coding"), [(ALL, "zstd"), ("gzip, br;q=0.9", "gzip"), ("br, *;q=0", "br"), ("*", "zstd")]
)
@pytest.mark.parametrize("path", ["/compress/text", "/own"])
def test_responses_are_compressed(client: Client, path: str, accepted: str, coding: str) -> None:
    answer = client.ask(path, {"accept-encoding": accepted})
    assert (answer.status, answer.all("content-encoding")) == (200, [coding])
    assert decoded(answer) == TEXT
    assert len(answer.body) < len(TEXT) / 4
    assert answer.all("content-length") == []
    assert answer.all("vary") == ["Accept-Encoding"]


def test_levels_that_take_long_are_for_threads(client: Client) -> None:
    for accepted in ("gzip", "br"):
        assert decoded(client.ask("/hard/text", {"accept-encoding": accepted})) == TEXT


@pytest.mark.parametrize("accepted", [None, "", "identity", "gzip;q=0", "identity, gzip;q=0.5"])
def test_who_wants_none_gets_none(client: Client, accepted: str | None) -> None:
    fields = {} if accepted is None else {"accept-encoding": accepted}
    answer = client.ask("/compress/text", fields)
    assert (answer.body, answer.all("content-encoding")) == (TEXT, [])
    assert answer.all("content-length") == [str(len(TEXT))]
    assert answer.all("vary") == ["Accept-Encoding"]


@pytest.mark.parametrize("path", ["small", "picture", "fixed", "part", "empty", "none"])
def test_what_stays_as_it_is(client: Client, path: str) -> None:
    answer = client.ask(f"/compress/{path}", {"accept-encoding": ALL})
    plain = client.ask(f"/compress/{path}")
    assert (answer.status, answer.body) == (plain.status, plain.body)
    assert answer.all("content-encoding") == []
    assert answer.all("content-length") == plain.all("content-length")


def test_nothing_is_compressed_twice(client: Client) -> None:
    answer = client.ask("/compress/encoded", {"accept-encoding": ALL})
    assert answer.all("content-encoding") == ["gzip"]
    assert gzip.decompress(answer.body) == TEXT


def test_a_head_has_no_body_to_compress(client: Client) -> None:
    answer = client.ask("/compress/text", {"accept-encoding": ALL}, method="HEAD")
    assert (answer.status, answer.body, answer.all("content-encoding")) == (200, b"", [])
    assert answer.all("vary") == ["Accept-Encoding"]


def test_what_is_said_of_the_bytes_changes_with_them(client: Client) -> None:
    answer = client.ask("/compress/tagged", {"accept-encoding": ALL})
    assert answer.all("etag") == ['W/"a"']
    assert answer.all("vary") == ["Origin, Accept-Encoding"]
    assert answer.all("accept-ranges") == answer.all("content-md5") == []
    answer = client.ask("/compress/tagged")
    assert (answer.all("etag"), answer.all("accept-ranges")) == (['"a"'], ["bytes"])
    answer = client.ask("/compress/unchanged", {"accept-encoding": ALL, "if-none-match": 'W/"a"'})
    assert (answer.status, answer.all("etag"), answer.all("vary")) == (304, ['W/"a"'], ["Accept-Encoding"])
    answer = client.ask("/compress/unchanged", {"accept-encoding": ALL, "if-none-match": '"a"'})
    assert answer.all("etag") == ['"a"']


def test_types_sizes_and_codings_can_be_chosen(client: Client) -> None:
    assert decoded(client.ask("/one/picture", {"accept-encoding": ALL})) == TEXT
    assert client.ask("/one/text", {"accept-encoding": ALL}).body == TEXT
    # Who cannot read anything else gets it compressed whatever it is.
    answer = client.ask("/one/small", {"accept-encoding": "br, identity;q=0"})
    assert decoded(answer) == b"small"


@pytest.mark.parametrize("accepted", ["gzip", "br", "zstd"])
def test_a_stream_is_not_held_back(product: Product, backend: Content, accepted: str) -> None:
    backend.go_on.clear()
    connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=10)
    connection.request("GET", "/compress/stream", headers={"Accept-Encoding": accepted})
    response = connection.getresponse()
    first = response.read1(1000)
    backend.go_on.set()
    answer = Answer(200, [("content-encoding", accepted)], first + response.read())
    connection.close()
    assert decoded(answer) == b"data: first\n\ndata: second\n\n"
    assert 0 < len(first) < len(answer.body)


def test_grpc_is_left_alone(product: Product, backend: Content) -> None:
    with Http2Wire.connected(product.port) as wire:
        answer = wire.fetch(
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("accept-encoding", ALL),
            path="/compress/text",
            method="POST",
            body=b"",
        )
    assert answer.get("content-encoding") is None


def test_it_counts(product: Product) -> None:
    before = product.metric("headgate_middleware_bytes_in_total", middleware="one")
    with Client(product.port) as client:
        client.ask("/one/picture", {"accept-encoding": "br"})
    assert product.shows("headgate_middleware_bytes_in_total", before + len(TEXT), middleware="one")
    assert 0 < product.metric("headgate_middleware_bytes_out_total", middleware="one") < before + len(TEXT)


def test_a_browser_reads_it(product: Product) -> None:
    with chromium() as browser:
        page = browser.new_page()
        answer = page.goto(f"http://127.0.0.1:{product.port}/compress/page")
        assert answer is not None
        assert answer.headers["content-encoding"] in ("gzip", "br", "zstd")
        assert page.title() == "found"
        assert page.inner_text("p").split() == TEXT.decode().split()
        read = page.evaluate("fetch('/own').then(answer => answer.text())")
        assert read == TEXT.decode()


# --- decompress ---


def packed(coding: str, data: bytes) -> bytes:
    if coding == "gzip":
        return gzip.compress(data)
    return (
        bytes(brotli.compress(data, quality=5))
        if coding == "br"
        else zstandard.ZstdCompressor().compress(data)
    )


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_requests_are_decompressed(client: Client, backend: Content, coding: str) -> None:
    sent = {"content-encoding": coding}
    answer = client.ask("/decompress/text", sent, method="POST", body=packed(coding, TEXT))
    assert answer.status == 200
    [(fields, body)] = backend.asked
    assert body == TEXT
    assert "content-encoding" not in fields


def test_plain_requests_go_as_they_come(client: Client, backend: Content) -> None:
    client.ask("/decompress/text", method="POST", body=b"plain")
    client.ask("/decompress/text", {"content-encoding": "identity"}, method="POST", body=b"plain")
    length = None if client.http2 else "5"  # which this client does not say
    assert [(fields.get("content-length"), body) for fields, body in backend.asked] == [
        (length, b"plain")
    ] * 2


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "gzip, br"])
def test_unknown_codings_are_refused(client: Client, coding: str) -> None:
    answer = client.ask("/gzip/text", {"content-encoding": coding}, method="POST", body=b"abc")
    assert (answer.status, answer.all("accept-encoding")) == (415, ["gzip"])
    assert answer.body == b"Send the body as it is, or with one of gzip.\n"


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_bombs_and_broken_bodies(product: Product, client: Client, coding: str) -> None:
    def post(body: bytes, path: str = "/decompress/text") -> int:
        with Client(product.port, http2=client.http2) as other:
            return other.ask(path, {"content-encoding": coding}, method="POST", body=body).status

    assert post(packed(coding, bytes(50 << 20))) == 413
    assert post(packed(coding, BLOCK * 128)) == 200
    assert post(packed(coding, BLOCK * 129)) == 413  # more than 2 MiB
    assert post(packed(coding, bytes(5 << 20)), "/careful/text") == 413  # more than a hundred times as long
    assert post(packed(coding, TEXT[:40_000] * 2), "/careful/text") == 200
    assert post(b"this is nothing of the kind" * 9) == 400
    assert post(packed(coding, TEXT)[:-5]) == 400
    assert "Traceback" not in product.log


@pytest.mark.parametrize(("accepted", "coding"), [("br", []), (None, []), ("gzip", ["gzip"])])
def test_responses_are_decompressed(client: Client, accepted: str | None, coding: list[str]) -> None:
    fields = {} if accepted is None else {"accept-encoding": accepted}
    answer = client.ask("/both/encoded", fields)
    assert (answer.all("content-encoding"), answer.all("vary")) == (coding, ["Accept-Encoding"])
    assert (decoded(answer) if coding else answer.body) == TEXT


# --- buffer ---


@pytest.mark.parametrize("size", [10, 60_000, 1_000_000])
@pytest.mark.parametrize("length", [True, False])
def test_requests_are_read_before_they_are_sent(
    product: Product, backend: Content, folder: Path, size: int, length: bool
) -> None:
    body = LONG[:size]
    backend.asked.clear()
    connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=10)
    connection.putrequest("POST", "/request/text")
    connection.putheader(*(("Content-Length", str(size)) if length else ("Transfer-Encoding", "chunked")))
    connection.endheaders()

    def part(data: bytes) -> bytes:
        return data if length else b"%x\r\n%b\r\n" % (len(data), data)

    connection.send(part(body[: size // 2]))
    with Client(product.port) as other:
        assert (
            other.ask("/compress/small").status == 200
        )  # the worker has seen the first half by now, or could
    assert [body for _, body in backend.asked] == [b""]
    connection.send(part(body[size // 2 :]) + (b"" if length else b"0\r\n\r\n"))
    assert connection.getresponse().read() == TEXT
    connection.close()
    [_, (fields, got)] = backend.asked
    assert got == body
    assert fields["content-length"] == str(size)
    assert list(folder.iterdir()) == []


def test_requests_over_http2(product: Product, backend: Content) -> None:
    backend.asked.clear()
    with Client(product.port, http2=True) as client:
        assert client.ask("/request/text", method="POST", body=LONG[:50_000]).status == 200
    assert [body for _, body in backend.asked] == [LONG[:50_000]]


def test_requests_that_do_not_fit(product: Product) -> None:
    most = (64 << 10) + (2 << 20)
    connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=10)
    connection.putrequest("POST", "/request/text")
    connection.putheader("Content-Length", str(most + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    connection.putrequest("POST", "/request/text")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders(b"%x\r\n" % (most + 1) + bytes(most + 1))
    assert connection.getresponse().status == 413
    connection.close()


def test_a_disk_that_takes_nothing(product: Product, backend: Content) -> None:
    with Client(product.port) as client:
        assert client.ask("/lost/text", method="POST", body=LONG[:60_000]).status == 200
        answer = client.ask("/lost/text", method="POST", body=LONG[:1_000_000])
    assert (answer.status, answer.body[:16]) == (503, b"There is no room")
    assert "a body cannot be written to disk" in product.log


def test_a_slow_client_keeps_no_service_busy(product: Product, backend: Content) -> None:
    before = product.metric("headgate_middleware_responses_on_disk_total", middleware="response")
    backend.sent.clear()
    connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=20)
    connection.request("GET", "/response/long")
    response = connection.getresponse()
    assert backend.sent.wait(20)
    assert response.getheader("content-length") == str(len(LONG))
    assert response.read() == LONG
    connection.close()
    assert product.shows("headgate_middleware_responses_on_disk_total", before + 1, middleware="response")


def test_what_is_read_ahead_has_a_bound(product: Product, backend: Content) -> None:
    backend.sent.clear()
    connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=20)
    connection.request("GET", "/narrow/long")
    response = connection.getresponse()
    first = response.read(100)
    assert not backend.sent.wait(0.3)
    assert first + response.read() == LONG
    connection.close()
    assert backend.sent.wait(20)


@pytest.mark.parametrize("path", ["response", "narrow"])
def test_responses_over_http2(product: Product, backend: Content, path: str) -> None:
    backend.sent.clear()
    with Http2Wire.connected(product.port) as wire:
        wire.polite = False
        stream = wire.ask(path=f"/{path}/long")
        assert backend.sent.wait(20 if path == "response" else 0.3) == (path == "response")
        wire.send(window_update(0, 1 << 30) + window_update(stream, 1 << 30))
        assert wire.message(stream).body == LONG


def test_a_client_that_leaves_what_waits_for_it(product: Product, backend: Content, folder: Path) -> None:
    before = product.metric("headgate_middleware_responses_on_disk_total", middleware="response")
    backend.sent.clear()
    with Client(product.port) as client:
        client.begin("/response/long")
        assert backend.sent.wait(20)
    assert product.shows("headgate_middleware_responses_on_disk_total", before + 1, middleware="response")
    product.check()
