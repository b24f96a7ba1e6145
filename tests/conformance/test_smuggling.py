"""No request reaches the backend in a form that it, or any other parser, could read as two.

RFC 9112 sections 2.2, 3.2, 5.1, 5.2, 6.1, 6.3, 7.1, 11.2. The corpus is in request_corpus.py.
"""

from __future__ import annotations

import pytest

from conformance.request_corpus import CASES, Case
from support import Product, RawClient, RecordingBackend
from support.readers import READERS, agree

BEHIND = b"GET /smuggled HTTP/1.1\r\nHost: smuggled.example\r\n\r\n"
SENTINEL = b"GET /sentinel HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def play(product: Product, backend: RecordingBackend, case: Case, *parts: bytes) -> None:
    """Send one case with a request behind it, and hold everything that came of it against the case."""
    backend.seen()
    with RawClient(product.port) as client:
        client.send(*parts, pace=0)
        responses = [client.final(to=case.data[:4].decode("latin-1").strip())]
        was_taken = bool(case.taken) and responses[0].status not in case.statuses
        if was_taken:
            responses += [client.final() for _ in case.taken]
            assert [response.status for response in responses] == [200] * len(responses)
        else:
            assert responses[0].status in case.statuses, responses[0]
            assert responses[0].get("Connection") == "close"
            client.expect_end()
    with RawClient(product.port) as sentinel:
        assert sentinel.exchange(SENTINEL).status == 200
    streams = backend.seen()
    if was_taken:
        assert_taken(streams, case)
    else:
        assert_untaken(streams, case)


def assert_taken(streams: list[bytes], case: Case) -> None:
    expected = [*case.taken, ("/smuggled", b""), ("/sentinel", b"")]
    assert sorted(requests(streams)) == sorted(expected)
    for stream in streams:
        lowered = stream.lower()
        assert b"http2-settings" not in lowered
        assert b"h2c" not in lowered


def assert_untaken(streams: list[bytes], case: Case) -> None:
    begun = [stream for stream in streams if b" /sentinel " not in stream]
    rest = [stream for stream in streams if b" /sentinel " in stream]
    assert requests(rest) == [("/sentinel", b"")]
    if case.begun:
        for stream in begun:
            for name, read in READERS.items():
                assert read(stream).ends == [], f"{name} reads a complete request in {stream!r}"
    else:
        assert begun == []


def requests(streams: list[bytes]) -> list[tuple[str, bytes]]:
    """Target and body of each request, on whose bounds all readers agree."""
    found = []
    for stream in streams:
        reading = agree(stream)
        assert reading.rest == b"", f"something is left over: {reading.rest!r}"
        starts = [0, *reading.ends[:-1]]
        for start, body in zip(starts, reading.bodies, strict=True):
            target = stream[start:].split(b" ", 2)[1].decode("latin-1")
            found.append((target, body))
    return found


@pytest.mark.parametrize("case", CASES, ids=str)
def test_whole(recorded: Product, recording: RecordingBackend, case: Case) -> None:
    """Everything in one segment."""
    play(recorded, recording, case, case.data + BEHIND)


@pytest.mark.parametrize("case", [case for case in CASES if len(case.data) < 1000], ids=str)
def test_split(recorded: Product, recording: RecordingBackend, case: Case) -> None:
    """Every byte on its own."""
    data = case.data + BEHIND
    play(recorded, recording, case, *(data[at : at + 1] for at in range(len(data))))
