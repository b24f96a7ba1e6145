"""What the load generators are told and what is read from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.load import BROWSER, Request, percentile, read_h2load_log
from benchmarks.processes import BenchError

if TYPE_CHECKING:
    from pathlib import Path


def test_request_has_twelve_fields_beside_host() -> None:
    head, _, body = Request("POST", "/upload", body_bytes=10).encode().partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /upload HTTP/1.1"
    assert lines[1] == "Host: www.example.com"
    assert lines[-1] == "Content-Length: 10"
    assert len(BROWSER) == 12
    assert len(lines) == 1 + 1 + 12 + 1
    assert body == b"x" * 10


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (0.999, 100), (0.001, 1)])
def test_percentile_is_a_value_that_was_seen(share: float, expected: int) -> None:
    assert percentile(list(range(1, 101)), share) == expected


def test_h2load_log_is_read_after_the_warm_up(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "1000000\t200\t900000\n"  # warm-up
        "2000000\t200\t100\n2500000\t200\t300\n2600000\t503\t200\n2700000\t-1\t5\n3000000\t200\t400\n"
    )
    outcome = read_h2load_log(log, warm_up_seconds=1)
    assert (outcome.requests, outcome.broken, outcome.refused) == (4, 1, 1)
    assert outcome.seconds == pytest.approx(1.0004)
    assert (outcome.p50_us, outcome.p999_us) == (200, 400)


def test_h2load_log_without_answers_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("1000000\t-1\t5\n")
    with pytest.raises(BenchError, match="no answer"):
        read_h2load_log(tmp_path / "log")
