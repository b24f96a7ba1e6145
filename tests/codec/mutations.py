"""Hypothesis strategies: messages of the corpus with a few bytes changed, where changes hurt."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from codec.corpus import Sample

# What parsers disagree about.
MORSELS = (
    b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b"\x0b", b"\x0c", b"\x7f", b"\x80", b"\xa0",
    b":", b";", b",", b"0", b"\r\n\r\n",
    b"Content-Length: 3\r\n", b"Content_Length: 3\r\n", b"Transfer_Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n",
    b"Connection: close\r\n", b"Host: b\r\n", b"Expect: 100-continue\r\n", b"0\r\n\r\n", b"1\r\na\r\n",
    b"GET / HTTP/1.1\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"ffffffffffffffff", b"HTTP/1.0", b"chunked",
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, samples: Sequence[Sample], changes: int = 4) -> tuple[Sample, bytes]:
    """A sample and its bytes after some changes: cut, doubled, swapped, with morsels put in."""
    sample = draw(st.sampled_from(samples))
    data = sample.data[:2048]
    for _ in range(draw(st.integers(0, changes))):
        place = draw(st.integers(0, len(data)))
        size = draw(st.integers(0, 16))
        match draw(st.sampled_from(("insert", "remove", "replace", "double", "splice", "flip"))):
            case "insert":
                data = data[:place] + draw(st.sampled_from(MORSELS)) + data[place:]
            case "remove":
                data = data[:place] + data[place + size :]
            case "replace":
                morsel = draw(st.sampled_from(MORSELS))
                data = data[:place] + morsel + data[place + len(morsel) :]
            case "double":
                data = data[:place] + data[place : place + size] + data[place:]
            case "splice":
                data = data[:place] + draw(st.sampled_from(samples)).data[:2048]
            case _:
                data = data[:place] + draw(st.binary(min_size=1, max_size=2)) + data[place + 1 :]
    return sample, data
