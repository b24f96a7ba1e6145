"""Whatever comes in, from either side: the workers stay the same, answer, and do not grow."""

from __future__ import annotations

import random
import threading
import time
from contextlib import ExitStack, suppress
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from conformance import request_corpus, response_corpus
from conformance.plays import GET, request
from support import DeadlineError, Product, RawClient, RecordingBackend, proxying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support import Message, Wire

SEED = 20261121
THREADS = 8
ROUNDS = 250  # messages of one thread
GROWTH = 24 * 1024 * 1024

REQUESTS = [case.data for case in request_corpus.CASES if len(case.data) < 5000]
RESPONSES = [case.data for case in response_corpus.CASES if len(case.data) < 5000]
SPICE = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b":",
    b" ",
    b"\t",
    b",",
    b";",
    b"0",
    b"\xff",
    b"\r\n\r\n",
    b"HTTP/1.1",
    b"Content-Length: 1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    b"0\r\n\r\n",
    b"5\r\nhello\r\n",
    b"A" * 5000,
]


def mutate(data: bytes, dice: random.Random) -> bytes:
    """`data` with a few bytes changed, cut, doubled, spiced or shuffled."""
    for _ in range(dice.randint(0, 4)):
        at = dice.randrange(len(data) + 1)
        to = min(len(data), at + dice.randint(0, 12))
        kind = dice.randrange(6)
        if kind == 0:
            data = data[:at] + dice.choice(SPICE) + data[at:]
        elif kind == 1:
            data = data[:at] + data[to:]
        elif kind == 2:
            data = data[:to] + data[at:]
        elif kind == 3:
            data = data[:at] + dice.randbytes(to - at) + data[to:]
        elif kind == 4:
            data = data[:at] + bytes(byte ^ (1 << dice.randrange(8)) for byte in data[at:to]) + data[to:]
        else:
            data += dice.choice(REQUESTS)
    return data or b"\0"


def send(wire: Wire, data: bytes, dice: random.Random) -> None:
    """In a few parts, sometimes left half said."""
    if dice.random() < 0.1:
        data = data[: dice.randrange(len(data) + 1)]
    cuts = sorted(dice.randrange(len(data) + 1) for _ in range(dice.randint(0, 3)))
    bounds = [0, *cuts, len(data)]
    wire.send(*(data[start:end] for start, end in pairwise(bounds)), pace=0)


def leave(wire: Wire, dice: random.Random) -> None:
    """Go: wait for an answer or not, in order or not."""
    kind = dice.randrange(4)
    if kind == 0:
        wire.reset()
        return
    with suppress(DeadlineError, OSError):
        if kind == 1:
            wire.half_close()
            wire.wait(lambda: False, "end", 0.2)
        elif kind == 2:
            wire.wait(lambda: wire.rest, "answer", 0.05)
    wire.close()


def everywhere(work: Callable[[random.Random], None]) -> None:
    """Do the work in many threads, each with its own seed."""
    failures: list[BaseException] = []

    def one(seed: int) -> None:
        try:
            dice = random.Random(seed)
            for _ in range(ROUNDS):
                work(dice)
        except BaseException as error:  # noqa: BLE001 - carried to the test
            failures.append(error)

    threads = [threading.Thread(target=one, args=(SEED + number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def well(product: Product) -> None:
    """It answers at once, with the processes that it started with."""
    for _ in range(10):
        started = time.monotonic()
        with RawClient(product.port) as client:
            assert client.exchange(request(start="GET /well HTTP/1.1")).status == 200
        assert time.monotonic() - started < 1
    product.check()


def bounded(product: Product, work: Callable[[], None]) -> None:
    """Do the work once to warm up and once to measure."""
    work()
    well(product)
    before = product.memory()
    work()
    well(product)
    assert product.memory() - before < GROWTH


def serve(asked: Message, connection: Wire) -> None:
    """A backend gone mad, but for the requests that ask whether all is well."""
    if asked.target == "/well":
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        return
    dice = random.Random(asked.target)
    send(connection, mutate(dice.choice(RESPONSES), dice), dice)
    if dice.random() < 0.8:
        leave(connection, dice)


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    short = {"head": "1s", "body_idle": "1s", "response_idle": "3s", "first_byte": "3s", "tunnel_idle": "1s"}
    with (
        RecordingBackend(serve) as backend,
        Product(proxying(backend.address, process={"workers": 2}, timeouts=short)) as running,
    ):
        yield running


def test_mutated_requests(product: Product) -> None:
    def work(dice: random.Random) -> None:
        client = RawClient(product.port)
        send(client, mutate(dice.choice(REQUESTS), dice), dice)
        leave(client, dice)

    bounded(product, lambda: everywhere(work))


def test_random_bytes(product: Product) -> None:
    def work(dice: random.Random) -> None:
        client = RawClient(product.port)
        send(client, dice.randbytes(dice.randint(1, 4000)), dice)
        leave(client, dice)

    bounded(product, lambda: everywhere(work))


def test_mutated_answers(product: Product) -> None:
    def work(dice: random.Random) -> None:
        client = RawClient(product.port)
        client.send(request(start=f"GET /{dice.getrandbits(48)} HTTP/1.1"))
        with suppress(DeadlineError):
            client.wait(lambda: client.rest, "answer", 0.1)
        leave(client, dice)

    bounded(product, lambda: everywhere(work))


def test_connections_that_say_nothing(product: Product) -> None:
    """A thousand at once, then all gone."""
    with ExitStack() as stack:
        clients = [stack.enter_context(RawClient(product.port)) for _ in range(1000)]
        well(product)
        for client in clients[::2]:
            client.reset()
    well(product)


def test_answers_are_right_in_the_middle_of_it(product: Product) -> None:
    """While garbage pours in, an ordinary client gets what it asked for."""
    stop = threading.Event()

    def disturb() -> None:
        dice = random.Random(SEED)
        while not stop.is_set():
            client = RawClient(product.port)
            send(client, mutate(dice.choice(REQUESTS), dice), dice)
            leave(client, dice)

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        with RawClient(product.port) as client:
            for _ in range(300):
                assert client.exchange(GET.replace(b"GET /", b"GET /well")).status == 200
    finally:
        stop.set()
        thread.join()
