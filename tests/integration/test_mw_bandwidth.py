"""bandwidth with real processes: bodies at a rate, in both directions, without holding them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support import peers
from support.asking import Client
from support.content import content
from support.processes import pss, workers
from support.product import Product, proxying

MIB = 1 << 20
RATE = 8 * MIB
BODY = content(1, 10 * MIB)

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with peers.origin(tmp_path_factory.mktemp("origin")) as origin:
        rate = {"request": "8MiB/s", "response": "8MiB/s"}
        routes: list[dict[str, Any]] = [
            {"name": "shared", "match": {"headers": {"x-key": {"present": True}}}, "middlewares": ["shared"]},
            {"name": "slow", "match": {"headers": {"x-slow": "yes"}}, "middlewares": ["slow"]},
            {"name": "all", "middlewares": ["own"]},
        ]
        config = proxying(
            origin,
            routes=[{**route, "service": "backend"} for route in routes],
            middlewares={
                "own": {"type": "bandwidth", **rate},
                "slow": {"type": "bandwidth", "response": "100KiB/s"},
                "shared": {"type": "bandwidth", **rate, "key": "header:X-Key"},
            },
        )
        with Product(config) as made:
            yield made


@pytest.fixture(params=["--http1.1", "--http2-prior-knowledge"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def curl(product: Product, path: str, *options: str, body: bytes | None = None) -> bytes:
    """What curl gets, which reads as fast as it can."""
    command = ["curl", "--silent", "--show-error", "--max-time", "30", *options]
    if body is not None:
        command += ["--data-binary", "@-"]
    url = f"http://127.0.0.1:{product.port}{path}"
    return subprocess.run([*command, url], input=body, capture_output=True, timeout=40, check=True).stdout


def test_a_response_comes_at_the_rate(product: Product, version: str) -> None:
    begun = time.monotonic()
    answer = curl(product, f"/bytes/{len(BODY)}/1", version)
    assert len(BODY) / (time.monotonic() - begun) == pytest.approx(RATE, rel=0.05)
    assert answer == BODY


@pytest.mark.parametrize(
    "options",
    [["--http1.1"], ["--http1.1", "--header", "Transfer-Encoding: chunked"], ["--http2-prior-knowledge"]],
    ids=["HTTP/1.1", "chunked", "HTTP/2"],
)
def test_a_request_goes_at_the_rate(product: Product, options: list[str]) -> None:
    begun = time.monotonic()
    answer = curl(product, "/sum/1", *options, body=BODY)
    assert len(BODY) / (time.monotonic() - begun) == pytest.approx(RATE, rel=0.05)
    assert answer == str(len(BODY)).encode()


def test_exchanges_with_one_key_share_the_rate(product: Product) -> None:
    def fetch(version: str) -> int:
        return len(curl(product, f"/chunks/{4 * MIB}/1", version, "--header", "X-Key: a"))

    begun = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        size = sum(pool.map(fetch, ("--http1.1", "--http2-prior-knowledge")))
    assert size == 8 * MIB
    assert size / (time.monotonic() - begun) == pytest.approx(RATE, rel=0.05)


def test_what_came_at_once_does_not_go_on_at_once(product: Product, version: str) -> None:
    """The endpoint's 50 KiB are one piece, or two: they take half a second all the same, and begin now."""
    begun = time.monotonic()
    with subprocess.Popen(
        [
            "curl",
            "--silent",
            version,
            "-N",
            "-H",
            "X-Slow: yes",
            f"http://127.0.0.1:{product.port}/bytes/51200/1",
        ],
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert len(process.stdout.read(1024)) == 1024
        first = time.monotonic() - begun
        assert len(process.stdout.read()) == 51200 - 1024
    took = time.monotonic() - begun
    assert took >= 0.45
    assert first < took - 0.3


@pytest.mark.parametrize("reads", [True, False])
def test_nothing_is_held(product: Product, reads: bool) -> None:
    """The origin has 256 MiB for each of four clients, of which a second brings 8."""
    before = pss(workers(product)[0])
    path = f"/bytes/{256 * MIB}/1"
    command = ["curl", "--silent", "--output", "/dev/null", f"http://127.0.0.1:{product.port}{path}"]
    clients: list[Client | subprocess.Popen[bytes]] = [
        subprocess.Popen(command) if reads else Client(product.port) for _ in range(4)
    ]
    for client in clients:
        if isinstance(client, Client):
            client.begin(path)
    highest, until = 0, time.monotonic() + 0.8
    while time.monotonic() < until:
        highest = max(highest, pss(workers(product)[0]))
        time.sleep(0.05)
    for client in clients:
        if isinstance(client, Client):
            client.close()
        else:
            client.kill()
            client.wait()
    assert highest - before < 8 * MIB
