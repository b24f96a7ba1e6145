"""basic_auth."""

from __future__ import annotations

import asyncio
import binascii
import hmac
import re
import secrets
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from headgate.middleware import Exchange, Middleware, Reply, option
from headgate.middleware.files import WatchedFiles, lines_of
from headgate.middleware.options import Duration, FieldName, PrivateFile, Secret
from headgate.middleware.refusal import refusal
from headgate.middleware.texts import field_value, quoted

Check = Callable[[bytes], bool]

_REMEMBERED: Final = 1024
# So many passwords wait for a thread at once: a flood of wrong ones must not take all memory.
_WAITING: Final = 32
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_BCRYPT: Final = re.compile(r"\$2[aby]\$(0[4-9]|1\d|2\d|3[01])\$[./A-Za-z0-9]{53}")
_BCRYPT_BYTES: Final = 72
_WEAK: Final = {
    "$apr1$": "MD5 ($apr1$)",
    "$1$": "MD5 ($1$)",
    "{SHA}": "SHA-1 without salt",
    "$5$": "crypt ($5$)",
    "$6$": "crypt ($6$)",
}


def check_of(name: str, text: str) -> Check:
    """What compares a password with a hash. Raises ValueError, which never shows the hash."""
    if _BCRYPT.fullmatch(text):
        return _bcrypt(text.encode())
    if text.startswith("$argon2"):
        return _argon2(name, text)
    kind = next(
        (kind for start, kind in _WEAK.items() if text.startswith(start)), "no hash that is known here"
    )
    raise ValueError(
        f"the password of {name} is kept as {kind}: write a hash of bcrypt (`htpasswd -nB {name}`) or argon2"
    )


def _bcrypt(known: bytes) -> Check:
    try:
        import bcrypt
    except ImportError:
        raise ValueError("hashes of bcrypt need a package: install headgate[basic-auth]") from None

    def check(password: bytes) -> bool:
        # bcrypt looks at 72 bytes; a longer password that begins right is not right.
        right = bcrypt.checkpw(password[:_BCRYPT_BYTES], known)
        return right and len(password) <= _BCRYPT_BYTES

    return check


def _argon2(name: str, known: str) -> Check:
    try:
        import argon2
    except ImportError:
        raise ValueError("hashes of argon2 need a package: install headgate[basic-auth]") from None
    try:
        argon2.extract_parameters(known)
    except argon2.exceptions.InvalidHashError:
        raise ValueError(f"the password of {name} is kept as no hash of argon2: make one anew") from None
    hasher = argon2.PasswordHasher()

    def check(password: bytes) -> bool:
        try:
            return hasher.verify(known, password)
        except argon2.exceptions.VerificationError:
            return False

    return check


def credentials_of(value: str) -> tuple[str, str] | None:
    """Name and password of an Authorization field (RFC 7617 section 2); None when it has none."""
    scheme, _, encoded = value.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    name, colon, password = text.partition(":")
    return (name, password) if colon and name and not _CONTROL.search(text) else None


class Users:
    """Who may log in, and who did so just now. A changed file makes another one, so that nobody is remembered
    who was taken out of it.
    """

    def __init__(self, checks: Mapping[str, Check], remember: float) -> None:
        self._checks = checks
        self._names = sorted(checks)
        self._seconds = remember
        self._key = secrets.token_bytes(32)
        self._until: dict[bytes, tuple[float, str]] = {}

    def digest(self, value: str) -> bytes:
        """What credentials are remembered by. It gives no password away: the key dies with the process."""
        return hmac.digest(self._key, value.encode("latin-1"), "sha256")

    def known(self, digest: bytes, now: float) -> str | None:
        """Who has shown these credentials lately."""
        found = self._until.get(digest)
        return found[1] if found is not None and now < found[0] else None

    def remember(self, digest: bytes, name: str, now: float) -> None:
        """These credentials were right."""
        self._until.pop(digest, None)
        if len(self._until) >= _REMEMBERED:
            del self._until[next(iter(self._until))]
        self._until[digest] = (now + self._seconds, name)

    def check(self, name: str, password: bytes) -> bool:
        """Compare hashes, which takes long on purpose. For a name that is nobody's the password is compared
        with the hash of somebody, and always of the same one, so that time tells nothing about who there is.
        """
        check = self._checks.get(name)
        if check is not None:
            return check(password)
        if self._names:
            number = int.from_bytes(self.digest(repr(name)), "big") % len(self._names)
            self._checks[self._names[number]](password)
        return False


