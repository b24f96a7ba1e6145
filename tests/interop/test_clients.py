"""curl, nghttp and h2load, in every protocol, to endpoints of every protocol: bodies byte for byte."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import peers, proxying
from support.commands import output
from support.content import content
from support.edge import Certificates, Edge

SIZES = [0, 1, 16_384, 70_001, 5_000_000]
FILES = dict(enumerate(SIZES, 1))  # what is fetched, by its seed


@dataclass(frozen=True)
class Way:
    """How curl asks, and the version of HTTP that it must get."""

    option: str
    tls: bool
    version: str

    def __str__(self) -> str:
        return f"{self.option[2:]}-{'tls' if self.tls else 'cleartext'}"


WAYS = [
    Way("--http1.1", tls=False, version="1.1"),
    Way("--http1.1", tls=True, version="1.1"),
    Way("--http2", tls=True, version="2"),
    Way("--http2-prior-knowledge", tls=False, version="2"),
    Way("--http2", tls=False, version="1.1"),  # its "Upgrade: h2c" is ignored (RFC 9113 section 3.1)
]
# On a connection that it knows, curl 7.88 forgets what it knows: "Error in the HTTP2 framing layer".
ALONE = [way for way in WAYS if way.option == "--http2-prior-knowledge"]


@pytest.fixture(scope="module", params=["http", "h2c", "https"])
def upstream(request: pytest.FixtureRequest) -> str:
    """The scheme of the endpoint."""
    return str(request.param)


@pytest.fixture(scope="module")
def edge(
    upstream: str, origin: str, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Edge]:
    folder = tmp_path_factory.mktemp("upstream")
    pair = certificates.pair if upstream == "https" else None
    with peers.origin_h2(folder, pair) as origin_h2:
        endpoint = {"http": origin, "h2c": f"h2c://{origin_h2}", "https": f"https://{origin_h2}"}[upstream]
        trust = {"tls": {"ca": str(certificates.authority)}} if upstream == "https" else {}
        with Edge(proxying(endpoint, services={"backend": trust}), certificates) as edge:
            yield edge


def curl(edge: Edge, way: Way, *arguments: str | Path, stdin: bytes = b"") -> bytes:
    trust = ["--cacert", str(edge.certificates.authority)] if way.tls else []
    options = ["--fail", "--silent", "--show-error", way.option, *trust]
    return output(["curl", *options, *arguments], stdin=stdin)


def same(folder: Path) -> None:
    """All FILES came as they are."""
    for seed, size in FILES.items():
        assert (folder / str(seed)).read_bytes() == content(seed, size), f"the body of {size} bytes"


# --- curl ---


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("length", ["known", "unknown"])
def test_curl_downloads(edge: Edge, upstream: str, tmp_path: Path, way: Way, length: str) -> None:
    """Several files, over one connection."""
    kind = "bytes" if length == "known" else "chunks" if upstream == "http" else "stream"
    for group in [[each] for each in FILES] if way in ALONE else [list(FILES)]:
        files: list[str | Path] = []
        for seed in group:
            files += [
                edge.url(f"/{kind}/{FILES[seed]}/{seed}", tls=way.tls),
                "--output",
                tmp_path / str(seed),
            ]
        said = curl(edge, way, "--write-out", "%{http_version} %{num_connects}\n", *files).decode()
        assert said.splitlines() == [f"{way.version} 1", *[f"{way.version} 0"] * (len(group) - 1)]
    same(tmp_path)


@pytest.mark.parametrize("way", [way for way in WAYS if way not in ALONE], ids=str)
def test_curl_in_parallel(edge: Edge, tmp_path: Path, way: Way) -> None:
    target = edge.url("/bytes/30000/[1-100]", tls=way.tls)
    curl(edge, way, "--parallel", "--parallel-max", "50", target, "--output", tmp_path / "#1")
    for seed in range(1, 101):
        assert (tmp_path / str(seed)).read_bytes() == content(seed, 30_000)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_curl_uploads_a_file(edge: Edge, tmp_path: Path, way: Way) -> None:
    """With its length, and with "Expect: 100-continue" in HTTP/1.1."""
    for size in (1, 3_000_000):
        file = tmp_path / "file"
        file.write_bytes(content(7, size))
        assert curl(edge, way, "--upload-file", file, edge.url("/sum/7", tls=way.tls)) == b"%d" % size


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_curl_uploads_what_has_no_length(edge: Edge, way: Way) -> None:
    """Chunks in HTTP/1.1, frames in HTTP/2; and the same comes back."""
    body = content(9, 3_000_000)
    assert curl(edge, way, "--upload-file", "-", edge.url("/echo", tls=way.tls), stdin=body) == body


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_curl_hears_trailers(edge: Edge, tmp_path: Path, way: Way) -> None:
    options = ["--header", "TE: trailers", "--dump-header", str(tmp_path / "head")]
    assert curl(edge, way, *options, edge.url("/trailers", tls=way.tls)) == b"body"
    rest = (tmp_path / "head").read_bytes().partition(b"\r\n\r\n")[2]
    assert rest.split() == [b"x-sum:", b"4", b"x-end:", b"yes"]


# --- nghttp ---

TLS = pytest.mark.parametrize("tls", [True, False], ids=["tls", "cleartext"])
OPTIONS = pytest.mark.parametrize(
    "options",
    [
        [],
        ["--no-dep"],
        ["--no-rfc7540-pri", "--weight=1"],
        ["--weight=256", "--padding=255"],
        ["--window-bits=10", "--connection-window-bits=16"],
        ["--window-bits=30", "--connection-window-bits=30"],
        ["--continuation", "--header-table-size=0", "--encoder-header-table-size=0"],
        ["--header-table-size=65536", "--max-concurrent-streams=1"],
    ],
    ids=lambda options: " ".join(options).replace("--", "") or "plain",
)


@TLS
@OPTIONS
def test_nghttp_downloads(edge: Edge, tls: bool, options: list[str]) -> None:
    """One large file, and then many at once whose bytes come in any order."""
    target = edge.url("/bytes/1000000/3", tls=tls)
    assert output(["nghttp", *options, target]) == content(3, 1_000_000)
    came, part = (
        output(["nghttp", *options, "--multiply=30", edge.url("/bytes/70001/4", tls=tls)]),
        content(4, 70_001),
    )
    assert Counter(came) == Counter(part * 30)


@TLS
def test_nghttp_uploads(edge: Edge, tls: bool, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(content(5, 1_000_000))
    upload = ["nghttp", "--data", str(file)]
    for options in ([], ["--no-content-length"], ["--padding=100"]):
        assert output([*upload, *options, edge.url("/echo", tls=tls)]) == content(5, 1_000_000)
    # It must hear of 100 before it hears of 200: /sum answers after the body.
    assert output([*upload, "--expect-continue", edge.url("/sum/5", tls=tls)]) == b"1000000"


@TLS
def test_nghttp_s_trailers_come_back(edge: Edge, tls: bool, tmp_path: Path) -> None:
    """Without Content-Length, because a message of HTTP/1.1 has it or trailers."""
    file = tmp_path / "file"
    file.write_bytes(b"body")
    options = ["--verbose", "--no-content-length", "--trailer=x-sent: yes", "--data", str(file)]
    said = output(["nghttp", *options, edge.url("/echo", tls=tls)])
    assert re.search(rb"recv \(stream_id=\d+\) x-sent: yes\n", said), said.decode()


# --- h2load ---


@TLS
@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
@pytest.mark.parametrize("upload", [False, True], ids=["download", "upload"])
def test_h2load(edge: Edge, tls: bool, protocol: str, upload: bool, tmp_path: Path) -> None:
    """Many streams on many connections."""
    file = tmp_path / "file"
    file.write_bytes(content(6, 70_001))
    how = ["--h1"] if protocol == "http/1.1" else ["--max-concurrent-streams=50"]
    what = (
        ["--data", str(file), edge.url("/sum/6", tls=tls)]
        if upload
        else [edge.url("/bytes/70001/6", tls=tls)]
    )
    said = output(["h2load", "--requests=500", "--clients=8", *how, *what]).decode()
    assert "500 succeeded, 0 failed, 0 errored, 0 timeout" in said
    assert "status codes: 500 2xx, 0 3xx, 0 4xx, 0 5xx" in said
    size = 5 if upload else 70_001
    assert re.search(rf"\({500 * size}\) data$", said, re.MULTILINE), said
