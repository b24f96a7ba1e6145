"""API keys."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.middleware import Reply
from headgate.middleware.builtin.api_key import ApiKey, moment_of
from headgate.spec import Secret
from support.hooks import Alone, exchange, made


def hashed(key: str) -> str:
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def keys(worker: Alone | None = None, **options: Any) -> Any:
    known = {
        "build": {"hash": Secret(hashed("right"))},
        "past": {"hash": Secret(hashed("old")), "expires": "2001-01-01"},
        "future": {"hash": Secret(hashed("new")), "expires": "2999-01-01T00:00:00+02:00"},
    }
    return made(ApiKey, {"keys": known, **options}, worker)


@pytest.mark.parametrize(("key", "user"), [("right", "build"), ("new", "future")])
def test_a_known_key_passes_and_is_named(key: str, user: str) -> None:
    seen = exchange({"X-Api-Key": key, "X-User": "root"})
    assert keys(user_header="X-User").on_request(seen) is None
    assert seen.user == seen.request.headers["x-user"] == user
    assert "x-api-key" not in seen.request.headers


def test_the_field_may_go_on() -> None:
    seen = exchange({"X-Api-Key": "right"})
    assert keys(remove_header=False).on_request(seen) is None
    assert seen.request.headers["x-api-key"] == "right"


def test_unknown_and_expired_keys_are_refused() -> None:
    worker = Alone()
    middleware = keys(worker)
    for fields in ({}, {"X-Api-Key": "wrong"}, {"X-Api-Key": hashed("right")}, {"X-Api-Key": ""}):
        seen = exchange(fields)
        reply = middleware.on_request(seen)
        assert isinstance(reply, Reply)
        assert (reply.status, seen.user) == (401, None)
        assert ("WWW-Authenticate", "ApiKey") in reply.fields
    reply = middleware.on_request(exchange({"X-Api-Key": "old"}))
    assert b"has expired" in reply.body
    assert worker.counts == {"refused": 4, "expired": 1}


def test_behind_bearer_in_authorization() -> None:
    middleware = keys(header="Authorization")
    assert middleware.on_request(exchange({"Authorization": "bearer right"})) is None
    reply = middleware.on_request(exchange({"Authorization": "Basic right"}))
    assert ("WWW-Authenticate", "Bearer") in reply.fields


def test_files_are_read_and_read_again(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# keys\nci {hashed('one')} 2999-01-01\nother {hashed('two')}\n")
    middleware = made(ApiKey, {"files": [str(file)]})
    for key in ("one", "two"):
        assert middleware.on_request(exchange({"X-Api-Key": key})) is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ci", "keys:1: a line has the form"),
        ("ci plain-text-key", "keys:1: the key of ci is no hash"),
        (f"ci {hashed('')}", "keys:1: the key of ci is empty"),
        (f"ci {hashed('a')} soon", "keys:1: 'soon' is no date"),
        (f"a {hashed('a')}\nb {hashed('a')}", "keys:2: b and a have the same key"),
    ],
)
def test_what_is_wrong_is_said_without_the_key(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "keys"
    file.write_text(line)
    with pytest.raises(ValueError, match=said) as caught:
        made(ApiKey, {"files": [str(file)]})
    assert "plain-text-key" not in str(caught.value)


def test_no_keys() -> None:
    with pytest.raises(ValueError, match="no key is known"):
        made(ApiKey, {})


@given(st.text())
def test_any_text_is_a_moment_or_refused(text: str) -> None:
    try:
        moment_of(text)
    except ValueError:
        return


TEXTS = st.text(st.characters(codec="latin-1"), min_size=1)


@given(TEXTS, TEXTS)
def test_only_the_key_itself_is_right(key: str, other: str) -> None:
    known = "sha256:" + hashlib.sha256(key.encode("latin-1")).hexdigest()
    middleware = made(ApiKey, {"keys": {"one": {"hash": Secret(known)}}})
    assert middleware.on_request(exchange({"X-Api-Key": key})) is None
    assert (middleware.on_request(exchange({"X-Api-Key": other})) is None) == (other == key)