class BasicAuth(Middleware):
    """Ask for a name and a password (RFC 7617)."""

    @dataclass(frozen=True, slots=True)
    class Options:
        users: dict[str, Secret] = option(
            "Names, and hashes of passwords by bcrypt or argon2.",
            {},
            example={"ann": "$2b$12$GhvMmNVjRW29ulnudl.LbuAnUtN/LRfe1JsBm1Xu6LE3059z5Tr8m"},
        )
        files: tuple[PrivateFile, ...] = option(
            "Files as htpasswd writes them (`htpasswd -B`), read again when they change.",
            (),
            example=["users.htpasswd"],
        )
        realm: str = option("What the browser shows beside the question.", "Restricted")
        remember: Duration = option(
            "How long right credentials are remembered, so that not every request is hashed; `0s`: never.",
            300.0,
        )
        user_header: FieldName | None = option(
            "A field that names the user to the service.", None, example="X-User"
        )
        remove_authorization: bool = option(
            "Whether the service does not get the Authorization field.", False
        )

    counters: ClassVar[Mapping[str, str]] = {
        "refused": "Exchanges refused for want of the right name and password.",
        "hashed": "Passwords that were hashed because they were not remembered.",
        "busy": "Exchanges refused because too many passwords waited to be hashed.",
    }

    def prepare(self) -> None:
        if not self.options.users and not self.options.files:
            raise ValueError("nobody can log in: write `users`, `files` or both")
        challenge = f'Basic realm={quoted(self.options.realm)}, charset="UTF-8"'
        self._challenge = (("WWW-Authenticate", challenge),)
        self._checking: dict[bytes, asyncio.Task[bool]] = {}
        self._files = WatchedFiles(self.worker, self.options.files, self._users)

    async def close(self) -> None:
        self._files.close()
        for task in self._checking.values():
            task.cancel()

    def _users(self, contents: dict[str, bytes]) -> Users:
        checks = {}
        for name, known in self.options.users.items():
            if ":" in name or not name:
                raise ValueError(f"{name!r} is no name of a user: it is not empty and has no colon")
            checks[name] = check_of(name, known.text)
        for path, content in contents.items():
            for where, line in lines_of(path, content):
                name, colon, known = line.partition(":")
                if not colon or not name:
                    raise ValueError(f"{where}: a line has the form NAME:HASH")
                try:
                    checks[name] = check_of(name, known)
                except ValueError as error:
                    raise ValueError(f"{where}: {error}") from None
        return Users(checks, self.options.remember)

    def on_request(self, exchange: Exchange) -> Reply | Awaitable[Reply | None] | None:
        looking = self._files.look()
        if looking is not None:
            return self._later(looking, exchange)
        value = exchange.request.headers.get("authorization")
        if value is None:
            return self._refused(exchange)
        users = self._files.value
        digest = users.digest(value)
        name = users.known(digest, self.worker.now())
        if name is not None:
            self._welcome(exchange, name)
            return None
        return self._check(exchange, users, digest, value)

    async def _later(self, looking: Awaitable[None], exchange: Exchange) -> Reply | None:
        await looking
        outcome = self.on_request(exchange)
        return outcome if outcome is None or isinstance(outcome, Reply) else await outcome

    async def _check(self, exchange: Exchange, users: Users, digest: bytes, value: str) -> Reply | None:
        credentials = credentials_of(value)
        if credentials is None:
            return self._refused(exchange)
        task = self._checking.get(digest)
        if task is None:
            if len(self._checking) >= _WAITING:
                self.worker.count("busy")
                detail = "Too many passwords are being checked. Try again in a second."
                return refusal(exchange, 503, detail, (("Retry-After", "1"),))
            task = asyncio.get_running_loop().create_task(self._hash(users, digest, *credentials))
            self._checking[digest] = task
        # Not cancelled with this exchange: others may wait for it, and it is done in its thread anyway.
        if await asyncio.shield(task):
            self._welcome(exchange, credentials[0])
            return None
        return self._refused(exchange)

    async def _hash(self, users: Users, digest: bytes, name: str, password: str) -> bool:
        try:
            self.worker.count("hashed")
            right = await self.worker.in_thread(users.check, name, password.encode())
        finally:
            del self._checking[digest]
        if right and self.options.remember:
            users.remember(digest, name, self.worker.now())
        return right

    def _welcome(self, exchange: Exchange, name: str) -> None:
        exchange.user = name
        if self.options.remove_authorization:
            exchange.request.headers.pop("authorization")
        if self.options.user_header is not None:
            exchange.request.headers[self.options.user_header] = field_value(name)

    def _refused(self, exchange: Exchange) -> Reply:
        self.worker.count("refused")
        return refusal(
            exchange, 401, "Log in with a name and a password that are known here.", self._challenge
        )
