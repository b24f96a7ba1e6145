"""What error_pages, respond and maintenance refuse to be set to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.middleware.builtin.error_pages import statuses_of
from headgate.middleware.description import CheckedWorker, instance_of
from headgate.middleware.resolution import class_of

PAGE = {"statuses": ["404"], "html": "x"}
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("error_pages", {"pages": [{"statuses": ["404"]}]}, "a page says nothing: write one of html, html_file"),
    ("error_pages", {"pages": [PAGE | {"html_file": "/x"}]}, "in a text and in a file: remove one"),
    ("error_pages", {"pages": [PAGE | {"statuses": ["304"]}]}, "'304' are no statuses of errors: write for"),
    ("error_pages", {"pages": [PAGE | {"statuses": ["599-500"]}]}, "ends before it begins: write 500-599"),
    ("respond", {"body": "a", "file": "/x"}, "a body and a file: remove one of them"),
    ("respond", {"body": "a", "status": 204}, "status 204 has no body: remove it"),
    ("respond", {"headers": {"X-A": "{b}"}}, "the value of X-A: there is no {b}"),
    ("respond", {"content_type": "text\r\nX-A: b"}, "the value of Content-Type has a control character"),
]


@pytest.mark.parametrize(("kind", "options", "reason"), BAD)
def test_what_cannot_be(kind: str, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        instance_of(class_of(kind), "it", options, CheckedWorker())


@pytest.mark.parametrize("key", ["html_file", "json_file"])
def test_files_that_cannot_be_read(tmp_path: Path, key: str) -> None:
    file = tmp_path / "page"
    options = {"pages": [{"statuses": ["404"], key: str(file)}]}
    with pytest.raises(OSError, match=re.escape(str(file))):
        instance_of(class_of("error_pages"), "it", options, CheckedWorker())
    file.write_bytes(b"\xff")
    with pytest.raises(ValueError, match="no text in UTF-8: invalid start byte at byte 0"):
        instance_of(class_of("error_pages"), "it", options, CheckedWorker())


@given(st.integers(400, 599), st.integers(0, 199))
def test_ranges(first: int, more: int) -> None:
    last = min(first + more, 599)
    assert statuses_of([f"{first}-{last}"]) == list(range(first, last + 1))
    assert statuses_of([str(first)]) == [first]
    assert first in statuses_of([f"{first // 100}xx"])


@given(st.text("0123456789x-", max_size=9))
def test_any_text(text: str) -> None:
    try:
        found = statuses_of([text])
    except ValueError:
        return
    assert found
    assert all(400 <= status <= 599 for status in found)
