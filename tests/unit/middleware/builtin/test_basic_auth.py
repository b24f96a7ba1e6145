"""Names and passwords."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from pathlib import Path
from typing import Any

import argon2
import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.middleware import Reply
from headgate.middleware.builtin import basic_auth
from headgate.middleware.builtin.basic_auth import BasicAuth, Users, check_of, credentials_of
from headgate.spec import Secret
from support.hooks import Alone, exchange, made

HASHES = {
    "bcrypt": bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode(),
    "argon2": argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("secret"),
}


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{name}:{password}".encode()).decode()}


def users(**options: Any) -> Any:
    worker = Alone()
    known = {"ann": Secret(HASHES["bcrypt"]), "bob": Secret(HASHES["argon2"])}
    return made(BasicAuth, {"users": known, **options}, worker), worker


async def outcome(middleware: BasicAuth, seen: Any) -> Reply | None:
    found = middleware.on_request(seen)
    return found if found is None or isinstance(found, Reply) else await found


@pytest.mark.parametrize("name", ["ann", "bob"])
async def test_the_right_password_is_hashed_once(name: str) -> None:
    middleware, worker = users(user_header="X-User", remove_authorization=True)
    for _ in range(3):
        seen = exchange(basic(name, "secret") | {"X-User": "root"})
        assert await outcome(middleware, seen) is None
        assert seen.user == seen.request.headers["x-user"] == name
        assert seen.request.headers.get("authorization") is None
    assert worker.counts == {"hashed": 1}
    assert "secret" not in repr(vars(middleware._files.value))


async def test_wrong_ones_are_refused_with_a_challenge() -> None:
    middleware, worker = users(realm='The "inner" ring')
    for fields in ({}, basic("ann", "Secret"), basic("nobody", "secret"), {"Authorization": "Bearer x"}):
        seen = exchange(fields)
        reply = await outcome(middleware, seen)
        assert isinstance(reply, Reply)
        assert (reply.status, seen.user) == (401, None)
        assert ("WWW-Authenticate", 'Basic realm="The \\"inner\\" ring", charset="UTF-8"') in reply.fields
    assert worker.counts == {"refused": 4, "hashed": 2}


async def test_nothing_is_remembered_longer_than_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    middleware, worker = users(remember=10.0)
    for now, hashed in ((1000.0, 1), (1009.0, 1), (1011.0, 2)):
        monkeypatch.setattr(Alone, "now", staticmethod(lambda now=now: now))
        assert await outcome(middleware, exchange(basic("ann", "secret"))) is None
        assert worker.counts["hashed"] == hashed


async def test_requests_with_the_same_credentials_wait_for_one_hash() -> None:
    middleware, worker = users()
    go = asyncio.Event()

    async def in_thread(function: Any, *args: Any) -> Any:
        await go.wait()
        return function(*args)

    worker.in_thread = in_thread
    tasks = [asyncio.ensure_future(outcome(middleware, exchange(basic("ann", "secret")))) for _ in range(5)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    go.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert found[1:] == [None] * 4
    assert worker.counts["hashed"] == 1


async def test_a_flood_of_wrong_passwords_does_not_pile_up() -> None:
    middleware, worker = users()
    go = asyncio.Event()

    async def in_thread(function: Any, *args: Any) -> Any:
        await go.wait()
        return False

    worker.in_thread = in_thread
    tasks = [
        asyncio.ensure_future(outcome(middleware, exchange(basic("ann", str(number)))))
        for number in range(40)
    ]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert worker.counts["busy"] == 8
    go.set()
    replies = [reply.status for reply in await asyncio.gather(*tasks) if reply is not None]
    assert sorted(replies) == [401] * 32 + [503] * 8


def test_unknown_names_are_hashed_too() -> None:
    asked: list[str] = []

    def check(name: str) -> basic_auth.Check:
        def compare(password: bytes) -> bool:
            asked.append(name)
            return password == b"secret"

        return compare

    found = Users({name: check(name) for name in ("ann", "bob")}, 300)
    assert not found.check("nobody", b"secret")
    assert not found.check("nobody", b"secret")
    assert len(asked) == 2
    assert asked[0] == asked[1], "always with the same hash"
    assert not Users({}, 300).check("nobody", b"secret")


def test_memory_is_bounded_and_forgets_the_oldest() -> None:
    found = Users({}, 300)
    for number in range(2000):
        found.remember(b"%d" % number, "ann", 0)
    assert found.known(b"0", 0) is None
    assert found.known(b"1999", 0) == "ann"
    assert len(found._until) == 1024


async def test_a_changed_file_forgets(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text(f"# staff\ncarl:{HASHES['bcrypt']}\n")
    middleware = made(BasicAuth, {"files": [str(file)]})
    assert await outcome(middleware, exchange(basic("carl", "secret"))) is None
    file.write_text("# nobody\n")
    middleware._files.due = 0.0
    assert await outcome(middleware, exchange(basic("carl", "secret"))) is not None


def test_a_longer_password_than_bcrypt_looks_at_is_wrong() -> None:
    long = "x" * 72
    check = check_of("ann", bcrypt.hashpw(long.encode(), bcrypt.gensalt(4)).decode())
    assert check(long.encode())
    assert not check(long.encode() + b"y")


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ("$apr1$abc$0123456789012345678901", "MD5"),
        ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "SHA-1"),
        ("rqXexS6ZhobKA", "no hash that is known"),
        ("secret", "no hash that is known"),
        ("$6$salt$hash", "crypt"),
        ("$argon2id$nonsense", "no hash of argon2"),
        ("", "no hash that is known"),
    ],
)
def test_weak_hashes_are_refused_and_not_shown(known: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        check_of("ann", known)
    assert not known or known not in str(caught.value)


def test_where_a_file_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("\nann\n")
    with pytest.raises(ValueError, match="users:2: a line has the form NAME:HASH"):
        made(BasicAuth, {"files": [str(file)]})
    with pytest.raises(ValueError, match="nobody can log in"):
        made(BasicAuth, {})
    with pytest.raises(ValueError, match="is no name of a user"):
        made(BasicAuth, {"users": {"a:b": Secret(HASHES["bcrypt"])}})


@given(
    st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters=":"), min_size=1), st.text()
)
def test_credentials_come_back(name: str, password: str) -> None:
    text = f"{name}:{password}".encode("utf-8", "ignore")
    found = credentials_of("bAsIc " + b64encode(text).decode())
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in password):
        assert found is None
    else:
        assert found == tuple(text.decode().split(":", 1))


@given(st.text())
def test_any_text_has_credentials_or_none(text: str) -> None:
    found = credentials_of("Basic " + text)
    assert found is None or (found[0] and ":" not in found[0])
