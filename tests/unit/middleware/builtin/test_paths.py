"""What middlewares for paths refuse to be set to, and what no address can do to them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.locations import Address, location
from headgate.middleware.builtin.prefixes import behind_prefix
from headgate.middleware.builtin.redirects import OtherPath
from headgate.middleware.description import CheckedWorker, instance_of
from headgate.middleware.resolution import class_of

BAD: list[tuple[str, dict[str, Any], str]] = [
    ("replace_path", {"path": "index.html"}, "begin with a slash: write for example"),
    ("replace_path", {"path": "/a?b"}, "write %3F"),
    ("rewrite", {"regex": "a"}, "neither path nor query: write"),
    (
        "rewrite",
        {"regex": "(?P<id>a)", "path": "/{name}"},
        "{name}, which the .* there are {1}, {id}, {path}",
    ),
    ("rewrite", {"regex": "a", "path": "b"}, "begin with a slash: write"),
    ("rewrite", {"regex": "a", "query": "a b"}, "write it percent-encoded"),
    ("redirect", {}, "leads to where the request was: write one of scheme, host"),
    ("redirect", {"path": "/{1}"}, "{1}, which"),
    ("redirect", {"path": "/", "status": 304}, "304 is not a status for a redirect: write 301, 302"),
    ("trailing_slash", {"action": "add", "status": 305}, "305 is not a status"),
]


@pytest.mark.parametrize(("kind", "options", "reason"), BAD)
def test_what_cannot_be(kind: str, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("{", r"\{")):
        instance_of(class_of(kind), "it", options, CheckedWorker())


@given(st.text("/ab"), st.text("/ab").map(lambda text: "/" + text.strip("/")))
def test_a_prefix_ends_at_a_segment(path: str, prefix: str) -> None:
    rest = behind_prefix(path, prefix.rstrip("/"))
    segments = prefix.rstrip("/").split("/")
    assert (rest is not None) == (path.split("/")[: len(segments)] == segments)
    assert rest is None or prefix.rstrip("/") + rest == path


@given(st.text(), st.text(), st.text())
def test_no_path_leads_to_another_host(path: str, name: str, query: str) -> None:
    asked = Address("http", "a.example", 8080, "/" + path, query)
    found = location(OtherPath("{name}{path}"), asked, {"name": name})
    assert found is not None
    assert found.startswith(b"http://a.example:8080/")
    assert all(0x21 <= byte < 0x7F for byte in found)
