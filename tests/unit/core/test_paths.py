from __future__ import annotations

from itertools import product
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate.core.paths import PathRefused, normalise_path, path_pattern, path_policy

POLICIES = [
    path_policy(encoded_slash=slash, encoded_backslash=backslash, encoded_nul=nul)  # type: ignore[arg-type]
    for slash, backslash, nul in product(("keep", "reject", "decode"), ("reject", "keep"), ("reject", "keep"))
]
DECODE = path_policy(encoded_slash="decode")

# Pieces that matter to the rules, so that short lists of them meet every rule.
PIECES = [
    "/",
    ".",
    "..",
    "a",
    "B",
    "%2e",
    "%2E",
    "%2f",
    "%2F",
    "%5c",
    "%00",
    "%41",
    "%7E",
    "%25",
    "%c3",
    "//",
]
PIECES += ["%", "%4", "%zz", "\\", "é", ";", ":", "?", "#", " ", "\x7f", "\0"]
paths = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=12).map(lambda pieces: "/" + "".join(pieces)),
    st.text(max_size=20),
).map(lambda text: text.encode("utf-8", "replace"))


def reference(path: bytes) -> bytes:
    """RFC 3986 section 5.2.4, word for word."""
    given_, output = path, b""
    while given_:
        if given_.startswith(b"../"):
            given_ = given_[3:]
        elif given_.startswith((b"./", b"/./")):
            given_ = given_[2:]
        elif given_ == b"/.":
            given_ = b"/"
        elif given_.startswith(b"/../") or given_ == b"/..":
            given_ = b"/" + given_[4:]
            output = output[: output.rfind(b"/")] if b"/" in output else b""
        elif given_ in {b".", b".."}:
            given_ = b""
        else:
            end = given_.find(b"/", 1)
            end = len(given_) if end < 0 else end
            output += given_[:end]
            given_ = given_[end:]
    return output


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        ("/", "/"),
        ("", "/"),
        ("/a/b/c", "/a/b/c"),
        ("/a/b/c/./../../g", "/a/g"),
        ("/a/..", "/"),
        ("/a/.", "/a/"),
        ("/a/b/..", "/a/"),
        ("/..", "/"),
        ("/../../x", "/x"),
        ("/a//../b", "/a/b"),
        ("//a//b", "//a//b"),
        ("/.a/b./...", "/.a/b./..."),
        ("/a.b/c..d", "/a.b/c..d"),
        ("/%2e%2E/x", "/x"),
        ("/a/.%2e/b", "/b"),
        ("/%41%62%7e%2D", "/Ab~-"),
        ("/%c3%a9", "/%C3%A9"),
        ("/%252f%252e", "/%252f%252e"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%3Fb%23", "/a%3Fb%23"),
        ("/a;x=1/b:c@d", "/a;x=1/b:c@d"),
    ],
)
def test_one_form(path: str, normal: str) -> None:
    assert normalise_path(path.encode()) == normal.encode()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("a", "does not begin with a slash"),
        ("*", "does not begin with a slash"),
        ("/%", "malformed percent-encoding"),
        ("/%4", "malformed percent-encoding"),
        ("/%4g", "malformed percent-encoding"),
        ("/a\\b", "backslash"),
        ("/a%5cb", "backslash"),
        ("/%00", "NUL"),
        ("/a b", "may not stand there"),
        ("/a?b", "may not stand there"),
        ("/a#b", "may not stand there"),
        ("/a\x01", "may not stand there"),
        ("/a/..%2fb", "dot segment beside"),
        ("/a%2F../b", "dot segment beside"),
        ("/a%2f%2e", "dot segment beside"),
        ("/.%2Fa", "dot segment beside"),
    ],
)
def test_refused(path: str, reason: str) -> None:
    with pytest.raises(PathRefused, match=reason):
        normalise_path(path.encode())


@pytest.mark.parametrize(
    ("path", "normal"),
    [("/a%2fb", "/a/b"), ("/a%2F..%2fb", "/b"), ("/a/%2e%2e%2f%2e%2e%2fb", "/b"), ("/%252f", "/%252f")],
)
def test_slash_decoded(path: str, normal: str) -> None:
    assert normalise_path(path.encode(), DECODE) == normal.encode()


def test_slash_rejected() -> None:
    with pytest.raises(PathRefused, match="encoded slash"):
        normalise_path(b"/a%2fb", path_policy(encoded_slash="reject"))


def test_kept_by_policy() -> None:
    policy = path_policy(encoded_backslash="keep", encoded_nul="keep")
    assert normalise_path(b"/a%5cb%00", policy) == b"/a%5Cb%00"
    with pytest.raises(PathRefused, match="dot segment beside"):
        normalise_path(b"/a/..%5cb", policy)
    with pytest.raises(PathRefused, match="backslash"):
        normalise_path(b"/a\\b", policy)


def test_clean_path_is_returned_as_it_is() -> None:
    path = b"/static/app.2f3a.js"
    assert normalise_path(path) is path


@given(paths, st.sampled_from(POLICIES))
@example(b"/%2%35", 0)
@example(b"/a%2f/../..", DECODE)
def test_result_is_a_fixed_point_below_the_root(path: bytes, policy: int) -> None:
    try:
        normal = normalise_path(path, policy)
    except PathRefused:
        return
    assert normal.startswith(b"/")
    assert len(normal) <= max(len(path), 1)
    assert not {b".", b".."} & set(normal.split(b"/"))
    assert normalise_path(normal, policy) == normal


@given(paths)
def test_meaning_is_kept(path: bytes) -> None:
    """Decoded, the result is what RFC 3986 makes of the decoded segments."""
    try:
        normal = normalise_path(path)
    except PathRefused:
        return
    marked = path.replace(b"%2f", b"%2F").replace(b"%2F", b"\0")  # not a separator
    wanted = reference(unquote_to_bytes(marked)) if path else b"/"
    assert unquote_to_bytes(normal.replace(b"%2F", b"\0")) == wanted


@given(st.lists(st.sampled_from(["..", ".", "%2e", "%2e.", "a", "", "..."]), max_size=10))
def test_agrees_with_the_rfc(segments: list[str]) -> None:
    path = "/" + "/".join(segments)
    assert normalise_path(path.encode()) == reference(path.replace("%2e", ".").encode())


@pytest.mark.parametrize(
    ("written", "pattern"),
    [
        ("/v1", b"/v1"),
        ("/a b", b"/a%20b"),
        ("/café", b"/caf%C3%A9"),
        ("/%7euser", b"/~user"),
        ("/a%2fb", b"/a%2Fb"),
    ],
)
def test_pattern(written: str, pattern: bytes) -> None:
    assert path_pattern(written) == pattern


@pytest.mark.parametrize(
    ("written", "reason"),
    [("v1", "begin with a slash"), ("/a/../b", "write /b"), ("/a/.", "write /a/"), ("/%g", "percent")],
)
def test_pattern_refused(written: str, reason: str) -> None:
    with pytest.raises(PathRefused, match=reason):
        path_pattern(written)
