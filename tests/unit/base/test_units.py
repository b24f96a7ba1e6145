"""Durations, sizes and rates."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.base.errors import Refusal
from headgate.base.units import (
    format_byte_rate,
    format_duration,
    format_rate,
    format_size,
    parse_byte_rate,
    parse_duration,
    parse_rate,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5),
        ("250ms", 0.25),
        ("1m30s", 90),
        ("1h", 3600),
        ("1d", 86400),
        ("1.5s", 1.5),
        ("0s", 0),
        ("1h2m3s4ms", 3723.004),
        ("90s", 90),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "reason", "hint"),
    [
        ("30", "has no unit", "write 30s for seconds or 30ms for milliseconds"),
        ("1s1m", "names its units twice or not from the largest down", "write it like 1h30m or 1m30s"),
        ("1s1s", "names its units twice or not from the largest down", "write it like 1h30m or 1m30s"),
        *(
            (
                text,
                "is not a duration",
                "write numbers with units (d, h, m, s, ms), such as 5s, 250ms or 1m30s",
            )
            for text in ("", "s", "5 s", "-5s", "5S", "1w", "\u0665s", "5s\n", "1e3s")
        ),
    ],
)
def test_what_is_no_duration(text: str, reason: str, hint: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse_duration(text)
    assert (refusal.value.reason, refusal.value.hint) == (reason, hint)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("512B", 512),
        ("64KiB", 65536),
        ("1MiB", 1 << 20),
        ("10MB", 10_000_000),
        ("1.5KiB", 1536),
        ("2GiB", 2 << 30),
        ("1TB", 10**12),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("10M", "write 10MiB (powers of 1024) or 10MB (powers of 1000)"),
        ("10mb", "write 10MiB (powers of 1024) or 10MB (powers of 1000)"),
        ("1k", "write 1KiB (powers of 1024) or 1KB (powers of 1000)"),
        *(
            (text, "write a number of bytes, or a number with a unit, such as 512B, 64KiB, 1MiB or 10MB")
            for text in ("", "big", "-1", "1 MiB", "10 bytes", "10bytes", "0.5B", "1MiBs")
        ),
    ],
)
def test_what_is_no_size(text: str, hint: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse_size(text)
    assert refusal.value.hint == hint


@pytest.mark.parametrize(("text", "rate"), [("100/s", 100), ("600/m", 10), ("36/h", 0.01), ("0.5/s", 0.5)])
def test_rates(text: str, rate: float) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(("text", "rate"), [("240B/s", 240), ("240/s", 240), ("60KiB/m", 1024)])
def test_byte_rates(text: str, rate: float) -> None:
    assert parse_byte_rate(text) == rate


@pytest.mark.parametrize("parse", [parse_rate, parse_byte_rate])
@pytest.mark.parametrize("text", ["", "100", "/s", "100/", "100/d", "a/s", "100/s/s", "-1/s", "1x/s"])
def test_what_is_no_rate(parse: Callable[[str], float], text: str) -> None:
    with pytest.raises(Refusal, match="is not a rate"):
        parse(text)


@given(st.integers(0, 10**12))
def test_a_size_reads_as_it_was_written(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(st.integers(0, 10**9))
def test_a_duration_reads_as_it_was_written(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@given(st.integers(1, 10**6), st.sampled_from([1, 60, 3600]))
def test_a_rate_reads_as_it_was_written(count: int, seconds: int) -> None:
    assert parse_rate(format_rate(count / seconds)) == pytest.approx(count / seconds, rel=0.01)


@given(st.integers(1, 10**9))
def test_a_byte_rate_reads_as_it_was_written(rate: int) -> None:
    assert parse_byte_rate(format_byte_rate(rate)) == rate


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (format_duration(0), "0s"),
        (format_duration(90), "1m30s"),
        (format_duration(0.25), "250ms"),
        (format_duration(90061), "1d1h1m1s"),
        (format_duration(0.0005), "0.5ms"),
        (format_size(0), "0B"),
        (format_size(65536), "64KiB"),
        (format_size(10**7), "10MB"),
        (format_size(1000), "1KB"),
        (format_size(1025), "1025B"),
        (format_byte_rate(240.0), "240B/s"),
        (format_rate(0.5), "30/m"),
    ],
)
def test_written_for_people(shown: str, text: str) -> None:
    assert shown == text


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_duration, parse_size, parse_rate, parse_byte_rate):
        with suppress(Refusal):
            assert parse(text) >= 0
